package archive

import (
	"bytes"
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
	objects map[string][]*dumped // by kind, in the order they were read
	seen    map[string]bool      // kind and id
	content map[string]string    // the path of a file's bytes, by its id
	left    map[string]int       // by kind, what is not imported
	failed  int                  // objects that the exporter could not read
}

// dumped is one object of a dump.
type dumped struct {
	raw   json.RawMessage
	where string // file and line of it, or of the page it is in
	known struct {
		ID        string `json:"id"`
		Object    string `json:"object"`
		CreatedAt int64  `json:"created_at"`
		ThreadID  string `json:"thread_id"`
		RunID     string `json:"run_id"`
	}
	oldestFirst bool // its list is known to be in this order
}

// ImportDump reads a directory of JSON that SDKs or an exporter took out of the
// hosted API, all of it or, when it returns an error, nothing. Objects go into
// options.Project, or "default".
func ImportDump(ctx context.Context, db *store.DB, blobs *files.Blobs, options Options, dir string) (Report, error) {
	if options.Project == "" {
		options.Project = "default"
	}
	d := &dump{root: dir, objects: map[string][]*dumped{}, seen: map[string]bool{}, content: map[string]string{}, left: map[string]int{}}
	if err := d.readDir(ctx); err != nil {
		return Report{}, err
	}
	if len(d.objects) == 0 {
		return Report{}, errors.New("no file below it holds objects of the Assistants API")
	}
	return run(ctx, db, blobs, options, func(i *importing) error { return d.enter(ctx, i) })
}

func (d *dump) readDir(ctx context.Context) error {
	return filepath.WalkDir(d.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			return ctx.Err()
		}
		if slices.Contains([]string{".json", ".ndjson", ".jsonl"}, filepath.Ext(path)) {
			before := len(d.seen)
			if err := d.readFile(path); err != nil || len(d.seen) > before {
				return err
			}
		}
		id, _, _ := strings.Cut(entry.Name(), ".")
		d.content[id] = path
		return ctx.Err()
	})
}

// readFile reads the values of a file, one behind the other.
func (d *dump) readFile(path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // found below the directory that the operator has named
	if err != nil {
		return err
	}
	name, _ := filepath.Rel(d.root, path) // it lies below it
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return nil
		}
		place := func(offset int64) string {
			return fmt.Sprintf("%s: line %d", name, 1+bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n")))
		}
		if err != nil {
			at := decoder.InputOffset()
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				at = syntax.Offset
			}
			return fmt.Errorf("%s: %w", place(at), err)
		}
		if err := d.take(value, place(decoder.InputOffset()-int64(len(value))), false); err != nil {
			return err
		}
	}
}

// take sorts in a value: an object, a list of them, or an export of a thread.
func (d *dump) take(raw json.RawMessage, where string, oldestFirst bool) error {
	if raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		for _, item := range list {
			if err := d.take(item, where, oldestFirst); err != nil {
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
		return d.take(shape.Data, where, oldestFirst)
	}
	return d.takeObject(raw, where, oldestFirst)
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
		if err := d.take(part, where, true); err != nil {
			return err
		}
	}
	return nil
}

// takeObject sorts in a single object; pages may overlap, and the first counts.
func (d *dump) takeObject(raw json.RawMessage, where string, oldestFirst bool) error {
	o := &dumped{raw: raw, where: where, oldestFirst: oldestFirst}
	if err := json.Unmarshal(raw, &o.known); err != nil || o.known.Object == "" {
		return nil //nolint:nilerr // an object of something else
	}
	kind := o.known.Object
	if kind == "thread.run" {
		if err := d.takeSteps(raw, where, oldestFirst); err != nil {
			return err
		}
	}
	if o.known.ID == "" || d.seen[kind+" "+o.known.ID] {
		return nil
	}
	d.seen[kind+" "+o.known.ID] = true
	if _, imported := entering[kind]; imported {
		d.objects[kind] = append(d.objects[kind], o)
	} else {
		d.left[kind]++
	}
	return nil
}

// takeSteps reads the steps that an exporter put into a run.
func (d *dump) takeSteps(raw json.RawMessage, where string, oldestFirst bool) error {
	var run struct {
		Steps json.RawMessage `json:"steps"`
	}
	if json.Unmarshal(raw, &run) != nil || len(run.Steps) == 0 || run.Steps[0] != '[' {
		return nil
	}
	return d.take(run.Steps, where, oldestFirst)
}

// inOrder is the list of a kind, oldest first. Within one second the order is
// that of the list, which the hosted API showed newest first unless asked.
func (d *dump) inOrder(kind string) []*dumped {
	list := slices.Clone(d.objects[kind])
	lists := map[string][]*dumped{}
	for _, o := range list {
		lists[o.listed()] = append(lists[o.listed()], o)
	}
	list = list[:0]
	for _, o := range d.objects[kind] {
		part := lists[o.listed()]
		delete(lists, o.listed())
		if len(part) > 0 && !part[0].oldestFirst && part[0].known.CreatedAt >= part[len(part)-1].known.CreatedAt {
			slices.Reverse(part)
		}
		list = append(list, part...)
	}
	slices.SortStableFunc(list, func(a, b *dumped) int { return int(a.known.CreatedAt - b.known.CreatedAt) })
	return list
}

// listed names the list that the object is a part of.
func (o *dumped) listed() string { return o.known.ThreadID + " " + o.known.RunID }
