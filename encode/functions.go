package encode

import (
	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// functions is the part of a worker that reads functions. It keeps every
// subprogram of a unit until the unit ends, since a concrete instance takes its
// name and types from the abstract one (DW_AT_abstract_origin) that may come
// later, and then makes candidates of those that have a symbol.
type functions struct {
	list   []subprogram
	params []parameter
	tags   []functionTag
	open   []int32 // by depth: the subprogram there, in list
	last   int32   // that of the parameter read last, −1 if it was not kept

	protos     []dedup.Child // of the function being interned
	candidates []candidate   // of all units that this worker has read
	copies     []functionCopy
	known      map[candidateKey]int32
}

// subprogram is a DW_TAG_subprogram. Subprograms nest, so its parameters are a
// chain.
type subprogram struct {
	at       dwarf.Ref
	origin   dwarf.Ref // what it is an instance of, or completes
	name     dwarf.StringRef
	ret      dedup.Entry
	pc       dwarf.Address
	first    int32 // parameter, index+1
	last     int32
	count    int32
	flags    functionFlags
	chain    dwarf.Ref // the first of GCC's annotations
	borrowed bool
}

// parameter is a DW_TAG_formal_parameter, or the "..." if it has no entry.
type parameter struct {
	at       dwarf.Ref
	origin   dwarf.Ref
	name     dwarf.StringRef
	typ      dedup.Entry
	next     int32 // index+1
	index    int32 // among those of its subprogram
	chain    dwarf.Ref
	flags    functionFlags
	position int8 // register at the start, of a concrete instance
}

// functionTag is a declaration tag of a function or of one of its parameters.
type functionTag struct {
	owner     int32 // in list
	component int32 // number of the parameter, −1 for the function
	name      dedup.Name
}

// functionFlags are facts about a subprogram, a parameter, or a candidate.
type functionFlags uint16

const (
	isDeclared  functionFlags = 1 << iota // there is no body
	isInstance                            // of an abstract one
	isConcrete                            // has an address
	hasWon                                // the address is that of the symbol
	isSplit                               // the code is in several pieces
	isNocall                              // DW_CC_nocall
	hasVarargs                            //
	isOptimized                           // a parameter has no location, or a constant value
	isElsewhere                           // a parameter has a location but is in no register at the start
	isMisplaced                           // a parameter is in another register than the calling convention has it in
	isReordered                           // parameters are in another order than in the source
)

// candidate is what units agree on about one function: name and prototype.
type candidate struct {
	candidateKey
	signature uint64 // of the prototype, for comparison across units
	scope     int32  // the unit it is taken from
	at        dwarf.Ref
	flags     functionFlags
	tags      []functionTag
}

type candidateKey struct {
	symbol int32 // in functionSymbols
	proto  dedup.Class
}

// begin forgets the unit before.
func (fs *functions) begin(*worker) {
	fs.list, fs.params, fs.tags = fs.list[:0], fs.params[:0], fs.tags[:0]
}

// subprogram keeps a DW_TAG_subprogram.
func (fs *functions) subprogram(w *worker, e *dwarf.Entry, depth int) {
	s := subprogram{
		at: e.Offset, name: e.Name(), ret: w.entry(e.Type()),
		origin: e.AbstractOrigin(), borrowed: w.borrowed, chain: e.Annotation(),
	}
	if s.origin != 0 {
		s.flags |= isInstance
	} else {
		s.origin = e.Specification()
	}
	w.entry(s.origin) // which may be in another unit
	if e.Declaration() {
		s.flags |= isDeclared
	}
	if e.CallingConvention() == dwarf.CallingConventionNocall {
		s.flags |= isNocall
	}
	if pc, ok := e.EntryPC(); ok {
		s.pc = pc
		s.flags |= isConcrete
		if !e.Has(dwarf.SlotLowPC) {
			s.flags |= isSplit
		}
	}
	for len(fs.open) <= depth {
		fs.open = append(fs.open, 0)
	}
	fs.open[depth] = int32(len(fs.list))
	fs.list = append(fs.list, s)
}

// parent returns the subprogram that the entry being read is a child of.
func (fs *functions) parent(w *worker) (int32, bool) {
	if d := w.reader.Depth - 1; d >= 0 && d < len(fs.open) && int(fs.open[d]) < len(fs.list) {
		return fs.open[d], true
	}
	return 0, false
}

// parameter adds a formal parameter of a subprogram.
func (fs *functions) parameter(w *worker, e *dwarf.Entry) {
	owner, ok := fs.parent(w)
	if !ok {
		return
	}
	s := &fs.list[owner]
	fs.last = -1
	if s.flags&isDeclared != 0 {
		return
	}
	p := parameter{
		at: e.Offset, origin: e.AbstractOrigin(), name: e.Name(), typ: w.entry(e.Type()),
		index: s.count, chain: e.Annotation(),
	}
	if s.flags&isConcrete != 0 {
		p.flags, p.position = w.core.convention.classify(e, int(s.count))
	}
	fs.append(s, p)
	fs.last = owner
}

// varargs adds the "..." of a subprogram.
func (fs *functions) varargs(w *worker) {
	if owner, ok := fs.parent(w); ok {
		fs.list[owner].flags |= hasVarargs
	}
}

// annotation adds a declaration tag to the subprogram that the entry being read
// is a child of, or to the parameter read last.
func (fs *functions) annotation(w *worker, tag dwarf.Tag, value dedup.Name) {
	if tag == dwarf.TagFormalParameter {
		if n := len(fs.params); n > 0 && fs.last >= 0 {
			fs.tags = append(fs.tags, functionTag{fs.last, fs.params[n-1].index, value})
		}
	} else if owner, ok := fs.parent(w); ok {
		fs.tags = append(fs.tags, functionTag{owner, -1, value})
	}
}

func (fs *functions) append(s *subprogram, p parameter) {
	fs.params = append(fs.params, p)
	at := int32(len(fs.params))
	if s.last == 0 {
		s.first = at
	} else {
		fs.params[s.last-1].next = at
	}
	s.last = at
	s.count++
}
