package recordings

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"understudy/runs/chat"
)

// difference is one place where a request differs from a recorded one.
type difference struct {
	at            string // like messages[1].content
	recorded, now any    // absent where there is none
}

// absent stands for what is not there.
type absent struct{}

// differences lists where two values differ, in the order of their members'
// names.
func differences(at string, recorded, now any) []difference {
	switch r := recorded.(type) {
	case map[string]any:
		n, ok := now.(map[string]any)
		if !ok {
			break
		}
		names := maps.Clone(r)
		maps.Copy(names, n)
		var list []difference
		for _, name := range slices.Sorted(maps.Keys(names)) {
			list = append(list, differences(strings.TrimPrefix(at+"."+name, "."), member(r, name), member(n, name))...)
		}
		return list
	case []any:
		n, ok := now.([]any)
		if !ok {
			break
		}
		var list []difference
		for i := range max(len(r), len(n)) {
			list = append(list, differences(fmt.Sprintf("%s[%d]", at, i), element(r, i), element(n, i))...)
		}
		return list
	default:
		if recorded == now {
			return nil
		}
	}
	return []difference{{at, recorded, now}}
}

func member(object map[string]any, name string) any {
	if value, ok := object[name]; ok {
		return value
	}
	return absent{}
}

func element(array []any, i int) any {
	if i < len(array) {
		return array[i]
	}
	return absent{}
}

// weight is how much a difference sets two requests apart.
func (d difference) weight() int {
	const each = 16
	r, n := shown(d.recorded), shown(d.now)
	start := common(r, n)
	end := commonEnd(r[start:], n[start:])
	return each + max(len(r), len(n)) - start - end
}

// shown is a value as it is compared: a text without its quotes.
func shown(value any) string {
	switch v := value.(type) {
	case absent:
		return ""
	case string:
		return v
	}
	return string(marshal(value))
}

// common is how many bytes two texts begin with alike, in whole characters.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return n
}

func commonEnd(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// around and beyond are how many characters are shown before and behind the
// first that differs.
const (
	around = 30
	beyond = 50
)

// excerpts are both values around the first character that differs, whose
// number is from 1 up, or 0 when they are not both texts.
func (d difference) excerpts() (character int, recorded, now string) {
	r, n := shown(d.recorded), shown(d.now)
	at := common(r, n)
	_, isText := d.recorded.(string)
	if _, both := d.now.(string); isText && both {
		character = utf8.RuneCountInString(r[:at]) + 1
	}
	excerpt := func(value any, text string) string {
		if value == (absent{}) {
			return "nothing"
		}
		before, behind := []rune(text[:at]), []rune(text[at:])
		var cut [2]string
		if len(before) > around {
			before, cut[0] = before[len(before)-around:], "…"
		}
		if len(behind) > beyond {
			behind, cut[1] = behind[:beyond], "…"
		}
		excerpt := cut[0] + string(before) + string(behind) + cut[1]
		if _, ok := value.(string); ok {
			return string(marshal(excerpt))
		}
		return excerpt
	}
	return character, excerpt(d.recorded, r), excerpt(d.now, n)
}

// nearest returns the recording that a request differs least from, nil when
// nothing was recorded of what it asks.
func (s *Set) nearest(q *request) (best *recording, found []difference) {
	least := 0
	for _, r := range s.all {
		if r.request.Method != q.Method || r.request.Path != q.Path {
			continue
		}
		list := differences("", r.request.compared, q.compared)
		if r.request.Upstream != q.Upstream {
			list = slices.Insert(list, 0, difference{"upstream", r.request.Upstream, q.Upstream})
		}
		weight := 0
		for _, d := range list {
			weight += d.weight()
		}
		if best == nil || weight < least {
			best, found, least = r, list, weight
		}
	}
	return best, found
}

// maxNamed is how many further differences are named.
const maxNamed = 3

// miss says that a request has no recording, and what the nearest one has
// instead: in the log, and in a sentence for the client.
func (s *Set) miss(ctx context.Context, q *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := "understudy serve --record " + s.Dir
	best, list := s.nearest(q)
	if best == nil || len(list) == 0 {
		s.Logger.ErrorContext(ctx, "no recording answers a request, and none is of the kind", "request", q.String(), "record", record)
		return &chat.UnsentError{Message: fmt.Sprintf("No recording in %s answers this request (%s), and none is of the kind. Make it with: %s", s.Dir, q, record)}
	}
	first := list[0]
	character, recorded, now := first.excerpts()
	place := first.at
	if place == "" {
		place = "the body"
	}
	if character > 0 {
		place += fmt.Sprintf(", character %d", character)
	}
	more := ""
	if rest := list[1:]; len(rest) > 0 {
		var names []string
		for _, d := range rest[:min(len(rest), maxNamed)] {
			names = append(names, d.at)
		}
		more = fmt.Sprintf(" It also differs at %s", strings.Join(names, ", "))
		if len(rest) > maxNamed {
			more += fmt.Sprintf(" and %d other places", len(rest)-maxNamed)
		}
		more += "."
	}
	s.Logger.ErrorContext(ctx, "no recording answers a request", "request", q.String(), "nearest", best.file,
		"at", place, "recorded", recorded, "now", now, "differences", len(list), "record", record)
	return &chat.UnsentError{Message: fmt.Sprintf("No recording in %s answers this request (%s). The nearest, %s, differs at %s: recorded %s, now %s.%s Make the recording with: %s",
		s.Dir, q, best.file, place, recorded, now, more, record)}
}
