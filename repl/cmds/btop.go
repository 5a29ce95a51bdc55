package cmds

import (
	"context"
	"math/bits"
	"strconv"
)

func init() {
	register(&Command{
		Name: "btop",
		Args: "ADDRESS...",
		Help: "show the page numbers of physical addresses",
		Doc: `btop shows the number of the page that each physical address lies in. Addresses
and page numbers are hexadecimal. ptob does the reverse.

    btop 512a000                  512a`,
		Run: func(_ context.Context, env *Env, args string) error {
			return env.pages("btop", args, hexNumber, func(u, size uint64) (uint64, uint64, uint64) { return u, u / size, u / size })
		},
	})
	register(&Command{
		Name: "ptob",
		Args: "NUMBER...",
		Help: "show the physical addresses of page numbers",
		Doc: `ptob shows the physical address of each page by its number, which is decimal
unless it begins with 0x or has a hexadecimal digit. btop does the reverse.

    ptob 512a                     512a000`,
		Run: func(_ context.Context, env *Env, args string) error {
			return env.pages("ptob", args, pageNumber, func(u, size uint64) (uint64, uint64, uint64) { return u * size, u, u * size })
		},
	})
}

// pageNumber reads a decimal number, or a hexadecimal one that shows itself.
func pageNumber(word string) (uint64, bool) {
	if u, err := strconv.ParseUint(word, 10, 64); err == nil {
		return u, true
	}
	return hexNumber(word)
}

// pages shows what convert makes of each number: an address, the number of its
// page, and the one of the two that was asked for.
func (e *Env) pages(command, args string, number func(string) (uint64, bool), convert func(u, size uint64) (addr, page, answer uint64)) error {
	list, err := words(args)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return usage(command, "%s wants numbers", command)
	}
	size := e.Kernel.PageSize()
	for _, word := range list {
		u, ok := number(word)
		if over, _ := bits.Mul64(u, size); !ok || command == "ptob" && over != 0 {
			return usage(command, "%s is not a number that fits", word)
		}
		addr, page, answer := convert(u, size)
		if e.JSON {
			err = e.Object(struct {
				Expr    string `json:"expr"`
				Address string `json:"address"`
				PFN     uint64 `json:"pfn"`
			}{word, hex(addr), page})
		} else {
			err = e.Printf("%x: %x\n", u, answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
