package device

import (
	"fmt"
	"iter"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// BlockMajor is a major number of block devices that a driver took (struct
// blk_major_name, block/genhd.c).
type BlockMajor struct {
	Major int
	Name  string
}

// BlockMajors returns the major numbers of block devices in order, and what of
// them cannot be read.
func BlockMajors(k *kernel.Kernel) (list []BlockMajor, errs []error) {
	table, err := pointerTable(k, "major_names", "blk_major_name")
	if err != nil {
		return nil, []error{err}
	}
	for v, err := range chains(table) {
		r := kernel.Reader{Value: v, Err: err}
		if err == nil {
			list = append(list, BlockMajor{Major: int(r.Int("major")), Name: r.Text("name")})
		}
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("block devices: %w", r.Err))
		}
	}
	slices.SortStableFunc(list, func(a, b BlockMajor) int { return a.Major - b.Major })
	return list, errs
}

// Disk is a block device that is not a part of another (struct gendisk,
// include/linux/blkdev.h).
type Disk struct {
	Addr    vmcore.Addr
	Major   int
	Minor   int
	Name    string
	Queue   vmcore.Addr // struct request_queue
	Ops     vmcore.Addr // struct block_device_operations
	Sectors uint64      // of 512 bytes
	value   kernel.Value
}

// Disks returns the disks in the order in which they were found. One of which
// something cannot be read comes with what can, and the error after it.
func Disks(k *kernel.Kernel) iter.Seq2[Disk, error] {
	return func(yield func(Disk, error) bool) {
		for dev, err := range classDevices(k, "block_class") {
			var v kernel.Value
			whole := false
			if err == nil {
				v, whole, err = diskOf(dev)
			}
			if err != nil {
				if !yield(Disk{}, fmt.Errorf("disks: %w", err)) {
					return
				}
				continue
			}
			if !whole {
				continue
			}
			d, err := readDisk(v)
			if !yield(d, nil) {
				return
			}
			if err != nil && !yield(Disk{}, fmt.Errorf("disk at %v: %w", d.Addr, err)) {
				return
			}
		}
	}
}

// diskOf returns the struct gendisk of a struct device of the block class; whole
// is false for a partition. Linux kernel commit 0d02129e76ed ("block: merge
// struct block_device and struct hd_struct") (in v5.11) moved the device from
// the partition, of which the first is a part of the disk, to the block_device.
func diskOf(dev kernel.Value) (disk kernel.Value, whole bool, err error) {
	k := dev.Kernel()
	at, _ := dev.Addr()
	if bdev, err := k.Container(at, "block_device", "bd_device"); err == nil {
		disk, err := bdev.Path("bd_disk")
		if err != nil {
			return kernel.Value{}, false, err
		}
		if disk, err = disk.Deref(); err != nil {
			return kernel.Value{}, false, err
		}
		part0, err := disk.UintAt("part0")
		a, _ := bdev.Addr()
		return disk, vmcore.Addr(part0) == a, err
	}
	if disk, err = k.Container(at, "gendisk", "part0.__dev"); err != nil {
		return kernel.Value{}, false, err
	}
	partno, err := disk.UintAt("part0", "partno")
	return disk, err == nil && partno == 0, err
}

func readDisk(v kernel.Value) (Disk, error) {
	r := kernel.Reader{Value: v}
	d := Disk{
		Major: int(r.Int("major")), Minor: int(r.Int("first_minor")), Name: r.Text("disk_name"),
		Queue: r.Pointer("queue"), Ops: r.Pointer("fops"), value: v,
	}
	d.Addr, _ = v.Addr()
	size := []string{"part0", "bd_nr_sectors"} // Linux kernel commit 0d02129e76ed, as above
	if !v.Has(size...) {
		size[1] = "nr_sects"
	}
	d.Sectors = r.Uint(size...)
	return d, r.Err
}

// classDevices returns the struct devices of a class. What it holds is in a
// struct subsys_private that a list of all classes leads to: a struct class has
// no pointer to it any more since v6.4.
func classDevices(k *kernel.Kernel, name string) iter.Seq2[kernel.Value, error] {
	return func(yield func(kernel.Value, error) bool) {
		sp, err := classOf(k, name)
		if err != nil {
			yield(kernel.Value{}, err)
			return
		}
		t, err := k.Struct("device_private")
		if err != nil {
			yield(kernel.Value{}, err)
			return
		}
		head, err := sp.Path("klist_devices", "k_list")
		if err != nil {
			yield(kernel.Value{}, err)
			return
		}
		a, _ := head.Addr()
		for v, err := range k.List(a, t, "knode_class.n_node") {
			if err == nil {
				if v, err = v.Path("device"); err == nil {
					v, err = v.Deref()
				}
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// classOf returns the struct subsys_private of a class, which is on the list of
// class_kset.
func classOf(k *kernel.Kernel, name string) (kernel.Value, error) {
	kset, err := k.Struct("kset")
	if err != nil {
		return kernel.Value{}, err
	}
	sp, err := k.Struct("subsys_private")
	if err != nil {
		return kernel.Value{}, err
	}
	class, err := k.ObjectOf(name, "class")
	if err != nil {
		return kernel.Value{}, err
	}
	want, _ := class.Addr()
	all, err := k.Object("class_kset", &btf.Pointer{Target: kset})
	if err != nil {
		return kernel.Value{}, err
	}
	head, err := all.Path("list")
	if err != nil {
		return kernel.Value{}, err
	}
	a, _ := head.Addr()
	for v, err := range k.List(a, sp, "subsys.kobj.entry") {
		if err != nil {
			return kernel.Value{}, err
		}
		if c, err := v.UintAt("class"); err == nil && vmcore.Addr(c) == want {
			return v, nil
		}
	}
	return kernel.Value{}, &kernel.NotFoundError{What: "class", Name: name, In: "class_kset"}
}
