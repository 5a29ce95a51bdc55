package cmds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "info",
		Help: "show what the dump is and what it holds",
		Doc: `info shows the format of the dump, the kernel and the machine it is of, how much
memory it holds and how much was filtered out, where symbols and types come
from, and what is missing to do more. kdbg info DUMP does the same.

It also looks where some structures lie that every kernel has. If many of them
were filtered out, the filter was too old for the kernel.`,
		Run: runInfo,
	})
}

// report is what info tells, and its JSON.
type report struct {
	Format     string        `json:"format"`
	Live       bool          `json:"live,omitempty"`
	FileSize   int64         `json:"file_size,omitempty"`
	Release    string        `json:"release"`
	Version    string        `json:"version,omitempty"`
	Arch       string        `json:"arch"`
	Node       string        `json:"node,omitempty"`
	CPUs       int           `json:"cpus"`
	Online     string        `json:"cpus_online,omitempty"`
	Time       string        `json:"time,omitempty"` // RFC 3339
	Crash      *crashReport  `json:"crash,omitempty"`
	DumpLevel  *int          `json:"dump_level,omitempty"`
	Memory     memoryReport  `json:"memory"`
	VMCOREINFO string        `json:"vmcoreinfo"` // where it is from
	Symbols    int           `json:"symbols"`
	SymbolsIn  string        `json:"symbol_encoding,omitempty"`
	Types      int           `json:"btf_types"`
	Variables  int           `json:"btf_variables"`
	BTFFiles   []string      `json:"btf_files,omitempty"` // beside the dump
	Modules    []string      `json:"modules"`
	ModulesBTF int           `json:"modules_with_btf"`
	Samples    []sampleState `json:"structures"`
	Problems   []problem     `json:"problems"`
}

// crashReport is how a kernel ended.
type crashReport struct {
	Message string `json:"message,omitempty"`
	CPU     int    `json:"cpu"`
	PID     int    `json:"pid"`
	Task    string `json:"task"`
	Comm    string `json:"comm"`

	task kernel.Task
}

// memoryReport is physical memory in bytes.
type memoryReport struct {
	Present  uint64 `json:"present"`
	Excluded uint64 `json:"excluded"`
	Missing  uint64 `json:"missing"`
}

type sampleState struct {
	Name     string `json:"name"`
	Readable int    `json:"readable"`
	Excluded int    `json:"excluded"`
	Missing  int    `json:"missing"`
}

// problem is something that keeps kdbg from doing more, and what helps.
type problem struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func runInfo(ctx context.Context, env *Env, args string) error {
	if args != "" {
		return usage("info", "info takes no arguments")
	}
	r := newReport(ctx, env.Kernel)
	if env.JSON {
		return env.Object(r)
	}
	if err := writeTable(env.Out, nil, r.rows()); err != nil {
		return err
	}
	for i, p := range r.Problems {
		if i == 0 {
			if err := env.Printf("\nwhat is missing:\n"); err != nil {
				return err
			}
		}
		text := "  " + p.Message + "\n"
		if p.Hint != "" {
			text += "    hint: " + p.Hint + "\n"
		}
		if err := env.Printf("%s", text); err != nil {
			return err
		}
	}
	return nil
}

// newReport collects what is known of a kernel and the dump it is from.
func newReport(ctx context.Context, k *kernel.Kernel) *report {
	r := &report{
		Release: k.Release(), Arch: k.Arch().Name,
		Symbols: k.Symbols().Len(), Types: k.Types().NumTypes(), Variables: k.Types().NumVars(),
		Modules: []string{}, Samples: []sampleState{}, Problems: []problem{},
	}
	typed := hasVariables(k) // which looks for files with their types
	if !k.Info().Empty() {
		r.VMCOREINFO = k.Info().Source()
	}
	if r.Symbols > 0 {
		r.SymbolsIn = k.Symbols().Encoding().String()
		if k.Symbols().Scanned() {
			r.SymbolsIn += ", found by a scan of memory"
		}
		if cpus, err := k.OnlineCPUs(); err == nil {
			r.Online, r.CPUs = kernel.CPUList(cpus), len(cpus)
		}
		if c, crashed := k.Crash(); crashed {
			r.Crash = &crashReport{
				Message: c.Message, CPU: c.CPU, PID: c.Task.PID, Task: c.Task.Addr.String(), Comm: c.Task.Comm, task: c.Task,
			}
		}
	}
	mods, modErrs := k.Modules()
	for _, m := range mods {
		r.Modules = append(r.Modules, m.Name)
		if m.BTF {
			r.ModulesBTF++
		}
	}
	r.addDump(k)
	r.addProblems(k, modErrs, typed)
	r.BTFFiles = k.BTFFiles()
	r.addSamples(ctx, k)
	return r
}

// addDump adds what the file says.
func (r *report) addDump(k *kernel.Kernel) {
	d := k.Dump()
	if d == nil {
		return
	}
	h := d.Header()
	r.Format, r.FileSize, r.Live = d.Format().String(), max(h.Size, 0), d.Format().Live
	r.Version, r.Node = h.Version, h.NodeName
	if h.CPUs > 0 {
		r.CPUs = h.CPUs
	} else if n := len(d.CPUs()); n > 0 {
		r.CPUs = n
	}
	when, known := k.Info().CrashTime()
	if !known {
		when, known = k.Time()
	}
	if !known {
		when = h.Time
	}
	if !when.IsZero() {
		r.Time = when.UTC().Format(time.RFC3339)
	}
	if h.DumpLevel >= 0 {
		r.DumpLevel = &h.DumpLevel
	}
	r.Memory = memoryReport(d.Usage())
	for _, w := range d.Warnings() {
		r.Problems = append(r.Problems, problem{Message: w})
	}
	if n := r.Memory.Missing; n > 0 {
		r.Problems = append(r.Problems, problem{
			byteSize(n) + " of memory should be in the file and is not",
			"copy the dump again, give all files of a split set, or look for a full disk where it was written",
		})
	}
}

// addProblems adds what could not be found, and what each costs.
func (r *report) addProblems(k *kernel.Kernel, modErrs []error, typed bool) {
	add := func(err error) {
		r.Problems = append(r.Problems, problem{err.Error(), kernel.Hint(err)})
	}
	for _, err := range slices.Concat(k.Problems(), k.ModuleProblems(), k.BTFProblems()) {
		add(err)
	}
	if r.Types > 0 && !typed {
		r.Problems = append(r.Problems, problem{
			"no types of variables, except for per-CPU ones: the kernel's BTF leaves them out",
			"declare struct task_struct init_task; gives a variable a type, and --btf FILE gives all of them theirs",
		})
	}
	var missing *kernel.MissingPartError // which is among the problems already
	for _, err := range modErrs {
		if !errors.As(err, &missing) {
			add(err)
		}
	}
}

// hasVariables reports whether variables have types that are not per-CPU: those
// are all that a kernel describes as it comes. The types may be in the BTF of a
// module or of a file.
func hasVariables(k *kernel.Kernel) bool {
	_, err := k.Var("init_task") // which every kernel has
	return kernel.ErrorKind(err) != kernel.KindUntyped
}

// addSamples adds where structures of the kernel fall, and advice where many of
// them were filtered out.
func (r *report) addSamples(ctx context.Context, k *kernel.Kernel) {
	var cut []string
	for _, s := range k.Samples(ctx) {
		r.Samples = append(r.Samples, sampleState(s))
		if s.Excluded > 0 {
			cut = append(cut, s.Name)
		}
	}
	if len(cut) > 0 {
		r.Problems = append(r.Problems, problem{
			"structures that every kernel needs were filtered out of the dump: " + strings.Join(cut, ", ") + " are incomplete",
			"the filter was perhaps too old for this kernel: dump with a newer makedumpfile, or with -d 1",
		})
	}
}

// rows returns the report as a table of two columns.
func (r *report) rows() [][]string {
	var rows [][]string
	add := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	format := r.Format
	if r.FileSize > 0 {
		format += ", " + byteSize(uint64(r.FileSize))
	}
	add("format", "%s", format)
	add("release", "%s", r.Release)
	add("version", "%s", r.Version)
	add("machine", "%s", strings.TrimSpace(r.Arch+" "+r.Node))
	cpus := strconv.Itoa(r.CPUs)
	if r.Online != "" {
		cpus += ", online " + r.Online
	}
	add("CPUs", "%s", cpus)
	when := "crash time"
	if r.Live {
		when = "time"
	}
	add(when, "%s", cmp.Or(r.Time, "unknown"))
	if c := r.Crash; c != nil {
		add("panic", "%s", c.Message)
		add("crashed CPU", "%d%s", c.CPU, taskText(c.task, ", in "))
	}
	memory := byteSize(r.Memory.Present) + " present, " + byteSize(r.Memory.Excluded) + " excluded"
	if r.Memory.Missing > 0 {
		memory += ", " + byteSize(r.Memory.Missing) + " missing"
	}
	if r.DumpLevel != nil {
		memory += fmt.Sprintf(" (dump level %d)", *r.DumpLevel)
	}
	add("memory", "%s", memory)
	add("VMCOREINFO", "%s", cmp.Or(r.VMCOREINFO, "none"))
	if r.Symbols > 0 {
		add("symbols", "%d, %s", r.Symbols, r.SymbolsIn)
	} else {
		add("symbols", "none")
	}
	if r.Types > 0 {
		add("BTF", "%d types, %d variables", r.Types, r.Variables)
	} else {
		add("BTF", "none")
	}
	if len(r.BTFFiles) > 0 {
		add("BTF files", "%s", strings.Join(r.BTFFiles, ", "))
	}
	add("modules", "%s", r.modules())
	for _, s := range r.Samples {
		text := fmt.Sprintf("%d readable", s.Readable)
		if s.Excluded > 0 {
			text += fmt.Sprintf(", %d excluded", s.Excluded)
		}
		if s.Missing > 0 {
			text += fmt.Sprintf(", %d missing", s.Missing)
		}
		add(s.Name, "%s", text)
	}
	return rows
}

// modules says how many modules there are, and which.
func (r *report) modules() string {
	const most = 8
	if len(r.Modules) == 0 {
		return "none"
	}
	names := strings.Join(r.Modules[:min(most, len(r.Modules))], ", ")
	if len(r.Modules) > most {
		names += ", …"
	}
	return fmt.Sprintf("%d, %d with BTF: %s", len(r.Modules), r.ModulesBTF, names)
}

// byteSize writes a number of bytes for people: 18.4 MiB.
func byteSize(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	f := float64(n)
	i := -1
	for f >= 1024 {
		f /= 1024
		i++
	}
	return fmt.Sprintf("%.1f %ciB", f, units[i])
}
