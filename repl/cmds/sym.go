package cmds

import (
	"context"
	"errors"
	"fmt"
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
		Args: "NAME|ADDRESS",
		Help: "look up symbols by name or by address",
		Doc: `sym shows every symbol of a name, or the symbols that an address lies in. The
address may be any expression.

    sym init_task
    sym 0xffffffff81000000
    sym init_task.parent

The class comes from the address: text, data, rodata, bss, percpu, absolute or
init. Sizes reach to the next symbol or to the end of the section.`,
		Run:      runSym,
		Complete: completeSymbol,
	})
}

func runSym(ctx context.Context, env *Env, args string) error {
	if args == "" {
		return usage("sym", "sym needs a name or an address")
	}
	if found := env.Kernel.Lookup(args); len(found) > 0 {
		return env.showSymbols(found, nil)
	}
	a, err := env.address(ctx, args)
	if err != nil {
		return err
	}
	s, offset, ok := env.Kernel.Resolve(a)
	if !ok {
		return &kernel.NotFoundError{What: "symbol", Name: a.String(), In: "the kernel and its modules"}
	}
	found := []kallsyms.Symbol{s}
	if s.Module == "" {
		if same := env.Kernel.Symbols().At(s.Addr); len(same) > 0 {
			found = same
		}
	}
	return env.showSymbols(found, &offset)
}

// address evaluates an expression that stands for an address: a number, a
// pointer, a symbol without a type, or an object in memory that is no number.
// Sixteen hexadecimal digits are an address without 0x, too, as the kernel
// itself and other debuggers print them.
func (e *Env) address(ctx context.Context, src string) (vmcore.Addr, error) {
	if u, err := strconv.ParseUint(src, 0, 64); err == nil {
		return vmcore.Addr(u), nil
	}
	if u, err := strconv.ParseUint(src, 16, 64); err == nil && len(src) == 16 {
		return vmcore.Addr(u), nil
	}
	v, err := e.eval(ctx, src)
	var untyped *kernel.UntypedError
	if errors.As(err, &untyped) && untyped.Symbol.Name == src {
		return untyped.Symbol.Addr, nil
	}
	if err != nil {
		return 0, err
	}
	u, err := v.Uint()
	if err == nil {
		return vmcore.Addr(u), nil
	}
	if a, ok := v.Addr(); ok && kernel.ErrorKind(err) == kernel.KindType {
		return a, nil
	}
	return 0, err
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
