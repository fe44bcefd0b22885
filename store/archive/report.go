package archive

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"understudy/store"
)

// Report counts what an export or an import has done, by kind.
type Report struct {
	kinds  []string // in the order they came
	counts map[string]*[3]int
	Bytes  int64    // of files
	Notes  []string // what was left out, and why
}

func newReport() Report { return Report{counts: map[string]*[3]int{}} }

// count counts an entry, unless it is no object that a client knows: a place
// that something deleted had, or a part of something else.
func (r *Report) count(e store.Entry, outcome store.Outcome) {
	if e.Object == nil {
		return
	}
	if r.counts[e.Kind] == nil {
		r.counts[e.Kind] = &[3]int{}
		r.kinds = append(r.kinds, e.Kind)
	}
	r.counts[e.Kind][outcome]++
}

func (r *Report) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// Count answers how many objects of a kind had an outcome.
func (r *Report) Count(kind string, outcome store.Outcome) int {
	if r.counts[kind] == nil {
		return 0
	}
	return r.counts[kind][outcome]
}

// WriteExport prints the report of an export.
func (r *Report) WriteExport(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, kind := range r.kinds {
		fmt.Fprintf(table, "%s\t%d\n", kind, r.counts[kind][store.Added])
	}
	fmt.Fprintf(table, "bytes of files\t%d\n", r.Bytes)
	return table.Flush()
}

// WriteImport prints the report of an import.
func (r *Report) WriteImport(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tADDED\tTHERE ALREADY\tDIFFERENT HERE, LEFT ALONE")
	for _, kind := range r.kinds {
		n := r.counts[kind]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", kind, n[store.Added], n[store.Same], n[store.Different])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, note := range r.Notes {
		if _, err := fmt.Fprintln(out, note); err != nil {
			return err
		}
	}
	return nil
}
