package vmcore

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestCacheIsBounded(t *testing.T) {
	const block = 64
	for _, size := range []int{1, block, 5 * block, 16 * block, 1000 * block} {
		c := newCache(size, block)
		for key := range uint64(5000) {
			c.add(key, make([]byte, block))
		}
		held := 0
		for i := range c.shards {
			held += len(c.shards[i].slots)
			if len(c.shards[i].index) != len(c.shards[i].slots) {
				t.Errorf("size %d: %d keys for %d slots", size, len(c.shards[i].index), len(c.shards[i].slots))
			}
		}
		if held == 0 || held*block > max(size, block) {
			t.Errorf("a cache of %d bytes holds %d", size, held*block)
		}
	}
}

// A block in use outlives those that are read once.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	c := newCache(64*cacheShards, 8) // 8 slots in a shard
	var p [8]byte
	c.add(0, p[:])
	for key := range uint64(1000) {
		c.add((key+1)*cacheShards, p[:]) // all in the shard of key 0
		if !c.read(p[:], 0, 0) {
			t.Fatalf("lost after %d others", key+1)
		}
	}
}

func TestCacheShortBlock(t *testing.T) {
	c := newCache(1024, 64)
	c.add(7, []byte("short"))
	p := make([]byte, 3)
	if !c.read(p, 7, 2) || string(p) != "ort" {
		t.Errorf("got %q", p)
	}
	if c.read(p, 7, 3) {
		t.Error("read past the end of a block")
	}
}

func TestCacheConcurrent(t *testing.T) {
	c := newCache(100*16, 16)
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			var p [16]byte
			for range 20000 {
				key := random.Uint64N(300)
				if c.read(p[:], key, 0) {
					if got := binary.LittleEndian.Uint64(p[8:]); got != key {
						t.Errorf("key %d has the block of %d", key, got)
					}
					continue
				}
				binary.LittleEndian.PutUint64(p[8:], key)
				c.add(key, p[:])
			}
		})
	}
	wg.Wait()
}
