package cmds

import (
	"context"
	"strconv"
	"strings"
	"time"
)

func init() {
	register(&Command{
		Name: "repeat",
		Args: "[-SECONDS] [-n COUNT] COMMAND",
		Help: "run a command again and again",
		Doc: `repeat runs a command until ^C stops it, or as many times as -n says, with a pause
of some seconds in between, 1 unless it is given. It is for running kernels,
whose memory changes.

    repeat print jiffies
    repeat -0.2 -n 10 print jiffies
    repeat -5 runq`,
		Run: runRepeat,
	})
}

func runRepeat(ctx context.Context, env *Env, args string) error {
	pause, count := time.Second, 0
	for strings.HasPrefix(args, "-") {
		option, rest, _ := strings.Cut(args, " ")
		args = strings.TrimSpace(rest)
		if option == "-n" {
			n, rest, _ := strings.Cut(args, " ")
			var err error
			if count, err = strconv.Atoi(n); err != nil || count <= 0 {
				return usage("repeat", "-n wants how many times")
			}
			args = strings.TrimSpace(rest)
			continue
		}
		seconds, err := strconv.ParseFloat(option[1:], 64)
		if err != nil || seconds < 0 || seconds > 1e6 {
			return usage("repeat", "%s is no number of seconds", option)
		}
		pause = time.Duration(seconds * float64(time.Second))
	}
	if args == "" {
		return usage("repeat", "repeat needs a command")
	}
	for i := 1; ; i++ {
		if err := env.Exec(ctx, args); err != nil {
			return err
		}
		if i == count {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
