package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"understudy/api/wire"
)

// unread is an object that cannot be imported, and why.
type unread struct {
	*dumped
	reason error
}

// identify reads what the object is and where it belongs. Its times become whole
// numbers: some tools write them as text, or with a decimal point.
func (o *dumped) identify() error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(o.raw, &members); err != nil {
		return err
	}
	var wrong error
	for name, value := range members {
		if !strings.HasSuffix(name, "_at") || string(value) == "null" {
			continue
		}
		switch seconds, ok := wholeSeconds(value); {
		case ok:
			members[name] = strconv.AppendInt(nil, seconds, 10)
		case name == "created_at": // others are read with the object
			delete(members, name)
			wrong = fmt.Errorf("its created_at is %s, which is no time in whole seconds", wire.Shown(string(value)))
		}
	}
	raw, err := wire.Marshal(members)
	if err != nil {
		return err
	}
	o.raw = raw
	if err := json.Unmarshal(raw, &o.known); err != nil || wrong != nil {
		return errors.Join(wrong, err)
	}
	if o.known.ID == "" {
		return errors.New("it has no id")
	}
	return nil
}

// wholeSeconds reads a time: a number without a fraction, or one in quotes.
func wholeSeconds(value json.RawMessage) (int64, bool) {
	text := strings.Trim(string(value), `"`)
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return seconds, true
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds != math.Trunc(seconds) || math.Abs(seconds) > 1<<53 {
		return 0, false
	}
	return int64(seconds), true
}

// lost are the ids of threads and runs that cannot be imported.
func (d *dump) lost() map[string]bool {
	ids := map[string]bool{}
	for _, u := range d.unread {
		if d.seen[u.known.Object+" "+u.known.ID] == nil {
			ids[u.known.ID] = true
		}
	}
	delete(ids, "")
	return ids
}

// noteUnread reports what could not be read, each object once, unless it came
// again and could be.
func (d *dump) noteUnread(report *Report) {
	counts, firsts, known := map[string]int{}, map[string]*unread{}, map[string]bool{}
	for _, u := range d.unread {
		kind, key := u.known.Object, u.known.Object+" "+u.known.ID
		if u.known.ID != "" && (d.seen[key] != nil || known[key]) {
			continue
		}
		known[key] = true
		if counts[kind]++; firsts[kind] == nil {
			firsts[kind] = u
		}
	}
	for kind, n := range counts {
		first := firsts[kind]
		report.note("Left out: %d objects of the kind %s, which cannot be read; the first is %s in %s: %v.", n, kind, strconv.Quote(first.known.ID), first.where, first.reason)
	}
}

// belongsTo reports whether the object is part of one of the threads or runs.
func (o *dumped) belongsTo(ids map[string]bool) bool {
	parts := []string{"thread.message", "thread.run", "thread.run.step"}
	return ids[o.known.ThreadID] && slices.Contains(parts, o.known.Object) || ids[o.known.RunID] && o.known.Object == "thread.run.step"
}
