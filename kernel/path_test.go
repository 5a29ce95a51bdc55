package kernel_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
)

func TestPath(t *testing.T) {
	k := newKernel(t)
	device := variable(t, k, "device")
	for _, tc := range []struct{ path, want string }{
		{"list", "&list_head"},
		{"list.next", "0xffffffff82000200"},
		{"list.next.prev", "0xffffffff82000050"}, // through two pointers
		{"speed", "0x3"},
		{"mode", "0xa5"}, // of an anonymous union
		{"nosuch", `no member "nosuch" in struct device`},
		{"speed.x", "unsigned int has no members"},
	} {
		var got string
		v, err := device.Path(tc.path)
		u, notNumber := v.UintAt()
		switch {
		case err != nil:
			got = err.Error()
		case notNumber != nil:
			got = "&" + v.Type().TypeName()
		default:
			got = fmt.Sprintf("%#x", u)
		}
		if got != tc.want {
			t.Errorf("Path(%q) = %s, want %s", tc.path, got, tc.want)
		}
		if has := device.Has(tc.path); has != (err == nil) {
			t.Errorf("Has(%q) = %v; Path says %v", tc.path, has, err)
		}
	}
	if name, err := device.StringAt("name"); name != "eth0" || err != nil {
		t.Errorf("StringAt(name) = %q, %v", name, err)
	}
	if name, err := device.StringAt("label"); name != "first \x1b[31m" || err != nil {
		t.Errorf("StringAt(label) = %q, %v", name, err)
	}
}

// refcount_t, atomic_t and kuid_t wrap a number.
func TestUintOfWrappers(t *testing.T) {
	k := newKernel(t)
	number := k.BasicType("int")
	wrap := func(member string, of btf.Type) btf.Type {
		return &btf.Struct{Name: "wrapper", Size: 4, Members: []btf.Member{{Name: member, Type: of}}}
	}
	deep := number
	for range 8 {
		deep = wrap("x", deep)
	}
	for _, tc := range []struct {
		typ  btf.Type
		want string
	}{
		{wrap("counter", number), "7"},
		{wrap("refs", wrap("counter", number)), "7"},
		{wrap("val", number), "7"},
		{wrap("anything", number), "7"},
		{&btf.Struct{Name: "pair", Size: 4, Members: []btf.Member{{Name: "a", Type: number}, {Name: "b", Type: number}}}, "struct pair is not a number"},
		{deep, "struct wrapper is not a number"},
	} {
		u, err := k.Immediate(tc.typ, []byte{7, 0, 0, 0}).UintAt()
		got := fmt.Sprint(u)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%v: %s, want %s", tc.typ, got, tc.want)
		}
	}
}

// Object types what no BTF describes, and believes a BTF before the caller.
func TestObject(t *testing.T) {
	k := newKernel(t)
	number := k.BasicType("unsigned int")
	for _, tc := range []struct{ name, want string }{
		{"assembly", "unsigned int"}, // no VAR
		{"device", "struct device"},
		{"counter", "unsigned long"},
		{"buf", `"buf" stands for 2 variables`},
		{"nosuch", `no symbol "nosuch"`},
	} {
		v, err := k.Object(tc.name, number)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = v.TypeName()
		}
		if got != tc.want {
			t.Errorf("Object(%q) is %s, want %s", tc.name, got, tc.want)
		}
	}
	if v, err := k.Object("counter", number); err != nil || !v.PerCPU() {
		t.Errorf("a per-CPU variable is no template: %v", err)
	}
	var missing *kernel.NotFoundError
	if _, err := k.ObjectOf("device", "nosuch"); !errors.As(err, &missing) {
		t.Errorf("ObjectOf a structure that is not there: %v", err)
	}
}
