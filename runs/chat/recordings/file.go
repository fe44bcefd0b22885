package recordings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// width is up to where a value stands on one line, in bytes.
const width = 120

// encode writes a recording as its file has it: what fits stands on one line,
// and so does every event of a stream.
func encode(r *recording) ([]byte, error) {
	q, a := marshal(r.request), marshal(r.answer)
	var buf bytes.Buffer
	buf.WriteString("{\n  \"request\": ")
	if err := write(&buf, q, "  "); err != nil {
		return nil, err
	}
	buf.WriteString(",\n  \"answer\": ")
	if err := write(&buf, a, "  "); err != nil {
		return nil, err
	}
	buf.WriteString("\n}\n")
	return buf.Bytes(), nil
}

// decode reads what encode wrote, or somebody has changed by hand.
func decode(text []byte) (*recording, error) {
	var file struct {
		Request *request `json:"request"`
		Answer  *answer  `json:"answer"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, err
	}
	q, a := file.Request, file.Answer
	switch {
	case q == nil || q.Method == "" || q.Path == "":
		return nil, errors.New("its request has no method or no path")
	case a == nil || a.Status == 0 && a.Failed == "" && a.End != gaveUp:
		return nil, errors.New("its answer has no status")
	case a.Status != 0 && (a.Status < 100 || a.Status > 999):
		return nil, fmt.Errorf("its answer has the status %d; write one of three digits", a.Status)
	case !slices.Contains(ends, a.End):
		return nil, fmt.Errorf("its answer ends by %q; write %s, or leave it away for one that is whole", a.End, strings.Join(ends[1:], ", "))
	case a.Failed != "" && !slices.ContainsFunc(failures, func(f failure) bool { return f.name == a.Failed }):
		return nil, fmt.Errorf("its answer has failed by %q; write %s", a.Failed, failureNames())
	}
	if _, err := a.body(); err != nil {
		return nil, err
	}
	for i, event := range a.Events {
		a.Events[i] = compact(event)
	}
	if a.JSON != nil {
		a.JSON = compact(a.JSON)
	}
	return &recording{request: q, answer: a}, nil
}

func failureNames() string {
	names := make([]string, len(failures))
	for i, f := range failures {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// write prints a value behind an indent, a member of an object on each line.
func write(buf *bytes.Buffer, value json.RawMessage, indent string) error {
	value = compact(value)
	inside := indent + "  "
	decoder := json.NewDecoder(bytes.NewReader(value))
	first, err := decoder.Token()
	if err != nil {
		return err
	}
	open, nested := first.(json.Delim)
	if !nested || len(value)+len(indent) <= width || open == '[' && flat(value) {
		buf.Write(value)
		return nil
	}
	buf.WriteString(open.String())
	for separator := "\n"; decoder.More(); separator = ",\n" {
		buf.WriteString(separator + inside)
		name := ""
		if open == '{' {
			token, err := decoder.Token()
			if err != nil {
				return err
			}
			name, _ = token.(string)
			buf.Write(marshal(name))
			buf.WriteString(": ")
		}
		var member json.RawMessage
		if err := decoder.Decode(&member); err != nil {
			return err
		}
		if name == "events" && indent == "  " {
			err = writeEvents(buf, member, inside)
		} else {
			err = write(buf, member, inside)
		}
		if err != nil {
			return err
		}
	}
	buf.WriteString("\n" + indent + string(rune(open)+2)) // the closing bracket of ASCII's pairs
	return nil
}

// flat reports whether an array is one of numbers, as vectors are.
func flat(array json.RawMessage) bool { return !bytes.ContainsAny(array[1:], `"[{`) }

func writeEvents(buf *bytes.Buffer, array json.RawMessage, indent string) error {
	var events []json.RawMessage
	if err := json.Unmarshal(array, &events); err != nil {
		return err
	}
	for i, event := range events {
		buf.WriteString([]string{"[\n", ",\n"}[min(i, 1)] + indent + "  ")
		buf.Write(event)
	}
	buf.WriteString("\n" + indent + "]")
	return nil
}
