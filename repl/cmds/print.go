package cmds

import (
	"context"
	"errors"
	"regexp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// valueFormats are the letters that print and x know.
const valueFormats = "xdutocsa"

func init() {
	register(&Command{
		Name:    "print",
		Aliases: []string{"p"},
		Args:    "[/FORMAT] EXPRESSION",
		Help:    "print the value of a C expression",
		Doc: `print evaluates an expression of C over the memory of the dump, and shows its
value as C. The value is kept as $1, $2 and so on; $ is the last one and $$ the
one before it.

    print init_task.comm              a member of a variable
    print *(struct list_head *)0xffffffff82a1c1e0
    print &modules                    an address
    print per_cpu(runqueues, 0)       a per-CPU variable of CPU 0
    print runqueues:0.nr_running      the same, shorter
    print runqueues.nr_running        of every CPU that is online
    print pid_max + 1                 arithmetic as in C
    print a[0..8]                     eight elements of an array
    print name#2                      the second of the variables of one name
    print $t = &init_task             keeps a value as $t

    print init_task.{pid,comm,se.vruntime}    some members of a structure

/FORMAT is a number of levels of structures to show, a letter, as in gdb, or both:

    x  hexadecimal       d  signed decimal     u  unsigned decimal
    o  octal             t  binary             c  characters
    s  strings           a  addresses, as symbols

px and pd are print/x and print/d, and so are print -x NAME and print -d NAME.
Of a variable whose type is not known it shows the bytes, and what they point
to. Give it a type then: declare struct foo name, or (struct foo)name.

The command set has limits on depth and elements. What they leave out is marked.
A part that cannot be read says why in its place: excluded when the dump was
written, missing from the file, or unmapped.`,
		Expr:     true,
		Run:      runPrint,
		Complete: completeExpr,
	})
}

// radixOption is an option of crash's p, where it cannot be a minus of C: an
// operand follows the letter.
var radixOption = regexp.MustCompile(`^-[xdu]\s+[\w$"]`)

func runPrint(ctx context.Context, env *Env, args string) error {
	if radixOption.MatchString(args) {
		args = "/" + args[1:]
	}
	spec, object, err := parsePrint(args)
	if err != nil {
		return err
	}
	_, src := SplitFormat(args)
	values, err := env.evalAll(ctx, object)
	for _, v := range values {
		if printErr := env.printValue(ctx, src, v, spec); err == nil {
			err = printErr
		}
	}
	if untyped, ok := errors.AsType[*kernel.UntypedError](err); ok && !env.JSON {
		if err := env.showUntyped(untyped.Symbol); err != nil {
			return err
		}
	}
	return err
}

// printValue writes one value, and keeps it in the history if it could be read.
func (e *Env) printValue(ctx context.Context, src string, v cpuValue, spec printSpec) error {
	if err := e.unreadable(v.Value); err != nil {
		return err
	}
	members, err := e.membersOf(ctx, v.Value, spec.members)
	if err != nil {
		return err
	}
	number := e.Scope.remember(v.Value)
	if e.JSON {
		o := object(src, v)
		o.Value = v.AppendJSON(nil)
		if spec.members != nil {
			o.Value = membersJSON(members, spec.members)
		}
		return e.Object(o)
	}
	if v.cpu != nil {
		if err := e.Printf("cpu %d: ", *v.cpu); err != nil {
			return err
		}
	}
	if err := e.Printf("$%d = ", number); err != nil {
		return err
	}
	if spec.members != nil {
		if err := e.printMembers(members, spec); err != nil {
			return err
		}
	} else if err := v.Format(e.Out, e.formatOptions(spec)); err != nil {
		return err
	}
	return e.Printf("\n")
}

// unreadable returns why nothing of a value can be read. Where a part can, the
// value is printed and says in place what is wrong with the rest.
func (e *Env) unreadable(v kernel.Value) error {
	if err := v.Err(); err != nil {
		return err
	}
	a, ok := v.Addr()
	size, err := v.Size()
	if !ok || err != nil || size == 0 {
		return nil
	}
	var b [1]byte
	_, err = e.Kernel.Memory().ReadMemory(b[:], a)
	if err != nil {
		if _, lastErr := e.Kernel.Memory().ReadMemory(b[:], a+vmcore.Addr(size-1)); lastErr == nil {
			return nil
		}
	}
	return err
}
