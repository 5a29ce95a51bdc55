package dwarf_test

import (
	stdwarf "debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/kdbg/kdbg/encode/dwarf"
)

// slots are the attributes of the standard library that a Reader decodes.
var slots = map[stdwarf.Attr]dwarf.Slot{
	stdwarf.AttrName: dwarf.SlotName, stdwarf.AttrLinkageName: dwarf.SlotLinkageName, 0x2007: dwarf.SlotLinkageName,
	stdwarf.AttrType: dwarf.SlotType, stdwarf.AttrSpecification: dwarf.SlotSpecification,
	stdwarf.AttrAbstractOrigin: dwarf.SlotAbstractOrigin, stdwarf.AttrSibling: dwarf.SlotSibling,
	stdwarf.AttrImport: dwarf.SlotImport, stdwarf.AttrSignature: dwarf.SlotSignature,
	stdwarf.AttrByteSize: dwarf.SlotByteSize, stdwarf.AttrBitSize: dwarf.SlotBitSize, stdwarf.AttrBitOffset: dwarf.SlotBitOffset,
	stdwarf.AttrDataBitOffset: dwarf.SlotDataBitOffset, stdwarf.AttrUpperBound: dwarf.SlotUpperBound,
	stdwarf.AttrCount: dwarf.SlotCount, stdwarf.AttrEncoding: dwarf.SlotEncoding, stdwarf.AttrConstValue: dwarf.SlotConstValue,
	stdwarf.AttrDataMemberLoc: dwarf.SlotMemberLocation, stdwarf.AttrLocation: dwarf.SlotLocation,
	stdwarf.AttrLowpc: dwarf.SlotLowPC, stdwarf.AttrRanges: dwarf.SlotRanges, stdwarf.AttrCalling: dwarf.SlotCallingConvention,
	stdwarf.AttrDeclaration: dwarf.SlotDeclaration, stdwarf.AttrExternal: dwarf.SlotExternal,
	stdwarf.AttrArtificial: dwarf.SlotArtificial, stdwarf.AttrPrototyped: dwarf.SlotPrototyped,
	stdwarf.AttrLanguage: dwarf.SlotLanguage, stdwarf.AttrInline: dwarf.SlotInline, 0x2107: dwarf.SlotVector,
}

// compareWithStandard reads a file with this package and with debug/dwarf.
// Some files the library cannot read: then only this package's own reading is
// checked.
func compareWithStandard(t *testing.T, name string, readable bool) {
	t.Helper()
	f := open(t, name)
	ef, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer ef.Close()
	data, err := ef.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	std, n := data.Reader(), 0
	var r, other dwarf.Reader
	for _, u := range f.Units() {
		for r.Reset(u); r.Next(); n++ {
			other.Reset(u)
			if err := follow(f, &r.Entry, &other); err != nil {
				t.Fatalf("%v at %#x: %v", r.Entry.Tag, r.Entry.Offset, err)
			}
			if !readable || u.Alt || uint64(r.Entry.Offset) != r.Entry.Offset.Offset() {
				continue // the standard library reads .debug_info of the file itself
			}
			e, err := std.Next()
			for ; err == nil && e != nil && e.Tag == 0; e, err = std.Next() {
			}
			if e == nil || err != nil {
				t.Fatalf("%v at %#x: standard library ends: %v", r.Entry.Tag, r.Entry.Offset, err)
			}
			if diff := compareEntry(f, &r.Entry, e); diff != "" {
				t.Fatalf("%v at %#x: %s", r.Entry.Tag, r.Entry.Offset, diff)
			}
		}
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
	}
	for e, err := std.Next(); readable && (e != nil || err != nil); e, err = std.Next() {
		if err != nil || e.Tag != 0 {
			t.Fatalf("standard library goes on with %v, %v", e, err)
		}
	}
	if n < 50 {
		t.Errorf("only %d entries", n)
	}
}

// compareEntry says how two readings of an entry differ.
func compareEntry(f *dwarf.File, e *dwarf.Entry, std *stdwarf.Entry) string {
	if e.Offset.Offset() != uint64(std.Offset) || uint32(e.Tag) != uint32(std.Tag) || e.HasChildren != std.Children {
		return fmt.Sprintf("standard library reads %v at %#x", std.Tag, std.Offset)
	}
	var seen [64]bool
	for _, field := range std.Field {
		slot, ok := slots[field.Attr]
		if !ok {
			continue
		}
		seen[slot] = true
		got, known := value(f, e, slot, field.Class)
		if !known {
			continue // a class that the slot is not decoded from, or that follow reads
		}
		if same := reflect.DeepEqual(got, field.Val); !same {
			return fmt.Sprintf("%v (%v) is %v, standard library reads %v", field.Attr, field.Class, got, field.Val)
		}
	}
	for slot := range dwarf.SlotVector + 1 {
		if e.Has(slot) && !seen[slot] && slot != dwarf.SlotAnnotation && slot != dwarf.SlotEntryPC {
			return fmt.Sprintf("slot %d has a value, standard library reads none", slot)
		}
	}
	return ""
}

// value gives what a slot holds as the standard library has it.
func value(f *dwarf.File, e *dwarf.Entry, slot dwarf.Slot, class stdwarf.Class) (v any, known bool) {
	switch class {
	case stdwarf.ClassString:
		switch slot {
		case dwarf.SlotName:
			return string(f.String(e.Name())), true
		case dwarf.SlotLinkageName:
			return string(f.String(e.LinkageName())), true
		}
	case stdwarf.ClassReference:
		ref, ok := reference(e, slot)
		return stdwarf.Offset(ref), ok
	case stdwarf.ClassConstant:
		n, ok := number(e, slot)
		return int64(n), ok
	case stdwarf.ClassFlag:
		return e.Has(slot), true
	case stdwarf.ClassAddress:
		a, ok := e.LowPC()
		return a.Value, ok
	case stdwarf.ClassExprLoc, stdwarf.ClassBlock:
		if slot == dwarf.SlotLocation {
			x, ok := e.Location()
			return x.Bytes(), ok
		}
	}
	return nil, false // follow reads lists, and references by signature or to other files
}

func reference(e *dwarf.Entry, slot dwarf.Slot) (dwarf.Ref, bool) {
	switch slot {
	case dwarf.SlotType:
		return e.Type(), true
	case dwarf.SlotSpecification:
		return e.Specification(), true
	case dwarf.SlotAbstractOrigin:
		return e.AbstractOrigin(), true
	case dwarf.SlotSibling:
		return e.Sibling(), true
	case dwarf.SlotImport:
		return e.Import(), true
	}
	return 0, false
}

func number(e *dwarf.Entry, slot dwarf.Slot) (uint64, bool) {
	switch slot {
	case dwarf.SlotByteSize:
		return e.ByteSize(), true
	case dwarf.SlotBitSize:
		return e.BitSize(), true
	case dwarf.SlotBitOffset:
		return e.BitOffset(), true
	case dwarf.SlotDataBitOffset:
		return e.DataBitOffset(), true
	case dwarf.SlotUpperBound:
		return e.UpperBound().Uint(), true
	case dwarf.SlotCount:
		return e.Count().Uint(), true
	case dwarf.SlotEncoding:
		return uint64(e.Encoding()), true
	case dwarf.SlotCallingConvention:
		return uint64(e.CallingConvention()), true
	case dwarf.SlotLanguage:
		return uint64(e.Language()), true
	case dwarf.SlotInline:
		return uint64(e.Inline()), true
	case dwarf.SlotMemberLocation:
		return e.MemberLocation()
	case dwarf.SlotConstValue:
		return e.ConstValue().Uint(), true
	}
	return 0, false
}

// follow reads what e refers to: entries, lists and expressions.
func follow(f *dwarf.File, e *dwarf.Entry, r *dwarf.Reader) error {
	for _, ref := range []dwarf.Ref{e.Type(), e.AbstractOrigin(), e.Specification(), e.Signature(), e.Import()} {
		if ref != 0 && !r.Seek(ref) {
			return fmt.Errorf("no entry at %#x: %v", ref, r.Err())
		}
	}
	if x, ok := e.Location(); ok {
		if err := readExpr(x); err != nil {
			return err
		}
	}
	if l, ok := e.LocationList(); ok {
		for n := 0; ; n++ {
			r, ok := l.Next()
			if !ok && n == 0 {
				return fmt.Errorf("empty list: %v", l.Err())
			}
			if !ok {
				return l.Err()
			}
			if err := readExpr(r.Expr); err != nil {
				return err
			}
		}
	}
	if l, ok := e.Ranges(); ok {
		for {
			if _, ok := l.Next(); !ok {
				return l.Err()
			}
		}
	}
	return nil
}

func readExpr(x dwarf.Expr) error {
	for {
		o, ok := x.Next()
		if !ok {
			return x.Err()
		}
		if o.Code == dwarf.OpEntryValue {
			if err := readExpr(o.Sub); err != nil {
				return err
			}
		}
	}
}

// TestVmlinux compares all entries of the file that KDBG_BENCH_VMLINUX names, a
// kernel or a module.
func TestVmlinux(t *testing.T) {
	name := os.Getenv("KDBG_BENCH_VMLINUX")
	if name == "" || testing.Short() {
		t.Skip("KDBG_BENCH_VMLINUX names no file, or the test is to be short")
	}
	compareWithStandard(t, name, true)
}
