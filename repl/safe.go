package repl

import (
	"context"
	"io"

	"github.com/kdbg/kdbg/repl/cmds"
)

// safeWriter passes text on with everything escaped that could do more on a
// terminal than show. The text is the same whether or not w is a terminal.
//
// It fails once ctx has ended, so that every command which writes can be
// interrupted.
type safeWriter struct {
	ctx   context.Context
	w     io.Writer
	json  bool // escape as JSON strings do
	width int  // columns of the terminal that w is; 0: it is none
	buf   []byte
}

func (s *safeWriter) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	i := cmds.PlainPrefix(p)
	if i == len(p) {
		return s.w.Write(p)
	}
	s.buf = cmds.AppendEscaped(append(s.buf[:0], p[:i]...), p[i:], s.json)
	if _, err := s.w.Write(s.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Width returns the columns of the terminal, 0 where there is none: tables ask.
func (s *safeWriter) Width() int { return s.width }
