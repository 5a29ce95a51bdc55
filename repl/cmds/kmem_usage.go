package cmds

import (
	"context"
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kernel/mm"
)

// usageObject is what memory is used for, in JSON: pages.
type usageObject struct {
	PageSize    uint64 `json:"page_size"`
	Total       uint64 `json:"total"`
	Free        uint64 `json:"free"`
	Used        uint64 `json:"used"`
	Buffers     uint64 `json:"buffers"`
	Cached      uint64 `json:"cached"`
	Slab        uint64 `json:"slab"`
	HugeTotal   uint64 `json:"huge_total"`
	HugeFree    uint64 `json:"huge_free"`
	SwapTotal   uint64 `json:"swap_total"`
	SwapUsed    uint64 `json:"swap_used"`
	SwapFree    uint64 `json:"swap_free"`
	CommitLimit uint64 `json:"commit_limit"`
	Committed   uint64 `json:"committed"`
}

// kmemUsage shows what memory is used for.
func kmemUsage(_ context.Context, env *Env, _ flags, _ []string) error {
	u, errs := env.Memory.Usage()
	for _, err := range errs {
		env.Problem(err)
	}
	if env.JSON {
		return env.Object(usageObject{
			env.Memory.PageSize(), u.Total, u.Free, u.Used(), u.Buffers, u.Cached, u.Slab, u.HugeTotal, u.HugeFree,
			u.SwapTotal, u.SwapUsed(), u.SwapFree, u.CommitLimit, u.Committed,
		})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%13s  %7s  %11s   %s\n", "", "PAGES", "TOTAL", "PERCENTAGE")
	row := func(name string, pages, of uint64, ofName string) {
		share := "----"
		if ofName != "" {
			share = fmt.Sprintf("%d%% of %s", percent(pages, of), ofName)
			if len(share) < 15 {
				share = strings.Repeat(" ", 15-len(share)) + share
			}
		} else {
			share = "     " + share
		}
		fmt.Fprintf(&b, "%13s  %7d  %11s  %s\n", name, pages, pagesSize(pages, env.Memory.PageSize()), share)
	}
	of := "TOTAL MEM"
	row("TOTAL MEM", u.Total, 0, "")
	row("FREE", u.Free, u.Total, of)
	row("USED", u.Used(), u.Total, of)
	row("BUFFERS", u.Buffers, u.Total, of)
	row("CACHED", u.Cached, u.Total, of)
	row("SLAB", u.Slab, u.Total, of)
	b.WriteByte('\n')
	row("TOTAL HUGE", u.HugeTotal, 0, "")
	row("HUGE FREE", u.HugeFree, u.HugeTotal, "TOTAL HUGE")
	b.WriteByte('\n')
	row("TOTAL SWAP", u.SwapTotal, 0, "")
	row("SWAP USED", u.SwapUsed(), u.SwapTotal, "TOTAL SWAP")
	row("SWAP FREE", u.SwapFree, u.SwapTotal, "TOTAL SWAP")
	b.WriteByte('\n')
	row("COMMIT LIMIT", u.CommitLimit, 0, "")
	row("COMMITTED", u.Committed, u.CommitLimit, "TOTAL LIMIT")
	return env.Printf("%s", b.String())
}

func percent(n, of uint64) uint64 {
	if of == 0 {
		return 0
	}
	return n * 100 / of
}

// pagesSize writes the size of pages as crash does: 211.8 MB, 43 MB, 0.
func pagesSize(pages, size uint64) string {
	bytes := float64(pages * size)
	unit := "KB"
	switch {
	case pages == 0:
		return "0"
	case bytes >= 1<<30:
		bytes, unit = bytes/(1<<30), "GB"
	case bytes >= 1<<20:
		bytes, unit = bytes/(1<<20), "MB"
	default:
		bytes /= 1 << 10
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", bytes), ".0") + " " + unit
}

// kmemCounters shows the counters of all zones, of all nodes, and of events.
func kmemCounters(_ context.Context, env *Env, _ flags, _ []string) error {
	for i, l := range []struct {
		title, key string
		read       func() ([]mm.Counter, error)
	}{
		{"VM_ZONE_STAT", "zone", env.Memory.ZoneCounters},
		{"VM_NODE_STAT", "node", env.Memory.NodeCounters},
		{"VM_EVENT_STATES", "event", env.Memory.Events},
	} {
		counters, err := l.read()
		if err != nil {
			env.Problem(err)
			continue
		}
		if env.JSON {
			for _, c := range counters {
				if err := env.Object(struct {
					Kind  string `json:"kind"`
					Name  string `json:"name"`
					Value int64  `json:"value"`
				}{l.key, c.Name, c.Value}); err != nil {
					return err
				}
			}
			continue
		}
		blank := ""
		if i > 0 {
			blank = "\n"
		}
		if err := env.Printf("%s  %s:\n%s", blank, l.title, counterLines(counters)); err != nil {
			return err
		}
	}
	return nil
}

// counterLines writes counters with their names to the right, as crash does.
func counterLines(counters []mm.Counter) string {
	width := 0
	for _, c := range counters {
		width = max(width, len(c.Name))
	}
	var b strings.Builder
	for _, c := range counters {
		fmt.Fprintf(&b, "%*s: %d\n", width, c.Name, c.Value)
	}
	return b.String()
}

// kmemHuge shows the huge pages by size.
func kmemHuge(ctx context.Context, env *Env, _ flags, _ []string) error {
	size := env.Memory.PageSize()
	return writeList(ctx, env, []string{"HSTATE", ">SIZE", ">FREE", ">TOTAL", "NAME"}, env.Memory.HugePages(),
		func(h mm.HugePages) any {
			return struct {
				Address string `json:"address"`
				Size    uint64 `json:"size"`
				Free    uint64 `json:"free"`
				Total   uint64 `json:"total"`
				Name    string `json:"name"`
			}{h.Addr.String(), size << h.Order, h.Free, h.Total, h.Name}
		},
		func(h mm.HugePages) []string {
			text := strings.ReplaceAll(pagesSize(1<<h.Order, size), " ", "")
			return []string{hexAddr(h.Addr), text, fmt.Sprint(h.Free), fmt.Sprint(h.Total), h.Name}
		})
}
