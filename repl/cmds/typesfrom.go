package cmds

import (
	"context"
	"fmt"
	"strconv"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "types-from",
		Args: "[-u | -s SOURCE]",
		Help: "count the variables by where their types come from",
		Doc: `types-from counts the variables of the kernel and its modules by the source of
their types. A variable has its type from the first of these that knows it:

    btf        the kernel's own BTF, in the dump
    module     the BTF of a loaded module, in the dump
    file       a BTF beside the dump: --btf FILE, or found by the release
    declared   a declaration of yours, see declare
    table      the table of well-known variables that kdbg has
    untyped    none: see print for what to do then

-s SOURCE lists the variables of one source with their types, -u those that have
none.

Variables are the symbols in sections of data. Those that macros and the
compiler make (__ksymtab_kfree, __key.12) and what was freed after boot do not
count.`,
		Run: runTypesFrom,
	})
}

// untyped is the word for no source.
const untyped = "untyped"

func sourceName(s btfsrc.Source) string {
	if s == btfsrc.SourceNone {
		return untyped
	}
	return s.String()
}

func runTypesFrom(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("types-from", args, "us:")
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usage("types-from", "types-from takes options only")
	}
	list := opts.value('s')
	if opts.has('u') {
		list = untyped
	}
	counts := make(map[btfsrc.Source]int)
	total := 0
	for v := range env.Kernel.Variables() {
		if err := ctx.Err(); err != nil {
			return err
		}
		counts[v.Source]++
		total++
		if sourceName(v.Source) == list {
			if err := env.showTypedSymbol(v); err != nil {
				return err
			}
		}
	}
	if list != "" {
		return env.checkSource(list)
	}
	return env.showSources(counts, total)
}

func (e *Env) checkSource(name string) error {
	for _, s := range btfsrc.Sources {
		if sourceName(s) == name {
			return nil
		}
	}
	return usage("types-from", "no source %q", name)
}

// showTypedSymbol writes one variable: a line as it comes, for there may be many.
func (e *Env) showTypedSymbol(v kernel.TypedSymbol) error {
	if e.JSON {
		o := struct {
			symbolObject
			Type string `json:"type,omitempty"`
		}{symbolObject: newSymbolObject(v.Symbol)}
		if v.Type != nil {
			o.Type = btfsrc.TypeName(v.Type)
		}
		return e.Object(o)
	}
	text := v.Name
	if v.Type != nil {
		text = btfsrc.Declaration(v.Type, v.Name)
	}
	if v.Module != "" {
		text += " [" + v.Module + "]"
	}
	return e.Printf("%v %6d %-7v %s\n", v.Addr, v.Size, v.Class, text)
}

func (e *Env) showSources(counts map[btfsrc.Source]int, total int) error {
	var rows [][]string
	for _, s := range btfsrc.Sources {
		n := counts[s]
		if e.JSON {
			err := e.Object(struct {
				Source    string `json:"source"`
				Variables int    `json:"variables"`
			}{sourceName(s), n})
			if err != nil {
				return err
			}
			continue
		}
		share := fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(total, 1)))
		rows = append(rows, []string{sourceName(s), strconv.Itoa(n), share})
	}
	return writeTable(e.Out, []string{"SOURCE", ">VARIABLES", ">SHARE"}, rows)
}
