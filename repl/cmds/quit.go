package cmds

import "context"

func init() {
	register(&Command{
		Name:    "quit",
		Aliases: []string{"q", "exit"},
		Help:    "leave kdbg",
		Doc:     `quit ends the session. At the prompt, ^D does the same.`,
		Run: func(_ context.Context, _ *Env, args string) error {
			if args != "" {
				return usage("quit", "quit takes no arguments")
			}
			return ErrQuit
		},
	})
}
