package encode

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// object is a variable as it goes into the BTF.
type object struct {
	place
	name   dedup.Name
	typ    dedup.Node
	elems  uint32 // not 0: the array of unknown length that typ is has so many elements
	size   uint64
	global bool
	listed bool // has an entry in the DATASEC of its section
	at     definition
	rank   rank
}

// rank tells how sure it is that a definition is the one at an address. Less is
// surer.
type rank uint8

const (
	symbolSize rank = iota // a symbol has its name and the size of its type
	symbolName             // a symbol has its name
	noSymbol
)

const (
	perCPUSection = ".data..percpu"
	// maxIdentifier is KSYM_NAME_LEN − 1 of kernels before 6.1, which refuse all
	// of a BTF with a longer name.
	maxIdentifier = 127
)

// hiddenPrefixes begin the names of what macros define by the thousand for the
// linker or a tool, and nobody reads by name.
var hiddenPrefixes = []string{
	"__UNIQUE_ID", "__exitcall_", "__gendwarfksyms_ptr_", "__func_stack_frame_non_standard_",
}

// tracepointPrefix begins the names of the strings that hold tracepoints' names.
const tracepointPrefix = "__tpstrtab_"

// objects returns the variables to encode, ordered by place: at most one at an
// address, none of size 0, and no two that overlap, as the kernel wants it of a
// DATASEC (btf_datasec_check_meta in kernel/bpf/btf.c).
func (c *encoder) objects(defs []definition, g *dedup.Graph) ([]object, error) {
	sizes := newSizes(c, g)
	list := make([]object, 0, len(defs))
	for _, d := range defs {
		o, ok, err := c.object(d, sizes)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b object) int {
		return cmp.Or(a.compare(b.place), cmp.Compare(a.rank, b.rank), cmp.Compare(a.elems, b.elems), cmp.Compare(b.size, a.size), cmp.Compare(a.at.at, b.at.at))
	})
	return c.disjoint(list), nil
}

// object returns the variable that d defines, unless it is not to be encoded.
func (c *encoder) object(d definition, sizes *sizes) (o object, ok bool, err error) {
	vs := &c.variableSymbols
	p, ok := vs.locate(d.addr)
	if !ok || !c.wanted(p.section) {
		return o, false, nil
	}
	name := c.table.Bytes(d.name)
	if c.hidden(name) {
		return o, false, nil
	}
	sym, named := vs.named(p, d.name)
	if d.addr.Value == 0 && d.addr.Section == 0 && !named {
		return o, false, nil // what the linker left out has address 0
	}
	o = object{place: p, name: d.name, typ: sizes.graph.Node(d.class, int(d.scope)), at: d, listed: true}
	o.global = d.flags&isExternal != 0
	if err := c.checkVariable(name, o.typ); err != nil {
		if c.opts.EncodeForce {
			err = nil
		}
		return o, false, err
	}
	o.measure(sizes, sym.size)
	switch {
	case !named:
		o.rank = noSymbol
	case sym.size != o.size:
		o.rank = symbolName
	}
	return o, o.size > 0 && o.size <= math.MaxUint32 && p.offset <= math.MaxUint32, nil
}

// wanted reports whether variables of a section are to be encoded.
func (c *encoder) wanted(section int) bool {
	return c.opts.Vars != VarsPerCPU || c.variableSymbols.sections[section].Name == perCPUSection
}

// measure sets the size of o: that of its type, or that of its symbol if the
// type is an array that was declared without length.
func (o *object) measure(sizes *sizes, symbol uint64) {
	o.size = sizes.of(o.typ)
	if o.size != 0 || symbol == 0 {
		return
	}
	if elem := sizes.element(o.typ); elem > 0 && symbol%elem == 0 && symbol/elem <= math.MaxUint32 {
		o.size, o.elems = symbol, uint32(symbol/elem)
	}
}

// hidden reports whether a variable is left out because of its name.
func (c *encoder) hidden(name []byte) bool {
	if strings.HasPrefix(string(name), tracepointPrefix) {
		return !c.opts.VarsExtra
	}
	return slices.ContainsFunc(hiddenPrefixes, func(p string) bool { return strings.HasPrefix(string(name), p) })
}

// disjoint drops all but one of the variables that share bytes. A weak and a
// strong definition of one name both have the address of the strong one, since
// their entries refer to it by the symbol.
func (c *encoder) disjoint(list []object) []object {
	kept := list[:0]
	for _, o := range list {
		if n := len(kept); n > 0 && kept[n-1].overlaps(o) {
			if o.rank < kept[n-1].rank && o.place != kept[n-1].place {
				kept[n-1] = o
			}
			continue
		}
		kept = append(kept, o)
	}
	return kept
}

// overlaps reports whether o begins before the end of p, which it follows.
func (p *object) overlaps(o object) bool {
	return p.section == o.section && o.offset < p.offset+p.size
}

// checkVariable says why the kernel would refuse a variable.
func (c *encoder) checkVariable(name []byte, typ dedup.Node) error {
	switch {
	case !validIdentifier(name):
		return &VariableError{Name: string(name), Msg: "the name is no identifier of C"}
	case typ == 0:
		return &VariableError{Name: string(name), Msg: "the type is void"}
	}
	return nil
}

// VariableError is a variable that BTF cannot have. [Features].EncodeForce leaves
// it out instead.
type VariableError struct {
	Name string
	Msg  string
}

func (e *VariableError) Error() string { return "variable " + strconv.Quote(e.Name) + ": " + e.Msg }

// validIdentifier reports whether the kernel takes name for a variable
// (btf_name_valid_identifier in kernel/bpf/btf.c).
func validIdentifier(name []byte) bool {
	if len(name) == 0 || len(name) > maxIdentifier {
		return false
	}
	for i, b := range name {
		letter := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b == '.'
		if !letter && (i == 0 || b < '0' || b > '9') {
			return false
		}
	}
	return true
}
