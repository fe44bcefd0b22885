package extract

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// csvRows reads the rows of a CSV file, whatever separates its cells.
func csvRows(text string, out *builder) error {
	rows := csv.NewReader(strings.NewReader(text))
	rows.Comma = separator(text)
	rows.FieldsPerRecord = -1
	rows.LazyQuotes = true
	rows.ReuseRecord = true
	var t table
	for {
		cells, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return t.flush(out, true)
		}
		if err != nil {
			return invalid("It is not CSV: %v.", err)
		}
		for _, cell := range cells {
			t.cell(cell)
		}
		t.row()
		if err := t.flush(out, false); err != nil {
			return err
		}
	}
}

// separator returns the one of the usual separators that the first line has most of.
func separator(text string) rune {
	line, _, _ := strings.Cut(text, "\n")
	best := ','
	for _, r := range ";\t|" {
		if strings.Count(line, string(r)) > strings.Count(line, string(best)) {
			best = r
		}
	}
	return best
}
