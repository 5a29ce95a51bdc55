package net_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel/kerneltest"
	"github.com/kdbg/kdbg/kernel/net"
	"github.com/kdbg/kdbg/vmcore"
)

// layouts are the structures that this package asks for, and those that lead to
// a task's files.
var layouts = []string{
	"list_head next:long prev:long",
	"in6_addr bytes:char[16]",
	"in_ifaddr ifa_next:in_ifaddr* ifa_local:int ifa_prefixlen:char",
	"in_device ifa_list:in_ifaddr*",
	"net_device dev_list:list_head name:char[16] ifindex:int mtu:int flags:int addr_len:char dev_addr:char* ip_ptr:in_device* type:short",
	"net dev_base_head:list_head",
	"nsproxy net_ns:net*",
	"qstr name:char*",
	"super_block s_type:long",
	"inode i_mode:long i_sb:super_block* i_ino:long i_private:long",
	"hlist_bl_node next:long pprev:long",
	"dentry d_parent:dentry* d_name:qstr d_inode:inode* d_hash:hlist_bl_node d_op:long d_sb:super_block*",
	"vfsmount mnt_root:dentry* mnt_sb:super_block*",
	"mount mnt_parent:mount* mnt_mountpoint:dentry* mnt:vfsmount",
	"path mnt:vfsmount* dentry:dentry*",
	"file f_path:path f_inode:inode* f_flags:long f_pos:long private_data:long",
	"fdtable max_fds:long fd:file** open_fds:long",
	"files_struct fdt:fdtable*",
	"task_struct files:files_struct* nsproxy:nsproxy*",
	"proto name:char[32]",
	"sock_common skc_daddr:int skc_rcv_saddr:int skc_dport:short skc_num:short skc_family:short skc_state:char skc_prot:proto* skc_v6_daddr:in6_addr skc_v6_rcv_saddr:in6_addr",
	"sock __sk_common:sock_common",
	"socket type:short sk:sock*",
	"unix_address len:int name:char[112]",
	"unix_sock sk:sock addr:unix_address* peer:sock*",
	"netlink_sock sk:sock portid:int dst_portid:int",
	"neigh_hash_table hash_buckets:long hash_shift:int",
	"neigh_table key_len:int nht:neigh_hash_table*",
	"neighbour next:neighbour* tbl:neigh_table* nud_state:char dev:net_device* ha:char[32] primary_key:char[16]",
}

const arpTable = kerneltest.Data + 0x100

func newWorld(t testing.TB) *kerneltest.World {
	return kerneltest.New(t, layouts, kallsymstest.Symbol{Addr: arpTable, Type: 'D', Name: "arp_tbl"})
}

// sock puts a struct sock of a family: its ports as they lie in memory.
func sock(w *kerneltest.World, family, state, localIP, remoteIP, localPort, remotePort uint64, v6 ...uint64) uint64 {
	proto := w.Text("PROTO")
	words := []uint64{remoteIP, localIP, remotePort, localPort, family, state, proto, 0, 0, 0, 0}
	copy(words[7:], v6)
	at := w.Room(0x200)
	w.Put(at, words...)
	return at
}

// unixName puts a struct unix_address with a name behind its family.
func unixName(w *kerneltest.World, size uint64, name string) uint64 {
	text := w.Text("\x01\x00" + name)
	at := w.Object(size)
	for i := range uint64(14) {
		w.Put(at+8+8*i, w.Memory[vmcore.Addr(text+8*i)])
	}
	return at
}

func TestSockets(t *testing.T) {
	w := newWorld(t)
	unix := func(name, peer uint64) uint64 {
		at := sock(w, 1, 1, 0, 0, 0, 0)
		w.Put(at+88, name, peer)
		return at
	}
	bound := unix(unixName(w, 2+11, "/run/x.sock"), 0)
	netlink := sock(w, 16, 7, 0, 0, 0, 0)
	w.Put(netlink+88, 123, 456)
	loopback6 := []uint64{0, 0, 0, 1 << 56} // ::, ::1
	var rows []string
	socks := []struct {
		what string
		sock uint64
		want string
	}{
		{"IPv4", sock(w, 2, 1, 0x0100007f, 0x08080808, 80, 0x3500), "INET 127.0.0.1:80 8.8.8.8:53 ESTABLISHED"},
		{"IPv6", sock(w, 10, 10, 0, 0, 22, 0, loopback6...), "INET6 [::1]:22 [::]:0 LISTEN"},
		{"a path", bound, "UNIX /run/x.sock  ESTABLISHED"},
		{"its peer", unix(0, bound), "UNIX  /run/x.sock ESTABLISHED"},
		{"an abstract name", unix(unixName(w, 2+5, "\x00abs\x1b"), 0), "UNIX @abs\x1b  ESTABLISHED"},
		{"a name that is too long", unix(unixName(w, 1<<30, "/x"), 0), "UNIX   ESTABLISHED"},
		{"a name that was left out", unix(uint64(kerneltest.Excluded), 0), "UNIX   ESTABLISHED, error"},
		{"netlink", netlink, "NETLINK 123 456 "},
		{"an unknown family", sock(w, 99, 1, 0, 0, 0, 0), "99   ESTABLISHED"},
		{"a state that is none", sock(w, 2, 200, 0, 0, 0, 0), "INET 0.0.0.0:0 0.0.0.0:0 "},
		{"no sock", 0, "   "},
		{"a sock that was left out", uint64(kerneltest.Excluded), "0 <excluded>"},
	}
	files, bitmap := w.Room(0x400), w.Object(1<<len(socks)-1)
	for i, s := range socks {
		root := w.Object(0, w.Text("x"), 0, 0, 1, 0, 0)
		w.Put(root, root)
		inode := w.Object(0o140777)
		mount := w.Room(0x100)
		w.Put(mount, mount, 0, root)
		w.Put(files+8*uint64(i), w.Object(mount+16, root, inode, 0, 0, w.Object(1, s.sock)))
	}
	task := w.Value("task_struct", w.Object(w.Object(w.Object(64, files, bitmap))))
	at := -1
	for s, err := range net.Sockets(task) {
		if err != nil {
			rows[at] += ", error"
			continue
		}
		at = s.FD
		rows = append(rows, strings.Join([]string{s.Family, s.Local, s.Remote, s.State}, " "))
	}
	for i, s := range socks {
		if i >= len(rows) || rows[i] != s.want && !strings.HasPrefix(s.want, "0 <") {
			t.Errorf("%s: %q, want %q", s.what, rows[min(i, len(rows)-1)], s.want)
		}
	}
	if !strings.HasSuffix(rows[len(rows)-1], "error") {
		t.Errorf("a sock that was left out: %q", rows[len(rows)-1])
	}
}

func TestDevices(t *testing.T) {
	w := newWorld(t)
	device := func(name string, addresses uint64) uint64 {
		at := w.Room(0x200)
		w.Put(at+16, w.Memory[vmcore.Addr(w.Text(name))])
		w.Put(at+32, 3, 1500, 1, 6, w.Object(0x0056341200005452), w.Object(addresses))
		return at
	}
	second := w.Object(0, 0x0200000a, 8)
	first := w.Object(second, 0x0100007f, 24)
	circle := w.Object(0, 0x0100007f, 24)
	w.Put(circle, circle)
	head := w.Object(0, 0)
	eth0, eth1 := device("eth0", first), device("eth1", circle)
	for _, tc := range []struct {
		what  string
		nodes []uint64
		want  string
	}{
		{"none", nil, ""},
		{"two addresses", []uint64{eth0}, "eth0 3 1500 true 52:54:00:00:12:34 [127.0.0.1/24 10.0.0.2/8]"},
		{"addresses in a circle", []uint64{eth1}, "eth1 3 1500 true 52:54:00:00:12:34 [127.0.0.1/24], error"},
		{"a list that leads astray", []uint64{eth0, 0xdead000000000100}, "eth0 3 1500 true 52:54:00:00:12:34 [127.0.0.1/24 10.0.0.2/8], error"},
	} {
		w.List(head, tc.nodes...)
		var got []string
		for d, err := range net.Devices(w.Value("net", head)) {
			if err != nil {
				got = append(got, "error")
				continue
			}
			got = append(got, fmt.Sprintf("%s %d %d %v %s %v", d.Name, d.Index, d.MTU, d.Up, d.Hardware, d.Addresses))
		}
		if text := strings.Join(got, ", "); text != tc.want {
			t.Errorf("%s: %s\nwant %s", tc.what, text, tc.want)
		}
	}
}

// Neighbours of kernels before v6.13 are linked by next.
func TestNeighbours(t *testing.T) {
	w := newWorld(t)
	device := w.Room(0x200)
	w.Put(device+16, w.Memory[vmcore.Addr(w.Text("eth0"))])
	w.Put(device+32, 0, 0, 0, 6, 0, 0, 1)
	table := uint64(arpTable)
	last := w.Object(0, table, 0x80, device, 0x0056341200005452, 0, 0, 0, 0x0100000a)
	first := w.Object(last, table, 0x02|0x04, device, 0x0056341200005452, 0, 0, 0, 0x0200000a)
	buckets := w.Object(0, first)
	w.Put(table, 4, w.Object(buckets, 1))
	var got []string
	for n, err := range net.Neighbours(w.Kernel) {
		if err != nil {
			t.Error(err)
		}
		got = append(got, fmt.Sprintf("%v %s %s %s %s", n.IP, n.Type, n.Hardware, n.Device, n.State))
	}
	want := "10.0.0.2 ETHER 52:54:00:00:12:34 eth0 REACHABLE|STALE, 10.0.0.1 ETHER 52:54:00:00:12:34 eth0 PERMANENT"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("%s\nwant %s", text, want)
	}
	w.Put(table, 4, w.Object(buckets, 60))
	for n, err := range net.Neighbours(w.Kernel) {
		if err == nil {
			t.Errorf("a table of 2^60 chains has %v", n)
		}
	}
}
