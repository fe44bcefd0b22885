package builtin

import (
	"encoding/json"
	"fmt"
	"slices"
)

// maxFullDepth is how deep optional members are filled in when a schema does
// not say which ones it requires.
const maxFullDepth = 3

// object makes the required members, and those optional ones that the text
// has something for. A schema without "required" gets all of them.
func (g *generator) object(s schema, depth int) json.RawMessage {
	required := s.required()
	all := !s.has("required") && depth < maxFullDepth
	atLeast, atMost := s.size("minProperties", 0), s.size("maxProperties", 1<<31)
	var members, spare []property
	declared := s.properties()
	for _, p := range declared {
		child := parseSchema(p.schema)
		needed := slices.Contains(required, p.name)
		wanted := !g.recursive(child) && len(members) < atMost && (all || g.offered(p.name, child))
		if !needed && !wanted {
			spare = append(spare, p)
			continue
		}
		members = append(members, property{p.name, g.value(child, p.name, depth+1)})
	}
	rest, open := s.additional()
	have := func(list []property, name string) bool {
		return slices.ContainsFunc(list, func(p property) bool { return p.name == name })
	}
	for _, name := range required {
		if !have(declared, name) && !have(members, name) {
			members = append(members, property{name, g.value(parseSchema(rest), name, depth+1)})
		}
	}
	for _, p := range spare {
		if len(members) < atLeast {
			members = append(members, property{p.name, g.value(parseSchema(p.schema), p.name, depth+1)})
		}
	}
	for i := 1; open && len(members) < atLeast && g.steps > 0; i++ {
		if name := fmt.Sprintf("key%d", i); !have(members, name) && !have(declared, name) {
			members = append(members, property{name, g.value(parseSchema(rest), name, depth+1)})
		}
	}
	return encodeObject(members)
}

// offered reports whether the text speaks of an optional member: by name and
// value, or by one of its enum's values.
func (g *generator) offered(name string, s schema) bool {
	if _, ok := g.pick.object[name]; ok {
		return true
	}
	if g.pick.verbatim {
		return false
	}
	if _, ok := g.pick.labelled(name); ok {
		return true
	}
	s, _ = g.doc.flatten(s)
	return slices.ContainsFunc(s.list("enum"), func(value json.RawMessage) bool {
		var label string
		return json.Unmarshal(value, &label) == nil && g.pick.mentions(label)
	})
}

// array makes one item, or as many as the schema asks for, or as many as the
// text lists: all its numbers, all its quotations or names.
func (g *generator) array(s schema, name string, depth int) json.RawMessage {
	count := max(1, s.size("minItems", 0), len(s.list("prefixItems")))
	if listed := g.listed(itemSchema(s, 0)); listed > count {
		count = listed
	}
	if g.recursive(itemSchema(s, 0)) {
		count = s.size("minItems", 0)
	}
	count = min(count, s.size("maxItems", count))
	unique, _ := keyword[bool](s, "uniqueItems")
	before := g.variant
	defer func() { g.variant = before }()
	items := []json.RawMessage{}
	for len(items) < count && g.steps > 0 {
		item := g.value(itemSchema(s, len(items)), singular(name), depth+1)
		if unique && slices.ContainsFunc(items, func(other json.RawMessage) bool { return equal(other, item) }) {
			// What cannot vary would go on for ever.
			if g.variant++; g.variant > before+4*count+16 {
				break
			}
			continue
		}
		items = append(items, item)
	}
	return encode(items)
}

// listed is how many values the text has for an item.
func (g *generator) listed(item schema) int {
	item, _ = g.doc.flatten(item)
	switch {
	case g.pick.verbatim || item.has("enum", "const"):
		return 0
	case slices.Contains(item.types(), "string"):
		g.pick.splitLists()
		return max(len(g.pick.quotes), len(g.pick.phrases))
	case slices.Contains(item.types(), "number"), slices.Contains(item.types(), "integer"):
		return len(g.pick.numbers)
	}
	return 0
}
