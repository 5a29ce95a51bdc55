package vmcore

import (
	"bytes"
	"unicode/utf8"
)

// UnrecognizedError reports a file that is no crash dump, or none that kdbg
// reads, and what it is instead. It is [ErrUnrecognized].
type UnrecognizedError struct {
	Name  string // the file's name; empty when unknown
	Looks string // what it looks like, such as "a text file"
	hint  string
}

func (e *UnrecognizedError) Error() string {
	text := ErrUnrecognized.Error() + ": it is " + e.Looks
	if e.Name != "" {
		text = e.Name + ": " + text
	}
	return text
}

// Is reports whether target is [ErrUnrecognized].
func (e *UnrecognizedError) Is(target error) bool { return target == ErrUnrecognized }

// Hint says what to do next; "" when there is nothing to say.
func (e *UnrecognizedError) Hint() string { return e.hint }

const hintDecompress = "decompress it first"

// lookalikes are other files that people have at hand, by their first bytes.
var lookalikes = []struct {
	magic       string
	looks, hint string
}{
	{"\x1f\x8b", "a gzip-compressed file", hintDecompress + ": gunzip"},
	{"\xfd7zXZ\x00", "an xz-compressed file", hintDecompress + ": unxz"},
	{"\x28\xb5\x2f\xfd", "a zstd-compressed file", hintDecompress + ": unzstd"},
	{"BZh", "a bzip2-compressed file", hintDecompress + ": bunzip2"},
	{"\x04\x22\x4d\x18", "an lz4-compressed file", hintDecompress + ": unlz4"},
	{"\x89LZO\x00", "an lzop-compressed file", hintDecompress + ": lzop -d"},
	{"PK\x03\x04", "a zip archive", "unpack it first"},
	{"PAGEDU64", "a Windows crash dump", ""},
	{"PAGEDUMP", "a Windows crash dump", ""},
	{"QEVM", "the saved state of a QEMU machine", "dump the guest with virsh dump --memory-only, or dump-guest-memory"},
	{"QFI\xfb", "a qcow2 disk image", "give the dump file in it"},
	{"\xd2\xbe\xd2\xbe", "a VMware suspend file", "convert it to an ELF core with vmss2core"},
	{"\xd3\xbe\xd3\xbe", "a VMware suspend file", "convert it to an ELF core with vmss2core"},
	{"\xa8\x19\x01\x73\x61\x8f\x23\xfd", "an s390 stand-alone dump", "convert it to an ELF core with zgetdump -f elf"},
	{"\x9f\xeb\x01", "BTF type information, not a dump", "give the dump as well, and this file as its types"},
}

// unrecognized says what a file is, given how it begins.
func unrecognized(f fileAt, head []byte, volume bool) error {
	e := &UnrecognizedError{Name: f.name}
	for _, l := range lookalikes {
		if bytes.HasPrefix(head, []byte(l.magic)) {
			e.Looks, e.hint = l.looks, l.hint
			return e
		}
	}
	switch {
	case len(head) == 0:
		e.Looks, e.hint = "empty", "the dump was not written: look for a full disk where it was made"
	case volume && sniffELF(head):
		e.Looks, e.hint = "an ELF file, which is no volume of a split dump", "give the vmcore alone; kdbg needs no vmlinux beside it"
	case len(bytes.Trim(head, "\x00")) == 0:
		e.Looks, e.hint = "zeros where a header should be", "the dump was perhaps not written to its end"
	case isText(head):
		e.Looks, e.hint = "a text file", "the dump is beside it, perhaps: vmcore, not vmcore-dmesg.txt"
	default:
		e.Looks, e.hint = "of an unknown format", "kdbg reads ELF and kdump-compressed dumps, flattened or not, and /proc/kcore"
	}
	return e
}

// isText reports whether a file that begins with head is text: UTF-8 without
// control characters.
func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 && len(head) >= utf8.UTFMax {
			return false
		}
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' && r != '\x1b' {
			return false
		}
		head = head[n:]
	}
	return true
}
