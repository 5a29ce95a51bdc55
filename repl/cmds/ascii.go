package cmds

import (
	"context"
	"fmt"
	"strings"
)

func init() {
	register(&Command{
		Name: "ascii",
		Args: "[NUMBER...]",
		Help: "show the bytes of hexadecimal numbers as characters",
		Doc: `ascii shows each number, which is hexadecimal with or without 0x, as the
characters that its bytes are in the memory of the dump's machine. Without numbers
it shows the table of ASCII.

    ascii 62696c2f7273752f        /usr/lib`,
		Run: runASCII,
	})
}

func runASCII(_ context.Context, env *Env, args string) error {
	list, err := words(args)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return env.asciiTable()
	}
	for _, word := range list {
		u, ok := hexNumber(word)
		if !ok {
			return usage("ascii", "%s is not a hexadecimal number", word)
		}
		if err := env.asciiNumber(word, u); err != nil {
			return err
		}
	}
	return nil
}

// asciiNumber shows the bytes of a number in the order of memory.
func (e *Env) asciiNumber(word string, u uint64) error {
	var b [8]byte
	layout := e.Kernel.Arch().Layout
	layout.ByteOrder().PutUint64(b[:], u)
	bytes := b[:]
	for n := len(bytes); n > 1; n-- { // without the zeros that it does not have
		if layout.BigEndian && bytes[0] == 0 {
			bytes = bytes[1:]
		} else if !layout.BigEndian && bytes[n-1] == 0 {
			bytes = bytes[:n-1]
		}
	}
	if e.JSON {
		return e.Object(struct {
			Expr string `json:"expr"`
			Text string `json:"text"`
		}{word, latin1(bytes)})
	}
	return e.Printf("%s: %s\n", word, asciiText(bytes))
}

// asciiNames are the names of control characters.
var asciiNames = strings.Fields(`NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI
DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US SP`)

func asciiName(c byte) string {
	switch {
	case int(c) < len(asciiNames):
		return asciiNames[c]
	case c == 0x7f:
		return "DEL"
	}
	return string(rune(c))
}

// asciiText returns characters, those that cannot be printed by their names or in
// hexadecimal.
func asciiText(b []byte) string {
	var text strings.Builder
	for _, c := range b {
		switch {
		case c > 0x7f:
			fmt.Fprintf(&text, "<%02x>", c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&text, "<%s>", asciiName(c))
		default:
			text.WriteByte(c)
		}
	}
	return text.String()
}

// asciiTable shows all characters, a column for each higher digit.
func (e *Env) asciiTable() error {
	if e.JSON {
		return usage("ascii", "ascii wants numbers")
	}
	var text strings.Builder
	text.WriteString("      0    1    2    3    4    5    6    7\n    ---------------------------------------\n")
	for low := range byte(16) {
		fmt.Fprintf(&text, "%2X |", low)
		for high := range byte(8) {
			fmt.Fprintf(&text, " %3s ", asciiName(high<<4|low))
		}
		text.WriteByte('\n')
	}
	return e.Printf("%s", strings.ReplaceAll(text.String(), " \n", "\n"))
}
