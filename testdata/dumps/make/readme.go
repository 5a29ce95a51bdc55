package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// row is what the README's first table says of a dump. A last column, for what
// is special about it, is for a person to write.
type row struct{ dump, kernel, made string }

// addRow puts a row into the README, in place of an older one of the same dump
// but for its last column.
func addRow(readme string, r row) error {
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	lines, err := withRow(strings.Split(string(text), "\n"), r)
	if err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	return os.WriteFile(readme, []byte(strings.Join(lines, "\n")), 0o644)
}

func withRow(lines []string, r row) ([]string, error) {
	begin := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "| dump |") })
	if begin < 0 {
		return nil, fmt.Errorf("no table that begins with | dump |")
	}
	end := begin
	special := ""
	for ; end < len(lines) && strings.HasPrefix(lines[end], "|"); end++ {
		cells := strings.Split(lines[end], " | ")
		if cells[0] == "| "+r.dump && len(cells) == 4 {
			special = strings.TrimSuffix(cells[3], " |")
			lines = slices.Delete(slices.Clone(lines), end, end+1)
			break
		}
	}
	line := fmt.Sprintf("| %s | %s | %s | %s |", r.dump, r.kernel, r.made, special)
	return slices.Insert(lines, end, line), nil
}
