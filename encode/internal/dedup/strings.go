package dedup

import (
	"hash/maphash"
	"sync"
)

const (
	nameShards = 32
	nameChunk  = 1 << 12 // bytes of names allocated at once
)

// Strings are strings that have numbers, such as those of a BTF. The number of a
// string is its Name. All methods are called concurrently.
type Strings interface {
	Find(s []byte) (number uint32, ok bool)
	At(number uint32) []byte
	Size() uint32 // above every number
}

// names interns strings, concurrently.
type names struct {
	seed   maphash.Seed
	fixed  Strings // looked in first, if there are any
	base   *names  // then this; no longer written
	first  uint32  // where numbering goes on from these
	shards [nameShards]nameShard
}

type nameShard struct {
	sync.Mutex
	slots []nameSlot
	list  directory[[]byte]
	chunk []byte
}

type nameSlot struct {
	hash uint32
	id   uint32 // index in list + 1
}

func newNames(fixed Strings, base *names) *names {
	n := &names{fixed: fixed, base: base, seed: maphash.MakeSeed()}
	if fixed != nil {
		n.first = fixed.Size()
	}
	if base != nil {
		n.fixed, n.seed, n.first = base.fixed, base.seed, base.bound()
	}
	return n
}

// intern returns the name of s, which it copies if need be. It fails when there
// is no room for another.
func (n *names) intern(s []byte) (id Name, ok bool) {
	if len(s) == 0 {
		return 0, true
	}
	if n.fixed != nil {
		if number, ok := n.fixed.Find(s); ok {
			return Name(number), true
		}
	}
	hash := maphash.Bytes(n.seed, s)
	if n.base != nil {
		if id := n.base.find(s, hash); id != 0 {
			return id, true
		}
	}
	k := hash % nameShards
	sh := &n.shards[k]
	sh.Lock()
	defer sh.Unlock()
	if i := sh.find(s, uint32(hash>>32)); i != 0 {
		return n.number(i, k), true
	}
	if sh.list.full() {
		return 0, false
	}
	if len(sh.chunk)+len(s) > cap(sh.chunk) {
		sh.chunk = make([]byte, 0, max(nameChunk, len(s)))
	}
	at := len(sh.chunk)
	sh.chunk = append(sh.chunk, s...)
	return n.number(sh.add(sh.chunk[at:len(sh.chunk):len(sh.chunk)], uint32(hash>>32)), k), true
}

// find looks a string up, but not in fixed, without entering it.
func (n *names) find(s []byte, hash uint64) Name {
	if n.base != nil {
		if id := n.base.find(s, hash); id != 0 {
			return id
		}
	}
	k := hash % nameShards
	if i := n.shards[k].find(s, uint32(hash>>32)); i != 0 {
		return n.number(i, k)
	}
	return 0
}

func (n *names) number(i uint32, shard uint64) Name {
	return Name(n.first + i*nameShards + uint32(shard))
}

// bound is above every name.
func (n *names) bound() uint32 {
	most := 0
	for i := range n.shards {
		most = max(most, n.shards[i].list.n)
	}
	if most == 0 {
		return n.first
	}
	return n.first + uint32(most+1)*nameShards
}

// bytes returns the string of a name. It must not be changed.
func (n *names) bytes(id Name) []byte {
	if id == 0 {
		return nil
	}
	if uint32(id) < n.first {
		if n.base != nil {
			return n.base.bytes(id)
		}
		return n.fixed.At(uint32(id))
	}
	rel := uint32(id) - n.first
	return *n.shards[rel%nameShards].list.at(rel/nameShards - 1)
}

func (sh *nameShard) find(s []byte, hash uint32) uint32 {
	if len(sh.slots) == 0 {
		return 0
	}
	mask := uint32(len(sh.slots) - 1)
	for i := hash & mask; sh.slots[i].id != 0; i = (i + 1) & mask {
		if slot := sh.slots[i]; slot.hash == hash && string(*sh.list.at(slot.id - 1)) == string(s) {
			return slot.id
		}
	}
	return 0
}

func (sh *nameShard) add(s []byte, hash uint32) uint32 {
	*sh.list.grow() = s
	if 2*sh.list.n > len(sh.slots) {
		old := sh.slots
		sh.slots = make([]nameSlot, max(64, 2*len(old)))
		for _, slot := range old {
			if slot.id != 0 {
				sh.place(slot)
			}
		}
	}
	sh.place(nameSlot{hash, uint32(sh.list.n)})
	return uint32(sh.list.n)
}

func (sh *nameShard) place(slot nameSlot) {
	mask := uint32(len(sh.slots) - 1)
	i := slot.hash & mask
	for sh.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	sh.slots[i] = slot
}
