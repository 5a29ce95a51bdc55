package kernel

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// Declaration is the type that a person gave a variable.
type Declaration struct {
	Name   string // as in C, or name#2
	Symbol kallsyms.Symbol
	Type   btf.Type
	Size   uint64 // of Type, in bytes
	Text   string // the declaration as C, without its semicolon
}

// Fits reports whether the type is no larger than the room up to the next
// symbol.
func (d Declaration) Fits() bool { return d.Symbol.Size == 0 || d.Size <= d.Symbol.Size }

// declarations are the types that people gave to variables.
type declarations struct {
	mu   sync.Mutex
	made map[symbolKey]Declaration
}

type symbolKey struct {
	name string
	addr vmcore.Addr
}

// typeOf returns the type that was declared for a symbol.
func (d *declarations) typeOf(s kallsyms.Symbol) (btf.Type, btfsrc.Source, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	made, ok := d.made[symbolKey{s.Name, s.Addr}]
	return made.Type, btfsrc.SourceDeclared, ok
}

// Declare gives a variable that no BTF describes the type t for as long as the
// kernel is open; text is the declaration as C. An array without a length gets
// one from the room up to the next symbol.
//
// What a BTF says of a variable was written by the compiler, so it stays: the
// error for a type that differs from that is a [*DescribedError].
func (k *Kernel) Declare(name string, t btf.Type, text string) (Declaration, error) {
	s, vars, err := k.dataSymbol(name)
	if err != nil {
		return Declaration{}, err
	}
	if s.Class == kallsyms.Text {
		return Declaration{}, &TypeError{Msg: fmt.Sprintf("%q is a function", name), Do: "only variables need declarations"}
	}
	d := Declaration{Name: name, Symbol: s, Type: k.fill(t, s.Size), Text: text}
	if d.Size, err = k.types.Sizeof(d.Type); err != nil {
		return Declaration{}, &TypeError{Msg: err.Error(), Do: "a variable has a type of a known size"}
	}
	if known, src, ok := k.describedType(s, vars); ok && btfsrc.TypeName(known) != btfsrc.TypeName(d.Type) {
		return Declaration{}, &DescribedError{Name: name, Type: btfsrc.TypeName(known), Source: src, Wanted: d.Type}
	}
	k.declared.mu.Lock()
	defer k.declared.mu.Unlock()
	if k.declared.made == nil {
		k.declared.made = make(map[symbolKey]Declaration)
	}
	k.declared.made[symbolKey{s.Name, s.Addr}] = d
	return d, nil
}

// fill gives an array without a length the elements that fit in size bytes.
func (k *Kernel) fill(t btf.Type, size uint64) btf.Type {
	array, ok := t.(*btf.Array)
	if !ok || array.Nelems != 0 {
		return t
	}
	elem, err := k.types.Sizeof(array.Type)
	if err != nil || elem == 0 {
		return t
	}
	filled := *array
	filled.Nelems = uint32(min(size/elem, maxSlice))
	return &filled
}

// Undeclare forgets the declaration of a variable, and reports whether there was
// one.
func (k *Kernel) Undeclare(name string) bool {
	k.declared.mu.Lock()
	defer k.declared.mu.Unlock()
	for key, d := range k.declared.made {
		if d.Name == name {
			delete(k.declared.made, key)
			return true
		}
	}
	return false
}

// Declarations returns what was declared, by name.
func (k *Kernel) Declarations() []Declaration {
	k.declared.mu.Lock()
	defer k.declared.mu.Unlock()
	var list []Declaration
	for _, d := range k.declared.made {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b Declaration) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Symbol.Addr, b.Symbol.Addr))
	})
	return list
}

// DescribedError says that a variable which a person declared has another type
// in a BTF.
type DescribedError struct {
	Name   string
	Type   string // C spelling of what the BTF says
	Source btfsrc.Source
	Wanted btf.Type
}

func (e *DescribedError) Error() string {
	return fmt.Sprintf("the type of %s is known: %s (%v)", e.Name, e.Type, e.Source)
}

// Kind returns [KindType].
func (e *DescribedError) Kind() string { return KindType }

// Hint shows how to look at the variable as another type.
func (e *DescribedError) Hint() string {
	return fmt.Sprintf("to see it as another: *(%s)&%s", btfsrc.TypeName(&btf.Pointer{Target: e.Wanted}), e.Name)
}
