package cmds

import (
	"context"

	"github.com/kdbg/kdbg/kallsyms"
)

func init() {
	register(&Command{
		Name: "rustfilt",
		Args: "NAME...",
		Help: "show the names of Rust symbols as they were written",
		Doc: `rustfilt shows symbols of Rust, or C++, as their programmers wrote them. Others
stay what they are.

    rustfilt _RNvNtCs123_3std3mem4swap          std::mem::swap`,
		Run:      runRustfilt,
		Complete: completeSymbol,
	})
}

func runRustfilt(_ context.Context, env *Env, args string) error {
	list, err := words(args)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return usage("rustfilt", "rustfilt wants names")
	}
	for _, name := range list {
		plain := kallsyms.Symbol{Name: name}.Demangled()
		if env.JSON {
			err = env.Object(struct {
				Expr string `json:"expr"`
				Name string `json:"name"`
			}{name, plain})
		} else {
			err = env.Printf("%s\n", plain)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
