package vmcore

import "sync"

// cacheShards spreads the lock of a cache, so that parallel readers meet rarely.
const cacheShards = 16

// A cache keeps copies of recently used blocks of bytes, no more than it was
// made for. It owns its memory: blocks are copied in and out, so that a buffer
// given up is used again and the garbage collector sees nothing. It is safe
// for concurrent use.
type cache struct {
	shards []cacheShard // by key
}

// cacheShard replaces its blocks by the clock algorithm: a hand goes round and
// takes the first block not read since it last came by.
type cacheShard struct {
	mu    sync.Mutex
	slots []cacheSlot
	index map[uint64]int // key to slot
	max   int            // slots, at least 1
	hand  int
}

type cacheSlot struct {
	key  uint64
	data []byte
	used bool
}

// newCache returns a cache for blocks of the given size that holds size bytes,
// or one block when that is more.
func newCache(size, block int) *cache {
	blocks := max(1, size/block)
	c := &cache{shards: make([]cacheShard, min(cacheShards, blocks))}
	for i := range c.shards {
		c.shards[i].index = make(map[uint64]int)
		c.shards[i].max = blocks / len(c.shards)
	}
	return c
}

func (c *cache) shard(key uint64) *cacheShard {
	return &c.shards[key%uint64(len(c.shards))]
}

// read fills p from offset off of the block of that key. It reports whether
// the block is there and long enough.
func (c *cache) read(p []byte, key uint64, off int) bool {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[key]
	if !ok {
		return false
	}
	slot := &s.slots[i]
	if off+len(p) > len(slot.data) {
		return false
	}
	copy(p, slot.data[off:])
	slot.used = true
	return true
}

// add keeps a copy of a block under a key.
func (c *cache) add(key uint64, data []byte) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.index[key]; ok {
		return // another reader was faster
	}
	i := s.victim()
	slot := &s.slots[i]
	slot.key, slot.used = key, false
	slot.data = append(slot.data[:0], data...)
	s.index[key] = i
}

// victim returns a slot to fill: a new one, or one emptied by the clock.
func (s *cacheShard) victim() int {
	if len(s.slots) < s.max {
		s.slots = append(s.slots, cacheSlot{})
		return len(s.slots) - 1
	}
	for s.slots[s.hand].used {
		s.slots[s.hand].used = false
		s.hand = (s.hand + 1) % len(s.slots)
	}
	i := s.hand
	s.hand = (s.hand + 1) % len(s.slots)
	delete(s.index, s.slots[i].key)
	return i
}
