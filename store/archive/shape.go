package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"understudy/api/wire"
)

// decode reads the object as what the server shows. A null says nothing: SDKs
// write one for whatever the hosted API did not say.
func (o *dumped) decode(into any) error {
	given, err := members(o.raw)
	if err != nil {
		return err
	}
	said, err := joined(slices.DeleteFunc(given, func(m member) bool { return isNull(m.value) }))
	if err != nil {
		return err
	}
	return json.Unmarshal(said, into)
}

// shown is the object in the server's own shape, with what the dump says beyond
// it: members of its parts that the server has no type for are kept, those of the
// object itself are reported.
func (c *conversion) shown(o *dumped, object any) (json.RawMessage, error) {
	own, err := wire.Marshal(object)
	if err != nil {
		return nil, err
	}
	shape, err := members(own)
	if err != nil {
		return nil, err
	}
	given, err := members(o.raw)
	if err != nil {
		return nil, err
	}
	given = slices.DeleteFunc(given, func(m member) bool {
		foreign := find(shape, m.name) == nil
		if foreign {
			c.unknown.add(o, m)
		}
		return foreign
	})
	return mergedMembers(shape, given)
}

// member is a member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members are those of a JSON object, in its order.
func members(object json.RawMessage) (all []member, err error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		all = append(all, member{name.(string), value})
	}
	return all, nil
}

func find(all []member, name string) json.RawMessage {
	i := slices.IndexFunc(all, func(m member) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	return all[i].value
}

// joined is the object with the members.
func joined(all []member) (json.RawMessage, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range all {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := wire.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		if err := json.Compact(&out, m.value); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func isNull(value json.RawMessage) bool { return len(value) == 0 || string(value) == "null" }

// merged is a value as the server shows it, and in it what only the dump says.
func merged(own, given json.RawMessage) (json.RawMessage, error) {
	switch {
	case isNull(given):
		return own, nil
	case isNull(own):
		return given, nil
	case own[0] == '{' && given[0] == '{':
		shape, err := members(own)
		if err != nil {
			return nil, err
		}
		said, err := members(given)
		if err != nil {
			return nil, err
		}
		return mergedMembers(shape, said)
	case own[0] == '[' && given[0] == '[':
		return mergedItems(own, given)
	}
	return own, nil
}

func mergedMembers(shape, given []member) (json.RawMessage, error) {
	all := make([]member, 0, len(shape))
	for _, m := range shape {
		value, err := merged(m.value, find(given, m.name))
		if err != nil {
			return nil, err
		}
		all = append(all, member{m.name, value})
	}
	for _, m := range given {
		if !isNull(m.value) && find(shape, m.name) == nil {
			all = append(all, m)
		}
	}
	return joined(all)
}

func mergedItems(own, given json.RawMessage) (json.RawMessage, error) {
	var shape, said []json.RawMessage
	if err := json.Unmarshal(own, &shape); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(given, &said); err != nil {
		return nil, err
	}
	if len(shape) != len(said) {
		return nil, fmt.Errorf("a list of %d is read as one of %d", len(said), len(shape))
	}
	out := json.RawMessage{'['}
	for i := range shape {
		item, err := merged(shape[i], said[i])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return append(out, ']'), nil
}

// foreignMember is a member that this API's objects of the kind do not have.
type foreignMember struct{ kind, name string }

// unknown counts such members, and knows the first object that has each.
type unknown map[foreignMember]*foreignCount

type foreignCount struct {
	objects int
	first   string // id
}

// add counts a member, unless it says nothing or is read apart.
func (u unknown) add(o *dumped, m member) {
	key := foreignMember{o.known.Object, m.name}
	if slices.Contains([]string{"", "null", "[]", "{}", `""`}, string(m.value)) || key == (foreignMember{"thread.run", "steps"}) {
		return
	}
	if u[key] == nil {
		u[key] = &foreignCount{first: o.known.ID}
	}
	u[key].objects++
}

func (u unknown) note(report *Report) {
	for key, n := range u {
		report.note("Left out: the member %q of %d objects of the kind %s, which they do not have here; the first is %s.", key.name, n.objects, key.kind, n.first)
	}
}
