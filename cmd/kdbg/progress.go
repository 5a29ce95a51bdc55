package main

import (
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress returns a function that shows how much is done, from 0 to 1, as a bar
// on standard error, and one that takes the bar away. Where no person watches,
// there is no bar.
func progress() (report func(done float64), end func()) {
	if !isTerminal(os.Stderr) {
		return nil, func() {}
	}
	const steps = 1000
	bars := mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(60))
	bar := bars.AddBar(steps, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name("encoding ")), mpb.AppendDecorators(decor.Percentage()))
	report = func(done float64) { bar.SetCurrent(int64(done * (steps - 1))) }
	return report, func() {
		bar.SetCurrent(steps)
		bars.Wait()
	}
}
