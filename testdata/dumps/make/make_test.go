package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModuleOrder(t *testing.T) {
	deps := `kernel/net/ipv6/sit.ko: kernel/net/ipv4/ip_tunnel.ko kernel/net/ipv4/tunnel4.ko
kernel/net/ipv4/ip_tunnel.ko: kernel/net/ipv4/tunnel4.ko
kernel/net/ipv4/tunnel4.ko:
kernel/drivers/firmware/qemu-fw-cfg.ko.xz:
`
	got := moduleOrder(deps, []string{"qemu_fw_cfg", "built_in", "ip_tunnel", "sit"})
	want := []string{"kernel/drivers/firmware/qemu-fw-cfg.ko.xz", "kernel/net/ipv4/tunnel4.ko", "kernel/net/ipv4/ip_tunnel.ko", "kernel/net/ipv6/sit.ko"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := moduleName(want[0]); got != "qemu_fw_cfg" {
		t.Errorf("moduleName = %q", got)
	}
}

// TestInitramfs holds the archive against cpio.
func TestInitramfs(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		if os.Getenv("KDBG_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	fsys := initramfs{
		"init":             {modeProgram, []byte("#!/bin/sh\n")},
		"lib/modules/a.ko": {modeFile, []byte("12345")},
		"dev/console":      {mode: modeConsole},
	}
	name := filepath.Join(t.TempDir(), "initramfs")
	if err := fsys.write(name); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", "gzip -dc "+name+" | cpio -itv --quiet --numeric-uid-gid").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		got = append(got, f[0]+" "+f[len(f)-1])
	}
	want := []string{"drwxr-xr-x dev", "crw------- dev/console", "-rwxr-xr-x init", "drwxr-xr-x lib", "drwxr-xr-x lib/modules", "-rw-r--r-- lib/modules/a.ko"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", diff, out)
	}
}

func TestHeadersFirst(t *testing.T) {
	le := binary.LittleEndian
	core := make([]byte, 64+64+2*56) // a header, a section header, two program headers
	le.PutUint64(core[32:], 64+64)
	le.PutUint64(core[40:], 64)
	le.PutUint16(core[56:], 2)
	le.PutUint16(core[58:], 64)
	le.PutUint16(core[60:], 1)
	headers := bytes.Repeat([]byte("program "), 14)
	copy(core[128:], headers)
	name := filepath.Join(t.TempDir(), "core")
	if err := os.WriteFile(name, core, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := headersFirst(name); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if le.Uint64(got[32:]) != 64 || le.Uint64(got[40:]) != 0 || le.Uint16(got[56:]) != 2 || le.Uint16(got[60:]) != 0 {
		t.Errorf("header %x", got[:64])
	}
	if !bytes.Equal(got[64:64+112], headers) {
		t.Errorf("program headers %q", got[64:])
	}
}

func TestRow(t *testing.T) {
	old := strings.Split("# Dumps\n\n| dump | kernel | made by | special |\n|---|---|---|---|\n| a.kdump | 6.1 | hand | all of it |\n| b.kdump | 6.2 | hand | none |\n\nend", "\n")
	for _, tc := range []struct {
		row  row
		want string
	}{
		{row{"a.kdump", "6.3", "make"}, "| a.kdump | 6.3 | make | all of it |\n| b.kdump | 6.2 | hand | none |\n"},
		{row{"c.kdump", "6.3", "make"}, "| a.kdump | 6.1 | hand | all of it |\n| b.kdump | 6.2 | hand | none |\n| c.kdump | 6.3 | make |  |\n"},
	} {
		lines, err := withRow(old, tc.row)
		if err != nil {
			t.Fatal(err)
		}
		want := "# Dumps\n\n| dump | kernel | made by | special |\n|---|---|---|---|\n" + tc.want + "\nend"
		if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := withRow([]string{"nothing"}, row{}); err == nil {
		t.Error("a row without a table")
	}
}

func TestMissingLines(t *testing.T) {
	got := missingLines("# why\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n", "CONFIG_A=y\nCONFIG_B=y\n")
	if diff := cmp.Diff([]string{"CONFIG_B=m"}, got); diff != "" {
		t.Error(diff)
	}
}
