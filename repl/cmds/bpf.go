package cmds

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/bpf"
)

func init() {
	register(&Command{
		Name: "bpf",
		Args: "[-p ID | -P | -m ID | -M] [-t | -T]",
		Help: "show BPF programs and maps",
		Doc: `bpf lists the BPF programs that are loaded, and the maps.

    bpf             programs and maps
    bpf -P          programs, with more of each
    bpf -p 20       the same of one program
    bpf -p 20 -t    and its instructions, as the verifier left them
    bpf -p 20 -T    and the bytes of each
    bpf -M          maps, with more of each
    bpf -m 34       the same of one map

CODE is where the machine code of a program is, which dis and rd show.`,
		Run: runBPF,
	})
}

func runBPF(ctx context.Context, env *Env, args string) error {
	opts, words, err := options("bpf", args, "p:Pm:MtT")
	if err != nil {
		return err
	}
	programs, maps := opts.has('p') || opts.has('P'), opts.has('m') || opts.has('M')
	switch {
	case len(words) > 0:
		return usage("bpf", "bpf takes options only")
	case programs && maps:
		return usage("bpf", "programs or maps, not both")
	case (opts.has('t') || opts.has('T')) && !opts.has('p'):
		return usage("bpf", "-t needs a program, -p ID")
	case opts.has('p'):
		return env.showProgram(ctx, opts.value('p'), opts)
	case programs:
		return env.showPrograms(ctx, bpf.Programs(env.Kernel), true)
	case maps:
		return env.showMaps(ctx, opts.value('m'), true)
	}
	if err := env.showPrograms(ctx, bpf.Programs(env.Kernel), false); err != nil {
		return err
	}
	if err := env.blank(); err != nil {
		return err
	}
	return env.showMaps(ctx, "", false)
}

// programObject is a BPF program in JSON.
type programObject struct {
	Kind          string   `json:"kind"` // "program"
	ID            uint64   `json:"id"`
	Address       string   `json:"address"`
	Aux           string   `json:"aux"`
	Type          string   `json:"type"`
	Name          string   `json:"name"`
	Tag           string   `json:"tag"`
	Maps          []uint64 `json:"maps"`
	Translated    uint64   `json:"translated"`
	Code          string   `json:"code"`
	Compiled      bool     `json:"compiled"`
	CompiledSize  uint64   `json:"compiled_size"`
	Pages         uint64   `json:"pages"`
	GPLCompatible bool     `json:"gpl_compatible"`
	UID           uint64   `json:"uid"`
	Loaded        uint64   `json:"loaded_ns"`
}

func newProgramObject(p bpf.Program) programObject {
	o := programObject{
		"program", p.ID, p.Addr.String(), p.Aux.String(), p.Type, p.Name, p.Tag, p.Maps, p.Translated, p.Code.String(), p.Compiled,
		p.CompiledSize, p.Pages, p.GPLCompatible, p.UID, p.Loaded,
	}
	if o.Maps == nil {
		o.Maps = []uint64{}
	}
	return o
}

// showPrograms writes programs, more of each if full.
func (e *Env) showPrograms(ctx context.Context, programs iter.Seq2[bpf.Program, error], full bool) error {
	header := []string{">ID", "BPF_PROG", "BPF_PROG_AUX", "BPF_PROG_TYPE", "TAG", "USED_MAPS"}
	if full {
		header = append(header, ">XLATED", ">JITED", "CODE", "GPL", ">UID", "NAME")
	}
	return writeList(ctx, e, header, programs, func(p bpf.Program) any { return newProgramObject(p) }, func(p bpf.Program) []string {
		var maps []string
		for _, id := range p.Maps {
			maps = append(maps, strconv.FormatUint(id, 10))
		}
		row := []string{
			strconv.FormatUint(p.ID, 10), hexAddr(p.Addr), hexAddr(p.Aux), p.Type, p.Tag, strings.Join(maps, ","),
		}
		if full {
			row = append(row, strconv.FormatUint(p.Translated, 10), strconv.FormatUint(p.CompiledSize, 10), hexAddr(p.Code),
				yesNo(p.GPLCompatible), strconv.FormatUint(p.UID, 10), p.Name)
		}
		return row
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// showProgram writes one program, and its instructions if they are asked for.
func (e *Env) showProgram(ctx context.Context, word string, opts flags) error {
	id, err := strconv.ParseUint(word, 10, 32)
	if err != nil {
		return usage("bpf", "%q is not the ID of a program", word)
	}
	var found *bpf.Program
	for p := range sound(ctx, e, bpf.Programs(e.Kernel)) {
		if p.ID == id {
			found = &p
		}
	}
	if found == nil {
		return cmp.Or(ctx.Err(), error(&kernel.NotFoundError{What: "BPF program", Name: word}))
	}
	if err := e.showPrograms(ctx, each([]bpf.Program{*found}, nil), true); err != nil || !opts.has('t') && !opts.has('T') {
		return err
	}
	if err := e.blank(); err != nil {
		return err
	}
	return writeList(ctx, e, nil, found.Instructions(), func(i bpf.Instruction) any {
		return struct {
			Number int    `json:"number"`
			Bytes  string `json:"bytes"`
			Text   string `json:"text"`
		}{i.Number, fmt.Sprintf("%x", i.Bytes), i.Text}
	}, func(i bpf.Instruction) []string {
		row := []string{strconv.Itoa(i.Number) + ":", i.Text}
		if opts.has('T') {
			row = append(row, fmt.Sprintf("% x", i.Bytes))
		}
		return row
	})
}

// mapObject is a BPF map in JSON.
type mapObject struct {
	Kind       string `json:"kind"` // "map"
	ID         uint64 `json:"id"`
	Address    string `json:"address"`
	Type       string `json:"type"`
	Name       string `json:"name"`
	KeySize    uint64 `json:"key_size"`
	ValueSize  uint64 `json:"value_size"`
	MaxEntries uint64 `json:"max_entries"`
	Flags      uint64 `json:"flags"`
}

// showMaps writes maps, that of an ID if one is given, and more of each if full.
func (e *Env) showMaps(ctx context.Context, word string, full bool) error {
	maps, found := bpf.Maps(e.Kernel), word == ""
	if word != "" {
		id, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return usage("bpf", "%q is not the ID of a map", word)
		}
		maps = where(maps, func(m bpf.Map) bool {
			found = found || m.ID == id
			return m.ID == id
		})
	}
	header := []string{">ID", "BPF_MAP", "BPF_MAP_TYPE", "MAP_FLAGS"}
	if full {
		header = append(header, ">KEY_SIZE", ">VALUE_SIZE", ">MAX_ENTRIES", "NAME")
	}
	err := writeList(ctx, e, header, maps, func(m bpf.Map) any {
		return mapObject{"map", m.ID, m.Addr.String(), m.Type, m.Name, m.KeySize, m.ValueSize, m.MaxEntries, m.Flags}
	}, func(m bpf.Map) []string {
		row := []string{strconv.FormatUint(m.ID, 10), hexAddr(m.Addr), m.Type, fmt.Sprintf("%08x", m.Flags)}
		if full {
			row = append(row, strconv.FormatUint(m.KeySize, 10), strconv.FormatUint(m.ValueSize, 10), strconv.FormatUint(m.MaxEntries, 10), m.Name)
		}
		return row
	})
	if err == nil && !found {
		return &kernel.NotFoundError{What: "BPF map", Name: word}
	}
	return err
}
