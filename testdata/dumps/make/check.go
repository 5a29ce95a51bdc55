package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// refusal is how the kernel says that it does not take a BTF.
var refusal = regexp.MustCompile(`BPF:.*|.*failed to validate.*|.*BTF.*(mismatch|invalid).*`)

// check boots a kernel, which has to take its BTF and that of its modules, and
// lets kdbg read variables in the memory of the guest.
func check(ctx context.Context, j *job) error {
	kdbg, err := j.kdbg(ctx)
	if err != nil {
		return err
	}
	fsys, err := j.system(ctx)
	if err != nil {
		return err
	}
	m, err := j.boot(ctx, "check", fsys, "")
	if err != nil {
		return err
	}
	defer m.stop()
	if _, err := m.wait(ctx, "ready"); err != nil {
		return err
	}
	console, err := os.ReadFile(m.console)
	if err != nil {
		return err
	}
	if said := refusal.FindString(string(console)); said != "" {
		return fmt.Errorf("the kernel refuses BTF: %s", strings.TrimSpace(said))
	}
	core := filepath.Join(m.dir, "guest.elf")
	if err := m.dumpMemory(core); err != nil {
		return err
	}
	defer os.Remove(core)
	m.stop()
	report, err := os.ReadFile(m.report)
	if err != nil {
		return err
	}
	fmt.Print(strings.ReplaceAll(string(report), "\r", ""))
	return j.readVariables(ctx, kdbg, core)
}

// readVariables prints variables of a dump, and holds them against what is
// known of every kernel.
func (j *job) readVariables(ctx context.Context, kdbg, core string) error {
	for _, v := range []struct {
		name string
		want string // what the value begins with, in JSON
	}{
		{"init_task.comm", `"swapper`},
		{"jiffies", ""},
		{"linux_banner", `"Linux version ` + j.kernel.release},
	} {
		out, err := command{}.output(ctx, kdbg, "--json", core, "-e", "print "+v.name)
		if err != nil {
			return err
		}
		var answer struct {
			Value  json.RawMessage
			Source string
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if answer.Source != "btf" || len(answer.Value) == 0 || !strings.HasPrefix(string(answer.Value), v.want) {
			return fmt.Errorf("%s: kdbg says %s", v.name, out)
		}
		fmt.Printf("%s = %s, typed by %s\n", v.name, answer.Value, answer.Source)
	}
	return nil
}
