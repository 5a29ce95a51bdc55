package device

import (
	"errors"
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// InFlight is how many requests a disk has not answered yet.
type InFlight struct{ Reads, Writes uint64 }

// InFlight counts the disk's requests that are under way: those that hold tags of
// its hardware queues, or, for a driver without such queues, what the kernel
// counted.
func (d *Disk) InFlight() (InFlight, error) {
	r := kernel.Reader{Value: d.value}
	if r.Uint("queue") != 0 && r.Uint("queue", "mq_ops") != 0 {
		return d.tagged()
	}
	if r.Err != nil {
		return InFlight{}, r.Err
	}
	return d.counted()
}

// counted sums up the per-CPU counters of reads and writes: struct disk_stats. A
// partition, and so the disk, called them dkstats before Linux kernel commit
// 0d02129e76ed ("block: merge struct block_device and struct hd_struct") (in
// v5.11).
func (d *Disk) counted() (InFlight, error) {
	k := d.value.Kernel()
	member := "bd_stats"
	if !d.value.Has("part0", member) {
		member = "dkstats"
	}
	stats, err := d.value.Path("part0", member)
	if err != nil {
		return InFlight{}, err
	}
	cpus, err := k.PossibleCPUs()
	if err != nil {
		return InFlight{}, err
	}
	var sum [2]int64
	for _, cpu := range cpus {
		s, err := k.PerCPU(stats, cpu)
		if err != nil {
			return InFlight{}, err
		}
		for way := range sum {
			counter, err := s.Path("in_flight")
			if err == nil {
				counter, err = counter.Index(int64(way))
			}
			var n uint64
			if err == nil {
				n, err = counter.UintAt()
			}
			if err != nil {
				return InFlight{}, err
			}
			sum[way] += int64(n)
		}
	}
	return InFlight{uint64(max(0, sum[0])), uint64(max(0, sum[1]))}, nil
}

// stateInFlight is MQ_RQ_IN_FLIGHT of enum mq_rq_state
// (include/linux/blk-mq.h).
const stateInFlight = 1

// maxTags bounds the tags of one hardware queue (BLK_MQ_TAG_MAX is 65535).
const maxTags = 1 << 16

// tagged counts the requests that are in the tables of the hardware queues' tags.
func (d *Disk) tagged() (InFlight, error) {
	var sum InFlight
	seen := make(map[vmcore.Addr]bool) // queues may share their tags
	for hctx, err := range d.hardwareQueues() {
		if err != nil {
			return sum, err
		}
		r := kernel.Reader{Value: hctx}
		tags, count := r.Pointer("tags"), uint64(0)
		if tags != 0 && !seen[tags] {
			seen[tags], count = true, r.Uint("tags", "nr_tags")
		}
		if r.Err != nil {
			return sum, r.Err
		}
		if count > maxTags {
			return sum, fmt.Errorf("hardware queue has %d tags", count)
		}
		for i := range int64(count) {
			if err := d.addRequest(&sum, hctx, i); err != nil {
				return sum, err
			}
		}
	}
	return sum, nil
}

// addRequest counts the request that has tag i, if it is of the disk and under
// way.
func (d *Disk) addRequest(sum *InFlight, hctx kernel.Value, i int64) error {
	requests, err := hctx.Path("tags", "rqs")
	if err != nil {
		return err
	}
	p, err := requests.Index(i)
	if err != nil {
		return err
	}
	u, err := p.Uint()
	if err != nil || u == 0 {
		return err
	}
	rq := kernel.Reader{Value: p}
	// What a tag points to may be freed already: then it is of no queue.
	if rq.Pointer("q") != d.Queue || rq.Uint("state") != stateInFlight || rq.Err != nil {
		return nil
	}
	if rq.Uint("cmd_flags")&1 != 0 { // operations with an odd number write (enum req_op)
		sum.Writes++
	} else {
		sum.Reads++
	}
	return rq.Err
}

// maxQueues bounds the hardware queues of one disk.
const maxQueues = 1 << 16

// hardwareQueues returns the struct blk_mq_hw_ctxs of the disk. They were in an
// xarray between Linux kernel commits 4e5cc99e1e48 ("blk-mq: manage hctx map via
// xarray") (in v5.18) and d0c98769ee7d ("blk-mq: use array manage hctx map
// instead of xarray") (in v6.19).
func (d *Disk) hardwareQueues() iter.Seq2[kernel.Value, error] {
	return func(yield func(kernel.Value, error) bool) {
		k := d.value.Kernel()
		if d.value.Has("queue", "hctx_table") {
			t, err := k.Struct("blk_mq_hw_ctx")
			if err != nil {
				yield(kernel.Value{}, err)
				return
			}
			table, err := d.value.Path("queue", "hctx_table")
			if err != nil {
				yield(kernel.Value{}, err)
				return
			}
			a, _ := table.Addr()
			for e, err := range k.XArray(a) {
				if !yield(k.At(e.Entry, t), err) {
					return
				}
			}
			return
		}
		r := kernel.Reader{Value: d.value}
		count := min(r.Uint("queue", "nr_hw_queues"), maxQueues)
		array, err := d.value.Path("queue", "queue_hw_ctx")
		if r.Err != nil || err != nil {
			yield(kernel.Value{}, fmt.Errorf("hardware queues: %w", errors.Join(r.Err, err)))
			return
		}
		for i := range int64(count) {
			p, err := array.Index(i)
			if err == nil {
				p, err = p.Deref()
			}
			if !yield(p, err) {
				return
			}
		}
	}
}
