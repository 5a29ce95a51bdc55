package batch

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// WriteStats prints a line for each file that was encoded, and under those of a
// single file why functions and variables were left out.
func WriteStats(w io.Writer, results []Result) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "units\tDWARF bytes\ttypes\tfunctions\tvariables\tsections\tBTF bytes\tbase\ttime\t")
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		s := r.Stats
		fmt.Fprintf(tab, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t %s\n", s.Units, s.Bytes, s.Types, s.Functions, s.Variables,
			s.Datasecs, r.Size, r.Base, r.Time.Round(time.Millisecond), r.File)
	}
	tab.Flush()
	if len(results) != 1 || results[0].Err != nil {
		return
	}
	skipped := results[0].Stats.Skipped
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		fmt.Fprintf(w, "left out: %d %s\n", skipped[reason], reason)
	}
}
