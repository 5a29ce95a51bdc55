package dedup

// Unit holds the types of one unit while they are read and interned. It belongs
// to one worker, which resets it for the next unit: its arrays hold no pointers
// and are reused.
type Unit struct {
	table *Table
	names DeferredNames
	scope uint32

	types    []local
	children []child
	slots    []uint32 // by entry>>slotShift: number in types of the last type there
	words    []uint32 // records being put together, innermost last

	met    []metRecord       // in the order in which they were met first
	last   int               // the one of met that came last
	cache  []cacheSlot       // of met; none for a base, whose types are all different
	misses int               // of the cache since it grew
	raw    []uint32          // chunk of words of met
	unary  [numUnary][]Class // by what they refer to: records of that and nothing else
	seen   []uint64          // bit set of the classes that this worker has seen
	means  []meaning         // by name-only class
	pass   uint32
	protos []Class // function types made by Proto
	priv   []privateRef
	depth  int
	err    error
}

// meaning is what a pass found of the definitions of a name.
type meaning struct {
	pass  uint32
	local uint32 // number in types of the first
	split bool   // another differs
}

// local is a type of the unit.
type local struct {
	entry      Entry
	name       Name
	ref        Entry
	size, data uint32
	head, tail uint32 // children: index+1, chained
	class      Class  // 0 until interned
	edge       Class  // what references to it are made to; 0 until known
	kind       Kind
	flags      uint8
}

type child struct {
	Child
	next uint32 // index+1
}

// declares reports whether the type is declared and not defined. An enum without
// values is the only declaration of one that BTF has.
func (l *local) declares() bool {
	return l.flags&isDeclaration != 0 || l.name != 0 && l.head == 0 && (l.kind == Enum || l.kind == Enum64)
}

// Flags of a local.
const (
	isFlag uint8 = 1 << iota
	isDeclaration
	isBitfields // a member is a bit-field
	isBusy      // being interned
	isPrivate   // references to it are made to it alone, not by name
	isFar       // a member is beyond what a struct with bit-fields can say
	isUnordered // a member is before the one in front of it
)

// synthetic marks an Entry that is a number in types: types that the unit has
// no entry for.
const synthetic Entry = 1 << 31

// metRecord is a record that this worker has met, with deferred names as they
// came.
type metRecord struct {
	words []uint32
	class Class
}

// cacheSlot refers to a record that this worker has met. It spares most lookups
// the lock of a shard.
type cacheSlot struct {
	hash uint32
	met  uint32
}

const (
	maxNear       = 1 << 24 // bits of offset in a struct with bit-fields
	minCache      = 1 << 8
	maxCache      = 1 << 18
	cacheProbe    = 2
	slotShift     = 2       // few types take less than four bytes
	maxQualifiers = 32      // and typedefs of an integer
	maxDepth      = 1 << 12 // of references from type to type that end at no name
)

// Indices of Unit.unary.
const (
	unaryPtr = iota
	unaryConst
	unaryVolatile
	unaryRestrict
	unaryStruct // the name-only classes, by name
	unaryUnion
	unaryEnum
	numUnary
)

// NewUnit returns a Unit that interns into t. It has to be reset for units in the
// order of their numbers. names may be nil if no names are deferred.
func (t *Table) NewUnit(names DeferredNames) *Unit {
	return &Unit{table: t, names: names, cache: make([]cacheSlot, minCache), met: make([]metRecord, 1)}
}

// NewBaseUnit returns the only Unit of a base, with room for its types and their
// children.
func (t *Table) NewBaseUnit(types, children int) *Unit {
	u := &Unit{
		table: t, types: make([]local, 0, types), children: make([]child, 0, children), means: make([]meaning, 2*types),
	}
	u.Reset(0, Entry(types))
	for i := range t.shards {
		t.shards[i].reserve(types / classShards)
	}
	return u
}

// Reset empties u for the unit of the given number, whose entries are below end.
// Units are ordered by their numbers.
func (u *Unit) Reset(scope int, end Entry) {
	u.scope = uint32(scope)
	u.types = u.types[:0]
	u.children = u.children[:0]
	u.words = u.words[:0]
	u.protos = u.protos[:0]
	u.priv = u.priv[:0]
	u.err = nil
	if need := int(end>>slotShift) + 1; need > len(u.slots) {
		u.slots = make([]uint32, need+need/4)
	}
}

// Add enters a type and returns its number in the unit. Types are entered in the
// order of their entries, and may be referred to before. An entry of 0 makes one that [Unit.Synthetic] alone
// refers to.
func (u *Unit) Add(e Entry, t Type) int {
	n := len(u.types)
	l := local{entry: e, name: t.Name, ref: t.Ref, size: t.Size, data: t.Data, kind: t.Kind}
	if t.Flag {
		l.flags |= isFlag
	}
	if t.Declaration {
		l.flags |= isDeclaration
	}
	if i := int(e >> slotShift); e != 0 && i < len(u.slots) {
		u.slots[i] = uint32(n)
	}
	u.types = append(u.types, l)
	return n
}

// Synthetic returns the entry that refers to type number n of the unit.
func (u *Unit) Synthetic(n int) Entry { return synthetic | Entry(n) }

// At returns type number n as it is so far.
func (u *Unit) At(n int) Type {
	l := &u.types[n]
	return Type{
		Kind: l.kind, Name: l.name, Ref: l.ref, Size: l.size, Data: l.data,
		Flag: l.flags&isFlag != 0, Declaration: l.flags&isDeclaration != 0,
	}
}

// Set changes what type number n refers to, its size and its flag.
func (u *Unit) Set(n int, t Type) {
	l := &u.types[n]
	l.ref, l.size = t.Ref, t.Size
	if t.Flag {
		l.flags |= isFlag
	}
}

// Local returns the number of the type at e, if it has been entered.
func (u *Unit) Local(e Entry) (int, bool) {
	if e == 0 {
		return 0, false
	}
	return u.local(e)
}

// Child appends a member, enumerator or parameter to type number n. The children
// of several types may be entered by turns.
func (u *Unit) Child(n int, c Child) {
	u.children = append(u.children, child{Child: c})
	at := uint32(len(u.children))
	l := &u.types[n]
	if l.tail == 0 {
		l.head = at
	} else {
		last := &u.children[l.tail-1]
		last.next = at
		if c.Lo < last.Lo {
			l.flags |= isUnordered
		}
	}
	l.tail = at
	if l.kind == Struct || l.kind == Union {
		if c.Hi != 0 {
			l.flags |= isBitfields
		}
		if c.Lo >= maxNear {
			l.flags |= isFar
		}
	}
}

// local returns the number of the type at e.
func (u *Unit) local(e Entry) (int, bool) {
	if e&synthetic != 0 {
		return int(e &^ synthetic), true
	}
	i := int(e >> slotShift)
	if i >= len(u.slots) {
		return 0, false
	}
	n := int(u.slots[i])
	if n >= len(u.types) {
		return 0, false
	}
	for u.types[n].entry != e { // those before it in the slot, synthetic ones between
		if n == 0 || u.types[n].entry != 0 && u.types[n].entry>>slotShift != e>>slotShift {
			return 0, false
		}
		n--
	}
	return n, true
}
