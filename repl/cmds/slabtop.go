package cmds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
)

func init() {
	register(&Command{
		Name: "slabtop",
		Args: "[COUNT]",
		Help: "list the slab caches that hold the most memory",
		Doc: `slabtop shows the slab caches by the memory that their slabs take, the largest
first: COUNT of them, 20 if it is left out, 0 for all. USE is how many of a
cache's objects are in use. The last row is the sum of all caches.

    slabtop
    slabtop 5`,
		Run: runSlabtop,
	})
}

func runSlabtop(ctx context.Context, env *Env, args string) error {
	count := 20
	if args != "" {
		n, err := strconv.Atoi(args)
		if err != nil || n < 0 {
			return usage("slabtop", "slabtop takes a number of caches, not %q", args)
		}
		count = n
	}
	var caches []cacheObject
	for c := range sound(ctx, env, env.Memory.Caches()) {
		caches = append(caches, env.cacheObject(c))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	slices.SortStableFunc(caches, func(a, b cacheObject) int { return cmp.Compare(b.memory(), a.memory()) })
	sum := cacheObject{Name: fmt.Sprintf("(%d caches)", len(caches))}
	var memory uint64
	for _, c := range caches {
		sum.Allocated, sum.Total, sum.Slabs = sum.Allocated+c.Allocated, sum.Total+c.Total, sum.Slabs+c.Slabs
		memory += c.memory()
	}
	if count > 0 && count < len(caches) {
		caches = caches[:count]
	}
	var rows [][]string
	for _, c := range caches {
		if !env.JSON {
			rows = append(rows, c.topRow(c.memory()))
		} else if err := env.Object(topObject{c, c.memory()}); err != nil {
			return err
		}
	}
	if env.JSON {
		return nil
	}
	header := []string{">ALLOCATED", ">TOTAL", ">USE", ">OBJSIZE", ">SLABS", ">MEMORY", "NAME"}
	return writeTable(env.Out, header, append(rows, sum.topRow(memory)))
}

// topObject is a slab cache of slabtop in JSON.
type topObject struct {
	cacheObject
	Memory uint64 `json:"memory"` // bytes
}

// memory returns the bytes of a cache's slabs.
func (o cacheObject) memory() uint64 { return o.Slabs * o.SlabSize }

func (o cacheObject) topRow(memory uint64) []string {
	size := ""
	if o.ObjectSize > 0 {
		size = fmt.Sprint(o.ObjectSize)
	}
	return []string{
		fmt.Sprint(o.Allocated), fmt.Sprint(o.Total), fmt.Sprintf("%d%%", percent(o.Allocated, o.Total)), size,
		fmt.Sprint(o.Slabs), byteSize(memory), o.Name,
	}
}
