package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// problem is one mistake in the configuration: where it stands (FILE:LINE, a
// flag or an environment variable), what is wrong, and what to write instead.
type problem struct {
	where string
	line  int // orders the problems of a file
	text  string
}

func (p *problem) Error() string { return p.where + ": " + p.text }

// reader walks a YAML document and collects what is wrong with it. A value
// with a mistake is left at its zero.
type reader struct {
	file     string
	getenv   func(string) string
	problems []*problem
	keyless  bool // the keys of upstreams are not read: nobody is shown them
}

// where is the position of a node, as problems show it.
func (r *reader) where(n *yaml.Node) string { return fmt.Sprintf("%s:%d", r.file, n.Line) }

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, &problem{r.where(n), n.Line, fmt.Sprintf(format, args...)})
}

// err is all problems, in the order of their lines, or nil.
func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b *problem) int { return cmp.Compare(a.line, b.line) })
	var list []error
	for _, p := range r.problems {
		list = append(list, p)
	}
	return errors.Join(list...)
}

// kind names what a node is, in plain words.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a map"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "a date"
	}
	return "text"
}

// isNull reports a key without a value, which counts as not written.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// hasKey reports whether a mapping has a key with a value.
func hasKey(n *yaml.Node, name string) bool {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if follow(n.Content[i]).Value == name {
			return !isNull(follow(n.Content[i+1]))
		}
	}
	return false
}

// follow replaces an alias by what it stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// entries iterates over the keys and values of a mapping, and reports keys
// that are not text or come twice. What names the mapping in problems, example
// is how it should look.
func (r *reader) entries(n *yaml.Node, what, example string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if isNull(n) {
			return
		}
		if n.Kind != yaml.MappingNode {
			r.fail(n, "%s: expected a map, found %s; write %s instead", what, kind(n), example)
			return
		}
		lines := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := follow(n.Content[i]), follow(n.Content[i+1])
			if key.Kind != yaml.ScalarNode {
				r.fail(n.Content[i], "%s: a key is %s; write %s instead", what, kind(key), example)
				continue
			}
			if line, twice := lines[key.Value]; twice {
				r.fail(n.Content[i], "%s: %q was written already on line %d; write it once instead", what, key.Value, line)
				continue
			}
			lines[key.Value] = key.Line
			if !yield(key, value) {
				return
			}
		}
	}
}

// fields says what reads the value of each key that a mapping may have.
type fields map[string]func(*yaml.Node)

// mapping reads a mapping with known keys. A null value counts as not written.
func (r *reader) mapping(n *yaml.Node, what, example string, known fields) {
	names := slices.Sorted(maps.Keys(known))
	for key, value := range r.entries(n, what, example) {
		read, ok := known[key.Value]
		switch {
		case ok && !isNull(value):
			read(value)
		case ok:
		case nearest(key.Value, names) != "":
			r.fail(key, "%s: unknown key %q; write %s instead", what, key.Value, nearest(key.Value, names))
		default:
			r.fail(key, "%s: unknown key %q; write %s instead", what, key.Value, either(names))
		}
	}
}

// items are the entries of a list.
func (r *reader) items(n *yaml.Node, what, example string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%s: expected a list, found %s; write %s instead", what, kind(n), example)
		return nil
	}
	var list []*yaml.Node
	for _, item := range n.Content {
		if item = follow(item); isNull(item) {
			r.fail(item, "%s: an entry of the list is empty; write %s instead", what, example)
			continue
		}
		list = append(list, item)
	}
	return list
}

var (
	variable  = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	malformed = regexp.MustCompile(`\$\{[^}]*\}?`)
)

// text reads a string and expands the environment variables in it; ok is false
// when it was wrong.
func (r *reader) text(n *yaml.Node, key, example string) (value string, ok bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		r.fail(n, "%s: expected text, found %s; write %s instead", key, kind(n), example)
		return "", false
	}
	if n.Tag != "!!str" {
		r.fail(n, "%s: expected text, found %s; write it in quotes, as %q, instead", key, kind(n), n.Value)
		return "", false
	}
	return r.expand(n, key)
}

// expand replaces each ${NAME} in a scalar by the environment variable.
func (r *reader) expand(n *yaml.Node, key string) (value string, ok bool) {
	if rest := malformed.FindString(variable.ReplaceAllString(n.Value, "")); rest != "" {
		r.fail(n, "%s: ${ begins the name of an environment variable, which ends with } and has only letters, digits and _; write ${NAME} instead", key)
		return "", false
	}
	ok = true
	value = variable.ReplaceAllStringFunc(n.Value, func(match string) string {
		name := match[2 : len(match)-1]
		found := r.getenv(name)
		if found == "" {
			r.fail(n, "%s: the environment variable %s is not set or is empty; set it, or write the value itself instead", key, name)
			ok = false
		}
		return found
	})
	return value, ok
}

// scalar is text for values of other types, whose variables are expanded
// before they are read.
func (r *reader) scalar(n *yaml.Node, key, expected, example string) (value string, ok bool) {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "%s: expected %s, found %s; write %s: %s instead", key, expected, kind(n), key, example)
		return "", false
	}
	return r.expand(n, key)
}

func (r *reader) integer(n *yaml.Node, key string, least, example int) (int, bool) {
	value, ok := r.scalar(n, key, "a whole number", strconv.Itoa(example))
	if !ok {
		return 0, false
	}
	number, err := strconv.Atoi(value)
	if err != nil || number < least {
		r.fail(n, "%s: %q is not a whole number from %d up; write %s: %d instead", key, n.Value, least, key, example)
		return 0, false
	}
	return number, true
}

func (r *reader) boolean(n *yaml.Node, key string) bool {
	value, ok := r.scalar(n, key, "true or false", "true")
	if ok && value != "true" && value != "false" {
		r.fail(n, "%s: %q is neither true nor false; write %s: true instead", key, n.Value, key)
	}
	return value == "true"
}

func (r *reader) duration(n *yaml.Node, key, example string) time.Duration {
	value, ok := r.scalar(n, key, "a duration", example)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		r.fail(n, "%s: %q is not a duration above zero with its unit; write %s: %s instead", key, n.Value, key, example)
		return 0
	}
	return d
}

// oneOf reads one of several words.
func (r *reader) oneOf(n *yaml.Node, key string, words ...string) string {
	value, ok := r.text(n, key, words[0])
	if ok && !slices.Contains(words, value) {
		r.fail(n, "%s: %q is unknown; write %s instead", key, n.Value, either(words))
		return ""
	}
	return value
}

// either lists words as "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// nearest is the name that a misspelt word most likely means, or "".
func nearest(word string, names []string) string {
	best, least := "", min(len(word)/2, 3)+1
	for _, name := range names {
		if d := distance(strings.ToLower(word), name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
