package kernel

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// taintLetters are the letters of what taints a kernel or a module, by bit
// (Documentation/admin-guide/tainted-kernels.rst).
const taintLetters = "PFSRMBUDAWCIOELKXTNJ"

// Taints writes the bits of what taints a kernel or a module as letters.
func Taints(mask uint64) string {
	var letters []byte
	for i := range taintLetters {
		if mask>>i&1 != 0 {
			letters = append(letters, taintLetters[i])
		}
	}
	return string(letters)
}

// TaintMask returns what taints the kernel.
func (k *Kernel) TaintMask() (uint64, error) { return k.number("tainted_mask", "unsigned long") }

// number reads a variable that is a number of a basic type.
func (k *Kernel) number(name, typ string) (uint64, error) {
	v, err := k.Object(name, k.BasicType(typ))
	if err != nil {
		return 0, err
	}
	return v.UintAt()
}

// Uname is what the kernel says of itself and its machine, as uname(1) prints it.
type Uname struct{ Node, Release, Version, Machine string }

// Uname returns the names of the kernel (struct new_utsname,
// include/uapi/linux/utsname.h).
func (k *Kernel) Uname() (Uname, error) {
	ns, err := k.ObjectOf("init_uts_ns", "uts_namespace")
	if err != nil {
		return Uname{}, err
	}
	r := Reader{Value: ns}
	u := Uname{r.Text("name.nodename"), r.Text("name.release"), r.Text("name.version"), r.Text("name.machine")}
	return u, r.Err
}

// LoadAverage returns how many tasks ran or waited to on average in the last
// minute, 5 and 15 minutes: avenrun, fixed-point numbers with 11 bits behind the
// point (FSHIFT, include/linux/sched/loadavg.h).
func (k *Kernel) LoadAverage() (load [3]float64, err error) {
	long := k.BasicType("unsigned long")
	v, err := k.Object("avenrun", &btf.Array{Index: k.BasicType("unsigned int"), Type: long, Nelems: 3})
	if err != nil {
		return load, err
	}
	for i := range load {
		e, err := v.Index(int64(i))
		if err != nil {
			return load, err
		}
		n, err := e.Uint()
		if err != nil {
			return load, fmt.Errorf("load average: %w", err)
		}
		load[i] = float64(n) / (1 << 11)
	}
	return load, nil
}

// CPUMHz returns the speed of the processors that an x86 kernel measured; ok is
// false elsewhere.
func (k *Kernel) CPUMHz() (mhz uint64, ok bool) {
	khz, err := k.number("cpu_khz", "unsigned int")
	return khz / 1000, err == nil && khz != 0
}

// maxConfig bounds the kernel's configuration, packed and as text.
const maxConfig = 8 << 20

// Config returns the configuration that the kernel was built with, which it
// holds with CONFIG_IKCONFIG (kernel/configs.c).
func (k *Kernel) Config() (string, error) {
	start, end := dataSymbols(k.syms.Lookup("kernel_config_data")), dataSymbols(k.syms.Lookup("kernel_config_data_end"))
	if len(start) != 1 {
		return "", &NoConfigError{}
	}
	size := start[0].Size
	if len(end) == 1 {
		size = uint64(end[0].Addr - start[0].Addr)
	}
	if size > maxConfig {
		return "", fmt.Errorf("the kernel's configuration has %d bytes", size)
	}
	packed := make([]byte, size)
	if _, err := k.mem.ReadMemory(packed, start[0].Addr); err != nil {
		return "", fmt.Errorf("the kernel's configuration: %w", err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", fmt.Errorf("the kernel's configuration: %w", err)
	}
	z.Multistream(false) // what follows is no part of it
	text, err := io.ReadAll(io.LimitReader(z, maxConfig))
	if err != nil {
		return "", fmt.Errorf("the kernel's configuration: %w", err)
	}
	return string(text), nil
}

// NoConfigError says that the kernel does not hold its configuration.
type NoConfigError struct{}

func (*NoConfigError) Error() string { return "the kernel does not hold its configuration" }

// Kind returns [KindUnsupported].
func (*NoConfigError) Kind() string { return KindUnsupported }

// Hint says what would.
func (*NoConfigError) Hint() string {
	return "a kernel built with CONFIG_IKCONFIG does; others have it in /boot/config-RELEASE"
}

// Syscall is an entry of the table of system calls.
type Syscall struct {
	Number int
	Addr   vmcore.Addr
	Name   string // of the function
}

// maxSyscalls bounds the table; no architecture has 600 yet.
const maxSyscalls = 4096

// SyscallError says that an entry of the table of system calls is damaged.
type SyscallError struct {
	Number int
	Addr   vmcore.Addr
}

func (e *SyscallError) Error() string {
	return fmt.Sprintf("system call %d: no function begins at %v", e.Number, e.Addr)
}

// Kind returns [KindIO].
func (*SyscallError) Kind() string { return KindIO }

// Syscalls returns the table of system calls, by number. It ends with the last
// entry that is a function of the kernel; others before that are damaged.
func (k *Kernel) Syscalls() iter.Seq2[Syscall, error] {
	return func(yield func(Syscall, error) bool) {
		syms := dataSymbols(k.syms.Lookup("sys_call_table"))
		if len(syms) != 1 {
			yield(Syscall{}, &NotFoundError{What: "symbol", Name: "sys_call_table"})
			return
		}
		word := uint64(k.layout.WordSize)
		var broken []error // counts if a function comes behind it
		for i := range min(syms[0].Size/word, maxSyscalls) {
			a, err := k.Pointer(syms[0].Addr + vmcore.Addr(i*word))
			if err != nil {
				yield(Syscall{}, fmt.Errorf("system call %d: %w", i, err))
				return
			}
			s, off, ok := k.Resolve(a)
			if !ok || off != 0 || s.Class != kallsyms.Text {
				broken = append(broken, &SyscallError{int(i), a})
				continue
			}
			for _, err := range broken {
				if !yield(Syscall{}, err) {
					return
				}
			}
			broken = nil
			if !yield(Syscall{int(i), a, s.Name}, nil) {
				return
			}
		}
	}
}

// Firmware yields what the machine's firmware says of it, by the names of enum
// dmi_field (include/linux/mod_devicetable.h).
func (k *Kernel) Firmware() iter.Seq2[FirmwareField, error] {
	return func(yield func(FirmwareField, error) bool) {
		enum, err := k.Enum("dmi_field")
		if err == nil && len(enum.Values) > 256 {
			err = typeErrorf("enum dmi_field is not as expected")
		}
		if err != nil {
			yield(FirmwareField{}, err)
			return
		}
		strings, err := k.Object("dmi_ident", &btf.Array{
			Index: k.BasicType("unsigned int"), Type: pointerTo(k.BasicType("char")), Nelems: uint32(len(enum.Values)),
		})
		if err != nil {
			yield(FirmwareField{}, err)
			return
		}
		for _, f := range enum.Values {
			if f.Name == "DMI_STRING_MAX" {
				return // those behind it have no text of their own
			}
			text, err := strings.Index(int64(f.Value))
			if err != nil {
				yield(FirmwareField{}, err)
				return
			}
			if p, err := text.Uint(); err == nil && p == 0 {
				continue
			}
			s, err := text.CString(256)
			if !yield(FirmwareField{f.Name, s}, err) {
				return
			}
		}
	}
}

// FirmwareField is one thing that firmware says of its machine.
type FirmwareField struct{ Name, Text string }
