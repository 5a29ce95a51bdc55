package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/kdbg/kdbg/btfsrc/vartypes"
)

func main() {
	out := flag.String("o", "", "write the table to `FILE`")
	logDir := flag.String("measure", "", "log to `DIR`")
	flag.Parse()
	if err := run(*out, *logDir, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out, logDir string, files []string) error {
	var kernels []*kernel
	var releases []vartypes.Kernel
	for _, name := range files {
		k, err := readKernel(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		kernels = append(kernels, k)
		releases = append(releases, k.Kernel)
		fmt.Fprintln(os.Stderr, k.Release, len(k.vars))
	}
	if logDir != "" {
		return measureAll(kernels, releases, logDir)
	}
	all := collect(kernels)
	fmt.Fprintln(os.Stderr, len(all), "names")
	entries := all.entries()
	table, err := vartypes.Write(releases, entries)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, len(entries), "entries", len(table), "bytes")
	return os.WriteFile(out, table, 0o666)
}

func measureAll(kernels []*kernel, releases []vartypes.Kernel, dir string) error {
	for _, k := range kernels {
		for _, mode := range []string{"all", "without"} {
			var rest []*kernel
			for _, o := range kernels {
				if mode == "all" || version(o.Release) != version(k.Release) {
					rest = append(rest, o)
				}
			}
			b, err := vartypes.Write(releases, collect(rest).entries())
			if err != nil {
				return err
			}
			t, err := vartypes.Read(b)
			if err != nil {
				return err
			}
			log, err := os.Create(dir + "/" + k.Release + "." + mode)
			if err != nil {
				return err
			}
			s := measure(t, k, log)
			log.Close()
			pc := func(n int) float64 { return 100 * float64(n) / float64(s.covered) }
			fmt.Printf("%-30s %-8s vars %d covered %.1f%% right %.2f%% alike %.2f%% length %.2f%% wrong %d %.2f%%  open %.2f%%\n", k.Release, mode, s.vars, 100*float64(s.covered)/float64(s.vars), pc(s.right), pc(s.alike), pc(s.length), s.wrong, pc(s.wrong), pc(s.covered-s.right-s.alike-s.length-s.wrong))
		}
	}
	return nil
}

func version(release string) string {
	parts := strings.SplitN(release, ".", 3)
	return parts[0] + "." + parts[1]
}
