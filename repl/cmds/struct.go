package cmds

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/vmcore"
)

const structArgs = "NAME[.MEMBER,...] [-opruxd] [-l OFFSET] [ADDRESS|SYMBOL[:CPUS] [N]]"

func init() {
	register(&Command{
		Name: "struct",
		Args: structArgs,
		Help: "show the definition of a structure, or one in memory",
		Doc: `struct shows the definition of a structure, union or typedef; at an address or a
symbol it shows what is there. The word union does the same, and so does *.

    struct list_head                    its definition and size
    struct -o list_head                 with the offset of each member
    struct list_head modules            what is at the symbol
    struct list_head ffffffffa352ea80 3    three, one behind the other
    struct task_struct.pid,comm init_task    some members; also se.vruntime,
                                        comm[0] and, by pointers, parent.comm
    struct rq.nr_running runqueues:0    CPU 0's copy; 0-2,4 or a for all
    struct task_struct -l task_struct.tasks ff16c475c124a9b0
                                        the one whose member tasks is there

    -o  offsets; with an address, the addresses of members
    -l OFFSET  of the member that is at the address: bytes, or struct.member
    -p  what the members that are pointers point to, too
    -r  the bytes of it, as rd shows them
    -u  the address is of the current task's program
    -x -d  numbers in hexadecimal, in decimal
    -c COUNT   as N; of a negative one, as many that end with the one there

A bare hexadecimal number is an address. Options may stand anywhere. The word
struct can be left out where no command has the name: list_head modules.`,
		Run:      func(ctx context.Context, env *Env, args string) error { return runStruct(ctx, env, "struct", args) },
		Complete: completeStruct,
		Describe: describeStruct,
	})
	register(&Command{
		Name:     "union",
		Args:     structArgs,
		Help:     "show the definition of a union, or one in memory",
		Doc:      `union does for unions what struct does for structures: see help struct.`,
		Run:      func(ctx context.Context, env *Env, args string) error { return runStruct(ctx, env, "union", args) },
		Complete: completeStruct,
		Describe: describeStruct,
	})
	register(&Command{
		Name: "*",
		Args: "NAME[.MEMBER,...] [ADDRESS...]",
		Help: "short for struct and union, or for print *",
		Doc: `* is short for struct and union where a type follows, and for print * where an
expression does.

    * list_head modules                 struct list_head modules
    *task_struct.pid init_task          struct task_struct.pid init_task
    *init_task.parent                   print *init_task.parent`,
		Run:      runStar,
		Complete: completeStruct,
	})
}

// Implied puts struct in front of a line that begins with the name of a type and
// of no command, as crash does: task_struct.pid init_task.
func (e *Env) Implied(line string) string {
	name, _ := Split(line)
	if name == "" || Lookup(name) != nil {
		return line
	}
	if _, err := e.compositeType(name); err != nil {
		return line
	}
	return "struct " + line
}

func runStar(ctx context.Context, env *Env, args string) error {
	words := strings.FieldsFunc(args, func(r rune) bool { return r == ' ' || r == '\t' })
	for _, word := range words {
		if strings.HasPrefix(word, "-") {
			continue
		}
		name, _, _ := strings.Cut(word, ".")
		if _, err := env.compositeType(name); err != nil {
			break
		}
		return runStruct(ctx, env, "*", args)
	}
	return runPrint(ctx, env, "*"+args)
}

// structView is what struct was asked for.
type structView struct {
	showing
	opts  flags
	count int64
}

func runStruct(ctx context.Context, env *Env, command, args string) error {
	opts, rest, err := scattered(command, args, "oruxdpfl:c:")
	switch {
	case err != nil:
		return err
	case len(rest) > 0 && (rest[0] == "struct" || rest[0] == "union"):
		rest = rest[1:]
	}
	if len(rest) == 0 || len(rest) > 3 {
		return usage(command, "%s wants a name, and perhaps an address and a count", command)
	}
	v := &structView{opts: opts, showing: showing{env: env, radix: radixOf(opts), follow: opts.has('p')}}
	if v.spec, err = env.structSpec(rest[0]); err != nil {
		return err
	}
	if len(rest) == 1 {
		return v.definition(nil)
	}
	count := opts.value('c')
	if len(rest) == 3 {
		count = rest[2]
	}
	v.count = 1
	if count != "" {
		if v.count, err = strconv.ParseInt(count, 0, 32); err != nil || v.count == 0 {
			return usage(command, "the count is a number, not %q", count)
		}
	}
	places, err := env.places(ctx, command, rest[1])
	if err != nil {
		return err
	}
	for _, p := range places {
		if err := v.at(ctx, command, p); err != nil {
			return err
		}
	}
	return nil
}

// radixOf returns the letter of the options -x and -d that was given, or 0.
func radixOf(opts flags) byte {
	switch {
	case opts.has('x'):
		return 'x'
	case opts.has('d'):
		return 'd'
	}
	return 0
}

// at shows the structures from an address on.
func (v *structView) at(ctx context.Context, command string, p place) error {
	if p.cpu != nil && !v.env.JSON {
		if err := v.env.Printf("[%d]: %x\n", *p.cpu, uint64(p.addr)); err != nil {
			return err
		}
	}
	if v.opts.has('l') {
		off, err := v.env.fieldOffset(command, v.opts.value('l'))
		if err != nil {
			return err
		}
		p.addr -= off
	}
	if v.opts.has('o') {
		return v.definition(&p.addr)
	}
	size, err := v.env.Kernel.Types().Sizeof(v.spec.typ)
	if err != nil {
		return err
	}
	mem, err := v.env.memory(flags{})
	if v.opts.has('u') {
		mem, err = v.env.memory(flags{'u': ""})
	}
	if err != nil {
		return err
	}
	first, n := int64(0), v.count
	if n < 0 {
		first, n = n+1, -n
	}
	for i := first; i < first+n; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := v.one(ctx, mem, p, i*int64(size)); err != nil {
			return err
		}
		if i+1 < first+n && !v.env.JSON {
			if err := v.env.Printf("\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// one shows the structure at some bytes from an address.
func (v *structView) one(ctx context.Context, mem vmcore.Memory, p place, off int64) error {
	o := v.env.Kernel.At(p.addr+vmcore.Addr(off), v.spec.typ).In(mem)
	if !v.opts.has('r') {
		return v.value(cpuValue{o, p.cpu})
	}
	size, err := o.Size()
	if err != nil {
		return err
	}
	a, _ := o.Addr()
	raw := &reading{env: v.env, mem: mem, opts: flags{}, width: v.env.Kernel.Arch().Layout.WordSize}
	return raw.rows(ctx, uint64(a), min(size, math.MaxInt32))
}

// definition shows the type: with -o the offsets of its members, or their
// addresses.
func (v *structView) definition(base *vmcore.Addr) error {
	if v.env.JSON {
		return v.env.Object(v.layoutObject(base))
	}
	types := v.env.Kernel.Types()
	text := types.Definition(v.spec.typ, nil)
	if v.opts.has('o') || len(v.spec.paths) > 0 {
		var err error
		if text, err = v.env.layout(v.spec, base); err != nil {
			return err
		}
	}
	if size, err := types.Sizeof(v.spec.typ); err == nil && len(v.spec.paths) == 0 {
		return v.env.Printf("%s\nSIZE: %d\n", text, size)
	}
	return v.env.Printf("%s\n", text)
}

// layoutObject is the definition in JSON, with the members that were chosen.
func (v *structView) layoutObject(base *vmcore.Addr) any {
	o := v.env.typeObject(v.spec.name, v.spec.typ)
	if len(v.spec.paths) > 0 {
		o.Members = nil
	}
	for _, path := range v.spec.paths {
		f, err := v.env.memberField(v.spec.typ, path)
		if err != nil {
			continue // it was found before
		}
		f.Name = path
		o.Members = append(o.Members, v.env.memberObject(f))
	}
	if base == nil {
		return o
	}
	return struct {
		typeObject
		Address string `json:"address"`
	}{o, base.String()}
}
