package device

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// PCI is a PCI bus or a device on one (struct pci_bus and struct pci_dev,
// include/linux/pci.h).
type PCI struct {
	Addr vmcore.Addr
	Name string // such as 0000:00:1f.2, or 0000:00 for a bus
	// Of a device:
	Class          uint64 // the two upper bytes of its class code
	Vendor, Device uint64
	Type           string // of a PCI Express device, "PCI" for others; "" for a bus
	// Of a bus:
	Bus  bool
	Root bool // it is below no other
}

// maxBuses bounds the depth of PCI buses: their numbers are 8 bits.
const maxBuses = 256

// PCIDevices returns the PCI buses and, behind each, its devices.
func PCIDevices(k *kernel.Kernel) iter.Seq2[PCI, error] {
	return func(yield func(PCI, error) bool) {
		w := pciWalk{k: k, yield: yield, seen: make(map[vmcore.Addr]bool)}
		var err error
		if w.bus, err = k.Struct("pci_bus"); err == nil {
			w.dev, err = k.Struct("pci_dev")
		}
		var roots kernel.Value
		if err == nil {
			roots, err = k.ObjectOf("pci_root_buses", "list_head")
		}
		if err != nil {
			yield(PCI{}, err)
			return
		}
		w.buses(roots, 0)
	}
}

// pciWalk is a walk over the tree of buses.
type pciWalk struct {
	k        *kernel.Kernel
	bus, dev btf.Type
	seen     map[vmcore.Addr]bool
	yield    func(PCI, error) bool
}

// buses walks a list of buses, and reports whether to go on.
func (w *pciWalk) buses(head kernel.Value, depth int) bool {
	a, _ := head.Addr()
	for bus, err := range w.k.List(a, w.bus, "node") {
		if err != nil {
			return w.yield(PCI{}, fmt.Errorf("PCI buses: %w", err))
		}
		at, _ := bus.Addr()
		if w.seen[at] || depth > maxBuses {
			return w.yield(PCI{}, fmt.Errorf("PCI bus at %v is below itself", at))
		}
		w.seen[at] = true
		p := PCI{Addr: at, Bus: true, Root: depth == 0}
		p.Name, err = deviceName(bus)
		if !w.yield(p, nil) || err != nil && !w.yield(PCI{}, fmt.Errorf("PCI bus at %v: %w", at, err)) {
			return false
		}
		if !w.devices(bus) {
			return false
		}
		children, err := bus.Path("children")
		if err == nil && !w.buses(children, depth+1) || err != nil && !w.yield(PCI{}, err) {
			return false
		}
	}
	return true
}

// devices walks the devices of a bus.
func (w *pciWalk) devices(bus kernel.Value) bool {
	head, err := bus.Path("devices")
	if err != nil {
		return w.yield(PCI{}, err)
	}
	a, _ := head.Addr()
	for dev, err := range w.k.List(a, w.dev, "bus_list") {
		if err != nil {
			return w.yield(PCI{}, fmt.Errorf("PCI devices: %w", err))
		}
		p, err := readPCI(dev)
		if !w.yield(p, nil) || err != nil && !w.yield(PCI{}, fmt.Errorf("PCI device at %v: %w", p.Addr, err)) {
			return false
		}
	}
	return true
}

// pciTypes are the types of PCI Express devices, from the register with their
// capabilities (include/uapi/linux/pci_regs.h).
var pciTypes = map[uint64]string{
	0x0: "ENDPOINT", 0x1: "LEG_END", 0x4: "ROOT_PORT", 0x5: "UPSTREAM", 0x6: "DOWNSTREAM", 0x7: "PCI_BRIDGE", 0x8: "PCIE_BRIDGE",
	0x9: "RC_END", 0xa: "RC_EC",
}

func readPCI(dev kernel.Value) (PCI, error) {
	r := kernel.Reader{Value: dev}
	p := PCI{Class: r.Uint("class") >> 8, Vendor: r.Uint("vendor"), Device: r.Uint("device"), Type: "PCI"}
	p.Addr, _ = dev.Addr()
	if r.Uint("pcie_cap") != 0 { // where its registers are
		p.Type = pciTypes[r.Uint("pcie_flags_reg")>>4&0xf]
	}
	name, err := deviceName(dev)
	p.Name = name
	if r.Err == nil {
		r.Err = err
	}
	return p, r.Err
}

// deviceName returns what the struct device in an object is called.
func deviceName(v kernel.Value) (string, error) {
	for _, member := range []string{"dev.init_name", "dev.kobj.name"} {
		if p, err := v.UintAt(member); err != nil {
			return "", err
		} else if p != 0 {
			return v.StringAt(member)
		}
	}
	return "", nil
}
