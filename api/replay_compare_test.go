package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// absent stands for the value of a member that an object does not have.
const absent = "absent"

// difference is one thing in which an answer is not like the recorded one.
type difference struct {
	route    string
	dialect  string // v1 or v2, "" where the route knows no versions
	streamed bool
	object   string // "object" of the innermost object that has one; "stream" for the order of events
	made     int64  // that object's recorded created_at, Unix seconds, 0 when it has none
	member   string // its path from there; [] is any element
	recorded string // the value as JSON, or absent
	actual   string
}

func (d difference) String() string {
	return fmt.Sprintf("%s (%s): %s %q: recorded %s, answered %s", d.route, d.dialect, d.object, d.member, d.recorded, d.actual)
}

// comparison walks a recorded and an actual answer in parallel. It learns which
// id of ours stands for which recorded one.
type comparison struct {
	ids   *idMap
	at    difference // where the walk is
	found []difference
}

func (c *comparison) differ(recorded, actual string) {
	d := c.at
	d.recorded, d.actual = recorded, actual
	c.found = append(c.found, d)
}

// under compares at a place below the current one.
func (c *comparison) under(name string, compare func()) {
	outer := c.at
	if c.at.member != "" && name != "[]" {
		name = "." + name
	}
	c.at.member += name
	compare()
	c.at = outer
}

func (c *comparison) value(recorded, actual any) {
	switch want := recorded.(type) {
	case map[string]any:
		if got, ok := actual.(map[string]any); ok {
			c.object(want, got)
			return
		}
	case []any:
		if got, ok := actual.([]any); ok && len(got) == len(want) {
			for i := range want {
				c.under("[]", func() { c.value(want[i], got[i]) })
			}
			return
		}
	case string:
		if got, ok := actual.(string); ok && c.ids.same(want, got) {
			return
		}
	case json.Number:
		// Times are not the recording's; their being there is.
		if got, ok := actual.(json.Number); ok && (got == want || strings.HasSuffix(c.at.member, "_at")) {
			return
		}
	default: // true, false and null
		if recorded == actual {
			return
		}
	}
	c.differ(encoded(recorded), encoded(actual))
}

func (c *comparison) object(want, got map[string]any) {
	outer := c.at
	defer func() { c.at = outer }()
	if kind, ok := want["object"].(string); ok {
		c.at.object, c.at.member, c.at.made = kind, "", 0
		if created, ok := want["created_at"].(json.Number); ok {
			c.at.made, _ = created.Int64()
		}
	}
	all := map[string]bool{}
	for name := range want {
		all[name] = true
	}
	for name := range got {
		all[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c.under(name, func() {
			w, recorded := want[name]
			g, answered := got[name]
			switch {
			case !recorded:
				c.differ(absent, encoded(g))
			case !answered:
				c.differ(encoded(w), absent)
			default:
				c.value(w, g)
			}
		})
	}
}

// json compares two JSON texts.
func (c *comparison) json(recorded, actual string) {
	want, wrong := decoded(recorded)
	got, wrongToo := decoded(actual)
	if wrong != nil || wrongToo != nil {
		c.differ(recorded, actual)
		return
	}
	c.value(want, got)
}

// stream compares two streams: the names of the events in their order, and what
// each event says.
func (c *comparison) stream(recorded, actual []sentEvent) {
	recorded, actual = joined(recorded), joined(actual)
	if len(recorded) != len(actual) {
		c.differ(encoded(names(recorded)), encoded(names(actual)))
		return
	}
	for i, want := range recorded {
		got := actual[i]
		if want.name != got.name {
			outer := c.at
			c.at.object, c.at.member = "stream", "event"
			c.differ(want.name, got.name)
			c.at = outer
		}
		if want.name != "done" {
			c.json(string(want.data), string(got.data))
		}
	}
}

// deltaText is the text in a message's delta.
var deltaText = regexp.MustCompile(`"value":("(?:[^"\\]|\\.)*")`)

// joined makes a run of message deltas independent of where the text was cut,
// and of what came in one delta: the first one without what it says, then all
// annotations and the text of all, each as an event of its own.
func joined(events []sentEvent) []sentEvent {
	var all []sentEvent
	var first *sentEvent
	text, annotations := "", []any{}
	for _, e := range events {
		if e.name == "thread.message.delta" {
			text += textOr([]byte(deltaText.FindStringSubmatch(string(e.data))[1]))
			e.data = deltaText.ReplaceAll(e.data, []byte(`"value":""`))
			annotations = append(annotations, e.takeAnnotations()...)
			if first == nil {
				first = &e
			}
			continue
		}
		if first != nil {
			all = append(all, *first, sentEvent{name: "annotations", data: []byte(encoded(annotations))}, sentEvent{name: "text", data: []byte(encoded(text))})
			first, text, annotations = nil, "", []any{}
		}
		all = append(all, e)
	}
	return all
}

// takeAnnotations takes the annotations out of a message's delta.
func (e *sentEvent) takeAnnotations() (taken []any) {
	delta, err := decoded(string(e.data))
	if err != nil {
		return nil
	}
	content, _ := delta.(map[string]any)["delta"].(map[string]any)["content"].([]any)
	for _, part := range content {
		if text, ok := part.(map[string]any)["text"].(map[string]any); ok {
			annotations, _ := text["annotations"].([]any)
			taken = append(taken, annotations...)
			text["annotations"] = []any{}
		}
	}
	e.data = []byte(encoded(delta))
	return taken
}

func decoded(text string) (any, error) {
	var v any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber() // 1 and 1.0 are not the same to every client
	err := dec.Decode(&v)
	return v, err
}

func encoded(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// idMap says which id of ours stands for which recorded one.
type idMap struct {
	ours  map[string]string
	taken map[string]string
}

func newIDMap() *idMap { return &idMap{ours: map[string]string{}, taken: map[string]string{}} }

// learn notes a pair of ids; it is false when either is already half of another.
func (m *idMap) learn(recorded, ours string) bool {
	if known, ok := m.ours[recorded]; ok {
		return known == ours
	}
	if _, ok := m.taken[ours]; ok || kindOf(recorded) != kindOf(ours) {
		return false
	}
	m.ours[recorded], m.taken[ours] = ours, recorded
	return true
}

// kindOf is an id's prefix with what divides it from the rest.
func kindOf(id string) string { return id[:strings.IndexAny(id, "_-")+1] }

// rewritten replaces the recorded ids in a text that are known by ours.
func (m *idMap) rewritten(text string) string {
	return recordedID.ReplaceAllStringFunc(text, func(id string) string {
		if ours, ok := m.ours[id]; ok {
			return ours
		}
		return id
	})
}

// same reports whether two strings say the same; of two ids it learns that they
// do.
func (m *idMap) same(recorded, actual string) bool {
	if recorded != "" && recordedID.FindString(recorded) == recorded && recordedID.FindString(actual) == actual {
		return m.learn(recorded, actual)
	}
	return m.rewritten(recorded) == actual
}
