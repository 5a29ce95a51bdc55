package net

import (
	"fmt"
	"iter"
	"net"
	"net/netip"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Neighbour is another machine in a device's network, as ARP or neighbour
// discovery found it (struct neighbour, include/net/neighbour.h).
type Neighbour struct {
	Addr     vmcore.Addr
	IP       netip.Addr
	Type     string // of the device's hardware, such as "ETHER"
	Hardware string // the neighbour's address
	Device   string
	State    string // one or more of "REACHABLE", "STALE", "PERMANENT", …
}

// neighbourTables are the variables that hold IPv4's and IPv6's.
var neighbourTables = []string{"arp_tbl", "nd_tbl"}

// Neighbours returns the neighbours of all devices.
func Neighbours(k *kernel.Kernel) iter.Seq2[Neighbour, error] {
	return func(yield func(Neighbour, error) bool) {
		for _, name := range neighbourTables {
			table, err := k.ObjectOf(name, "neigh_table")
			if err != nil && kernel.ErrorKind(err) == kernel.KindNotFound {
				continue // no CONFIG_INET, or no CONFIG_IPV6
			}
			if err != nil {
				if !yield(Neighbour{}, fmt.Errorf("%s: %w", name, err)) {
					return
				}
				continue
			}
			for v, err := range entries(table) {
				var n Neighbour
				if err == nil {
					n, err = readNeighbour(v)
					if !yield(n, nil) {
						return
					}
				}
				if err != nil && !yield(Neighbour{}, fmt.Errorf("%s: %w", name, err)) {
					return
				}
			}
		}
	}
}

// maxBuckets bounds the logarithm of a hash table's size.
const maxBuckets = 24

// entries walks the hash table of neighbours. Its chains are hlists since Linux
// kernel commit 41b3caa7c076 ("neighbour: Add hlist_node to struct neighbour") and
// those after it (in v6.13), which renamed hash_buckets; before,
// next linked them, which is where their hlist_node is now: in front.
func entries(table kernel.Value) iter.Seq2[kernel.Value, error] {
	return func(yield func(kernel.Value, error) bool) {
		k := table.Kernel()
		t, err := k.Struct("neighbour")
		if err != nil {
			yield(kernel.Value{}, err)
			return
		}
		heads, link := "hash_buckets", "next"
		if table.Has("nht", "hash_heads") {
			heads, link = "hash_heads", "hash"
		}
		r := kernel.Reader{Value: table}
		shift, array := r.Uint("nht", "hash_shift"), r.Pointer("nht", heads)
		if r.Err == nil && shift > maxBuckets {
			r.Err = fmt.Errorf("the table has 2^%d chains", shift)
		}
		if r.Err != nil {
			yield(kernel.Value{}, r.Err)
			return
		}
		word := vmcore.Addr(k.Arch().Layout.WordSize)
		for i := range vmcore.Addr(1) << shift {
			for v, err := range k.HList(array+i*word, t, link) {
				if !yield(v, err) {
					return
				}
			}
		}
	}
}

// hardwareTypes names the commonest of include/uapi/linux/if_arp.h.
var hardwareTypes = map[uint64]string{
	1: "ETHER", 24: "IEEE1394", 32: "INFINIBAND", 512: "PPP", 768: "TUNNEL", 769: "TUNNEL6", 772: "LOOPBACK", 776: "SIT",
	778: "IPGRE", 801: "IEEE80211", 0xfffe: "NONE",
}

// neighbourStates are the bits of nud_state (include/uapi/linux/neighbour.h).
var neighbourStates = []string{"INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "NOARP", "PERMANENT"}

func readNeighbour(v kernel.Value) (Neighbour, error) {
	r := kernel.Reader{Value: v}
	n := Neighbour{
		Type:   named(hardwareTypes, r.Uint("dev", "type")),
		Device: r.Text("dev", "name"),
		State:  bitNames(r.Uint("nud_state"), neighbourStates),
	}
	n.Addr, _ = v.Addr()
	k := v.Kernel()
	keySize, hardwareSize := r.Uint("tbl", "key_len"), min(r.Uint("dev", "addr_len"), maxHardware)
	key, hardware := make([]byte, min(keySize, 16)), make([]byte, hardwareSize)
	if _, err := k.Memory().ReadMemory(key, r.AddrOf("primary_key")); err != nil && r.Err == nil {
		r.Err = err
	}
	n.IP, _ = netip.AddrFromSlice(key)
	if _, err := k.Memory().ReadMemory(hardware, r.AddrOf("ha")); err != nil && r.Err == nil {
		r.Err = err
	}
	n.Hardware = net.HardwareAddr(hardware).String()
	if r.Err != nil {
		return n, fmt.Errorf("neighbour at %v: %w", n.Addr, r.Err)
	}
	return n, nil
}

// bitNames names the bits that are set.
func bitNames(bits uint64, names []string) string {
	var set []string
	for i, name := range names {
		if bits>>i&1 != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, "|")
}
