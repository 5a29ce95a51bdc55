package rawbtf

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loadBTF asks the running kernel whether it accepts a BTF, with BPF_BTF_LOAD of
// bpf(2), and returns what it says of one it refuses.
func loadBTF(raw []byte) (log string, err error) {
	attr := struct {
		btf, log                     uint64
		size, logSize, logLevel, pad uint32
	}{size: uint32(len(raw))}
	text := make([]byte, 1<<20)
	for level := range uint32(2) {
		attr.btf = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(raw))))
		if level == 1 { // a log of all types fills any buffer, so only of those refused
			attr.log, attr.logSize, attr.logLevel = uint64(uintptr(unsafe.Pointer(&text[0]))), uint32(len(text)), 1
		}
		fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_BTF_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		if errno == 0 {
			unix.Close(int(fd))
			return "", nil
		}
		if level == 0 { // the second may fail for want of room for the log
			err = errno
		}
	}
	lines := strings.Split(strings.TrimSpace(string(cstring(text))), "\n")
	return strings.Join(lines[max(0, len(lines)-2):], " / "), err
}

// runningKernel returns the release of the running kernel. It skips the test
// unless KDBG_CONFIRM_KERNEL is set, as distributions give kernels what later
// releases have, and where the kernel does not let it load BTF, which only root may.
func runningKernel(t *testing.T) Release {
	if os.Getenv("KDBG_CONFIRM_KERNEL") == "" {
		t.Skip("KDBG_CONFIRM_KERNEL does not say that the running kernel is as its release")
	}
	b := NewBuilder(nil)
	ints(b)
	if _, err := loadBTF(mustBytes(t, b)); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("BPF_BTF_LOAD: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var r Release
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &r.Major, &r.Minor); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestVerifyConfirm holds Verify against the running kernel.
func TestVerifyConfirm(t *testing.T) {
	kernel := runningKernel(t)
	for i, test := range verifyCases {
		raw := verifyCase(t, i)
		log, err := loadBTF(raw)
		found := Verify(mustParse(t, raw, nil), kernel)
		if (err != nil) != (len(found) > 0) {
			t.Errorf("%s: the kernel says %v (%s), Verify says %q", test.name, err, log, messages(found))
		}
	}
}

// FuzzVerify looks for BTF that Verify accepts and the running kernel does not.
func FuzzVerify(f *testing.F) {
	for i := range verifyCases {
		f.Add(verifyCase(f, i))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := Parse(raw, nil)
		if err != nil || b.BigEndian() || len(Verify(b, runningKernel(t))) > 0 {
			return
		}
		if log, err := loadBTF(raw); err != nil {
			t.Errorf("the kernel says %v (%s)", err, log)
		}
	})
}
