package cmds

import (
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/repl/expr"
)

// Topic is a page of the manual that is not about one command.
type Topic struct {
	Name string
	Help string // one line
	Doc  string // as that of a Command
}

// Topics returns the pages, in the order to read them.
func Topics() []Topic {
	return []Topic{
		{"expressions", "what print and others evaluate: C, and a little more", expr.Language()},
		{"formats", "how values are written: /x, /3, {a,b}", formatsDoc},
		{"redirection", "where output goes: | program, > file, >> file, the pager", redirectionDoc},
		{"keys", "editing, completion, history, colours", keysDoc},
		{"settings", "what set changes, and kdbg's configuration file", settingsDoc()},
	}
}

func findTopic(name string) (Topic, bool) {
	for _, t := range Topics() {
		if t.Name == name {
			return t, true
		}
	}
	return Topic{}, false
}

const formatsDoc = `A value is written as C would initialise it. Pointers into the kernel are followed
by <symbol+offset>, and the module's name where it is a module's.

    print/x jiffies                  a letter is a format, as in gdb:
        x  hexadecimal   d  signed     u  unsigned    o  octal    t  binary
        c  characters    s  strings    a  addresses, as symbols
    print/1 init_task                a number is how many levels of structures
    print/2x init_task.se            both
    print init_task.{pid,comm,se.vruntime}   only these members

What a limit leaves out is marked. What cannot be read says why in its place:
excluded when the dump was written, missing from the file, or unmapped.

    <excluded from the dump>   <missing from the dump>   <unmapped>

See help settings for limits that last.`

const redirectionDoc = `Every command may end with one of

    COMMAND | SHELL COMMAND     the output is the input of a program
    COMMAND > FILE              the output goes to a file, which is replaced
    COMMAND >> FILE             the output is added to a file

    ps | grep -w UN
    log > /tmp/log
    print init_task | grep -w comm

A blank stands in front of >. Quotes and brackets keep all three from being
seen. A file appears when the command has ended: one that ^C interrupts leaves
the old file as it was. A dump that is open is never written over. A program
that ends with a status over 1 makes the command fail.

Some commands, print among them, take an expression of C, in which |, > and >>
are operators. There > and >> are redirections only if what follows cannot be an
operand: a name that begins with /, ./, ../ or ~/, or is in quotes.

    print jiffies > 5           compares
    print jiffies > ./5         writes the file 5

In the same way | begins a shell command there if a path follows, or one of:

    awk bash cat column cut diff egrep env fgrep gawk grep head hexdump jq less
    more nl perl python3 rev rg sed sh sort tac tail tee tr uniq vim wc xargs xxd

The prompt shows | and > in bold where they are redirections.

At a terminal, what is longer than the screen goes through $PAGER, or less, or a
pager of kdbg's own. An empty PAGER, or set scroll off, turns that off. Tables
that are wider than the terminal are cut, and marked with …: in a file and
behind | they are whole. ^C stops a command, never kdbg.`

const keysDoc = `    TAB          completes: commands, options, symbols, types, members behind .
                 and ->, enumerators, tasks, modules, settings, files
    ^R ^S        search the history, which lasts from session to session
    ^A ^E ^W ^U ^K ^Y Alt-B Alt-F    as in the shell
    ^C           gives up a line, or stops a command
    ^D           leaves, on an empty line
    ^L           clears the screen

An expression that is not complete goes on in the next line. What is pasted
stays text until Enter is pressed: each of its lines, which ⏎ parts, is then run.

Colours show what text is: commands, types, strings, addresses, symbols, and
what is suspicious. They are off where output is no terminal, where TERM is dumb
and where NO_COLOR is set; --color=always or never decides, and the
configuration file changes them, see help settings.`

func settingsDoc() string {
	var b strings.Builder
	b.WriteString("set NAME VALUE changes a setting, set NAME shows it, set -v all of them.\n\n")
	for _, d := range settings {
		fmt.Fprintf(&b, "    %-10s %s\n               (%s; at first %s)\n", d.name, d.help, d.values, d.initial)
	}
	b.WriteString("\n" + configDoc)
	return b.String()
}

const configDoc = `The file kdbg/config in $XDG_CONFIG_HOME, or else ~/.config, is read at the start
where it exists. It is TOML, and all of it may be left out:

    color = "auto"                       # as the flags of these names
    btf-path = ["/srv/btf"]
    declare = ["/home/me/variables.h"]

    [settings]
    depth = 3
    scroll = false

    [alias]
    blocked = "ps | grep -w UN"

    [colors]
    address = "bright-blue"
    symbol = "bold yellow"

Colours are red, green, yellow, blue, magenta, cyan, white or black, bright-red
and so on, with bold, faint or underline, or plain. The roles are address,
command, comment, error, heading, prompt, string, suspicious, symbol and type.
On the command line, --set NAME=VALUE changes a setting for one session, and
--no-config leaves the file unread.`
