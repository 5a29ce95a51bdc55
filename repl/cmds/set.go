package cmds

import (
	"context"
	"slices"
	"strings"
)

func init() {
	register(&Command{
		Name: "set",
		Args: "[NAME [VALUE]]",
		Help: "list or change settings",
		Doc: `set lists all settings, set NAME shows one of them, set NAME VALUE changes it.
set $NAME = EXPRESSION keeps a value for later expressions, as print does, and
shows nothing.`,
		Run:      runSet,
		Complete: completeSet,
	})
}

func runSet(ctx context.Context, env *Env, args string) error {
	if strings.HasPrefix(args, "$") {
		_, err := env.eval(ctx, args)
		return err
	}
	list, err := words(args)
	if err != nil {
		return err
	}
	switch len(list) {
	case 0:
		return env.showSettings(settings)
	case 1, 2:
		d, err := findSetting(list[0])
		if err != nil {
			return err
		}
		if len(list) == 1 {
			return env.showSettings([]setting{d})
		}
		if err := d.set(env.Settings, list[1]); err != nil {
			return usage("set", "%v", err)
		}
		return nil
	}
	return usage("set", "too many words after set")
}

func findSetting(name string) (setting, error) {
	i := slices.IndexFunc(settings, func(d setting) bool { return d.name == name })
	if i < 0 {
		return setting{}, &UsageError{Msg: "no setting " + name, Do: "set lists the settings"}
	}
	return settings[i], nil
}

func (e *Env) showSettings(list []setting) error {
	if e.JSON {
		for _, d := range list {
			err := e.Object(struct {
				Name  string `json:"name"`
				Value string `json:"value"`
				Help  string `json:"help"`
			}{d.name, d.get(e.Settings), d.help})
			if err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]string
	for _, d := range list {
		rows = append(rows, []string{d.name, d.get(e.Settings), d.help + " (" + d.values + ")"})
	}
	return writeTable(e.Out, nil, rows)
}

func completeSet(_ *Env, args string) (int, []string) {
	name, value, more := strings.Cut(args, " ")
	var list []string
	if !more {
		for _, d := range settings {
			list = append(list, d.name)
		}
		return 0, withPrefix(list, name)
	}
	if d, err := findSetting(name); err == nil {
		list = strings.Split(d.values, " or ")
		list = slices.DeleteFunc(list, func(v string) bool { return strings.Contains(v, " ") })
	}
	return len(args) - len(value), withPrefix(list, value)
}
