package kernel_test

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// TestDeclare declares variables of a stock kernel, whose BTF has per-CPU
// variables only.
func TestDeclare(t *testing.T) {
	k := openUntyped(t, "debian-6.12-amd64")
	list, err := k.Struct("list_head")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Var("modules"); kernel.ErrorKind(err) != kernel.KindUntyped {
		t.Fatalf("modules before it is declared: %v", err)
	}
	d, err := k.Declare("modules", list, "struct list_head modules")
	if err != nil || !d.Fits() || d.Size != 16 {
		t.Fatalf("Declare = %+v, %v", d, err)
	}
	v, err := k.Var("modules")
	if err != nil || v.TypeName() != "struct list_head" || v.Source() != btfsrc.SourceDeclared {
		t.Errorf("modules is %s of source %v, %v", v.TypeName(), v.Source(), err)
	}

	names, err := k.Declare("inet_protos", &btf.Array{Type: &btf.Pointer{Target: list}}, "")
	if err != nil || btfsrc.TypeName(names.Type) != "struct list_head *[256]" {
		t.Errorf("an array without a length is %s, %v", btfsrc.TypeName(names.Type), err)
	}
	task, err := k.Struct("task_struct")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := k.Declare("pid_max", task, ""); err != nil || d.Fits() {
		t.Errorf("a task_struct fits in pid_max: %v", err)
	}

	_, err = k.Declare("runqueues", list, "")
	var described *kernel.DescribedError
	if !errors.As(err, &described) || described.Type != "struct rq" {
		t.Errorf("runqueues as another type: %v", err)
	}
	for _, name := range []string{"nosuch", "schedule"} {
		if _, err := k.Declare(name, list, ""); err == nil {
			t.Errorf("%s can be declared", name)
		}
	}
	if _, err := k.Declare("init_task", &btf.Void{}, ""); err == nil {
		t.Error("a variable of type void can be declared")
	}

	if n := len(k.Declarations()); n != 3 {
		t.Errorf("%d declarations, want 3", n)
	}
	if !k.Undeclare("modules") || k.Undeclare("modules") {
		t.Error("modules is not forgotten once")
	}
	if _, err := k.Var("modules"); kernel.ErrorKind(err) != kernel.KindUntyped {
		t.Errorf("modules when it is forgotten: %v", err)
	}
}
