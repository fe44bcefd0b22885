package archive

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"understudy/files"
	"understudy/store"
)

// The layouts of a public exporter of the hosted API.
const (
	threadExport   = "assistants-thread-export/v1"
	manifestExport = "assistants-export-manifest/v1"
)

// dump is what a directory holds, by kind.
type dump struct {
	root    string
	objects map[string][]*dumped // by kind
	seen    map[string]*dumped   // by kind and id
	taken   int                  // objects of this API so far, those that come again too
	unread  []*unread
	content map[string]string // the path of a file's bytes, by its id
	left    map[string]int    // by kind, what is not imported
	failed  int               // objects that the exporter could not read
}

func newDump(root string) *dump {
	return &dump{root: root, objects: map[string][]*dumped{}, seen: map[string]*dumped{}, content: map[string]string{}, left: map[string]int{}}
}

// dumped is one object of a dump.
type dumped struct {
	raw   json.RawMessage
	where string // file and line of it, or of the page it is in
	known known
	order order // of the list it is in
	place int   // in all that was read
}

// known are the members that say what an object is and where it belongs.
type known struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	CreatedAt int64  `json:"created_at"`
	ThreadID  string `json:"thread_id"`
	RunID     string `json:"run_id"`
}

// ImportDump reads a directory of JSON that SDKs or an exporter took out of the
// hosted API, all of it or, when it returns an error, nothing. Objects go into
// options.Project, or "default".
func ImportDump(ctx context.Context, db *store.DB, blobs *files.Blobs, options Options, dir string) (Report, error) {
	if options.Project == "" {
		options.Project = "default"
	}
	dir, err := filepath.EvalSymlinks(dir) // it is walked
	if err != nil {
		return Report{}, err
	}
	d := newDump(dir)
	if err := d.readDir(ctx); err != nil {
		return Report{}, err
	}
	if len(d.objects) == 0 && len(d.unread) == 0 {
		return Report{}, errors.New("no file below it holds objects of the Assistants API")
	}
	return run(ctx, db, blobs, options, func(i *importing) error { return d.enter(ctx, i) })
}

// readDir reads the files in the order of their names, the numbers in them counted.
func (d *dump) readDir(ctx context.Context) error {
	var paths []string
	err := filepath.WalkDir(d.root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return cmp.Or(err, ctx.Err())
	})
	if err != nil {
		return err
	}
	slices.SortFunc(paths, comparePaths)
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		if slices.Contains([]string{".json", ".ndjson", ".jsonl"}, filepath.Ext(path)) {
			before := d.taken
			if err := d.readFile(path); err != nil {
				return err
			}
			if d.taken > before {
				continue
			}
		}
		id, _, _ := strings.Cut(filepath.Base(path), ".")
		d.content[id] = path
	}
	return nil
}

// byteOrderMark is what some editors and shells put before UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// readFile reads the values of a file, one behind the other.
func (d *dump) readFile(path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // found below the directory that the operator has named
	if err != nil {
		return err
	}
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	name, _ := filepath.Rel(d.root, path) // it lies below it
	place := func(offset int64) string {
		return fmt.Sprintf("%s: line %d", name, 1+bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n")))
	}
	var values []json.RawMessage
	var places []string
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			at := decoder.InputOffset()
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				at = syntax.Offset
			}
			return fmt.Errorf("%s: %w", place(at), err)
		}
		values, places = append(values, value), append(places, place(decoder.InputOffset()-int64(len(value))))
	}
	order := asListed
	if len(values) == 1 {
		order = alone
	}
	for i, value := range values {
		if err := d.take(value, places[i], order); err != nil {
			return err
		}
	}
	return nil
}

// take sorts in a value: an object, a list of them, or an export of a thread.
func (d *dump) take(raw json.RawMessage, where string, order order) error {
	if raw[0] == '[' {
		if order == alone {
			order = asListed
		}
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		for _, item := range list {
			if err := d.take(item, where, order); err != nil {
				return err
			}
		}
		return nil
	}
	var shape struct {
		Schema string          `json:"export_schema"`
		Object string          `json:"object"`
		Data   json.RawMessage `json:"data"`
	}
	if raw[0] != '{' || json.Unmarshal(raw, &shape) != nil {
		return nil // not of this API
	}
	switch {
	case shape.Schema == threadExport:
		return d.takeThread(raw, where)
	case shape.Schema == manifestExport:
		return nil
	case shape.Schema != "":
		return fmt.Errorf("%s: the layout %q is unknown; this understudy reads %q", where, shape.Schema, threadExport)
	case len(shape.Data) > 0 && shape.Data[0] == '[': // SDKs do not all keep the "object": "list" of a page
		return d.take(shape.Data, where, order)
	}
	return d.takeObject(raw, where, order)
}

// takeThread reads a file of the layout assistants-thread-export/v1: a thread
// with its messages and runs, oldest first, and what was known of its files.
func (d *dump) takeThread(raw json.RawMessage, where string) error {
	var export struct {
		Thread   json.RawMessage            `json:"thread"`
		Messages json.RawMessage            `json:"messages"`
		Runs     json.RawMessage            `json:"runs"`
		Files    map[string]json.RawMessage `json:"files"`
		Errors   []json.RawMessage          `json:"errors"`
	}
	if err := json.Unmarshal(raw, &export); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	d.failed += len(export.Errors)
	parts := []json.RawMessage{export.Thread, export.Messages, export.Runs}
	for _, part := range export.Files {
		parts = append(parts, part)
	}
	for _, part := range parts {
		if len(part) == 0 || string(part) == "null" {
			continue
		}
		if err := d.take(part, where, oldestFirst); err != nil {
			return err
		}
	}
	return nil
}

// takeObject sorts in a single object; pages may overlap, and the first counts.
func (d *dump) takeObject(raw json.RawMessage, where string, order order) error {
	var is struct {
		Object string `json:"object"`
	}
	if json.Unmarshal(raw, &is) != nil || is.Object == "" {
		return nil // an object of something else
	}
	d.taken++
	if is.Object == "thread.run" {
		if err := d.takeSteps(raw, where, order); err != nil {
			return err
		}
	}
	o := &dumped{raw: raw, where: where, order: order, place: d.taken}
	_, imported := entering[is.Object]
	if err := o.identify(); err != nil && imported {
		d.unread = append(d.unread, &unread{o, err})
		return nil
	}
	key := is.Object + " " + o.known.ID
	switch before := d.seen[key]; {
	case before != nil && before.order == alone && order != alone: // its list knows its place better
		before.order, before.place = order, d.taken
	case before != nil || o.known.ID == "":
	case imported:
		d.seen[key] = o
		d.objects[is.Object] = append(d.objects[is.Object], o)
	default:
		d.seen[key] = o
		d.left[is.Object]++
	}
	return nil
}

// takeSteps reads the steps that an exporter put into a run.
func (d *dump) takeSteps(raw json.RawMessage, where string, order order) error {
	var run struct {
		Steps json.RawMessage `json:"steps"`
	}
	if json.Unmarshal(raw, &run) != nil || len(run.Steps) == 0 || run.Steps[0] != '[' {
		return nil
	}
	return d.take(run.Steps, where, order)
}
