package cmds

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/stack"
	"github.com/kdbg/kdbg/repl/disasm"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "dis",
		Args: "[-rfudx] ADDRESS [COUNT]",
		Help: "disassemble code",
		Doc: `dis shows machine code as instructions, in the syntax of the GNU tools: a whole
function, or COUNT instructions from an address, one without a COUNT. Branches
and the memory that an instruction refers to are named by symbol.

    -r        from the beginning of the function up to the address
    -f        from the address to the end of the function
    -u        code of the current task's program
    -d        write offsets in decimal

ADDRESS is a number, which is hexadecimal, a symbol, a symbol with an offset,
an expression, or two with a comma between them: from the one up to the other.

    dis schedule                  a function
    dis schedule+0x27             one instruction
    dis -r schedule+0x27          what led there
    dis ffffffff81000000 8        eight instructions
    dis -f schedule+0x27
    dis schedule,schedule+0x40

A running kernel patches its code: what a dump has differs from the kernel's
file where alternatives, static keys and tracing have changed it. Lines of
source (-l, -s) are not known to a dump.`,
		Run: runDis,
	})
}

// code is what dis was asked for.
type code struct {
	env     *Env
	mem     vmcore.Memory
	user    bool // no symbol is near
	decimal bool
	start   vmcore.Addr
	end     vmcore.Addr // not part of it
	count   int
}

func runDis(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("dis", args, "rfudxls")
	switch {
	case err != nil:
		return err
	case opts.has('l'), opts.has('s'):
		return &UnsupportedError{Msg: "lines of source are not known: a dump has no debug information"}
	case len(rest) == 0:
		return usage("dis", "dis needs an address or a function")
	}
	c := code{env: env, user: opts.has('u'), decimal: opts.has('d'), end: math.MaxUint64, count: math.MaxInt}
	if c.mem, err = env.memory(opts); err != nil {
		return err
	}
	where := rest[0]
	if len(rest) > 1 {
		if c.count, err = strconv.Atoi(rest[1]); err != nil || c.count < 1 || len(rest) > 2 {
			return usage("dis", "%s is not a number of instructions", strings.Join(rest[1:], " "))
		}
	}
	if err := c.find(ctx, where, opts, len(rest) > 1); err != nil {
		return err
	}
	return c.show(ctx)
}

// find sets which code is meant.
func (c *code) find(ctx context.Context, where string, opts flags, counted bool) error {
	from, to, isRange := strings.Cut(where, ",")
	a, err := c.env.hexAddress(ctx, from)
	if err != nil {
		return err
	}
	c.start = vmcore.Addr(a)
	if isRange {
		end, err := c.env.hexAddress(ctx, to)
		c.end = vmcore.Addr(end)
		return err
	}
	start, end, ok := c.env.function(c.start)
	ok = ok && !c.user
	switch {
	case !ok && (opts.has('r') || opts.has('f')):
		return &kernel.NotFoundError{What: "function", Name: c.start.String(), In: "the kernel and its modules"}
	case opts.has('r'):
		c.end = c.start + 1
		c.start = start
	case opts.has('f'):
		c.end = end
	case ok && c.start == start && !counted:
		c.end = end
	case !counted:
		c.count = 1
	}
	return nil
}

// function returns the bounds of the function that an address lies in.
func (e *Env) function(a vmcore.Addr) (start, end vmcore.Addr, ok bool) {
	s, _, ok := e.Kernel.Resolve(a)
	isCode := s.Class == kallsyms.Text || s.Class == kallsyms.Init || s.Class == kallsyms.Unknown
	if !ok || !isCode || s.Size == 0 || s.Size > maxFunction {
		return 0, 0, false
	}
	return s.Addr, s.Addr + vmcore.Addr(s.Size), true
}

// maxFunction bounds a function: what is larger lies behind the last symbol.
const maxFunction = 1 << 20

// chunk is how much code is read at once.
const chunk = 4096

// show decodes and writes instructions.
func (c *code) show(ctx context.Context) error {
	arch := c.env.Kernel.Arch()
	buf := make([]byte, chunk)
	var rest []byte
	at := c.start
	for n := 0; n < c.count && at < c.end; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(rest) < disasm.MaxLen {
			got, err := c.mem.ReadMemory(buf, at)
			if rest = buf[:got]; got == 0 {
				return err
			}
		}
		in, err := disasm.Decode(arch, rest, at)
		if err != nil {
			return err
		}
		if err := c.write(in, rest[:in.Len]); err != nil {
			return err
		}
		rest = rest[in.Len:]
		at += vmcore.Addr(in.Len)
	}
	return nil
}

// instructionObject is an instruction in JSON.
type instructionObject struct {
	Address string  `json:"address"`
	Symbol  *string `json:"symbol"`
	Offset  uint64  `json:"offset"`
	Module  *string `json:"module"`
	Bytes   string  `json:"bytes"`
	Text    string  `json:"text"`
	Ref     string  `json:"ref,omitempty"`
	RefName string  `json:"ref_symbol,omitempty"`
}

// write writes one instruction.
func (c *code) write(in disasm.Inst, raw []byte) error {
	name := c.name(in.Addr)
	ref := c.refName(in)
	if c.env.JSON {
		o := instructionObject{Address: in.Addr.String(), Bytes: fmt.Sprintf("%x", raw), Text: in.Text, RefName: ref}
		if name.Symbol != "" {
			o.Symbol, o.Offset = &name.Symbol, name.Offset
		}
		if name.Module != "" {
			o.Module = &name.Module
		}
		if in.Ref != 0 {
			o.Ref = in.Ref.String()
		}
		return c.env.Object(o)
	}
	line := in.Addr.String()
	if text := c.text(name); text != "" {
		line += " <" + text + ">"
	}
	line += ":\t" + in.Text
	switch {
	case ref == "":
	case in.Branch:
		line += " <" + ref + ">"
	case ref[0] == '"':
		line += fmt.Sprintf("        # %v %s", in.Ref, ref)
	default:
		line += fmt.Sprintf("        # %v <%s>", in.Ref, ref)
	}
	return c.env.Printf("%s\n", line)
}

// refName names what an instruction refers to: by symbol, or by its text where it
// is a string.
func (c *code) refName(in disasm.Inst) string {
	switch {
	case in.Ref == 0 || c.user:
		return ""
	case in.PerCPU:
		if s, ok := c.env.perCPUSymbol(in.Ref); ok {
			return c.text(stack.Name{Symbol: s.Name, Offset: uint64(in.Ref - s.Addr)})
		}
	case !in.Branch:
		if text := c.constant(in.Ref); text != "" {
			return text
		}
	}
	return c.text(c.name(in.Ref))
}

// maxPerCPU is how far behind its symbol a place in a per-CPU variable may be:
// what code refers to without a register is near.
const maxPerCPU = 512

// perCPUSymbol returns the variable that a place in per-CPU memory belongs to.
func (e *Env) perCPUSymbol(a vmcore.Addr) (kallsyms.Symbol, bool) {
	for off := range vmcore.Addr(maxPerCPU) {
		for _, s := range e.Kernel.Symbols().At(a - off) {
			if s.Class == kallsyms.PerCPU {
				return s, off < vmcore.Addr(s.Size)
			}
		}
	}
	return kallsyms.Symbol{}, false
}

// maxConstant is how much of a string constant is shown.
const maxConstant = 48

// constant returns the string constant at an address in quotes, "" where there is
// none. Strings have no symbols: the nearest would mislead.
func (c *code) constant(a vmcore.Addr) string {
	s, offset, ok := c.env.Kernel.Resolve(a)
	if !ok || s.Class != kallsyms.ROData || offset == 0 {
		return ""
	}
	b := make([]byte, maxConstant)
	n, _ := c.mem.ReadMemory(b, a)
	text, _, whole := bytes.Cut(b[:n], []byte{0})
	if bytes.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && r != '\x01' && (r < ' ' || r > '~') }) || len(text) < 3 {
		return ""
	}
	if !whole {
		text = append(text, "…"...)
	}
	return strconv.Quote(string(text))
}

// name returns what a place is called.
func (c *code) name(a vmcore.Addr) stack.Name {
	if c.user {
		return stack.Name{}
	}
	if u, err := stack.Of(c.env.Kernel); err == nil {
		return u.Name(stack.Frame{PC: a, Exact: true})
	}
	s, offset, ok := c.env.Kernel.Resolve(a)
	if !ok {
		return stack.Name{}
	}
	return stack.Name{Symbol: s.Demangled(), Offset: offset, Module: s.Module}
}

// text writes a name, "" where there is none.
func (c *code) text(n stack.Name) string {
	if n.Symbol == "" {
		return ""
	}
	if !c.decimal {
		return n.String()
	}
	offset := n.Offset
	n.Offset = 0
	if offset == 0 {
		return n.String()
	}
	n.Symbol += "+" + strconv.FormatUint(offset, 10)
	return n.String()
}
