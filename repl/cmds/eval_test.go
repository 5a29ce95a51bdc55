package cmds

import "testing"

// TestPlainNumbers rewrites numbers as C writes them.
func TestPlainNumbers(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{"128m", "(128UL << 20L)"},
		{"0x10k+1G", "(0x10UL << 10L)+(1UL << 30L)"},
		{"1 << 34", "1L << 34L"},
		{"1+2+3", "1L+2L+3L"},
		{"1f", "0x1fL"},
		{"ffff888003a40000 + 8", "0xffff888003a40000L + 8L"},
		{"deadbeef", "0xdeadbeefL"},
		{"12345678", "12345678L"},
		{"0xffUL", "0xffUL"},
		{"1.5 + a1 + foo#2 + $1", "1.5 + a1 + foo#2 + $1"},
		{"init_task.comm[3]", "init_task.comm[3L]"},
		{"'1' + 1", "'1' + 1L"},
		{"a.added", "a.added"},
		{"added", "added"},
		{"runqueues:0.nr_running", "runqueues:0.nr_running"},
	} {
		if got := plainNumbers(tc.src); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.src, got, tc.want)
		}
	}
}
