package cmds

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name:    "log",
		Aliases: []string{"dmesg"},
		Args:    "[-tTmcd]",
		Help:    "show the kernel's log",
		Doc: `log shows the messages of the kernel, the oldest first, each behind the seconds
since it started. A message of several lines has that in front of each line.

    -t  without the time
    -T  with the time of day, which is as right as the kernel's clock ran
    -m  with the level, from <0> for an emergency to <7> for debugging
    -c  with who wrote it: T and the PID of a task, or C and the number of a CPU
    -d  with the device that it is about`,
		Run: runLog,
	})
}

func runLog(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("log", args, "tTmcd")
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usage("log", "log takes options only")
	}
	boot := time.Time{}
	if opts.has('T') {
		if boot, err = env.Kernel.BootTime(); err != nil {
			return err
		}
	}
	for r := range sound(ctx, env, env.Kernel.Log()) {
		var err error
		if env.JSON {
			err = env.Object(newLogObject(r))
		} else {
			err = env.writeRecord(r, opts, boot)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// writeRecord writes a message of the log.
func (e *Env) writeRecord(r kernel.LogRecord, opts flags, boot time.Time) error {
	var prefix string
	switch {
	case opts.has('T'):
		prefix = "[" + boot.Add(r.Time).Format(time.UnixDate) + "] "
	case !opts.has('t'):
		prefix = fmt.Sprintf("[%5d.%06d] ", r.Time/time.Second, r.Time%time.Second/time.Microsecond)
	}
	if opts.has('c') {
		prefix += fmt.Sprintf("[%6s] ", r.Caller)
	}
	if opts.has('m') {
		prefix += fmt.Sprintf("<%d>", r.Level)
	}
	for line := range strings.SplitSeq(r.Text, "\n") {
		if err := e.Printf("%s%s\n", prefix, line); err != nil {
			return err
		}
	}
	if opts.has('d') && r.Subsystem+r.Device != "" {
		return e.Printf("SUBSYSTEM=%s\nDEVICE=%s\n", r.Subsystem, r.Device)
	}
	return nil
}

// logObject is a message of the log in JSON.
type logObject struct {
	Time      int64  `json:"ts_ns"`
	Level     int    `json:"level"`
	Facility  int    `json:"facility"`
	Caller    string `json:"caller"`
	Text      string `json:"text"`
	Subsystem string `json:"subsystem,omitempty"`
	Device    string `json:"device,omitempty"`
}

func newLogObject(r kernel.LogRecord) logObject {
	return logObject{int64(r.Time), r.Level, r.Facility, r.Caller, r.Text, r.Subsystem, r.Device}
}
