package cmds

import (
	"context"
	"fmt"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/fs"
	"github.com/kdbg/kdbg/kernel/mm"
)

func init() {
	register(&Command{
		Name: "swap",
		Help: "list the swap areas",
		Doc: `swap shows each swap area: the address of its struct swap_info_struct, whether it
is a partition or a file, its size and how much of it is in use, its priority
and its name.`,
		Run: runSwap,
	})
}

func runSwap(ctx context.Context, env *Env, args string) error {
	if args != "" {
		return usage("swap", "swap takes no arguments")
	}
	kib := env.Memory.PageSize() >> 10
	header := []string{"SWAP_INFO_STRUCT", "TYPE", ">SIZE", ">USED", ">PCT", ">PRI", "FILENAME"}
	return writeList(ctx, env, header, env.Memory.SwapAreas(),
		func(s mm.SwapArea) any {
			return struct {
				Address  string `json:"address"`
				Number   int    `json:"number"` // as page table entries have it
				Type     string `json:"type"`
				Size     uint64 `json:"size_kib"`
				Used     uint64 `json:"used_kib"`
				Priority int    `json:"priority"`
				File     string `json:"file"`
			}{s.Addr.String(), s.Number, swapType(s), s.Pages * kib, s.Used * kib, s.Priority, pathAt(s.Value(), "swap_file", "f_path")}
		},
		func(s mm.SwapArea) []string {
			return []string{
				hexAddr(s.Addr), swapType(s), fmt.Sprintf("%dk", s.Pages*kib), fmt.Sprintf("%dk", s.Used*kib),
				fmt.Sprintf("%d%%", percent(s.Used, s.Pages)), fmt.Sprint(s.Priority), pathAt(s.Value(), "swap_file", "f_path"),
			}
		})
}

func swapType(s mm.SwapArea) string {
	if s.File {
		return "FILE"
	}
	return "PARTITION"
}

// pathAt returns the path that members of v lead to, "?" where it cannot be read.
func pathAt(v kernel.Value, members ...string) string {
	path, err := v.Path(members...)
	if err != nil {
		return "?"
	}
	p, err := fs.PathOf(path)
	if err != nil && p.Name == "" {
		return "?"
	}
	return p.Name
}
