package kernel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
)

// TestChain follows lists whose pointers are 8 bytes behind each node.
func TestChain(t *testing.T) {
	k := openDump(t, "debian-6.12-amd64")
	at := k.Lookup("modules")[0].Addr
	var first []vmcore.Addr
	for node, err := range k.Chain(at, 8, func(vmcore.Addr) bool { return len(first) == 3 }) {
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, node)
	}
	if len(first) != 3 || first[0] != at {
		t.Errorf("the first three nodes are %v", first)
	}

	// The list leads back to its head, which nothing tells to be the end.
	var nodes int
	var last error
	for _, err := range k.Chain(at, 8, func(vmcore.Addr) bool { return false }) {
		if err != nil {
			last = err
			continue
		}
		nodes++
	}
	if nodes != 14 || last == nil {
		t.Errorf("%d nodes, then %v", nodes, last)
	}
}

// TestChainBroken follows pointers to what is not there.
func TestChainBroken(t *testing.T) {
	k := openDump(t, "debian-6.12-amd64")
	for _, tc := range []struct {
		first vmcore.Addr
		want  string
	}{
		{0, ""},
		{0xdead000000000100, "list at 0xdead000000000100 is damaged: node 0xdead000000000100: " +
			"LIST_POISON1, of what was deleted from a list: it cannot be read: address 0xdead000000000100: not mapped: not a canonical address"},
		{0xdead000000000122, "list at 0xdead000000000122 is damaged: node 0xdead000000000122: " +
			"LIST_POISON2, of what was deleted from a list: it cannot be read: address 0xdead000000000122: not mapped: not a canonical address"},
		{0xffffffff, "list at 0xffffffff is damaged: node 0xffffffff: it cannot be read: address 0xffffffff: not mapped"},
	} {
		got := ""
		for _, err := range k.Chain(tc.first, 0, func(vmcore.Addr) bool { return false }) {
			if err != nil {
				got = err.Error()
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("from %v (-want +got):\n%s", tc.first, diff)
		}
	}
}
