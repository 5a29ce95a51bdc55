// Package net reads the network of a dumped kernel: devices and their addresses,
// neighbours, and the sockets of tasks.
//
// It does not own the files that sockets are behind, which are of package
// kernel/fs, nor packets. The command net is above it.
package net

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Device is a network device (struct net_device, include/linux/netdevice.h).
type Device struct {
	Addr      vmcore.Addr
	Name      string
	Index     int
	MTU       uint64
	Up        bool
	Hardware  string // its address in its network, such as 52:54:00:12:34:56
	Addresses []netip.Prefix
}

// Namespace returns the network namespace (struct net) of a task, a struct
// task_struct; that of the kernel itself if task is the zero Value.
func Namespace(k *kernel.Kernel, task kernel.Value) (kernel.Value, error) {
	if task.Type() == nil {
		return k.ObjectOf("init_net", "net")
	}
	proxy, err := task.UintAt("nsproxy")
	if err != nil {
		return kernel.Value{}, err
	}
	if proxy == 0 {
		return kernel.Value{}, &kernel.NotFoundError{What: "network namespace", Name: "net_ns", In: "a task that has exited"}
	}
	ns, err := task.Path("nsproxy", "net_ns")
	if err != nil {
		return kernel.Value{}, err
	}
	return ns.Deref()
}

// Devices returns the network devices of a namespace, in the kernel's order. One
// of which something cannot be read comes with what can, and the error after it.
func Devices(ns kernel.Value) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		t, err := ns.Kernel().Struct("net_device")
		if err != nil {
			yield(Device{}, err)
			return
		}
		head, err := ns.Path("dev_base_head")
		if err != nil {
			yield(Device{}, err)
			return
		}
		a, _ := head.Addr()
		for v, err := range ns.Kernel().List(a, t, "dev_list") {
			if err != nil {
				yield(Device{}, fmt.Errorf("network devices: %w", err))
				return
			}
			d, err := readDevice(v)
			if !yield(d, nil) {
				return
			}
			if err != nil && !yield(Device{}, fmt.Errorf("network device at %v: %w", d.Addr, err)) {
				return
			}
		}
	}
}

// interfaceUp is IFF_UP of include/uapi/linux/if.h.
const interfaceUp = 1

func readDevice(v kernel.Value) (Device, error) {
	r := kernel.Reader{Value: v}
	d := Device{
		Name:  r.Text("name"),
		Index: int(r.Int("ifindex")),
		MTU:   r.Uint("mtu"),
		Up:    r.Uint("flags")&interfaceUp != 0,
	}
	d.Addr, _ = v.Addr()
	errs := []error{r.Err}
	if v.Has("dev_addr") {
		var err error
		d.Hardware, err = hardwareAddress(v)
		errs = append(errs, err)
	}
	for _, read := range []func(kernel.Value) ([]netip.Prefix, error){inetAddresses, inet6Addresses} {
		list, err := read(v)
		d.Addresses = append(d.Addresses, list...)
		errs = append(errs, err)
	}
	return d, errors.Join(errs...)
}

// maxHardware is MAX_ADDR_LEN of include/linux/netdevice.h.
const maxHardware = 32

// hardwareAddress returns what a device is called in its network.
func hardwareAddress(dev kernel.Value) (string, error) {
	r := kernel.Reader{Value: dev}
	size, a := r.Uint("addr_len"), r.Pointer("dev_addr")
	if r.Err != nil || size == 0 || size > maxHardware {
		return "", r.Err
	}
	b := make([]byte, size)
	_, err := dev.Kernel().Memory().ReadMemory(b, a)
	return net.HardwareAddr(b).String(), err
}

// maxAddresses bounds the addresses of one device.
const maxAddresses = 1 << 16

// inetAddresses returns the IPv4 addresses of a device: struct in_ifaddr of
// include/linux/inetdevice.h.
func inetAddresses(dev kernel.Value) ([]netip.Prefix, error) {
	if !dev.Has("ip_ptr", "ifa_list") {
		return nil, nil // CONFIG_INET is not set
	}
	if p, err := dev.UintAt("ip_ptr"); err != nil || p == 0 {
		return nil, err
	}
	next, err := dev.Path("ip_ptr", "ifa_list")
	var list []netip.Prefix
	seen := make(map[vmcore.Addr]bool)
	for err == nil {
		var ifa kernel.Value
		if ifa, err = next.Deref(); err != nil {
			break
		}
		a, _ := ifa.Addr()
		if a == 0 {
			return list, nil
		}
		if seen[a] || len(list) == maxAddresses {
			err = fmt.Errorf("the list comes back to %v", a)
			break
		}
		seen[a] = true
		var p netip.Prefix
		if p, err = prefix(ifa, "ifa_local", "ifa_prefixlen"); err != nil {
			break
		}
		list = append(list, p)
		next, err = ifa.Path("ifa_next")
	}
	return list, fmt.Errorf("IPv4 addresses: %w", err)
}

// inet6Addresses returns the IPv6 addresses of a device: struct inet6_ifaddr of
// include/net/if_inet6.h.
func inet6Addresses(dev kernel.Value) ([]netip.Prefix, error) {
	if !dev.Has("ip6_ptr", "addr_list") {
		return nil, nil // CONFIG_IPV6 is not set, or in a module that is not loaded
	}
	if p, err := dev.UintAt("ip6_ptr"); err != nil || p == 0 {
		return nil, err
	}
	head, err := dev.Path("ip6_ptr", "addr_list")
	if err != nil {
		return nil, err
	}
	t, err := dev.Kernel().Struct("inet6_ifaddr")
	if err != nil {
		return nil, err
	}
	a, _ := head.Addr()
	var list []netip.Prefix
	for ifa, err := range dev.Kernel().List(a, t, "if_list") {
		var p netip.Prefix
		if err == nil {
			p, err = prefix(ifa, "addr", "prefix_len")
		}
		if err != nil || len(list) == maxAddresses {
			return list, fmt.Errorf("IPv6 addresses: %w", err)
		}
		list = append(list, p)
	}
	return list, nil
}

// prefix reads an address and the length of its network's part.
func prefix(v kernel.Value, addr, length string) (netip.Prefix, error) {
	a, err := address(v, addr)
	if err != nil {
		return netip.Prefix{}, err
	}
	bits, err := v.UintAt(length)
	return netip.PrefixFrom(a, int(min(bits, uint64(a.BitLen())))), err
}

// address reads an address of 4 or 16 bytes, which are in the order of the
// network on every machine.
func address(v kernel.Value, members ...string) (netip.Addr, error) {
	m, err := v.Path(members...)
	if err != nil {
		return netip.Addr{}, err
	}
	b, err := m.Bytes()
	if err != nil {
		return netip.Addr{}, err
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, fmt.Errorf("%s is no address", m.TypeName())
	}
	return a, nil
}
