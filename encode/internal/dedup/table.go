package dedup

import (
	"iter"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	classShards = 32
	wordChunk   = 1 << 11 // words allocated at once
)

// directory is a list that grows by chunks, each twice as long as the one
// before, so that its elements stay where they are and one goroutine can read
// old ones while another appends. Who reads an element must have learned of it
// from the one who appended it.
type directory[T any] struct {
	n      int
	chunks [maxChunks]atomic.Pointer[[]T]
}

const (
	firstChunk = 64
	maxChunks  = 20
)

// at returns element i.
func (d *directory[T]) at(i uint32) *T {
	k := bits.Len32(i/firstChunk+1) - 1
	return &(*d.chunks[k].Load())[i-firstChunk*(1<<k-1)]
}

// full reports that there is no room for another element.
func (d *directory[T]) full() bool { return d.n >= firstChunk*(1<<maxChunks-1) }

// grow appends an element. The caller holds the lock of the list.
func (d *directory[T]) grow() *T {
	i := uint32(d.n)
	if k := bits.Len32(i/firstChunk+1) - 1; i == firstChunk*(1<<k-1) {
		chunk := make([]T, firstChunk<<k)
		d.chunks[k].Store(&chunk)
	}
	d.n++
	return d.at(i)
}

// Table holds the classes and names of all units.
type Table struct {
	base   *Table // looked in first; no longer written
	names  *names
	first  uint32 // where numbering goes on from base
	shards [classShards]classShard

	full atomic.Bool // a class or name found no room

	mu     sync.Mutex
	scopes []scope // by unit; 0 is the base

	unary     [numUnary][]Class // of a frozen table: as in Unit
	meaning   []Class           // as in Graph
	ambiguous map[Class][]Class
	alike     func() map[uint64][]Class // see alikeInBase

	frozenLinks func() *links // of a frozen table
}

type classShard struct {
	sync.Mutex
	slots []classSlot
	list  directory[class]
	words []uint32 // the chunk being filled
}

type classSlot struct {
	hash uint32
	id   uint32 // index in list + 1
}

// class is an interned type.
type class struct {
	order atomic.Uint64 // first place it was seen, unit and number there; else nowhere or unlisted
	hash  uint64
	words []uint32
}

// Values of class.order that are no places.
const (
	nowhere  = ^uint64(0)  // a name, or what was entered and given up again
	unlisted = nowhere - 1 // a function type made by Unit.Proto
)

// scope is what is kept of a unit.
type scope struct {
	classes []Class // all that occur in it
	private []privateRef
}

// privateRef says what a private class of a unit stands for.
type privateRef struct{ from, to Class }

// NewTable returns an empty Table.
func NewTable() *Table { return NewTableOf(nil) }

// NewTableOf returns an empty Table that has strings for names already.
// strings may be nil.
func NewTableOf(strings Strings) *Table {
	return &Table{names: newNames(strings, nil), scopes: make([]scope, 1)}
}

// NewSplit returns a Table for what is split on base: what the base has is not
// entered again. The base must be frozen and is not changed, so that many can
// share it.
func NewSplit(base *Table) *Table {
	return &Table{base: base, names: newNames(nil, base.names), first: base.bound(), scopes: base.scopes[:1:1]}
}

// Intern returns the name of s, which is copied if it is new.
func (t *Table) Intern(s []byte) Name {
	n, ok := t.names.intern(s)
	if !ok {
		t.full.Store(true)
	}
	return n
}

// Bytes returns the string of a name. It must not be changed.
func (t *Table) Bytes(n Name) []byte { return t.names.bytes(n) }

// class returns a class of t or its base.
func (t *Table) class(c Class) *class {
	if uint32(c) < t.first {
		return t.base.class(c)
	}
	rel := uint32(c) - t.first
	return t.shards[rel%classShards].list.at(rel/classShards - 1)
}

// bound is above every class.
func (t *Table) bound() uint32 {
	most := 0
	for i := range t.shards {
		most = max(most, t.shards[i].list.n)
	}
	return t.first + uint32(most+1)*classShards
}

// intern returns the class of words, which are copied if they are new.
func (t *Table) intern(words []uint32, hash uint64) Class {
	if t.base != nil {
		if c := t.base.find(words, hash); c != 0 {
			return c
		}
	}
	k := uint32(hash) % classShards
	sh := &t.shards[k]
	sh.Lock()
	defer sh.Unlock()
	i := sh.find(words, hash)
	if i == 0 {
		if sh.list.full() {
			t.full.Store(true)
			return 0
		}
		i = sh.add(words, hash)
	}
	return Class(t.first + i*classShards + k)
}

// find looks words up without entering them.
func (t *Table) find(words []uint32, hash uint64) Class {
	if t.base != nil {
		if c := t.base.find(words, hash); c != 0 {
			return c
		}
	}
	k := uint32(hash) % classShards
	if i := t.shards[k].find(words, hash); i != 0 {
		return Class(t.first + i*classShards + k)
	}
	return 0
}

func (sh *classShard) find(words []uint32, hash uint64) uint32 {
	if len(sh.slots) == 0 {
		return 0
	}
	tag := uint32(hash >> 32)
	mask := uint32(len(sh.slots) - 1)
	for i := tag & mask; sh.slots[i].id != 0; i = (i + 1) & mask {
		slot := sh.slots[i]
		if slot.hash == tag && slices.Equal(sh.list.at(slot.id-1).words, words) {
			return slot.id
		}
	}
	return 0
}

// enter returns the number of words, from 1 on, and whether they are new.
func (sh *classShard) enter(words []uint32) (number uint32, isNew bool) {
	hash := hashWords(words)
	if i := sh.find(words, hash); i != 0 {
		return i, false
	}
	return sh.add(words, hash), true
}

func (sh *classShard) add(words []uint32, hash uint64) uint32 {
	if len(sh.words)+len(words) > cap(sh.words) {
		sh.words = make([]uint32, 0, max(wordChunk, len(words)))
	}
	at := len(sh.words)
	sh.words = append(sh.words, words...)
	c := sh.list.grow()
	c.hash = hash
	c.words = sh.words[at:len(sh.words):len(sh.words)]
	c.order.Store(nowhere)
	if 2*sh.list.n > len(sh.slots) {
		sh.reserve(sh.list.n)
	}
	sh.place(classSlot{uint32(hash >> 32), uint32(sh.list.n)})
	return uint32(sh.list.n)
}

// reserve makes room for n classes.
func (sh *classShard) reserve(n int) {
	old := sh.slots
	sh.slots = make([]classSlot, max(64, 1<<bits.Len(uint(2*n))))
	for _, slot := range old {
		if slot.id != 0 {
			sh.place(slot)
		}
	}
}

// forget makes find find no classes that were given up.
func (sh *classShard) forget() {
	clear(sh.slots)
	for i := range uint32(sh.list.n) {
		if c := sh.list.at(i); !c.dropped() {
			sh.place(classSlot{uint32(c.hash >> 32), i + 1})
		}
	}
}

func (sh *classShard) place(slot classSlot) {
	mask := uint32(len(sh.slots) - 1)
	i := slot.hash & mask
	for sh.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	sh.slots[i] = slot
}

// all yields the classes of t and its base.
func (t *Table) all() iter.Seq[Class] {
	return func(yield func(Class) bool) {
		for u := t; u != nil; u = u.base {
			for c := range u.own() {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// own yields the classes of t, without those that were given up.
func (t *Table) own() iter.Seq[Class] {
	return func(yield func(Class) bool) {
		for k := range t.shards {
			list := &t.shards[k].list
			for i := range uint32(list.n) {
				if !list.at(i).dropped() && !yield(Class(t.first+(i+1)*classShards+uint32(k))) {
					return
				}
			}
		}
	}
}

// dropped reports whether c was entered and given up again.
func (c *class) dropped() bool { return c.order.Load() == nowhere && c.kind() <= Enum64 }

// see records that c occurs at order.
func (c *class) see(order uint64) {
	for {
		old := c.order.Load()
		if old <= order || c.order.CompareAndSwap(old, order) {
			return
		}
	}
}

func (c *class) kind() Kind { return Kind(c.words[0] >> kindShift & kindMask) }

// hashWords mixes the words of a record, two at a time, by the folded product of
// 64-bit halves. It need not resist an adversary: words are compared too.
func hashWords(words []uint32) uint64 {
	const k0, k1 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93
	h := uint64(len(words)) * k0
	for len(words) >= 2 {
		hi, lo := bits.Mul64(h^(uint64(words[0])|uint64(words[1])<<32), k1)
		h = hi ^ lo + k0
		words = words[2:]
	}
	if len(words) == 1 {
		h ^= uint64(words[0]) << 1
	}
	hi, lo := bits.Mul64(h^k0, k1)
	return hi ^ lo
}

// NameBound is above every Name.
func (t *Table) NameBound() int { return int(t.names.bound()) }

// Bound is above every Class.
func (t *Table) Bound() int { return int(t.bound()) }
