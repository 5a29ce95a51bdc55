package cmds

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel/device"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "dev",
		Args: "[-i | -p | -d | -D]",
		Help: "show devices",
		Doc: `dev lists character devices with their struct cdev, and block devices with their
disks, and the operations of both.

    dev        character and block devices
    dev -i     I/O ports and I/O memory that are taken, and by whom
    dev -p     PCI buses and devices: address, number, class, vendor and device
    dev -d     disks, and their requests that are under way
    dev -D     those that have some`,
		Run: runDev,
	})
}

func runDev(ctx context.Context, env *Env, args string) error {
	opts, words, err := options("dev", args, "ipdD")
	switch {
	case err != nil:
		return err
	case len(words) > 0:
		return usage("dev", "dev takes options only")
	case opts.has('i'):
		return env.showResources(ctx)
	case opts.has('p'):
		return env.showPCI(ctx)
	case opts.has('d') || opts.has('D'):
		return env.showDisks(ctx, opts.has('D'))
	}
	if err := env.showCharDevices(ctx); err != nil {
		return err
	}
	if err := env.blank(); err != nil {
		return err
	}
	return env.showBlockDevices(ctx)
}

// charObject and blockObject are devices in JSON.
type charObject struct {
	Kind       string `json:"kind"` // "char"
	Major      int    `json:"major"`
	Minor      int    `json:"minor"`
	Count      int    `json:"count"`
	Name       string `json:"name"`
	CDev       string `json:"cdev,omitempty"`
	Operations string `json:"operations,omitempty"`
}

type blockObject struct {
	Kind       string `json:"kind"` // "block"
	Major      int    `json:"major"`
	Name       string `json:"name"`
	Disk       string `json:"disk,omitempty"`
	Gendisk    string `json:"gendisk,omitempty"`
	Operations string `json:"operations,omitempty"`
}

// symbolOr returns the symbol at an address, or the address if there is none.
func (e *Env) symbolOr(a vmcore.Addr) string {
	if s := e.Kernel.SymbolName(a); s != "" {
		return s
	}
	return hexAddr(a)
}

func (e *Env) showCharDevices(ctx context.Context) error {
	devices, errs := device.CharDevices(e.Kernel)
	header := []string{">CHRDEV", "NAME", "CDEV", "OPERATIONS"}
	return writeList(ctx, e, header, each(devices, errs), func(c device.Char) any {
		o := charObject{Kind: "char", Major: c.Major, Minor: c.Minor, Count: c.Count, Name: c.Name}
		if c.CDev != 0 {
			o.CDev, o.Operations = c.CDev.String(), e.symbolOr(c.Ops)
		}
		return o
	}, func(c device.Char) []string {
		row := []string{strconv.Itoa(c.Major), c.Name, "(none)", ""}
		if c.CDev != 0 {
			row[2], row[3] = hexAddr(c.CDev), e.symbolOr(c.Ops)
		}
		return row
	})
}

// blockDevice is a major number, and a disk that has it if there is one.
type blockDevice struct {
	device.BlockMajor
	disk *device.Disk
}

func (e *Env) showBlockDevices(ctx context.Context) error {
	majors, errs := device.BlockMajors(e.Kernel)
	var disks []device.Disk
	for d, err := range device.Disks(e.Kernel) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		disks = append(disks, d)
	}
	var blocks []blockDevice
	for _, m := range majors {
		n := len(blocks)
		for i := range disks {
			if disks[i].Major == m.Major {
				blocks = append(blocks, blockDevice{m, &disks[i]})
			}
		}
		if len(blocks) == n {
			blocks = append(blocks, blockDevice{m, nil})
		}
	}
	header := []string{">BLKDEV", "NAME", "GENDISK", "OPERATIONS", "DISK"}
	return writeList(ctx, e, header, each(blocks, errs), func(b blockDevice) any {
		o := blockObject{Kind: "block", Major: b.Major, Name: b.Name}
		if b.disk != nil {
			o.Disk, o.Gendisk, o.Operations = b.disk.Name, b.disk.Addr.String(), e.symbolOr(b.disk.Ops)
		}
		return o
	}, func(b blockDevice) []string {
		row := []string{strconv.Itoa(b.Major), b.Name, "(none)", "", ""}
		if b.disk != nil {
			row[2], row[3], row[4] = hexAddr(b.disk.Addr), e.symbolOr(b.disk.Ops), b.disk.Name
		}
		return row
	})
}

// diskLoad is a disk and its requests.
type diskLoad struct {
	device.Disk
	device.InFlight
}

func (l diskLoad) total() uint64 { return l.Reads + l.Writes }

// showDisks writes disks with their requests; those that have some if busy.
func (e *Env) showDisks(ctx context.Context, busy bool) error {
	var loads []diskLoad
	var errs []error
	for d, err := range device.Disks(e.Kernel) {
		var n device.InFlight
		if err == nil {
			if n, err = d.InFlight(); err != nil {
				err = fmt.Errorf("requests of %s: %w", d.Name, err)
			}
			loads = append(loads, diskLoad{d, n})
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if busy {
		loads = slices.DeleteFunc(loads, func(l diskLoad) bool { return l.total() == 0 })
	}
	header := []string{">MAJOR", "GENDISK", "NAME", "REQUEST_QUEUE", ">TOTAL", ">READ", ">WRITE"}
	return writeList(ctx, e, header, each(loads, errs), func(l diskLoad) any {
		return struct {
			Major   int    `json:"major"`
			Minor   int    `json:"minor"`
			Name    string `json:"name"`
			Gendisk string `json:"gendisk"`
			Queue   string `json:"request_queue"`
			Sectors uint64 `json:"sectors"`
			Reads   uint64 `json:"reads"`
			Writes  uint64 `json:"writes"`
		}{l.Major, l.Minor, l.Name, l.Addr.String(), l.Queue.String(), l.Sectors, l.Reads, l.Writes}
	}, func(l diskLoad) []string {
		number := func(u uint64) string { return strconv.FormatUint(u, 10) }
		return []string{
			strconv.Itoa(l.Major), hexAddr(l.Addr), l.Name, hexAddr(l.Queue), number(l.total()), number(l.Reads), number(l.Writes),
		}
	})
}

func (e *Env) showPCI(ctx context.Context) error {
	header := []string{"PCI DEV", "DO:BU:SL.FN", "CLASS", "PCI_ID", "TYPE"}
	return writeList(ctx, e, header, device.PCIDevices(e.Kernel), func(p device.PCI) any {
		type object struct {
			Address string `json:"address"`
			Name    string `json:"name"`
			Kind    string `json:"kind"`
			Class   string `json:"class,omitempty"`
			ID      string `json:"id,omitempty"`
			Type    string `json:"type,omitempty"`
		}
		if p.Bus {
			return object{Address: p.Addr.String(), Name: p.Name, Kind: "bus"}
		}
		return object{p.Addr.String(), p.Name, "device", pciClass(p), pciID(p), p.Type}
	}, func(p device.PCI) []string {
		if p.Bus {
			kind := "BUS"
			if p.Root {
				kind = "ROOT BUS"
			}
			return []string{hexAddr(p.Addr), p.Name, "", "", kind}
		}
		return []string{hexAddr(p.Addr), p.Name, pciClass(p), pciID(p), p.Type}
	})
}

func pciClass(p device.PCI) string { return fmt.Sprintf("%04x", p.Class) }
func pciID(p device.PCI) string    { return fmt.Sprintf("%04x:%04x", p.Vendor, p.Device) }

func (e *Env) showResources(ctx context.Context) error {
	if err := e.showRanges(ctx, "ports", 4, device.Ports(e.Kernel)); err != nil {
		return err
	}
	if err := e.blank(); err != nil {
		return err
	}
	return e.showRanges(ctx, "memory", 8, device.Memory(e.Kernel))
}

// showRanges writes ranges of ports or memory, as /proc/ioports and /proc/iomem
// have them.
func (e *Env) showRanges(ctx context.Context, kind string, digits int, ranges iter.Seq2[device.Resource, error]) error {
	return writeList(ctx, e, []string{"RESOURCE", ">RANGE", "NAME"}, ranges, func(r device.Resource) any {
		return struct {
			Kind    string `json:"kind"`
			Address string `json:"address"`
			Start   string `json:"start"`
			End     string `json:"end"`
			Name    string `json:"name"`
			Depth   int    `json:"depth"`
		}{kind, r.Addr.String(), vmcore.Addr(r.Start).String(), vmcore.Addr(r.End).String(), r.Name, r.Depth}
	}, func(r device.Resource) []string {
		span := fmt.Sprintf("%0*x-%0*x", digits, r.Start, digits, r.End)
		return []string{hexAddr(r.Addr), span, strings.Repeat("  ", r.Depth) + r.Name}
	})
}
