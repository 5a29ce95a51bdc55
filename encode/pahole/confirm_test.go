package pahole

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/encode/inspect"
	"github.com/kdbg/kdbg/encode/internal/tooltest"
)

// kernelLike has what kernels have: bit-fields, anonymous types, functions of
// all sorts, forward declarations, per-CPU data.
const kernelLike = `
typedef unsigned int u32; typedef unsigned long long u64; typedef _Bool bool;
struct list_head { struct list_head *next, *prev; };
struct opaque; union uopaque;
enum state { RUNNING, SLEEPING = -1, DEAD = 0x10 };
enum wide { TOP = 0x100000000ULL };
enum { ANON_A, ANON_B };
struct task {
	u32 flags:3, on_rq:1; int prio:7;
	enum state state;
	struct { int x; union { long y; char z[8]; }; };
	volatile long *const restrict counters;
	int (*fn)(struct task *, const char *fmt, ...);
	struct opaque *o; union uopaque *u; struct list_head list;
	char comm[16]; u64 wide; bool ok; double d;
	unsigned char tail[];
};
struct task init_task; static struct list_head heads[4]; const char banner[] = "x";
int percpu_counter __attribute__((section(".data..percpu"))) = 1;
enum wide w;
extern int never_defined;
static int helper(struct task *t, u32 n) { return t->prio + n; }
int schedule(struct task *prev, struct task *next, bool preempt) { return helper(prev, preempt) + helper(next, 2); }
void *lookup(const char *name, unsigned long flags) { return name[0] ? heads : 0; }
int variadic(const char *fmt, ...) { return fmt[0] == ANON_A; }
`

// TestConfirm holds BTF against what pahole makes of the same file, and has
// bpftool read it.
func TestConfirm(t *testing.T) {
	for _, flags := range [][]string{{"-O0"}, {"-O2"}, {"-O2", "-gdwarf-4"}, {"-O2", "-gdwarf-5", "-gz"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			dir := t.TempDir()
			file := tooltest.Compile(t, dir, "k", kernelLike, flags...)
			theirs, ours := filepath.Join(dir, "theirs.btf"), filepath.Join(dir, "ours.btf")
			features := "--btf_features=default"
			if tooltest.Run(t, dir, "pahole", "--version") < "v1.26" {
				features = "--btf_gen_floats" // as kernels asked for it before there was a list
			}
			args := []string{"-J", features, "--btf_encode_detached=" + theirs, file}
			tooltest.Run(t, dir, "pahole", args...)
			args[2] = "--btf_encode_detached=" + ours
			if status := Main(t.Context(), args, func(string) string { return "" }, os.Stdout, os.Stderr); status != 0 {
				t.Fatalf("status %d", status)
			}
			var text strings.Builder
			if same, err := inspect.Diff(&text, theirs, ours, 9, nil); err != nil || !same {
				t.Errorf("%v\n%s", err, text.String())
			}
			if ok, err := inspect.Verify(&text, ours, "", nil); err != nil || !ok {
				t.Errorf("%v\n%s", err, text.String())
			}
			if got := tooltest.Run(t, dir, "bpftool", "btf", "dump", "file", ours); !strings.Contains(got, "STRUCT 'task'") {
				t.Errorf("bpftool reads\n%s", got)
			}
		})
	}
}
