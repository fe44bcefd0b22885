package builtin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const (
	// generateSteps bounds the work on one schema, maxNesting the depth of
	// what comes out, maxPadding the length of a string made longer.
	generateSteps = 2_000
	maxNesting    = 32
	maxPadding    = 64 << 10
)

var null = json.RawMessage("null")

// generator makes a value for a schema out of a text.
type generator struct {
	doc     document
	pick    *picker
	active  map[string]int // references that are being generated, to end recursion
	steps   int
	variant int // above 0 another value than before is wanted, for unique items
}

// generate makes a JSON value that satisfies the schema, with the text's
// values where they fit.
func generate(raw json.RawMessage, text string) json.RawMessage {
	doc, s, pick := document{raw}, parseSchema(raw), newPicker(text)
	if given := encode(pick.object); pick.object != nil && doc.valid(s, given) {
		return given
	}
	value := newGenerator(raw, pick).root()
	if !doc.valid(s, value) {
		// Picks from the text may have run into a corner; none does so less.
		if plain := newGenerator(raw, newPicker("")).root(); doc.valid(s, plain) {
			return plain
		}
	}
	return value
}

// generateObject is generate for function arguments, which are an object
// whatever the schema says.
func generateObject(raw json.RawMessage, text string) json.RawMessage {
	if value := generate(raw, text); len(raw) > 0 && value[0] == '{' {
		return value
	}
	return json.RawMessage("{}")
}

// generateVerbatim makes arguments whose strings are the whole text. A
// function without parameters gets it under the given name.
func generateVerbatim(raw json.RawMessage, name, text string) json.RawMessage {
	if len(parseSchema(raw).properties()) == 0 {
		return encode(map[string]string{name: text})
	}
	pick := &picker{text: text, verbatim: true}
	if value := newGenerator(raw, pick).root(); (document{raw}).valid(parseSchema(raw), value) {
		return value
	}
	return generateObject(raw, text)
}

func newGenerator(raw json.RawMessage, pick *picker) *generator {
	return &generator{doc: document{raw}, pick: pick, active: map[string]int{"#": 1}, steps: generateSteps}
}

func (g *generator) root() json.RawMessage { return g.value(parseSchema(g.doc.root), "", 0) }

func (g *generator) value(s schema, name string, depth int) json.RawMessage {
	if g.steps--; g.steps < 0 || depth > maxNesting {
		return null
	}
	s, followed := g.doc.flatten(s)
	for _, ref := range followed {
		g.active[ref]++
		defer func() { g.active[ref]-- }() //nolint:gocritic // for as long as the function works on what the reference names
	}
	if given, ok := g.pick.object[name]; ok && g.doc.valid(s, given) {
		return given
	}
	if constant, ok := s["const"]; ok {
		return constant
	}
	if s.has("enum") {
		return g.choice(s)
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		if branches := s.list(key); len(branches) > 0 {
			return g.branch(s, key, branches, name, depth)
		}
	}
	var value json.RawMessage
	for _, kind := range kinds(s) {
		if value = g.typed(kind, s, name, depth); g.doc.valid(s, value) {
			return value
		}
	}
	for _, offered := range offers(s) {
		if g.doc.valid(s, offered) {
			return offered
		}
	}
	return value
}

// offers are values that the schema itself suggests.
func offers(s schema) []json.RawMessage {
	list := s.list("examples")
	for _, key := range []string{"example", "default"} {
		if raw, ok := s[key]; ok {
			list = slices.Insert(list, 0, raw)
		}
	}
	return list
}

// kinds are the types to try, null last; without a type they follow from the
// other keywords.
func kinds(s schema) []string {
	if types := slices.Clone(s.types()); types != nil {
		slices.SortStableFunc(types, func(a, b string) int {
			return strings.Compare(lastIfNull(a), lastIfNull(b))
		})
		return types
	}
	switch {
	case s.has("properties", "required", "additionalProperties", "minProperties"):
		return []string{"object"}
	case s.has("items", "prefixItems", "minItems", "uniqueItems"):
		return []string{"array"}
	case s.has("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
		return []string{"number"}
	}
	return []string{"string", "object"}
}

func lastIfNull(kind string) string {
	if kind == "null" {
		return "1"
	}
	return "0"
}

func (g *generator) typed(kind string, s schema, name string, depth int) json.RawMessage {
	switch kind {
	case "object":
		return g.object(s, depth)
	case "array":
		return g.array(s, name, depth)
	case "string":
		return g.text(s, name)
	case "integer", "number":
		return g.number(s, name, kind == "integer")
	case "boolean":
		return g.boolean(s, name)
	}
	return null
}

// choice picks from an enum: the value that the text mentions (the longest,
// for "light rain" and "rain"), else the default, else the first.
func (g *generator) choice(s schema) json.RawMessage {
	var valid []json.RawMessage
	mentioned, longest := -1, 0
	for _, value := range s.list("enum") {
		if !g.doc.valid(s, value) {
			continue
		}
		label := strings.Trim(string(value), `"`)
		if g.pick.mentions(label) && len(label) > longest {
			mentioned, longest = len(valid), len(label)
		}
		valid = append(valid, value)
	}
	switch {
	case len(valid) == 0:
		return null
	case g.variant == 0 && mentioned >= 0:
		return valid[mentioned]
	case g.variant == 0 && s.has("default") && g.doc.valid(s, s["default"]):
		return s["default"]
	}
	return valid[g.variant%len(valid)]
}

// branch tries the alternatives of anyOf or oneOf until one satisfies the
// whole schema: ones that do not recurse first, null last of these.
func (g *generator) branch(s schema, key string, branches []json.RawMessage, name string, depth int) json.RawMessage {
	base := schema{}
	for k, raw := range s {
		if k != key {
			base[k] = raw
		}
	}
	ordered := slices.Clone(branches)
	rank := func(raw json.RawMessage) int {
		b := parseSchema(raw)
		switch {
		case g.recursive(b):
			return 2
		case slices.Equal(b.types(), []string{"null"}):
			return 1
		}
		return 0
	}
	slices.SortStableFunc(ordered, func(a, b json.RawMessage) int { return rank(a) - rank(b) })
	var first json.RawMessage
	for _, raw := range ordered {
		value := g.value(merge(base, parseSchema(raw)), name, depth+1)
		if g.doc.valid(s, value) {
			return value
		}
		if first == nil {
			first = value
		}
	}
	return first
}

// recursive reports whether a schema leads straight back to one that is being
// generated.
func (g *generator) recursive(s schema) bool { return g.active[s.str("$ref")] > 0 }

func (g *generator) boolean(s schema, name string) json.RawMessage {
	switch {
	case g.variant == 0 && s.has("default") && !g.pick.mentions(name):
		if value, ok := keyword[bool](s, "default"); ok {
			return encode(value)
		}
	case name == "":
		return encode(g.variant%2 == 0)
	}
	return encode(g.pick.mentions(name) != (g.variant%2 == 1))
}

func (g *generator) number(s schema, name string, whole bool) json.RawMessage {
	var candidates []json.RawMessage
	if label, ok := g.pick.labelled(name); ok && json.Valid([]byte(label)) {
		candidates = append(candidates, json.RawMessage(label))
	}
	for _, n := range g.pick.numbers {
		candidates = append(candidates, json.RawMessage(n))
	}
	if g.variant == 0 {
		candidates = append(candidates, offers(s)...)
	}
	candidates = append(candidates, plausibleNumbers(s, whole, g.variant)...)
	for _, n := range candidates {
		if g.doc.valid(s, n) {
			g.pick.used(string(n))
			return n
		}
	}
	return json.RawMessage("0")
}

func (g *generator) text(s schema, name string) json.RawMessage {
	special, general := g.pick.strings(name, s.str("format"))
	candidates := special
	for _, offer := range offers(s) {
		var value string
		if g.variant == 0 && json.Unmarshal(offer, &value) == nil {
			candidates = append(candidates, value)
		}
	}
	candidates = append(candidates, general...)
	if g.variant > 0 {
		candidates = slices.Clone(g.pick.quotes)
		for _, value := range append(append(special, general...), "example") {
			candidates = append(candidates, fmt.Sprintf("%s %d", value, g.variant+1))
		}
	}
	for _, value := range append(candidates, plausibleStrings(s, g.variant)...) {
		if raw := encode(value); g.doc.valid(s, raw) {
			g.pick.used(value)
			return raw
		}
	}
	return encode("")
}

// plausibleStrings are strings that may satisfy a schema when nothing in the
// text does: from its format, its pattern, or just of the right length.
func plausibleStrings(s schema, variant int) []string {
	list := []string{"example"}
	if f, ok := formats[s.str("format")]; ok {
		list = append(list, f.example)
	}
	shortest := s.size("minLength", 0)
	if pattern := s.str("pattern"); pattern != "" {
		for extra := range min(shortest, 64) + variant + 2 {
			list = append(list, matching(pattern, extra))
		}
	}
	filler := fmt.Sprintf("example %d ", variant+1)
	longest := s.size("maxLength", max(shortest, len(filler)))
	padded := strings.Repeat(filler, min(shortest, maxPadding)/len(filler)+1)
	list = append(list, padded[:min(len(padded), max(longest, 0))])
	digits := fmt.Sprint(variant)
	digits += strings.Repeat("a", max(0, min(shortest, maxPadding)-len(digits)))
	if variant > 0 {
		return append([]string{digits}, list...)
	}
	return append(list, digits)
}
