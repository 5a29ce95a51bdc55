package cmds

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "sys",
		Args: "[-t | -i | -c [NAME|NUMBER] | config]",
		Help: "show the machine and how its kernel ended",
		Doc: `sys shows what a session with a terminal begins with: kernel, dump, processors,
date and for how long the kernel ran, load, tasks, names, memory and why it
panicked.

    config   the configuration that the kernel was built with (CONFIG_IKCONFIG)
    -c       the table of system calls, or those of a number or with a word in
             their name
    -i       what the firmware says of the machine (DMI)
    -t       what taints the kernel`,
		Run: runSys,
	})
}

func runSys(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("sys", args, "cit")
	switch {
	case err != nil:
		return err
	case opts.has('c') && len(rest) <= 1:
		return env.syscalls(ctx, strings.Join(rest, ""))
	case len(rest) == 1 && rest[0] == "config" && len(opts) == 0:
		return env.showConfig()
	case len(rest) > 0:
		return usage("sys", "sys has nothing called %s", rest[0])
	case opts.has('i'):
		return writeList(ctx, env, nil, env.Kernel.Firmware(),
			func(f kernel.FirmwareField) any {
				return struct {
					Field string `json:"field"`
					Text  string `json:"text"`
				}{f.Name, f.Text}
			},
			func(f kernel.FirmwareField) []string { return []string{f.Name, f.Text} })
	case opts.has('t'):
		return env.showTaints()
	}
	s := NewSystem(env.Kernel, env.Problem)
	if env.JSON {
		return env.Object(s)
	}
	return env.Printf("%s", s)
}

// System is what is said of a machine and its kernel first, and its JSON.
type System struct {
	Kernel   string     `json:"kernel"` // where its symbols and types are from
	Dump     string     `json:"dump"`
	Partial  bool       `json:"partial"` // pages were left out when it was written
	CPUs     int        `json:"cpus"`
	Date     string     `json:"date"` // RFC 3339; "" if it is not known
	Uptime   int64      `json:"uptime_ns"`
	Load     [3]float64 `json:"load_average"`
	Tasks    int        `json:"tasks"`
	Node     string     `json:"node"`
	Release  string     `json:"release"`
	Version  string     `json:"version"`
	Machine  string     `json:"machine"`
	CPUMHz   uint64     `json:"cpu_mhz,omitempty"`
	Memory   uint64     `json:"memory"` // bytes
	Panic    string     `json:"panic"`
	Panicked bool       `json:"panicked"`

	date time.Time
}

// NewSystem collects what is said of a kernel first. problem is told of what
// cannot be read; the rest is there.
func NewSystem(k *kernel.Kernel, problem func(error)) *System {
	s := &System{Kernel: "symbols and types of the dump itself"}
	check := func(err error) {
		if err != nil {
			problem(err)
		}
	}
	if d := k.Dump(); d != nil {
		s.Dump = strings.Join(k.Files(), " ")
		s.Partial = d.Usage().Excluded > 0
	}
	cpus, err := k.OnlineCPUs()
	check(err)
	s.CPUs = len(cpus)
	if when, ok := k.Info().CrashTime(); ok {
		s.date = when
	} else if s.date, ok = k.Time(); !ok {
		problem(fmt.Errorf("the kernel's clock was not found"))
	}
	if !s.date.IsZero() {
		s.Date = s.date.UTC().Format(time.RFC3339)
	}
	up, err := k.Uptime()
	check(err)
	s.Uptime = int64(up)
	s.Load, err = k.LoadAverage()
	check(err)
	for _, err := range k.Tasks() {
		check(err)
		if err == nil {
			s.Tasks++
		}
	}
	u, err := k.Uname()
	check(err)
	s.Node, s.Release, s.Version, s.Machine = u.Node, cmp.Or(u.Release, k.Release()), u.Version, cmp.Or(u.Machine, k.Arch().Name)
	s.CPUMHz, _ = k.CPUMHz()
	s.Memory, err = k.MemorySize()
	check(err)
	if c, crashed := k.Crash(); crashed {
		s.Panicked, s.Panic = true, c.Message
	}
	return s
}

// String writes what is known, as crash does at the start of a session.
func (s *System) String() string {
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%12s: %s\n", name, text) }
	line("KERNEL", s.Kernel)
	dump := s.Dump
	if s.Partial {
		dump += "  [PARTIAL DUMP]"
	}
	line("DUMPFILE", dump)
	line("CPUS", strconv.Itoa(s.CPUs))
	date := "unknown"
	if !s.date.IsZero() {
		date = s.date.UTC().Format(time.UnixDate)
	}
	line("DATE", date)
	line("UPTIME", clockText(time.Duration(s.Uptime)))
	line("LOAD AVERAGE", fmt.Sprintf("%.2f, %.2f, %.2f", s.Load[0], s.Load[1], s.Load[2]))
	line("TASKS", strconv.Itoa(s.Tasks))
	line("NODENAME", s.Node)
	line("RELEASE", s.Release)
	line("VERSION", s.Version)
	machine := s.Machine
	if s.CPUMHz > 0 {
		machine += fmt.Sprintf("  (%d Mhz)", s.CPUMHz)
	}
	line("MACHINE", machine)
	line("MEMORY", memoryText(s.Memory))
	line("PANIC", strconv.Quote(s.Panic))
	return b.String()
}

// memoryText writes a size as crash does, with one place behind the point if it
// is not 0.
func memoryText(n uint64) string {
	unit, f := "KB", float64(n)/1024
	for _, next := range []string{"MB", "GB", "TB"} {
		if f < 1024 {
			break
		}
		unit, f = next, f/1024
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") + " " + unit
}

// showConfig writes the kernel's configuration.
func (e *Env) showConfig() error {
	text, err := e.Kernel.Config()
	if err != nil {
		return err
	}
	if !e.JSON {
		return e.Printf("%s", text)
	}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		err := e.Object(struct {
			Option string `json:"option"`
			Value  string `json:"value"`
		}{name, value})
		if err != nil {
			return err
		}
	}
	return nil
}

// showTaints writes what taints the kernel.
func (e *Env) showTaints() error {
	mask, err := e.Kernel.TaintMask()
	if err != nil {
		return err
	}
	if e.JSON {
		return e.Object(struct {
			Mask   uint64 `json:"mask"`
			Taints string `json:"taints"`
		}{mask, kernel.Taints(mask)})
	}
	return e.Printf("TAINTED_MASK: %x  %s\n", mask, kernel.Taints(mask))
}

// syscalls writes the table of system calls: all, one, or those with a word in
// their name.
func (e *Env) syscalls(ctx context.Context, word string) error {
	number, err := strconv.Atoi(word)
	isNumber := err == nil
	wanted := where(e.Kernel.Syscalls(), func(s kernel.Syscall) bool {
		return isNumber && s.Number == number || !isNumber && strings.Contains(s.Name, word)
	})
	return writeList(ctx, e, []string{">NUM", "SYSTEM CALL", "ADDRESS"}, wanted,
		func(s kernel.Syscall) any {
			return struct {
				Number  int    `json:"number"`
				Symbol  string `json:"symbol"`
				Address string `json:"address"`
			}{s.Number, s.Name, s.Addr.String()}
		},
		func(s kernel.Syscall) []string { return []string{strconv.Itoa(s.Number), s.Name, hexAddr(s.Addr)} })
}
