package dedup

import "slices"

// finish interns the record that begins at base in words, and drops it there.
func (u *Unit) finish(base int) Class { return u.finishElements(base, 0) }

// finishElements is finish for a record whose elements take size words and begin
// with a name that may be deferred.
func (u *Unit) finishElements(base, size int) Class {
	words := u.words[base:]
	u.words = u.words[:base]
	if c := u.expected(words, size); c != 0 {
		return c
	}
	hash := hashWords(words)
	if len(u.cache) == 0 {
		return u.table.intern(words, hash)
	}
	slots := u.cache[hash&uint64(len(u.cache)/cacheProbe-1)*cacheProbe:][:cacheProbe]
	tag := uint32(hash >> 32)
	for _, s := range slots {
		if s.hash == tag && slices.Equal(u.met[s.met].words, words) {
			u.last = int(s.met)
			return u.met[s.met].class
		}
	}
	key := u.keep(words)
	if size > 0 && u.names != nil {
		for i := 3; i < len(words); i += size {
			if Name(words[i])&deferred != 0 {
				words[i] = uint32(u.names.Intern(words[i] &^ uint32(deferred)))
			}
		}
		hash = hashWords(words)
	}
	c := u.table.intern(words, hash)
	if c != 0 {
		u.meets(key, c)
		copy(slots[1:], slots)
		slots[0] = cacheSlot{tag, uint32(u.last)}
	}
	if u.misses++; u.misses > len(u.cache) && len(u.cache) < maxCache {
		u.cache, u.misses = make([]cacheSlot, 4*len(u.cache)), 0
	}
	return c
}

// expected returns the class of a record if it is what most likely comes now, 0 if
// not. Units include the same headers: as a rule, what followed the last record
// before follows it again. Else it is the base's, if that has the name.
func (u *Unit) expected(words []uint32, size int) Class {
	if next := u.last + 1; next < len(u.met) {
		if m := &u.met[next]; slices.Equal(m.words, words) || size > 0 && u.reads(words, size, m.class) {
			u.last = next
			return m.class
		}
	}
	if size > 0 && u.table.base != nil {
		if c := u.inBase(words); c != 0 && u.reads(words, size, c) {
			u.meets(u.table.class(c).words, c)
			return c
		}
	}
	return 0
}

// meets notes a record that this worker has not met before.
func (u *Unit) meets(words []uint32, c Class) {
	u.last = len(u.met)
	u.met = append(u.met, metRecord{words, c})
}

// inBase returns the one definition that the base has of the name of a record, 0
// if it has none or several.
func (u *Unit) inBase(words []uint32) Class {
	k := Kind(words[0] >> kindShift & kindMask).namer()
	if k == 0 || words[1] == 0 {
		return 0
	}
	base := u.table.base
	if name := u.nameClass(k, Name(words[1])); int(name) < len(base.meaning) {
		return base.meaning[name]
	}
	return 0
}

// reads reports whether words are the record of c, once the names of their
// elements are read. A module has each string once for each unit, so that equal
// types come with different deferred names; comparing is cheaper than interning.
func (u *Unit) reads(words []uint32, size int, c Class) bool {
	known := u.table.class(c).words
	if len(known) != len(words) || [3]uint32(known) != [3]uint32(words) || u.names == nil {
		return false
	}
	for i := 3; i < len(words); i += size {
		if !slices.Equal(words[i+1:i+size], known[i+1:i+size]) {
			return false
		}
	}
	for i := 3; i < len(words); i += size {
		if n := Name(words[i]); n&deferred != 0 {
			if !u.names.Is(uint32(n&^deferred), Name(known[i])) {
				return false
			}
		} else if words[i] != known[i] {
			return false
		}
	}
	return true
}

// keep copies words to where they stay.
func (u *Unit) keep(words []uint32) []uint32 {
	if len(u.raw)+len(words) > cap(u.raw) {
		u.raw = make([]uint32, 0, max(wordChunk, len(words)))
	}
	at := len(u.raw)
	u.raw = append(u.raw, words...)
	return u.raw[at:len(u.raw):len(u.raw)]
}
