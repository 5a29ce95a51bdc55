package cmds

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strconv"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "search",
		Args: "[-kuptT] [-w|-h|-c] [-m MASK] [-s START] [-e END|-l LENGTH] VALUE...",
		Help: "search memory for values or text",
		Doc: `search looks for numbers in memory, each at a multiple of its size, and shows
where they are, in order of address, as it finds them. ^C stops it. A value is
hexadecimal, with or without 0x, the address of a symbol, or an expression.

    -k  the kernel's virtual memory, all that its page tables map; the default
    -u  the memory of the current task's program
    -p  physical memory
    -t  the kernel stacks of all tasks          -T  of those that run on a CPU
    -w  numbers of 4 bytes                      -h  of 2 bytes
    -c  the values are text, which may lie anywhere; "quotes" keep blanks
    -m MASK    bits that do not count
    -s START   from this address                -e END     up to this address
    -l LENGTH  so many bytes from the start
    -x COUNT   show so many units before and behind each, too

    search -t jiffies
    search -m fff ffff888003a40000
    search -u -c "GET / HTTP"
    search -p -w deadbeef

What the dump does not hold is not searched. The kernel's image is mapped
twice, so that what is in it is found twice with -k.`,
		Run: runSearch,
	})
}

// searching is what search was asked for.
type searching struct {
	env   *Env
	opts  flags
	query mm.Query
	names []string // of the symbols that values were given as, "" for others
	rd    *reading // shows what is around a hit; nil without -x
	count uint64   // units of it
	shown bool     // something was found
}

func runSearch(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("search", args, "kuptTwhcm:s:e:l:x:")
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usage("search", "search needs something to look for")
	}
	s := &searching{env: env, opts: opts}
	if err := s.readQuery(ctx, rest); err != nil {
		return err
	}
	if opts.has('t') || opts.has('T') {
		return s.stacks(ctx)
	}
	pieces, err := s.pieces(ctx)
	if err != nil {
		return err
	}
	return s.run(ctx, pieces, nil)
}

// readQuery reads what to look for.
func (s *searching) readQuery(ctx context.Context, values []string) error {
	q := &s.query
	q.Width = s.env.Kernel.Arch().Layout.WordSize
	switch {
	case s.opts.has('w'):
		q.Width = 4
	case s.opts.has('h'):
		q.Width = 2
	}
	if s.opts.has('m') {
		mask, ok := hexNumber(s.opts.value('m'))
		if !ok {
			return usage("search", "-m wants a hexadecimal mask, not %q", s.opts.value('m'))
		}
		q.Mask = mask
	}
	for _, word := range values {
		if s.opts.has('c') {
			if len(word) > mm.MaxText || word == "" {
				return usage("search", "a text has 1 to %d bytes", mm.MaxText)
			}
			q.Texts = append(q.Texts, []byte(word))
			continue
		}
		u, err := s.env.hexAddress(ctx, word)
		if err != nil {
			return err
		}
		if u&^(math.MaxUint64>>(64-8*q.Width)) != 0 {
			return usage("search", "%#x does not fit into %d bytes", u, q.Width)
		}
		q.Values = append(q.Values, u)
		name := word
		if _, isNumber := hexNumber(word); isNumber {
			name = ""
		}
		s.names = append(s.names, name)
	}
	return s.readContext()
}

// readContext reads how much to show around what is found.
func (s *searching) readContext() error {
	if !s.opts.has('x') {
		return nil
	}
	if s.opts.has('c') {
		return usage("search", "-x is for numbers, not for text")
	}
	count, err := strconv.ParseUint(s.opts.value('x'), 0, 16)
	if err != nil {
		return usage("search", "-x wants a number of units, not %q", s.opts.value('x'))
	}
	mem, err := s.env.memory(s.opts)
	if err != nil {
		return err
	}
	s.count = count
	s.rd = &reading{env: s.env, mem: mem, opts: flags{}, width: s.query.Width}
	return nil
}

// pieces returns the memory to search.
func (s *searching) pieces(ctx context.Context) (iter.Seq2[mm.Piece, error], error) {
	first, last := uint64(mm.KernelStart), uint64(math.MaxUint64)
	switch {
	case s.opts.has('p'):
		first = 0
	case s.opts.has('u'):
		first, last = 0, uint64(mm.KernelStart-1)
	}
	var err error
	if s.opts.has('s') {
		if first, err = s.env.hexAddress(ctx, s.opts.value('s')); err != nil {
			return nil, err
		}
	}
	switch {
	case s.opts.has('e'):
		end, err := s.env.hexAddress(ctx, s.opts.value('e'))
		if err != nil {
			return nil, err
		}
		last = end - 1
	case s.opts.has('l'):
		length, err := s.env.hexAddress(ctx, s.opts.value('l'))
		if err != nil {
			return nil, err
		}
		last = first + length - 1
	}
	if last < first {
		return nil, usage("search", "nothing lies between %#x and %#x", first, last)
	}
	if s.opts.has('p') {
		return s.env.Memory.Physical(vmcore.PhysAddr(first), vmcore.PhysAddr(last)), nil
	}
	space, err := s.env.Memory.Kernel()
	if s.opts.has('u') {
		var t kernel.Task
		if t, err = s.env.Context.Task(); err == nil {
			space, err = s.env.Memory.TaskSpace(t)
		}
	}
	if err != nil {
		return nil, err
	}
	return s.env.Memory.Virtual(space, vmcore.Addr(first), vmcore.Addr(last)), nil
}

// run searches pieces and shows what is found; t is the task whose stack they are,
// if not nil.
func (s *searching) run(ctx context.Context, pieces iter.Seq2[mm.Piece, error], t *kernel.Task) error {
	meter := s.env.Progress("searching", 0)
	defer meter.Close()
	titled := t == nil
	for h := range sound(ctx, s.env, s.env.Memory.Search(ctx, s.query, pieces, meter.Add)) {
		if !titled && !s.env.JSON {
			titled = true
			blank := ""
			if s.shown {
				blank = "\n"
			}
			if err := s.env.Printf("%s%s\n", blank, taskLine(*t)); err != nil {
				return err
			}
		}
		s.shown = true
		if err := s.show(ctx, h, t); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// hitObject is something found, in JSON.
type hitObject struct {
	Address string `json:"address"`
	Value   string `json:"value,omitempty"`
	Text    string `json:"text,omitempty"`
	Symbol  string `json:"symbol,omitempty"` // that the value was given as
	PID     *int   `json:"pid,omitempty"`
	Task    string `json:"task,omitempty"`
	Comm    string `json:"comm,omitempty"`
}

func (s *searching) show(ctx context.Context, h mm.Hit, t *kernel.Task) error {
	o := hitObject{Address: hex(h.Addr)}
	if len(s.query.Texts) > 0 {
		o.Text = s.textAt(h)
		if !s.env.JSON {
			return s.env.Printf("%x: %s\n", h.Addr, o.Text)
		}
	} else {
		o.Value, o.Symbol = hex(h.Value), s.names[h.Index]
	}
	if s.env.JSON {
		if t != nil {
			o.PID, o.Task, o.Comm = &t.PID, t.Addr.String(), t.Comm
		}
		return s.env.Object(o)
	}
	line := fmt.Sprintf("%x: %0*x", h.Addr, 2*s.query.Width, h.Value)
	if o.Symbol != "" {
		line += " (" + o.Symbol + ")"
	}
	if s.rd == nil {
		return s.env.Printf("%s\n", line)
	}
	return s.around(ctx, h, line)
}

// around shows a hit between what lies before and behind it.
func (s *searching) around(ctx context.Context, h mm.Hit, line string) error {
	width := uint64(s.query.Width)
	before := min(s.count*width, h.Addr)
	if err := s.rd.rows(ctx, h.Addr-before, before); err != nil {
		s.env.Problem(err)
	}
	if err := s.env.Printf("%s\n", line); err != nil {
		return err
	}
	if err := s.rd.rows(ctx, h.Addr+width, s.count*width); err != nil {
		s.env.Problem(err)
	}
	return s.env.Printf("\n")
}

// maxHitText is how many characters are shown where text was found.
const maxHitText = 56

// textAt returns what stands where text was found, of which the text is the
// beginning.
func (s *searching) textAt(h mm.Hit) string {
	b := make([]byte, max(maxHitText, len(s.query.Texts[h.Index])))
	mem, err := s.env.memory(s.opts)
	if err != nil {
		return string(s.query.Texts[h.Index])
	}
	n, _ := mem.ReadMemory(b, vmcore.Addr(h.Addr))
	return dots(b[:n])
}

// stacks searches the kernel stacks of tasks.
func (s *searching) stacks(ctx context.Context) error {
	space, err := s.env.Memory.Kernel()
	if err != nil {
		return err
	}
	size := s.env.Memory.StackSize()
	for t := range sound(ctx, s.env, s.env.Kernel.Tasks()) {
		if s.opts.has('T') && !t.Active() {
			continue
		}
		stack, err := t.Value().UintAt("stack")
		if err != nil || stack == 0 { // a task that has ended gave it back
			continue
		}
		if err := s.run(ctx, s.env.Memory.Virtual(space, vmcore.Addr(stack), vmcore.Addr(stack+size-1)), &t); err != nil {
			return err
		}
	}
	return ctx.Err()
}
