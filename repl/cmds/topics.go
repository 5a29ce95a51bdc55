package cmds

// Topic is a page of the manual that is not about one command.
type Topic struct {
	Name string
	Help string // one line
	Doc  string // plain text, lines of at most 78 columns
}

// Topics are the pages, in the order to read them.
var Topics = []Topic{
	{
		Name: "redirection",
		Help: "where output goes: | program, > file, >> file, the pager",
		Doc: `Every command may end with one of

    COMMAND | SHELL COMMAND     the output is the input of a program
    COMMAND > FILE              the output goes to a file, which is replaced
    COMMAND >> FILE             the output is added to a file

    sym jiffies | cut -c 1-18
    help > /tmp/help
    print init_task | grep -w comm

A blank stands in front of >. Quotes and brackets keep all three from being
seen. A file appears when the command has ended: one that ^C interrupts leaves
the old file as it was. A dump that is open is never written over.

Some commands, print among them, take an expression of C, in which |, > and >>
are operators. There > and >> are redirections only if what follows cannot be an
operand: a name that begins with /, ./, ../ or ~/, or is in quotes.

    print jiffies > 5           compares
    print jiffies > ./5         writes the file 5

In the same way | begins a shell command there if a path follows, or one of:

    awk bash cat column cut diff egrep env fgrep gawk grep head hexdump jq less
    more nl perl python3 rev rg sed sh sort tac tail tee tr uniq vim wc xargs xxd

At a terminal, what is longer than the screen goes through $PAGER, or less, or a
pager of kdbg's own. An empty PAGER, or set scroll off, turns that off. ^C stops
a command, never kdbg.`,
	},
}

func findTopic(name string) *Topic {
	for i := range Topics {
		if Topics[i].Name == name {
			return &Topics[i]
		}
	}
	return nil
}
