package extract

import (
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
)

// visitor is told what is in a part, without the prefixes of namespaces. What is
// inside an element is left out if start says so, and then end is not called.
type visitor interface {
	start(name string, attributes attributes) (leaveOut bool)
	text(text string)
	end(name string) error
}

type attributes []xml.Attr

// get returns the value of an attribute, "" if there is none.
func (a attributes) get(name string) string {
	for _, attribute := range a {
		if attribute.Name.Local == name {
			return attribute.Value
		}
	}
	return ""
}

// walk shows a part to v. A part that does not exist is empty. Entities that a
// document defines itself are errors, so none can grow.
func (o *office) walk(name string, v visitor) error {
	if o.parts[name] == nil {
		return nil
	}
	part, err := o.open(name)
	if err != nil {
		return err
	}
	defer part.Close()
	return o.damaged(name, visit(xml.NewDecoder(part), v))
}

func visit(decoder *xml.Decoder, v visitor) error {
	for depth := 0; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return invalid("Its elements nest deeper than %d.", maxDepth)
			}
			if v.start(t.Name.Local, t.Attr) {
				depth--
				if err := decoder.Skip(); err != nil {
					return err
				}
			}
		case xml.EndElement:
			depth--
			if err := v.end(t.Name.Local); err != nil {
				return err
			}
		case xml.CharData:
			v.text(string(t))
		}
	}
}

// relations finds what a part refers to by id.
type relations map[string]string

func (o *office) relations(part string) (relations, error) {
	r := &relationsPart{folder: path.Dir(part), targets: relations{}}
	return r.targets, o.walk(path.Join(r.folder, "_rels", path.Base(part)+".rels"), r)
}

type relationsPart struct {
	folder  string
	targets relations
}

func (r *relationsPart) start(name string, attributes attributes) bool {
	if name == "Relationship" && attributes.get("TargetMode") != "External" {
		target := attributes.get("Target")
		if !strings.HasPrefix(target, "/") {
			target = path.Join(r.folder, target)
		}
		r.targets[attributes.get("Id")] = strings.TrimPrefix(target, "/")
		r.targets[path.Base(attributes.get("Type"))] = r.targets[attributes.get("Id")] // the only one of its type
	}
	return false
}

func (*relationsPart) text(string) {}

func (*relationsPart) end(string) error { return nil }
