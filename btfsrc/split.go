package btfsrc

import "fmt"

// BaseError reports BTF that was made for another kernel: it says so, or it refers
// to types that its base does not have, or not of the kinds it takes them for, or
// it has other structures.
type BaseError struct {
	Name string // of the module or file
	Msg  string // both identities, or the first thing that does not fit
}

func (e *BaseError) Error() string {
	return fmt.Sprintf("BTF of %s does not fit this kernel's BTF: %s", e.Name, e.Msg)
}

// Hint says what to do next.
func (e *BaseError) Hint() string {
	return "BTF works only with the kernel build it was made for; take it from the same build as the dump"
}

// Sets of kinds, a bit for each, that a reference may lead to. Bit 0 is void.
const (
	sized     kindSet = 1<<kindInt | 1<<kindPtr | 1<<kindArray | 1<<kindStruct | 1<<kindUnion | 1<<kindEnum | 1<<kindTypedef | 1<<kindVolatile | 1<<kindConst | 1<<kindRestrict | 1<<kindFloat | 1<<kindTypeTag | 1<<kindEnum64
	void      kindSet = 1
	anyType           = sized | void | 1<<kindFwd | 1<<kindFuncProto
	variables kindSet = 1<<kindVar | 1<<kindFunc
	tagged    kindSet = 1<<kindStruct | 1<<kindUnion | 1<<kindFunc | 1<<kindVar | 1<<kindTypedef
)

type kindSet uint32

// checkBase verifies that a split blob was made for its base, where it says so,
// and each reference. Most BTF does not name its base, but ids of another kernel
// lead to functions where types should be, two thirds of a kernel's records being
// functions. A blob without a base passes.
func (b *blob) checkBase() error {
	if b.base == nil {
		return nil
	}
	if id, ok := b.madeFor(); ok && !b.base.fits(id) {
		return &BaseError{Name: b.name, Msg: fmt.Sprintf("it was made for that of %v, and this is %v", id, b.base.identity())}
	}
	for id := range b.ids() {
		if msg := b.checkRecord(b.record(id)); msg != "" {
			return &BaseError{Name: b.name, Msg: fmt.Sprintf("type %d: %s", id, msg)}
		}
	}
	return nil
}

// checkTwin verifies that BTF which stands alone is of the same kernel as own, if
// that has any types: structures of one name, of which each has but one, have the
// same size and number of members. Encoders may differ in what else they keep.
func (b *blob) checkTwin(own *blob) error {
	for id := range b.ids() {
		rec := b.record(id)
		if rec.kind() != kindStruct && rec.kind() != kindUnion {
			continue
		}
		name, _ := b.str(rec.nameOff)
		mine, ok := own.only(rec.kind(), name)
		if _, single := b.only(rec.kind(), name); !ok || !single {
			continue
		}
		if mine.size != rec.size || mine.vlen() != rec.vlen() {
			return &BaseError{Name: b.name, Msg: fmt.Sprintf(
				"it is %v, and this is %v: %q has %d members in %d bytes there, and %d in %d here",
				b.identity(), own.identity(), name, rec.vlen(), rec.size, mine.vlen(), mine.size)}
		}
	}
	return nil
}

// only returns the type of a kind and name, if there is but one.
func (b *blob) only(kind int, name string) (rec record, ok bool) {
	if name == "" {
		return rec, false
	}
	for id := range b.named(name) {
		if r := b.record(id); r.kind() == kind {
			if ok {
				return rec, false
			}
			rec, ok = r, true
		}
	}
	return rec, ok
}

// checkRecord returns what does not fit in a record, or "".
func (b *blob) checkRecord(rec record) string {
	if _, ok := b.str(rec.nameOff); !ok {
		return fmt.Sprintf("its name is at %#x, past the strings", rec.nameOff)
	}
	switch rec.kind() {
	case kindPtr, kindTypedef, kindVolatile, kindConst, kindRestrict, kindTypeTag:
		return b.checkRef(rec.size, anyType)
	case kindFunc:
		return b.checkRef(rec.size, 1<<kindFuncProto)
	case kindVar:
		return b.checkRef(rec.size, anyType)
	case kindDeclTag:
		return b.checkRef(rec.size, tagged)
	case kindArray:
		if msg := b.checkRef(b.word(rec.body, 0), sized); msg != "" {
			return msg
		}
		return b.checkRef(b.word(rec.body, 1), sized)
	case kindStruct, kindUnion:
		return b.checkElems(rec, 3, 1, sized)
	case kindFuncProto:
		if msg := b.checkRef(rec.size, anyType); msg != "" {
			return msg
		}
		return b.checkElems(rec, 2, 1, anyType)
	case kindDatasec:
		return b.checkElems(rec, 3, 0, variables)
	}
	return ""
}

// checkElems checks the reference in word ref of each element of size words.
func (b *blob) checkElems(rec record, size, ref int, want kindSet) string {
	for i := range rec.vlen() {
		if msg := b.checkRef(b.word(rec.body, size*i+ref), want); msg != "" {
			return msg
		}
	}
	return ""
}

func (b *blob) checkRef(id uint32, want kindSet) string {
	kind := 0
	if id != 0 {
		o := b.owner(id)
		if o == nil {
			return fmt.Sprintf("it refers to type %d of %d", id, b.end()-1)
		}
		kind = o.record(id).kind()
	}
	if kind < len(kindSizes) && want>>kind&1 == 0 {
		return fmt.Sprintf("it refers to type %d of kind %d", id, kind)
	}
	return ""
}
