package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/kdbg/kdbg/btfsrc/vartypes"
)

// score is how the table does for one kernel.
type score struct {
	vars, covered, right, alike, length, wrong int
}

// measure applies a table to a kernel, whose own VARs say what is right.
func measure(table *vartypes.Table, k *kernel, log io.Writer) score {
	typer := table.Typer(k.types, k.image, "")
	var sc score
	for _, v := range k.vars {
		sc.vars++
		if _, ok := table.Lookup(v.symbol.Name); !ok {
			continue
		}
		sc.covered++
		t, _, ok := typer.VarType(v.symbol)
		if !ok {
			e, _ := table.Lookup(v.symbol.Name)
			fmt.Fprintf(log, "open\t%s\t%d\t%s\t%v\n", v.symbol.Name, v.symbol.Size, v.spelling, e.Variants)
			continue
		}
		switch spelling, _ := vartypes.Spell(t); {
		case spelling == v.spelling:
			sc.right++
		case vartypes.Alike(typer, v.symbol, t, v.typ):
			sc.alike++
		case element(spelling) == element(v.spelling):
			sc.length++
			fmt.Fprintf(log, "length\t%s\t%d\t%s\t%s\n", v.symbol.Name, v.symbol.Size, v.spelling, spelling)
		default:
			sc.wrong++
			fmt.Fprintf(log, "wrong\t%s\t%d\t%s\t%s\n", v.symbol.Name, v.symbol.Size, v.spelling, spelling)
		}
	}
	return sc
}

// element returns the spelling of an array's elements, or of another type itself.
func element(spelling string) string {
	rest, ok := strings.CutPrefix(spelling, "[")
	if _, elem, cut := strings.Cut(rest, "]"); ok && cut {
		return elem
	}
	return spelling
}
