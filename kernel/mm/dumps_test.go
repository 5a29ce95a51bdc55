package mm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/vmcore"
)

var dumps = []string{"debian-6.12-amd64", "vars-7.2-amd64", "crash-7.2-amd64"}

// TestCachesCrash compares slab caches with what crash 9.0.2 prints for kmem -s on
// this dump, with the kernel's DWARF. All 203 caches were the same; these are the
// largest, and one with more than a page for each slab.
func TestCachesCrash(t *testing.T) {
	m := mm.New(openDump(t, "debian-6.12-amd64"))
	want := []string{
		"ff16c475c11e2700 752 407 441 21 16k shmem_inode_cache",
		"ff16c475c11e2800 136 13337 13380 446 4k kernfs_node_cache",
		"ff16c475c11e2500 192 1199 1218 58 4k dentry",
		"ff16c475c11d9900 8392 68 90 30 32k task_struct",
		"ff16c475c1034c00 2048 132 144 9 32k kmalloc-2k",
		"ff16c475c1034700 64 1514 1600 25 4k kmalloc-64",
	}
	var got []string
	count := 0
	for c, err := range m.Caches() {
		if err != nil {
			t.Fatal(err)
		}
		use, errs := m.Use(c)
		for _, err := range errs {
			t.Error(err)
		}
		count++
		line := fmt.Sprintf("%x %d %d %d %d %dk %s", uint64(c.Addr), c.ObjectSize, use.InUse, use.Objects, use.Slabs, c.SlabSize>>10, c.Name)
		for _, w := range want {
			if strings.HasSuffix(w, " "+c.Name) {
				got = append(got, line)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-crash +got):\n%s", diff)
	}
	if count != 203 {
		t.Errorf("%d caches, want 203", count)
	}
}

// TestCachesPages counts the objects of each cache in two ways: by the counters of
// its nodes and the lists of slabs with free objects, and by the pages of the
// machine and every object in them.
func TestCachesPages(t *testing.T) {
	for _, dump := range dumps {
		t.Run(dump, func(t *testing.T) {
			m := mm.New(openDump(t, dump))
			for c, err := range m.Caches() {
				if err != nil {
					t.Fatal(err)
				}
				use, errs := m.Use(c)
				slabs, moreErrs := m.SlabsOf(c)
				for _, err := range append(errs, moreErrs...) {
					t.Error(err)
				}
				taken := m.Taken(c)
				byPage := mm.CacheUse{Slabs: uint64(len(slabs))}
				for _, p := range slabs {
					objects, err := m.Objects(c, p.Slab, taken)
					if err != nil {
						t.Error(err)
					}
					byPage.Objects += uint64(len(objects))
					for _, o := range objects {
						if !o.Free {
							byPage.InUse++
						}
					}
				}
				if use != byPage {
					t.Errorf("%s: %+v by its lists, %+v by pages", c.Name, use, byPage)
				}
			}
		})
	}
}

// TestFree counts free memory in three ways: by the counter, which lags behind by
// what each CPU has counted for itself, by the lists of free blocks, and by the
// pages that say that they begin one.
func TestFree(t *testing.T) {
	for _, dump := range dumps {
		t.Run(dump, func(t *testing.T) {
			m := mm.New(openDump(t, dump))
			u, errs := m.Usage()
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			var onLists, byPage uint64
			for z, err := range m.Zones() {
				if err != nil {
					t.Fatal(err)
				}
				for f, err := range m.FreeLists(z) {
					if err != nil {
						t.Fatal(err)
					}
					onLists += f.Pages()
				}
			}
			for p, err := range m.Pages(0, ^uint64(0)) {
				if err != nil {
					t.Fatal(err)
				}
				if names := m.FlagNames(p); len(names) > 0 && names[len(names)-1] == "buddy" {
					byPage += 1 << p.Private
				}
			}
			if onLists != byPage || max(onLists, u.Free)-min(onLists, u.Free) > 16 {
				t.Errorf("%d pages are free, %d on lists, %d by their structures", u.Free, onLists, byPage)
			}
		})
	}
}

// TestUsage compares with what crash 9.0.2 prints for kmem -i on this dump, but
// for the committed memory, of which it leaves out what CPUs have counted.
func TestUsage(t *testing.T) {
	m := mm.New(openDump(t, "debian-6.12-amd64"))
	got, errs := m.Usage()
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := mm.Usage{Total: 54224, Free: 43224, Cached: 4806, Slab: 2620, CommitLimit: 27112, Committed: 5226}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestContents adds up what a program has in memory page by page and compares with
// what the kernel counts; crash 9.0.2 shows the same for vm and vm -p of each program
// of the first dump.
func TestContents(t *testing.T) {
	for _, dump := range dumps {
		t.Run(dump, func(t *testing.T) {
			k := openDump(t, dump)
			m := mm.New(k)
			zero, err := k.Space().Translate(k.Lookup("empty_zero_page")[0].Addr)
			if err != nil {
				t.Fatal(err)
			}
			programs := 0
			for task, err := range k.Tasks() {
				if err != nil {
					t.Fatal(err)
				}
				mem, ok, err := task.MM()
				if err != nil {
					t.Fatal(err)
				}
				if !ok || !task.Leader() {
					continue
				}
				programs++
				space, err := m.TaskSpace(task)
				if err != nil {
					t.Fatal(err)
				}
				var mapped, resident uint64
				for v, err := range m.VMAs(mem) {
					if err != nil {
						t.Fatal(err)
					}
					mapped += uint64(v.End - v.Start)
					size := uint64(0)
					for run, err := range m.Contents(space, v) {
						if err != nil {
							t.Fatal(err)
						}
						if size += run.Size; run.Err == nil {
							resident += run.Size
						}
						if run.Err == nil && run.Phys <= zero.Phys && zero.Phys < run.Phys+vmcore.PhysAddr(run.Size) {
							resident -= m.PageSize() // a page of zeros that all share is not counted
						}
					}
					if size != uint64(v.End-v.Start) {
						t.Errorf("task %d: VMA at %v has %d bytes, its contents %d", task.PID, v.Addr, v.End-v.Start, size)
					}
				}
				used, err := task.Memory()
				if err != nil {
					t.Fatal(err)
				}
				if mapped != used.Virtual {
					t.Errorf("task %d: VMAs of %d bytes, the kernel counts %d", task.PID, mapped, used.Virtual)
				}
				if resident != used.Resident {
					t.Errorf("task %d: %d bytes are in memory, the kernel counts %d", task.PID, resident, used.Resident)
				}
			}
			if programs == 0 {
				t.Error("no programs")
			}
		})
	}
}
