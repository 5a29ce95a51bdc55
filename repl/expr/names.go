package expr

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Scope is what the names of an expression stand for. A scope whose Var picks
// one CPU's copy of per-CPU variables evaluates a whole expression for that CPU.
type Scope interface {
	// Var returns the variable or function called name or, for name#2, the
	// second candidate of an ambiguous name, with the errors of
	// [kernel.Kernel.Var].
	Var(name string) (kernel.Value, error)
	// History returns value number n of the session's history, from 1. 0 is the
	// last one, -1 the one before, and so on back.
	History(n int) (kernel.Value, error)
	// Get returns the convenience variable $name, and whether it is set.
	Get(name string) (kernel.Value, bool)
	// Set gives the convenience variable $name a value.
	Set(name string, v kernel.Value)
}

// noScope is a session without history.
type noScope struct{ *kernel.Kernel }

func (noScope) History(n int) (kernel.Value, error) {
	return kernel.Value{}, &kernel.NotFoundError{What: "value", Name: fmt.Sprintf("$%d", n)}
}

func (noScope) Get(string) (v kernel.Value, set bool) { return kernel.Value{}, false }
func (noScope) Set(string, kernel.Value)              {}

// ident returns a variable or a function; where there is neither, an
// enumerator. A function of unknown type is its address.
func (ev *evaluator) ident(n *ident) (kernel.Value, error) {
	if c, ok := ev.macro(n); ok {
		return c, nil
	}
	v, err := ev.variable(n)
	var untyped *kernel.UntypedError
	switch {
	case err == nil:
		return v, nil
	case errors.As(err, &untyped) && untyped.Symbol.Class == kallsyms.Text:
		return ev.voidPointer(untyped.Symbol.Addr), nil
	case untyped != nil || kernel.ErrorKind(err) == kernel.KindAmbiguous || n.nth > 0:
		return v, err
	}
	if c, ok := ev.enumerator(n.name); ok {
		return c, nil
	}
	wrapped := ev.wrap(n.span, err).(*Error)
	switch {
	case n.quoted && len(ev.k.LookupType(btfsrc.KindTypedef, n.name)) > 0:
		wrapped.Advice = n.name + " is a type: sizeof(" + n.name + ") is a value"
	case isHex(n.name):
		wrapped.Advice = "a hexadecimal number is written 0x" + n.name
	}
	return v, wrapped
}

func (ev *evaluator) voidPointer(a vmcore.Addr) kernel.Value {
	return ev.k.Uint(&btf.Pointer{Target: &btf.Void{}}, uint64(a))
}

// macro returns the value of the few macros that everybody writes; BTF has none.
func (ev *evaluator) macro(n *ident) (kernel.Value, bool) {
	switch {
	case n.quoted || n.nth > 0:
	case n.name == "NULL":
		return ev.voidPointer(0), true
	case n.name == "true", n.name == "false":
		return ev.boolean(n.name == "true"), true
	}
	return kernel.Value{}, false
}

func (ev *evaluator) variable(n *ident) (kernel.Value, error) {
	name := n.name
	if n.nth > 0 {
		name = fmt.Sprintf("%s#%d", n.name, n.nth)
	}
	return ev.scope.Var(name)
}

// bareSymbol returns the symbol of n when n names one that has no type.
func (ev *evaluator) bareSymbol(n node) (kallsyms.Symbol, bool) {
	id, ok := n.(*ident)
	if !ok {
		return kallsyms.Symbol{}, false
	}
	_, err := ev.variable(id)
	var untyped *kernel.UntypedError
	if !errors.As(err, &untyped) {
		return kallsyms.Symbol{}, false
	}
	return untyped.Symbol, true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return len(s) >= 8
}

// enumerator returns the value of an enumerator, which is an int in C unless an
// int cannot hold it.
func (ev *evaluator) enumerator(name string) (kernel.Value, bool) {
	enum, u, ok := ev.k.Types().Enumerator(name)
	switch {
	case !ok:
		return kernel.Value{}, false
	case int64(u) == int64(int32(u)):
		return ev.number(number{arith: intArith, u: u}), true
	}
	a := ev.intArith(&btf.Int{Size: enum.Size, Encoding: signedness(enum.Signed)})
	return ev.number(number{arith: a, u: u}), true
}

func (ev *evaluator) convenience(n *convenience) (kernel.Value, error) {
	v, ok := ev.scope.Get(n.name)
	if !ok {
		err := ev.errorf(n.span, kernel.KindNotFound, "$%s is not set", n.name)
		return v, err.advise(fmt.Sprintf("set it with $%s = …", n.name))
	}
	return v, nil
}

func (ev *evaluator) assign(n *assign) (kernel.Value, error) {
	v, err := ev.eval(n.x)
	if err == nil && !ev.typing {
		ev.scope.Set(n.name, v)
	}
	return v, err
}
