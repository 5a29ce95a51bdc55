package cmds

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/repl/expr"
)

// Scope is what expressions of a session can name: the variables of the
// kernel, the values printed so far, and convenience variables.
type Scope struct {
	kernel  *kernel.Kernel
	context *Context
	history []kernel.Value
	vars    map[string]kernel.Value

	cpu       int  // whose copies of per-CPU variables Var returns; -1: templates
	sawPerCPU bool // Var returned a template
}

var _ expr.Scope = (*Scope)(nil)

// NewScope returns the scope of a new session.
func NewScope(k *kernel.Kernel, c *Context) *Scope {
	return &Scope{kernel: k, context: c, vars: make(map[string]kernel.Value), cpu: -1}
}

// Var returns the kernel's variable of a name.
func (s *Scope) Var(name string) (kernel.Value, error) {
	v, err := s.kernel.Var(name)
	if err != nil || !v.PerCPU() {
		return v, err
	}
	if s.cpu >= 0 {
		return s.kernel.PerCPU(v, s.cpu)
	}
	s.sawPerCPU = true
	return v, nil
}

// History returns value n of the history, from 1, and for 0 and below the last
// one and those before it.
func (s *Scope) History(n int) (kernel.Value, error) {
	i := n - 1
	if n <= 0 {
		i = len(s.history) - 1 + n
	}
	switch {
	case len(s.history) == 0:
		return kernel.Value{}, &UsageError{Msg: "the history is empty", Do: "print a value first"}
	case i < 0 || i >= len(s.history):
		return kernel.Value{}, &UsageError{Msg: fmt.Sprintf("the history has $1 to $%d only", len(s.history))}
	}
	return s.history[i], nil
}

// taskVar is the convenience variable that is the current task until it is set.
const taskVar = "task"

// Get returns the convenience variable of a name.
func (s *Scope) Get(name string) (kernel.Value, bool) {
	if v, ok := s.vars[name]; ok || name != taskVar {
		return v, ok
	}
	t, err := s.context.Task()
	return t.Value(), err == nil
}

// Set gives a convenience variable a value.
func (s *Scope) Set(name string, v kernel.Value) { s.vars[name] = v }

// remember adds a value to the history and returns its number.
func (s *Scope) remember(v kernel.Value) int {
	s.history = append(s.history, v)
	return len(s.history)
}

// cpuValue is a value and, for one copy of a per-CPU variable, its CPU.
type cpuValue struct {
	kernel.Value
	cpu *int
}

// eval evaluates an expression.
func (e *Env) eval(ctx context.Context, src string) (kernel.Value, error) {
	x, err := expr.Parse(src, expr.Oracle(e.Kernel))
	if err != nil {
		return kernel.Value{}, err
	}
	return x.Eval(ctx, e.Kernel, e.Scope)
}

// evalAll evaluates an expression. One about a per-CPU variable that names no
// CPU gives a value for each CPU that is online. Where that fails for some of
// the CPUs, it returns the values of the others and an error.
func (e *Env) evalAll(ctx context.Context, src string) ([]cpuValue, error) {
	e.Scope.sawPerCPU = false
	v, err := e.eval(ctx, src)
	switch {
	case err == nil && !v.PerCPU():
		return []cpuValue{{Value: v}}, nil
	case err != nil && !e.Scope.sawPerCPU:
		return nil, err
	}
	cpus, cpuErr := e.Kernel.OnlineCPUs()
	if cpuErr != nil {
		return nil, cpuErr
	}
	var list []cpuValue
	var firstErr error
	for _, cpu := range cpus {
		var c kernel.Value
		var cpuErr error
		if err == nil {
			c, cpuErr = e.Kernel.PerCPU(v, cpu)
		} else { // it reads the variable, as runqueues.curr->comm does
			c, cpuErr = e.evalOn(ctx, src, cpu)
		}
		if cpuErr == nil {
			list = append(list, cpuValue{c, &cpu})
		} else if firstErr == nil {
			firstErr = fmt.Errorf("cpu %d: %w", cpu, cpuErr)
		}
	}
	if len(list) == 0 && err != nil {
		return nil, err // it has nothing to do with the CPU
	}
	return list, firstErr
}

// evalOn evaluates an expression with the copies of per-CPU variables that one
// CPU has.
func (e *Env) evalOn(ctx context.Context, src string, cpu int) (kernel.Value, error) {
	e.Scope.cpu = cpu
	defer func() { e.Scope.cpu = -1 }()
	return e.eval(ctx, src)
}

// ValueObject is a value in JSON.
type ValueObject struct {
	Expr    string          `json:"expr"`
	CPU     *int            `json:"cpu,omitempty"`
	Type    string          `json:"type"`
	Address string          `json:"address,omitempty"`
	Size    uint64          `json:"size"`
	Source  string          `json:"source,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
}

// object describes v without its value.
func object(src string, v cpuValue) ValueObject {
	o := ValueObject{Expr: src, CPU: v.cpu, Type: btfsrc.TypeName(v.Type()), Source: v.Source().String()}
	if a, ok := v.Addr(); ok {
		o.Address = a.String()
	}
	// void and incomplete types have no size.
	o.Size, _ = v.Size()
	return o
}
