package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/btfsrc/vartypes"
)

// TestRules finds families of names in two kernels: one of a type, with an
// exception and a family of another type in it, and one whose types are named
// after the variables.
func TestRules(t *testing.T) {
	all := names{"lone_one": {"iint;": 3}, "trace_odd": {"iint;": 1}}
	for i := range 200 {
		all[fmt.Sprintf("trace_e%d", i)] = map[string]uint64{"sevent;": 1 + uint64(i%3)}
	}
	for i := range 30 {
		all[fmt.Sprintf("trace_sys_s%d", i)] = map[string]uint64{"ssyscall;": 2}
		all[fmt.Sprintf("map_to_m%d", i)] = map[string]uint64{fmt.Sprintf("<e sevent;f tfn_m%d;>", i): 1}
	}
	var got []string
	entries := all.entries()
	if _, err := vartypes.Write(nil, entries); err != nil { // which sorts them
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, v := range e.Variants {
			got = append(got, fmt.Sprintf("%s %x %s", e.Name, v.Kernels, v.Spelling))
		}
	}
	want := []string{
		"lone_one 3 iint;",
		"map_to_* 1 <e sevent;f tfn_$;>",
		"trace_* 3 sevent;",
		"trace_odd 1 iint;",
		"trace_sys_* 2 ssyscall;",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestOpenLengths leaves lengths open that memory tells.
func TestOpenLengths(t *testing.T) {
	types := map[string]uint64{"[4]cichar;": 1, "[5]cichar;": 2, "[3]iint;": 1}
	openLengths(types)
	if diff := cmp.Diff(map[string]uint64{"[0]cichar;": 3, "[3]iint;": 1}, types); diff != "" {
		t.Error(diff)
	}
}
