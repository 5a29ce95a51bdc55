package mm

import (
	"cmp"
	"context"
	"iter"
	"runtime"
	"slices"

	"github.com/kdbg/kdbg/vmcore"
)

// Query is what to search memory for: numbers or texts.
type Query struct {
	Width  int      // bytes of each number: 2, 4 or 8
	Values []uint64 // numbers, each at a multiple of Width
	Mask   uint64   // bits of numbers that do not count
	Texts  [][]byte // bytes, at any address; none longer than [MaxText]
}

// MaxText bounds a text that is searched for.
const MaxText = 4096

// Hit is a place where something was found.
type Hit struct {
	Addr  uint64 // a virtual address, or a physical one as the pieces have it
	Index int    // which of the values or texts
	Value uint64 // the number that is there, which differs from the value in masked bits
}

// Piece is memory to search: a run of addresses that physical memory follows.
type Piece struct {
	Addr uint64 // as hits count: virtual or physical
	Phys vmcore.PhysAddr
	Size uint64
}

// searchJob is what one goroutine searches at a time. It is large enough to make
// the hand-over cheap and small enough that hits appear soon.
const searchJob = 256 << 10

// Search looks for a query in pieces, which must be in ascending order, and
// yields hits in ascending order. Texts are found across pieces that lie beside
// each other. Memory that the dump does not hold is passed over; an error is one
// of pieces, or that of ctx. Progress, if not nil, is told of each part how many
// bytes it had.
func (m *Memory) Search(ctx context.Context, q Query, pieces iter.Seq2[Piece, error], progress func(bytes uint64)) iter.Seq2[Hit, error] {
	return func(yield func(Hit, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		s := newSearcher(m.k.Phys(), m.k.Arch().Layout, q)
		if s.phys == nil {
			return
		}
		found := foundHits{searcher: s}
		for j := range s.start(ctx, pieces) {
			select {
			case <-j.done:
			case <-ctx.Done():
				yield(Hit{}, ctx.Err())
				return
			}
			found.recall(ctx, j)
			for _, h := range j.hits {
				if !yield(h, nil) {
					return
				}
			}
			if j.err != nil && !yield(Hit{}, j.err) {
				return
			}
			if progress != nil {
				progress(j.read)
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Hit{}, err)
		}
	}
}

// searcher is a query made ready to be used by many goroutines.
type searcher struct {
	Query
	phys    vmcore.PhysMemory
	layout  vmcore.Layout
	overlap int // bytes that a job reads of the next, for texts across both
}

func newSearcher(phys vmcore.PhysMemory, layout vmcore.Layout, q Query) *searcher {
	s := &searcher{Query: q, phys: phys, layout: layout}
	for _, text := range q.Texts {
		s.overlap = max(s.overlap, len(text)-1)
	}
	return s
}

// job is a run of addresses in the order of which hits are yielded. A job that is
// again has memory that jobs before it have, at other addresses.
type job struct {
	again bool

	addr  uint64
	size  uint64  // a hit begins in it
	parts []Piece // beside each other; together size bytes and the overlap
	done  chan struct{}
	hits  []Hit
	read  uint64
	err   error // of pieces, behind the hits
}

// start begins to search and returns the jobs in order. A job is done once its
// channel is closed. They end early when ctx does.
func (s *searcher) start(ctx context.Context, pieces iter.Seq2[Piece, error]) <-chan *job {
	workers := runtime.GOMAXPROCS(0)
	queue := make(chan *job)
	ordered := make(chan *job, 8*workers)
	for range workers {
		go func() {
			var w searchWorker
			for j := range queue {
				w.run(ctx, s, j)
				close(j.done)
			}
		}()
	}
	go func() {
		defer close(queue)
		defer close(ordered)
		for j := range s.jobs(pieces) {
			select {
			case ordered <- j:
			case <-ctx.Done():
				return
			}
			if j.again {
				close(j.done)
				continue
			}
			select {
			case queue <- j:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ordered
}

// jobs cuts pieces into jobs and joins small ones that lie beside each other.
// Numbers are not looked for twice in memory that is mapped twice; texts are, as
// they may reach into what lies beside it.
func (s *searcher) jobs(pieces iter.Seq2[Piece, error]) iter.Seq[*job] {
	most := searchJob + uint64(s.overlap)
	return func(yield func(*job) bool) {
		var queued physSet
		var run []Piece // not searched yet, beside each other
		var size uint64 // of them
		emit := func(n uint64, err error) bool {
			j := &job{size: n, parts: run, done: make(chan struct{}), err: err}
			if len(run) > 0 {
				j.addr = run[0].Addr
			}
			run, size = behind(run, n), size-n
			return yield(j)
		}
		for p, err := range pieces {
			if err != nil {
				if !emit(size, err) {
					return
				}
				continue
			}
			for p.Size > 0 {
				known := uint64(0)
				part, rest := p.cut(most - size)
				if len(s.Texts) == 0 {
					if known = queued.prefix(part); known == 0 {
						part, rest = p.cut(min(part.Size, queued.gap(part)))
						queued.add(part)
					}
				}
				if size > 0 && (known > 0 || run[0].Addr+size != p.Addr) && !emit(size, nil) {
					return
				}
				if known > 0 {
					part, p = p.cut(min(known, searchJob))
					again := &job{again: true, addr: part.Addr, size: part.Size, parts: []Piece{part}, done: make(chan struct{})}
					if !yield(again) {
						return
					}
					continue
				}
				p = rest
				run, size = append(run, part), size+part.Size
				if size == most && !emit(searchJob, nil) {
					return
				}
			}
		}
		if size > 0 {
			emit(size, nil)
		}
	}
}

// cut cuts a piece behind at most n bytes.
func (p Piece) cut(n uint64) (head, tail Piece) {
	n = min(n, p.Size)
	return Piece{p.Addr, p.Phys, n}, Piece{p.Addr + n, p.Phys + vmcore.PhysAddr(n), p.Size - n}
}

// behind returns what pieces hold behind their first n bytes.
func behind(pieces []Piece, n uint64) []Piece {
	var rest []Piece
	for _, p := range pieces {
		head, tail := p.cut(n)
		if n -= head.Size; tail.Size > 0 {
			rest = append(rest, tail)
		}
	}
	return rest
}

// searchWorker is what one goroutine keeps from job to job.
type searchWorker struct {
	buf []byte
}

// run searches the memory of a job, as far as the dump holds it: segment after
// segment of bytes without a gap.
func (w *searchWorker) run(ctx context.Context, s *searcher, j *job) {
	b := w.buf[:0]
	for _, p := range j.parts {
		for off := uint64(0); off < p.Size && ctx.Err() == nil; {
			start := len(b)
			b = slices.Grow(b, int(p.Size-off))[:start+int(p.Size-off)]
			n, err := s.phys.ReadPhys(b[start:], p.Phys+vmcore.PhysAddr(off))
			b = b[:start+n]
			off += uint64(n)
			if err == nil {
				continue
			}
			s.scan(j, b, p.Addr+off-uint64(len(b)))
			b = b[:0]
			off += gap(uint64(p.Phys) + off)
		}
	}
	if n := len(j.parts); n > 0 {
		s.scan(j, b, j.parts[n-1].Addr+j.parts[n-1].Size-uint64(len(b)))
	}
	w.buf = b[:0]
}

// gap returns how many bytes from an unreadable address on are passed over: what
// a dump leaves out, it leaves out in pages, of which none is smaller.
func gap(a uint64) uint64 { return 4096 - a%4096 }

// scan searches bytes that begin at address a, and adds what it finds to a job.
func (s *searcher) scan(j *job, b []byte, a uint64) {
	off := a - j.addr
	if off >= j.size {
		return // all of it is of the next job
	}
	end := min(j.size-off, uint64(len(b))) // of where a hit may begin
	j.read += end
	if len(s.Texts) > 0 {
		s.scanTexts(j, b, a, end)
		return
	}
	if skip := -a & uint64(s.Width-1); skip < end {
		s.scanValues(j, b[skip:end], a+skip)
	}
}

// sortHits puts hits in order of address.
func sortHits(hits []Hit) {
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(a.Addr, b.Addr) })
}
