package cmds

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "sym",
		Args: "[-p|-n] NAME|ADDRESS | -l | -M | -m MODULE | -q TEXT",
		Help: "look up symbols by name or by address, or list them",
		Doc: `sym shows every symbol of a name, or the symbols that an address lies in. An
address is hexadecimal, a symbol and an offset, or an expression.

    sym init_task
    sym ffffffff81000000
    sym schedule+0x42
    sym init_task.parent

The class comes from the address: text, data, rodata, bss, percpu, absolute or
init. Sizes reach to the next symbol or to the end of the section.

    -l         list all symbols, by address, with the letters that nm prints
    -M         those of modules
    -m MODULE  those of one
    -q TEXT    those whose names have that in them
    -p -n      with the symbol in front of it, with the next one`,
		Run:      runSym,
		Complete: completeSymbol,
	})
}

func runSym(ctx context.Context, env *Env, args string) error {
	if !strings.HasPrefix(args, "-") {
		return env.lookUpSymbol(ctx, args)
	}
	opts, rest, err := options("sym", args, "lMm:q:pn")
	if err != nil {
		return err
	}
	name := strings.Join(rest, " ")
	near := opts.has('p') || opts.has('n')
	if near != (name != "") {
		return usage("sym", "-p and -n want a name or an address, the other options none")
	}
	switch {
	case opts.has('m'):
		symbols, err := env.Kernel.ModuleSymbols(opts.value('m'))
		if err != nil {
			return err
		}
		return env.listSymbols(ctx, symbols, func(kallsyms.Symbol) bool { return true })
	case near:
		return env.neighbours(ctx, name, opts.has('p'), opts.has('n'))
	}
	text := opts.value('q')
	return env.listSymbols(ctx, env.Kernel.AllSymbols(), func(s kallsyms.Symbol) bool {
		return (s.Module != "" || !opts.has('M')) && strings.Contains(s.Name, text)
	})
}

// listSymbols writes symbols as they come, for there are many.
func (e *Env) listSymbols(ctx context.Context, symbols iter.Seq[kallsyms.Symbol], want func(kallsyms.Symbol) bool) error {
	for s := range symbols {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !want(s) {
			continue
		}
		if err := e.listSymbol(s); err != nil {
			return err
		}
	}
	return nil
}

func (e *Env) listSymbol(s kallsyms.Symbol) error {
	if e.JSON {
		return e.Object(newSymbolObject(s))
	}
	text := fmt.Sprintf("%016x (%c) %s", uint64(s.Addr), s.Type, s.Name)
	if s.Module != "" {
		text += " [" + s.Module + "]"
	}
	return e.Printf("%s\n", text)
}

// neighbours shows a symbol and the one at the address in front of it, or behind.
func (e *Env) neighbours(ctx context.Context, name string, before, behind bool) error {
	a, err := e.hexAddress(ctx, name)
	if err != nil {
		return err
	}
	target, _, ok := e.Kernel.Resolve(vmcore.Addr(a))
	if !ok {
		return &kernel.NotFoundError{What: "symbol", Name: name}
	}
	var near [3]*kallsyms.Symbol // in front, the one itself, behind
	near[1] = &target
	for s := range e.Kernel.AllSymbols() {
		switch {
		case s.Module != target.Module || s.Class == kallsyms.Absolute:
		case s.Addr < target.Addr && before:
			near[0] = &s
		case s.Addr > target.Addr && behind && near[2] == nil:
			near[2] = &s
		}
	}
	for _, s := range near {
		if s == nil {
			continue
		}
		if err := e.listSymbol(*s); err != nil {
			return err
		}
	}
	return nil
}

// lookUpSymbol shows the symbols of a name or at an address.
func (e *Env) lookUpSymbol(ctx context.Context, name string) error {
	if name == "" {
		return usage("sym", "sym needs a name or an address")
	}
	if found := e.Kernel.Lookup(name); len(found) > 0 {
		return e.showSymbols(found, nil)
	}
	u, err := e.hexAddress(ctx, name)
	if err != nil {
		return err
	}
	a := vmcore.Addr(u)
	s, offset, ok := e.Kernel.Resolve(a)
	if !ok {
		return &kernel.NotFoundError{What: "symbol", Name: a.String(), In: "the kernel and its modules"}
	}
	found := []kallsyms.Symbol{s}
	if s.Module == "" {
		if same := e.Kernel.Symbols().At(s.Addr); len(same) > 0 {
			found = same
		}
	}
	return e.showSymbols(found, &offset)
}

// symbolObject is a symbol in JSON.
type symbolObject struct {
	Name    string  `json:"name"`
	Address string  `json:"address"`
	Size    uint64  `json:"size"`
	Class   string  `json:"class"`
	Module  *string `json:"module"`
	Offset  *uint64 `json:"offset,omitempty"` // of the address that was looked up
}

func newSymbolObject(s kallsyms.Symbol) symbolObject {
	o := symbolObject{Name: s.Name, Address: s.Addr.String(), Size: s.Size, Class: s.Class.String()}
	if s.Module != "" {
		o.Module = &s.Module
	}
	return o
}

// showSymbols writes symbols; offset is that of an address in them, nil when
// they were looked up by name.
func (e *Env) showSymbols(found []kallsyms.Symbol, offset *uint64) error {
	var rows [][]string
	for _, s := range found {
		if !e.JSON {
			rows = append(rows, symbolRow(s, offset))
			continue
		}
		o := newSymbolObject(s)
		o.Offset = offset
		if err := e.Object(o); err != nil {
			return err
		}
	}
	header := []string{"ADDRESS", ">SIZE", "CLASS", "NAME"}
	if slices.ContainsFunc(found, func(s kallsyms.Symbol) bool { return s.Module != "" }) {
		header = append(header, "MODULE")
	} else {
		for i := range rows {
			rows[i] = rows[i][:len(header)]
		}
	}
	return writeTable(e.Out, header, rows)
}

func symbolRow(s kallsyms.Symbol, offset *uint64) []string {
	var name strings.Builder
	name.WriteString(s.Name)
	if offset != nil && *offset != 0 {
		fmt.Fprintf(&name, "+%#x", *offset)
	}
	return []string{s.Addr.String(), strconv.FormatUint(s.Size, 10), s.Class.String(), name.String(), s.Module}
}
