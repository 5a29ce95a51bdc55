package device

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Resource is a range of I/O ports or of physical memory that something has taken
// (struct resource, include/linux/ioport.h).
type Resource struct {
	Addr       vmcore.Addr
	Start, End uint64 // the last
	Name       string
	Depth      int // 0 for the whole, more for what lies in another
}

// Ports and Memory return the ranges that are taken, each followed by those that
// lie in it.
func Ports(k *kernel.Kernel) iter.Seq2[Resource, error]  { return resources(k, "ioport_resource") }
func Memory(k *kernel.Kernel) iter.Seq2[Resource, error] { return resources(k, "iomem_resource") }

const (
	maxResources = 1 << 20
	maxNesting   = 64
)

func resources(k *kernel.Kernel, root string) iter.Seq2[Resource, error] {
	return func(yield func(Resource, error) bool) {
		v, err := k.ObjectOf(root, "resource")
		if err != nil {
			yield(Resource{}, err)
			return
		}
		w := resourceWalk{yield: yield, seen: make(map[vmcore.Addr]bool)}
		w.visit(v, 0)
	}
}

type resourceWalk struct {
	yield func(Resource, error) bool
	seen  map[vmcore.Addr]bool
}

// visit yields a range, those in it, and those beside it, and reports whether to
// go on.
func (w *resourceWalk) visit(v kernel.Value, depth int) bool {
	for {
		a, _ := v.Addr()
		if a == 0 {
			return true
		}
		if w.seen[a] || depth > maxNesting || len(w.seen) == maxResources {
			return w.yield(Resource{}, fmt.Errorf("resource at %v is in the tree twice", a))
		}
		w.seen[a] = true
		r := kernel.Reader{Value: v}
		res := Resource{Addr: a, Start: r.Uint("start"), End: r.Uint("end"), Depth: depth}
		if r.Uint("name") != 0 {
			res.Name = r.Text("name")
		}
		if !w.yield(res, nil) {
			return false
		}
		child, sibling := r.Target("child"), r.Target("sibling")
		if r.Err != nil && !w.yield(Resource{}, fmt.Errorf("resource at %v: %w", a, r.Err)) {
			return false
		}
		if r.Err != nil {
			return true
		}
		if !w.visit(child, depth+1) {
			return false
		}
		v = sibling
	}
}
