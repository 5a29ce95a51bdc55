package cmds

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// maxPretty is the number of rows up to which tablewriter sets a table. Beyond
// it costs too much: 20,000 rows of 6 cells took it 377 ms and 144 MB where
// text/tabwriter took 21 ms and 11 MB.
const maxPretty = 1000

// writeTable writes rows as columns that are two blanks apart, under a header
// unless it is nil. All rows must have the same number of cells. A header that
// begins with ">" sets its column to the right, as numbers are.
//
// At a terminal, lines that are wider are cut and marked.
//
// This is the only importer of tablewriter; every option is spelled out because
// its defaults change names and drop blanks.
func writeTable(w io.Writer, header []string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	columns := len(rows[0])
	align := make([]tw.Align, columns)
	title := slices.Clone(header)
	for i := range align {
		align[i] = tw.AlignLeft
		if i < len(title) && strings.HasPrefix(title[i], ">") {
			title[i], align[i] = title[i][1:], tw.AlignRight
		}
	}
	for _, row := range rows {
		if len(row) != columns || header != nil && len(header) != columns {
			return fmt.Errorf("table of %d columns has a row of %d", columns, len(row))
		}
	}
	if wide, ok := w.(interface{ Width() int }); ok && wide.Width() > 0 {
		w = &cutWriter{w: w, width: wide.Width()}
	}
	if len(rows) > maxPretty {
		return writeLongTable(w, title, rows)
	}
	var b bytes.Buffer
	t := tablewriter.NewTable(&b,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: tw.NewSymbols(tw.StyleNone),
			Settings: tw.Settings{
				Lines:      tw.LinesNone,
				Separators: tw.SeparatorsNone,
			},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithPadding(tw.Padding{Right: "  ", Overwrite: true}),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{Global: tw.AlignLeft, PerColumn: align}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{Global: tw.AlignLeft, PerColumn: align}),
	)
	if header != nil {
		t.Header(title)
	}
	for _, row := range rows {
		// tablewriter would keep colours in a name, and add some.
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = string(AppendEscaped(nil, []byte(cell), false))
		}
		if err := t.Append(safe); err != nil {
			return err
		}
	}
	if err := t.Render(); err != nil {
		return err
	}
	// The last column is padded like the others.
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// writeLongTable writes a table row by row, with all columns set to the left.
func writeLongTable(w io.Writer, header []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if header != nil {
		rows = append([][]string{header}, rows...)
	}
	for _, row := range rows {
		if _, err := io.WriteString(t, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return t.Flush()
}

// cutWriter cuts lines to the width of a terminal, and marks those it cut.
type cutWriter struct {
	w     io.Writer
	width int
	line  []byte
}

func (c *cutWriter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		c.line = append(c.line, line...)
		if line[len(line)-1] != '\n' {
			continue
		}
		text := c.line[:len(c.line)-1]
		if len(text) > c.width && utf8.RuneCount(text) > c.width {
			text = append([]byte(string([]rune(string(text))[:c.width-1])), "…"...)
		}
		if _, err := c.w.Write(append(text, '\n')); err != nil {
			return 0, err
		}
		c.line = c.line[:0]
	}
	return len(p), nil
}
