package cmds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/repl/expr"
)

func init() {
	register(&Command{
		Name: "declare",
		Args: "[-s | -d NAME... | -f FILE | DECLARATION]",
		Help: "give variables their types, as C declares them",
		Doc: `declare gives a variable that no BTF describes a type for the rest of the
session. A declaration is written as in C; several may follow each other.

    declare struct list_head modules;
    declare static struct kmem_cache *vm_area_cachep, *mm_cachep;
    declare const char *const names[];      as many as fit
    declare struct rq runqueues             a per-CPU variable
    declare struct foo bar#2                the second variable of that name

declare alone lists what was declared, as C. -d forgets declarations. -f reads
them from a file, in which comments may stand; kdbg --declare FILE does so at
the start. -s saves all of them in your configuration folder: they are read
again whenever a dump of the same kernel release is opened. To save none takes
that back.

A declaration goes before the table of well-known variables that kdbg has. A
type that BTF gives a variable stays: the compiler wrote it. To see such a
variable as another type, write *(struct foo *)&name.

A type that is larger than the room up to the next symbol gets a warning.`,
		Run:      runDeclare,
		Complete: completeExpr,
	})
}

func runDeclare(_ context.Context, env *Env, args string) error {
	if args == "" {
		return env.listDeclarations()
	}
	if !strings.HasPrefix(args, "-") {
		env.declare("", args, env.Problem)
		return nil
	}
	opts, rest, err := options("declare", args, "sdf:")
	switch {
	case err != nil:
		return err
	case opts.has('d'):
		return env.undeclare(rest)
	case len(rest) > 0:
		return usage("declare", "declare takes options or declarations, not both")
	case opts.has('f'):
		return env.DeclareFile(opts.value('f'), env.Problem)
	}
	return env.saveDeclarations()
}

// declare makes the declarations in text, and reports those that are wrong.
func (e *Env) declare(file, text string, problem func(error)) {
	for d, err := range expr.Declarations(file, text, expr.Oracle(e.Kernel)) {
		if err == nil {
			err = e.declareOne(d)
		}
		if err != nil {
			problem(err)
		}
	}
}

func (e *Env) declareOne(d *expr.Declaration) error {
	t, err := d.Type(e.Kernel)
	if err != nil {
		return err
	}
	made, err := e.Kernel.Declare(d.Name, t, d.String())
	if err != nil {
		return d.Fail(err)
	}
	if !made.Fits() {
		e.Warn("%s has %d bytes, and the next symbol begins %d bytes behind %s",
			btfsrc.TypeName(made.Type), made.Size, made.Symbol.Size, made.Name)
	}
	return nil
}

// maxDeclarations bounds a file of declarations, in bytes.
const maxDeclarations = 4 << 20

// DeclareFile makes the declarations in a file. Those that are wrong are passed to
// problem; the error is that of reading the file.
func (e *Env) DeclareFile(name string, problem func(error)) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDeclarations))
	if err != nil {
		return err
	}
	e.declare(name, string(text), problem)
	return nil
}

func (e *Env) undeclare(names []string) error {
	if len(names) == 0 {
		return usage("declare", "-d wants the names to forget")
	}
	for _, name := range names {
		if !e.Kernel.Undeclare(name) {
			e.Problem(&kernel.NotFoundError{What: "declaration of", Name: name})
		}
	}
	return nil
}

func (e *Env) listDeclarations() error {
	for _, d := range e.Kernel.Declarations() {
		var err error
		if e.JSON {
			err = e.Object(struct {
				Name    string `json:"name"`
				Type    string `json:"type"`
				Address string `json:"address"`
				Size    uint64 `json:"size"`
			}{d.Name, btfsrc.TypeName(d.Type), d.Symbol.Addr.String(), d.Size})
		} else {
			err = e.Printf("%s;\n", d.Text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// SavedDeclarations returns the name of the file in which the user keeps the
// declarations for a kernel release.
func SavedDeclarations(release string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	// The release comes from the dump and must not lead elsewhere.
	if release == "" || strings.HasPrefix(release, ".") || strings.ContainsAny(release, `/\`) {
		return "", fmt.Errorf("kernel release %q does not name a file", release)
	}
	return filepath.Join(dir, "kdbg", "declarations", release+".h"), nil
}

// saveDeclarations writes all declarations to the user's file.
func (e *Env) saveDeclarations() error {
	release := e.Kernel.Release()
	name, err := SavedDeclarations(release)
	if err != nil {
		return err
	}
	list := e.Kernel.Declarations()
	if err := writeDeclarations(name, release, list); err != nil {
		return err
	}
	if e.JSON {
		return e.Object(struct {
			File         string `json:"file"`
			Declarations int    `json:"declarations"`
		}{name, len(list)})
	}
	if len(list) == 0 {
		return e.Printf("no declarations: %s is gone\n", name)
	}
	return e.Printf("%d declarations saved in %s\n", len(list), name)
}

// writeDeclarations writes a file of declarations as a whole, or removes it where
// there are none.
func writeDeclarations(name, release string, list []kernel.Declaration) error {
	if len(list) == 0 {
		if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "// Variables of Linux %s, declared in kdbg. declare -s writes this file anew.\n", release)
	for _, d := range list {
		fmt.Fprintf(&text, "%s;\n", d.Text)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	part := name + ".part"
	if err := os.WriteFile(part, text.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(part, name)
}
