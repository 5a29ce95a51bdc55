package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/btfsrc/vartypes"
)

// measureAll applies tables to kernels that they have not seen: one of all kernels
// but those of the same version, which is what a kernel between two known ones can
// expect, and one of older kernels, which is what the next release can. The rows are
// those of tables in Markdown; log gets each variable that is not right.
func measureAll(kernels []*kernel, out, log io.Writer) error {
	const head = "| kernel | variables | in the table | right | alike | but for the length | left open | wrong |\n|---|---:|---:|---:|---:|---:|---:|---:|\n"
	fmt.Fprint(out, head)
	for _, k := range kernels {
		others := slices.DeleteFunc(slices.Clone(kernels), func(o *kernel) bool { return o.version() == k.version() })
		if err := measureRow(k, others, out, log); err != nil {
			return err
		}
	}
	fmt.Fprint(out, "\n", head)
	for _, k := range kernels {
		older := kernels[:slices.IndexFunc(kernels, func(o *kernel) bool { return o.version() == k.version() })]
		if len(older) == 0 {
			continue
		}
		if err := measureRow(k, older, out, io.Discard); err != nil {
			return err
		}
	}
	return nil
}

func measureRow(k *kernel, others []*kernel, out, log io.Writer) error {
	b, err := write(others)
	if err != nil {
		return err
	}
	table, err := vartypes.Read(b)
	if err != nil {
		return err
	}
	s := measure(table, k, log)
	percent := func(n int) string { return fmt.Sprintf("%.2f %%", 100*float64(n)/float64(max(s.known, 1))) }
	_, err = fmt.Fprintf(out, "| %s | %d | %.1f %% | %s | %s | %s | %s | %s (%d) |\n", k.Release, s.vars, 100*float64(s.known)/float64(s.vars),
		percent(s.right), percent(s.alike), percent(s.length), percent(s.open), percent(s.wrong), s.wrong)
	return err
}

// score counts the variables of a kernel by what the table makes of them.
type score struct {
	vars, known                       int
	right, alike, length, open, wrong int
}

// measure applies a table to a kernel, whose own VARs say what is right. The
// kernel is not known by its build ID, and has no memory but what is initialised.
func measure(table *vartypes.Table, k *kernel, log io.Writer) score {
	typer := table.Typer(k.types, k.image, "")
	s := score{vars: len(k.vars)}
	for _, v := range k.vars {
		if _, ok := table.Lookup(v.symbol.Name); !ok {
			continue
		}
		s.known++
		t, _, ok := typer.VarType(v.symbol)
		got, _ := vartypes.Spell(t)
		what := "wrong"
		switch {
		case !ok:
			s.open++
			what = "open"
		case got == v.spelling:
			s.right++
			continue
		case typer.Alike(v.symbol, t, v.typ):
			s.alike++
			continue
		case element(got) == element(v.spelling):
			s.length++
			what = "length"
		default:
			s.wrong++
		}
		fmt.Fprintf(log, "%s\t%s\t%s\t%d bytes\tis %s\tgot %s\n", k.Release, what, v.symbol.Name, v.symbol.Size, v.spelling, got)
	}
	return s
}

// element returns the spelling of an array's elements, or of another type itself.
func element(spelling string) string {
	if !strings.HasPrefix(spelling, "[") {
		return spelling
	}
	_, elem, _ := strings.Cut(spelling, "]")
	return elem
}
