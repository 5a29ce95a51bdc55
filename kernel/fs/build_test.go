package fs_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// A kernel with structures that have no more than what this package asks for, of
// words of 8 bytes, and memory to put them into.
const (
	tables   vmcore.Addr = 0xffffffff81800000
	base     vmcore.Addr = 0xffff888000000000
	excluded vmcore.Addr = base + 0x100000 // a page that a filter left out
	pipeName vmcore.Addr = 0xffffffff81000100
	newName  vmcore.Addr = 0xffffffff81000200 // a function that this package does not know
)

// memory is words by their addresses. What is not there is zero, but for excluded.
type memory map[vmcore.Addr]uint64

func (m memory) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	for i := range p {
		at := a + vmcore.Addr(i)
		if at >= excluded && at < excluded+0x1000 {
			return i, &vmcore.FaultError{Addr: at, State: vmcore.Excluded}
		}
		if at < base || at > base+0x10000000 {
			return i, &vmcore.FaultError{Addr: at, State: vmcore.Unmapped}
		}
		p[i] = byte(m[at&^7] >> (8 * (at & 7)))
	}
	return len(p), nil
}

func (m memory) put(at vmcore.Addr, words ...uint64) {
	for i, w := range words {
		m[at+8*vmcore.Addr(i)] = w
	}
}

// text puts a string, and returns where.
func (m memory) text(at vmcore.Addr, s string) uint64 {
	b := append([]byte(s), make([]byte, 16)...)
	for i := 0; i+8 <= len(b); i += 8 {
		m[at+vmcore.Addr(i)] = binary.LittleEndian.Uint64(b[i:])
	}
	return uint64(at)
}

// layouts are the structures: members by name and type, each 8 bytes or as long
// as its structure.
var layouts = []string{
	"qstr name:char*",
	"hlist_bl_node next:long pprev:long",
	"list_head next:long prev:long",
	"file_system_type name:char*",
	"super_block s_type:file_system_type* s_root:dentry*",
	"address_space nrpages:long",
	"inode i_mode:long i_ino:long i_sb:super_block* i_private:long i_mapping:address_space*",
	"dentry_operations d_dname:long",
	"dentry d_parent:dentry* d_name:qstr d_inode:inode* d_hash:hlist_bl_node d_op:dentry_operations* d_sb:super_block*",
	"vfsmount mnt_root:dentry* mnt_sb:super_block*",
	"mount mnt_parent:mount* mnt_mountpoint:dentry* mnt:vfsmount mnt_devname:char* mnt_list:list_head",
	"path mnt:vfsmount* dentry:dentry*",
	"file f_path:path f_inode:inode* f_flags:long f_pos:long",
	"fdtable max_fds:long fd:file** open_fds:long",
	"files_struct fdt:fdtable*",
	"fs_struct root:path pwd:path",
	"mnt_namespace list:list_head",
	"nsproxy mnt_ns:mnt_namespace*",
	"task_struct files:files_struct* fs:fs_struct* nsproxy:nsproxy*",
}

// newTypes makes BTF of layouts.
func newTypes(t testing.TB) *btfsrc.Types {
	long := &btf.Int{Name: "unsigned long", Size: 8}
	char := &btf.Int{Name: "char", Size: 1}
	structs := make(map[string]*btf.Struct)
	var all []btf.Type
	for _, layout := range layouts {
		name, _, _ := strings.Cut(layout, " ")
		structs[name] = &btf.Struct{Name: name}
		all = append(all, structs[name])
	}
	for _, layout := range layouts {
		name, members, _ := strings.Cut(layout, " ")
		s := structs[name]
		for member := range strings.SplitSeq(members, " ") {
			name, typ, _ := strings.Cut(member, ":")
			plain := strings.TrimRight(typ, "*")
			var of btf.Type
			size := uint32(8)
			switch {
			case plain == "long":
				of = long
			case plain == "char":
				of = char
			default:
				of = structs[plain]
				size = structs[plain].Size
			}
			for range len(typ) - len(plain) {
				of, size = &btf.Pointer{Target: of}, 8
			}
			s.Members = append(s.Members, btf.Member{Name: name, Type: of, Offset: btf.Bits(s.Size * 8)})
			s.Size += size
		}
	}
	b, err := btf.NewBuilder(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	types, err := btfsrc.Load(raw, vmcore.Layout{WordSize: 8})
	if err != nil {
		t.Fatal(err)
	}
	return types
}

func newKernel(t testing.TB, m memory) *kernel.Kernel {
	layout := vmcore.Layout{WordSize: 8}
	image := (&kallsymstest.Kernel{
		Era: kallsymstest.V604, Layout: layout, Encoding: kallsyms.AbsolutePerCPU, Start: tables, Symbols: []kallsymstest.Symbol{
			{Addr: 0xffffffff81000000, Type: 'T', Name: "_stext"},
			{Addr: pipeName, Type: 't', Name: "pipefs_dname.llvm.1"},
			{Addr: newName, Type: 't', Name: "newfs_dname"},
			{Addr: 0xffffffff81001000, Type: 'T', Name: "_etext"},
		},
	}).Image()
	syms, err := kallsyms.Load(imageMemory{image.Start, image.Bytes}, vmcore.ParseVMCOREINFO([]byte(image.VMCOREINFO)), layout)
	if err != nil {
		t.Fatal(err)
	}
	return kernel.New(kernel.Config{
		Arch: vmcore.Arch{Name: "x86_64", Layout: layout}, Mem: m, Symbols: syms, Types: newTypes(t),
	})
}

// imageMemory is memory with the symbol table.
type imageMemory struct {
	start vmcore.Addr
	data  []byte
}

func (m imageMemory) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	if a < m.start || a-m.start > vmcore.Addr(len(m.data)) {
		return 0, &vmcore.FaultError{Addr: a, State: vmcore.Unmapped}
	}
	n := copy(p, m.data[a-m.start:])
	if n < len(p) {
		return n, &vmcore.FaultError{Addr: a + vmcore.Addr(n), State: vmcore.Unmapped}
	}
	return n, nil
}
