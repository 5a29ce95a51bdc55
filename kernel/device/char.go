package device

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Char is a range of numbers of character devices that a driver took (struct
// char_device_struct, fs/char_dev.c).
type Char struct {
	Major, Minor int // the first
	Count        int
	Name         string
	CDev         vmcore.Addr // struct cdev of the first number, 0 if there is none
	Ops          vmcore.Addr // its struct file_operations
}

// CharDevices returns the ranges of character devices by number, and what of
// them cannot be read.
func CharDevices(k *kernel.Kernel) (list []Char, errs []error) {
	table, err := pointerTable(k, "chrdevs", "char_device_struct")
	if err != nil {
		return nil, []error{err}
	}
	cdevs, err := readCDevs(k)
	if err != nil {
		errs = append(errs, fmt.Errorf("map of character devices: %w", err))
	}
	for v, err := range chains(table) {
		var c Char
		if err == nil {
			c, err = readChar(v, cdevs)
			list = append(list, c)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("character devices: %w", err))
		}
	}
	slices.SortStableFunc(list, func(a, b Char) int { return cmp.Or(cmp.Compare(a.Major, b.Major), cmp.Compare(a.Minor, b.Minor)) })
	return list, errs
}

func readChar(v kernel.Value, cdevs []cdevRange) (Char, error) {
	r := kernel.Reader{Value: v}
	c := Char{
		Major: int(r.Uint("major")), Minor: int(r.Uint("baseminor")), Count: int(r.Int("minorct")),
		Name: r.Text("name"), CDev: r.Pointer("cdev"),
	}
	if c.CDev == 0 {
		c.CDev = find(cdevs, uint64(c.Major)<<20|uint64(c.Minor))
	}
	if c.CDev != 0 {
		t, err := v.Kernel().Struct("cdev")
		if err != nil {
			return c, err
		}
		ops, err := v.Kernel().At(c.CDev, t).UintAt("ops")
		if err != nil {
			return c, fmt.Errorf("cdev at %v: %w", c.CDev, err)
		}
		c.Ops = vmcore.Addr(ops)
	}
	return c, r.Err
}

// cdevRange is a range of numbers that opens a struct cdev (struct probe,
// drivers/base/map.c).
type cdevRange struct {
	first, count uint64
	cdev         vmcore.Addr
}

// readCDevs reads cdev_map.
func readCDevs(k *kernel.Kernel) ([]cdevRange, error) {
	t, err := k.Struct("kobj_map")
	if err != nil {
		return nil, err
	}
	p, err := k.Object("cdev_map", &btf.Pointer{Target: t})
	if err != nil {
		return nil, err
	}
	probes, err := p.Path("probes")
	if err != nil {
		return nil, err
	}
	var list []cdevRange
	for v, err := range chains(probes) {
		if err != nil {
			return list, err
		}
		r := kernel.Reader{Value: v}
		c := cdevRange{r.Uint("dev"), r.Uint("range"), r.Pointer("data")}
		if r.Err != nil {
			return list, r.Err
		}
		if c.cdev != 0 { // 0: what loads modules for numbers that nobody took
			list = append(list, c)
		}
	}
	return list, nil
}

// find returns the cdev of a number: of several ranges, the smallest.
func find(cdevs []cdevRange, dev uint64) vmcore.Addr {
	var best cdevRange
	for _, c := range cdevs {
		if c.first <= dev && dev-c.first < c.count && (best.cdev == 0 || c.count < best.count) {
			best = c
		}
	}
	return best.cdev
}
