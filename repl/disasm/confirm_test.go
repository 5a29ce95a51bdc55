package disasm

import (
	"bufio"
	"cmp"
	"debug/elf"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
)

// maxMismatches is in how many instructions of a whole kernel the two may differ:
// where objdump begins to decode inside of an instruction, because a symbol is
// there, or does not know one.
const maxMismatches = 20

// TestConfirmKernel disassembles all code of the kernel that KDBG_VMLINUX names,
// and holds it against objdump.
func TestConfirmKernel(t *testing.T) {
	name := os.Getenv("KDBG_VMLINUX")
	if name == "" {
		t.Skip("KDBG_VMLINUX names no kernel")
	}
	file, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	isData := objects(t, file)
	writable := false // a section that has data beside code
	cmd := exec.Command("objdump", "-d", "--no-show-raw-insn", name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	instructions, mismatches, functions := 0, 0, 0
	var code []byte
	var base uint64
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if section, ok := strings.CutPrefix(line, "Disassembly of section "); ok {
			s := file.Section(strings.TrimSuffix(section, ":"))
			if code, err = s.Data(); err != nil {
				t.Fatal(err)
			}
			base, writable = s.Addr, s.Flags&elf.SHF_WRITE != 0
			continue
		}
		place, want, ok := strings.Cut(line, ":\t")
		at, err := strconv.ParseUint(strings.TrimSpace(place), 16, 64)
		if !ok || err != nil {
			if strings.HasSuffix(line, ">:") {
				functions++
			}
			continue
		}
		if writable || isData(at) {
			continue // which objdump writes as characters
		}
		instructions++
		got := x86(code[at-base:][:min(MaxLen, len(code)-int(at-base))], vmcore.Addr(at))
		if got.Branch { // objdump writes its target without 0x
			got.Text = strings.Replace(got.Text, "0x", "", 1)
		}
		if plain(got.Text) != plain(want) {
			mismatches++
			t.Logf("%x: % x: %q, objdump has %q", at, code[at-base:][:min(8, len(code)-int(at-base))], got.Text, want)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d functions, %d instructions, %d mismatches", functions, instructions, mismatches)
	if mismatches > maxMismatches || instructions < 1e6 {
		t.Errorf("%d mismatches", mismatches)
	}
}

// objects returns which addresses are those of data in sections of code.
func objects(t *testing.T, file *elf.File) func(at uint64) bool {
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	symbols = slices.DeleteFunc(symbols, func(s elf.Symbol) bool {
		return elf.ST_TYPE(s.Info) != elf.STT_OBJECT || s.Section >= elf.SectionIndex(len(file.Sections)) ||
			file.Sections[s.Section].Flags&elf.SHF_EXECINSTR == 0
	})
	slices.SortFunc(symbols, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	return func(at uint64) bool {
		i, exact := slices.BinarySearchFunc(symbols, at, func(s elf.Symbol, at uint64) int { return cmp.Compare(s.Value, at) })
		if !exact {
			i--
		}
		return i >= 0 && at < symbols[i].Value+symbols[i].Size
	}
}

// plain returns an instruction without comments, symbols and alignment.
func plain(text string) string {
	text, _, _ = strings.Cut(text, "#")
	text, _, _ = strings.Cut(text, "<")
	return strings.Join(strings.Fields(text), " ")
}
