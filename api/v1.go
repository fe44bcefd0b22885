package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/runs"
	"understudy/threads"
)

// toV1 shows an answer the way version 1 of the API did (spec section 16).
// Objects are stored in version 2's shape; what only version 2 knows is left
// out, and file_ids stand where tool_resources and attachments are.
func toV1(data []byte) ([]byte, error) {
	o, err := parseOrdered(data)
	if err != nil {
		return data, nil //nolint:nilerr // not an object: nothing of it differs
	}
	var kind string
	_ = json.Unmarshal(o.get("object"), &kind) // without a string the object is of no kind
	switch kind {
	case "list":
		err = o.replace("data", listToV1)
	case "assistant":
		o.drop("reasoning_effort")
		err = o.resourcesToV1()
	case "thread":
		o.drop("tool_resources")
	case "thread.message":
		err = errors.Join(o.attachmentsToV1(), o.replace("content", contentToV1))
	case "thread.run":
		o.drop("reasoning_effort", "parallel_tool_calls")
		err = errors.Join(o.resourcesToV1(), o.replace("tool_choice", searchToRetrieval), o.replace("status", statusToV1))
	case "thread.run.step":
		err = o.replace("step_details", detailsToV1)
	case "thread.run.step.delta":
		err = o.replace("delta", func(raw json.RawMessage) (json.RawMessage, error) { return within(raw, "step_details", detailsToV1) })
	default:
		return data, nil
	}
	if err != nil {
		return nil, err
	}
	return o.encode(), nil
}

func listToV1(raw json.RawMessage) (json.RawMessage, error) {
	return eachElement(raw, func(item json.RawMessage) (json.RawMessage, error) { return toV1(item) })
}

func eachElement(raw json.RawMessage, change func(json.RawMessage) (json.RawMessage, error)) (json.RawMessage, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	for i, item := range items {
		changed, err := change(item)
		if err != nil {
			return nil, err
		}
		items[i] = changed
	}
	if items == nil {
		items = []json.RawMessage{}
	}
	return wire.Marshal(items)
}

// searchToRetrieval renames the file_search tool; its settings are version 2's.
func searchToRetrieval(raw json.RawMessage) (json.RawMessage, error) {
	var tool struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &tool) != nil || tool.Type != assistants.FileSearch {
		return raw, nil
	}
	return json.RawMessage(`{"type":"` + assistants.Retrieval + `"}`), nil
}

// resourcesToV1 renames tools and puts file_ids where tool_resources is.
func (o *ordered) resourcesToV1() error {
	var resources assistants.ToolResources
	if err := json.Unmarshal(o.get("tool_resources"), &resources); err != nil {
		return err
	}
	if err := o.rename("tool_resources", "file_ids", fileIDs(resources.FileIDs())); err != nil {
		return err
	}
	return o.replace("tools", func(raw json.RawMessage) (json.RawMessage, error) { return eachElement(raw, searchToRetrieval) })
}

func (o *ordered) attachmentsToV1() error {
	var attachments []threads.Attachment
	if err := json.Unmarshal(o.get("attachments"), &attachments); err != nil {
		return err
	}
	return o.rename("attachments", "file_ids", threads.AttachedFiles(attachments))
}

// contentToV1 shows citations with their quote, which version 2 left out, and
// without what was added here.
func contentToV1(raw json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(raw, []byte(`"file_citation"`)) {
		return raw, nil
	}
	return eachElement(raw, func(part json.RawMessage) (json.RawMessage, error) {
		return within(part, "text", func(text json.RawMessage) (json.RawMessage, error) {
			return within(text, "annotations", func(annotations json.RawMessage) (json.RawMessage, error) {
				return eachElement(annotations, func(annotation json.RawMessage) (json.RawMessage, error) {
					return within(annotation, "file_citation", citedToV1)
				})
			})
		})
	})
}

func citedToV1(raw json.RawMessage) (json.RawMessage, error) {
	var cited struct {
		FileID string `json:"file_id"`
		Quote  string `json:"quote"`
	}
	if err := json.Unmarshal(raw, &cited); err != nil {
		return nil, err
	}
	return wire.Marshal(cited)
}

// within changes one member of an object, if it has it.
func within(raw json.RawMessage, name string, change func(json.RawMessage) (json.RawMessage, error)) (json.RawMessage, error) {
	o, err := parseOrdered(raw)
	if err != nil {
		return raw, nil //nolint:nilerr // not an object: it has no members
	}
	err = o.replace(name, change)
	return o.encode(), err
}

func statusToV1(raw json.RawMessage) (json.RawMessage, error) {
	var status runs.Status
	if err := json.Unmarshal(raw, &status); err != nil {
		return nil, err
	}
	return wire.Marshal(status.Version1())
}

// eventToV1 is statusToV1 for an event's name.
func eventToV1(name string) string {
	status, ok := strings.CutPrefix(name, runEvents)
	if !ok {
		return name
	}
	return runEvents + string(runs.Status(status).Version1())
}

// runEvents begins the names of the events that a run's status gives its name to.
const runEvents = "thread.run."

func fileIDs(ids []string) []string {
	if ids == nil {
		return []string{}
	}
	return ids
}

// detailsToV1 shows file_search calls as retrieval, which had no members.
func detailsToV1(raw json.RawMessage) (json.RawMessage, error) {
	return within(raw, "tool_calls", func(calls json.RawMessage) (json.RawMessage, error) {
		return eachElement(calls, callToV1)
	})
}

func callToV1(raw json.RawMessage) (json.RawMessage, error) {
	o, err := parseOrdered(raw)
	if err != nil || string(o.get("type")) != `"`+assistants.FileSearch+`"` {
		return raw, err
	}
	err = errors.Join(o.rename("type", "type", assistants.Retrieval), o.rename(assistants.FileSearch, assistants.Retrieval, struct{}{}))
	return o.encode(), err
}

// ordered is a JSON object whose members keep their order.
type ordered struct{ members []member }

type member struct {
	name  string
	value json.RawMessage
}

func parseOrdered(data []byte) (*ordered, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, wire.ErrBadJSON
	}
	var o ordered
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // the name of a member is always one
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		o.members = append(o.members, member{name, value})
	}
	return &o, nil
}

func (o *ordered) get(name string) json.RawMessage {
	for _, m := range o.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func (o *ordered) drop(names ...string) {
	kept := o.members[:0]
	for _, m := range o.members {
		dropped := false
		for _, name := range names {
			dropped = dropped || m.name == name
		}
		if !dropped {
			kept = append(kept, m)
		}
	}
	o.members = kept
}

func (o *ordered) replace(name string, change func(json.RawMessage) (json.RawMessage, error)) error {
	for i, m := range o.members {
		if m.name == name {
			value, err := change(m.value)
			o.members[i].value = value
			return err
		}
	}
	return nil
}

// rename puts a member of another name and value in the place of one.
func (o *ordered) rename(name, newName string, value any) error {
	for i, m := range o.members {
		if m.name == name {
			raw, err := wire.Marshal(value)
			o.members[i] = member{newName, raw}
			return err
		}
	}
	return nil
}

func (o *ordered) encode() []byte {
	var buf bytes.Buffer
	for i, m := range o.members {
		buf.WriteByte("{,"[min(i, 1)])
		buf.WriteString(`"` + m.name + `":`)
		buf.Write(m.value)
	}
	if len(o.members) == 0 {
		buf.WriteByte('{')
	}
	buf.WriteByte('}')
	return buf.Bytes()
}
