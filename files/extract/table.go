package extract

import "strings"

// table collects the rows of a table.
type table struct {
	rows     []string
	cells    []string
	repeated int // rows that are in a block already
}

// cell adds a cell to the row. What is in it becomes one line.
func (t *table) cell(text string) {
	text = strings.Join(strings.Fields(text), " ")
	t.cells = append(t.cells, strings.ReplaceAll(text, "|", `\|`))
}

// row ends the row. Empty ones are left out, and empty cells at the end.
func (t *table) row() {
	for len(t.cells) > 0 && t.cells[len(t.cells)-1] == "" {
		t.cells = t.cells[:len(t.cells)-1]
	}
	if len(t.cells) > 0 {
		t.rows = append(t.rows, "| "+strings.Join(t.cells, " | ")+" |")
	}
	t.cells = t.cells[:0]
}

// text returns the rows as Markdown has them, without a line under the head.
func (t *table) text() string { return strings.Join(t.rows, "\n") }

// sheetRows is how many rows of a sheet are one block.
const sheetRows = 40

// flush adds the rows of a sheet as a block once there are enough, or at the
// sheet's end. Each block begins with the sheet's first row, so that whoever
// finds a row also finds what its columns are called.
func (t *table) flush(out *builder, end bool) error {
	if n := len(t.rows); n < sheetRows && !end || n <= t.repeated {
		return nil
	}
	err := out.add(Table, t.text())
	t.rows, t.repeated = t.rows[:1], 1
	return err
}
