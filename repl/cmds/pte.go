package cmds

import (
	"context"
	"strings"
)

func init() {
	register(&Command{
		Name: "pte",
		Args: "VALUE...",
		Help: "explain page table entries",
		Doc: `pte explains the values of page table entries of the lowest level: the page that
each maps and its bits, or where a page is that was swapped out. Values are
hexadecimal, with or without 0x.

    pte 8000000001000063`,
		Run: runPte,
	})
}

func runPte(ctx context.Context, env *Env, args string) error {
	rest, err := words(args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usage("pte", "pte needs the value of an entry")
	}
	space, err := env.Memory.Kernel()
	if err != nil {
		return err
	}
	var rows [][]string
	for _, word := range rest {
		value, err := env.hexAddress(ctx, word)
		if err != nil {
			return err
		}
		o := pteObject{Value: hex(value), Flags: []string{}}
		page, flags, err := space.Decode(value)
		if err != nil {
			o.Why = whyNotMapped(err)
		} else {
			text := page.String()
			o.Physical, o.Flags = &text, nonNil(flags)
		}
		if !env.JSON {
			rows = append(rows, o.row())
		} else if err := env.Object(o); err != nil {
			return err
		}
	}
	return writeTable(env.Out, []string{"PTE", "PHYSICAL", "FLAGS"}, rows)
}

// pteObject is an entry in JSON.
type pteObject struct {
	Value    string   `json:"value"`
	Physical *string  `json:"physical"` // null where it maps nothing
	Flags    []string `json:"flags"`
	Why      string   `json:"why,omitempty"` // it maps nothing
}

func (o pteObject) row() []string {
	page, text := "-", o.Why
	if o.Physical != nil {
		page, text = strings.TrimPrefix(*o.Physical, "0x"), strings.ToUpper(strings.Join(o.Flags, "|"))
	}
	return []string{strings.TrimPrefix(o.Value, "0x"), page, "(" + text + ")"}
}
