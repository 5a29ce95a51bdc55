// Package confirm holds what kdbg says of a dump against what crash and drgn say
// of it.
//
// It has tests only, which run where the environment names what they need:
//
//	KDBG_CONFIRM_DUMP     a dump
//	KDBG_CONFIRM_VMLINUX  the vmlinux of its kernel, with DWARF
//	KDBG_CONFIRM_CRASH    the program crash; default is the one in the PATH
//	KDBG_CONFIRM_DRGN     the program drgn; default is the one in the PATH
//
// They print each difference. Those that have a reason are listed with it in the
// checks.
package confirm
