package cmds

import (
	"context"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/repl/expr"
)

func init() {
	register(&Command{
		Name: "ptype",
		Args: "[/n] TYPE|EXPRESSION",
		Help: "show the definition of a type, with offsets",
		Doc: `ptype shows the C definition of a type, or of the type of an expression.
Comments give the offset and the size of each member in bytes; /n leaves them
out. (/o, which asks gdb for offsets, is accepted.)

    ptype struct list_head
    ptype init_task
    ptype &init_task.se
    ptype pid_t`,
		Expr:     true,
		Run:      runPtype,
		Complete: completeExpr,
	})
}

func runPtype(ctx context.Context, env *Env, args string) error {
	flags, src := SplitFormat(args)
	if flags != "" && flags != "n" && flags != "o" {
		return usage("ptype", "no option /%s", flags)
	}
	if src == "" {
		return usage("ptype", "ptype needs a type or an expression")
	}
	t, err := expr.TypeOf(ctx, src, env.Kernel, env.Scope)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.Object(env.typeObject(src, t))
	}
	text := env.Kernel.Types().Definition(t, &btfsrc.DefinitionOptions{Offsets: flags != "n"})
	return env.Printf("%s\n", text)
}

// typeObject is a type in JSON.
type typeObject struct {
	Expr    string         `json:"expr"`
	Type    string         `json:"type"`
	Size    uint64         `json:"size"`
	Members []memberObject `json:"members,omitempty"`
}

// memberObject is a member of a structure or union in JSON. Offsets and sizes
// are bytes, those of bit-fields bits from the start of the structure.
type memberObject struct {
	Name      string  `json:"name"`
	Type      string  `json:"type"`
	Offset    uint64  `json:"offset"`
	Size      uint64  `json:"size"`
	BitOffset *uint64 `json:"bit_offset,omitempty"`
	BitSize   *uint64 `json:"bit_size,omitempty"`
}

func (e *Env) typeObject(src string, t btf.Type) typeObject {
	types := e.Kernel.Types()
	o := typeObject{Expr: src, Type: btfsrc.TypeName(t)}
	o.Size, _ = types.Sizeof(t) // void and functions have none
	switch btfsrc.Strip(t).(type) {
	case *btf.Struct, *btf.Union:
	default:
		return o
	}
	for _, f := range btfsrc.Fields(t) {
		o.Members = append(o.Members, e.memberObject(f))
	}
	return o
}

func (e *Env) memberObject(f btfsrc.Field) memberObject {
	m := memberObject{Name: f.Name, Type: btfsrc.TypeName(f.Type), Offset: f.BitOffset / 8}
	m.Size, _ = e.Kernel.Types().Sizeof(f.Type)
	if f.BitSize != 0 {
		m.BitOffset, m.BitSize = &f.BitOffset, &f.BitSize
	}
	return m
}
