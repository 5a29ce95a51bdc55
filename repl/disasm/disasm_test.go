package disasm

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
)

var amd64 = vmcore.Arch{Name: "x86_64", Layout: vmcore.Layout{WordSize: 8}}

// TestDecode has what objdump says of instructions at 0xffffffff81000000.
func TestDecode(t *testing.T) {
	for _, test := range []struct {
		code, want string
		ref        vmcore.Addr
	}{
		{"90", "nop", 0},
		{"6690", "xchg   %ax,%ax", 0},
		{"0f1f440000", "nopl   0x0(%rax,%rax,1)", 0},
		{"66662e0f1f840000000000", "data16 cs nopw 0x0(%rax,%rax,1)", 0},
		{"f30f1efa", "endbr64", 0},
		{"f3480f1ec8", "rdsspq %rax", 0},
		{"0f01ca", "clac", 0},
		{"0f01cb", "stac", 0},
		{"0f01e8", "serialize", 0},
		{"0f01f8", "swapgs", 0},
		{"f30f01d9", "vmgexit", 0},
		{"f20f00f7", "lkgs   %edi", 0},
		{"66480f38f545f8", "wrussq %rax,-0x8(%rbp)", 0},
		{"660faef1", "tpause %ecx", 0},
		{"660fae38", "clflushopt (%rax)", 0},
		{"660fae37", "clwb   (%rdi)", 0},
		{"f30fc7742408", "vmxon  0x8(%rsp)", 0},
		{"f30f09", "wbnoinvd", 0},
		{"c4e37d44ef11", "vpclmulhqhqdq %ymm7,%ymm0,%ymm5", 0},
		{"c4e27849c0", "tilerelease", 0},
		{"480fc7f8", "rdseed %rax", 0},
		{"0fc7f2", "rdrand %edx", 0},
		{"e8fb0f0000", "call   0xffffffff81001000", 0xffffffff81001000},
		{"7cfe", "jl     0xffffffff81000000", 0xffffffff81000000},
		{"2ee8fa0f0000", "cs call 0xffffffff81001000", 0xffffffff81001000},
		{"c3", "ret", 0},
		{"480f07", "sysretq", 0},
		{"48cf", "iretq", 0},
		{"55", "push   %rbp", 0},
		{"6a08", "push   $0x8", 0},
		{"68ffffffff", "push   $0xffffffffffffffff", 0},
		{"488b05f90f0000", "mov    0xff9(%rip),%rax", 0xffffffff81001000},
		{"488d05f9efffff", "lea    -0x1007(%rip),%rax", 0xffffffff80fff000},
		{"488b5d00", "mov    0x0(%rbp),%rbx", 0},
		{"41c74424080100000090", "movl   $0x1,0x8(%r12)", 0},
		{"6548ff442810", "incq   %gs:0x10(%rax,%rbp,1)", 0},
		{"65488b042528000000", "mov    %gs:0x28,%rax", 0},
		{"8b042500d35fff", "mov    0xffffffffff5fd300,%eax", 0xffffffffff5fd300},
		{"48c7c700e5a081", "mov    $0xffffffff81a0e500,%rdi", 0xffffffff81a0e500},
		{"48b890a895e110000000", "movabs $0x10e195a890,%rax", 0},
		{"83c88e", "or     $0xffffff8e,%eax", 0},
		{"66836304fe", "andw   $0xfffe,0x4(%rbx)", 0},
		{"f0ff04adc038e682", "lock incl -0x7d19c740(,%rbp,4)", 0xffffffff82e638c0},
		{"ff24c500a00082", "jmp    *-0x7dff6000(,%rax,8)", 0xffffffff8200a000},
		{"ffe0", "jmp    *%rax", 0},
		{"f348ab", "rep stos %rax,%es:(%rdi)", 0},
		{"3e0fae38", "ds clflush (%rax)", 0},
		{"4898", "cltq", 0},
		{"4863c2", "movslq %edx,%rax", 0},
		{"c4e2c3f7c0", "shrx   %rdi,%rax,%rax", 0},
		{"c5796f3502be4a01", "vmovdqa 0x14abe02(%rip),%xmm14", 0xffffffff824abe0a},
		{"8b042500000000", "mov    0x0,%eax", 0},
		{"0f0b", "ud2", 0},
		{"cc", "int3", 0},
		{"06", "(bad)", 0},
		{"e8fb", "(bad)", 0},
	} {
		code, err := hex.DecodeString(test.code)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(amd64, code, 0xffffffff81000000)
		if err != nil || got.Text != test.want || got.Ref != test.ref {
			t.Errorf("%s: %q, %v, %v; want %q, %v", test.code, got.Text, got.Ref, err, test.want, test.ref)
		}
	}
	if _, err := Decode(vmcore.Arch{Name: "aarch64"}, []byte{0}, 0); !errors.Is(err, vmcore.ErrUnsupported) {
		t.Error(err)
	}
}

// FuzzDecode decodes any bytes: each instruction has a length within them.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xf3\x0f\x1e\xfa"))
	f.Add([]byte("\x62\xf1\x7c\x48\x28\x04\x25\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		i, err := Decode(amd64, b, 0xffffffff81000000)
		if err != nil || i.Len < 1 || i.Len > min(len(b), MaxLen) {
			t.Errorf("% x: %d bytes, %v", b, i.Len, err)
		}
		if strings.TrimSpace(i.Text) == "" || len(i.Text) > 200 {
			t.Errorf("% x: %q", b, i.Text)
		}
	})
}
