package threads

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strings"

	"understudy/api/wire"
)

// maxContent bounds the text of a message, in characters.
const maxContent = 256_000

// The types of a content part.
const (
	TextPart      = "text"
	ImageFilePart = "image_file"
	ImageURLPart  = "image_url"
	RefusalPart   = "refusal"
)

// Part is one part of a message's content; the member its Type names is set.
type Part struct {
	Type      string     `json:"type"`
	Text      *Text      `json:"text,omitempty"`
	ImageFile *ImageFile `json:"image_file,omitempty"`
	ImageURL  *ImageURL  `json:"image_url,omitempty"`
	Refusal   *string    `json:"refusal,omitempty"`
}

// Text is text with the annotations that point into it, by character.
type Text struct {
	Value       string            `json:"value"`
	Annotations []json.RawMessage `json:"annotations"`
}

// ImageFile is an uploaded image.
type ImageFile struct {
	FileID string `json:"file_id"`
	Detail string `json:"detail"`
}

// ImageURL is an image by its address, http(s) or data.
type ImageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail"`
}

// NewText makes a text part.
func NewText(value string) Part {
	return Part{Type: TextPart, Text: &Text{Value: value, Annotations: []json.RawMessage{}}}
}

// NewRefusal makes a refusal part.
func NewRefusal(text string) Part { return Part{Type: RefusalPart, Refusal: &text} }

func readContent(o *wire.Object) []Part {
	if !o.Require("content") {
		return nil
	}
	switch raw := o.Raw("content"); raw[0] {
	case '"':
		return []Part{NewText(o.RequiredString("content", maxContent))}
	case '[':
		return readParts(o)
	default:
		o.Fail(wire.WrongType(o.Path("content"), "one of a string or array of objects", wire.TypeName(raw)))
		return nil
	}
}

func readParts(o *wire.Object) []Part {
	objects := o.Objects("content", 0)
	if len(objects) == 0 {
		o.Fail(wire.EmptyArray(o.Path("content")))
	}
	parts := make([]Part, 0, len(objects))
	for _, obj := range objects {
		parts = append(parts, readPart(obj))
		_ = obj.Err()
	}
	return parts
}

func readPart(o *wire.Object) Part {
	if !o.Require("type") {
		return Part{}
	}
	part := Part{Type: o.Enum("type", TextPart, ImageURLPart, ImageFilePart)}
	switch part.Type {
	case TextPart:
		part.Text = readText(o)
	case ImageURLPart:
		part.ImageURL = readImageURL(o)
	case ImageFilePart:
		part.ImageFile = readImageFile(o)
	}
	o.IgnoreNull(TextPart, ImageURLPart, ImageFilePart) // some SDKs send the members of other types as null
	return part
}

// readText takes {"text":"…"}, and {"text":{"value":"…"}} because clients send
// back the parts they were given.
func readText(o *wire.Object) *Text {
	if !o.Require(TextPart) {
		return nil
	}
	if raw := o.Raw(TextPart); raw[0] == '{' {
		o = o.Object(TextPart)
		o.Ignore("annotations")
		text := NewText(o.RequiredString("value", maxContent)).Text
		_ = o.Err()
		return text
	}
	return NewText(o.RequiredString(TextPart, maxContent)).Text
}

func readImageURL(o *wire.Object) *ImageURL {
	if !o.Require(ImageURLPart) {
		return nil
	}
	sub := o.Object(ImageURLPart)
	if sub == nil {
		return nil
	}
	image := &ImageURL{URL: sub.RequiredString("url", 0), Detail: readDetail(sub)}
	if image.URL != "" && !validImageURL(image.URL) {
		sub.Fail(wire.InvalidValue(sub.Path("url"), "Invalid '%s'. Expected a valid URL, but got a value with an invalid format.", sub.Path("url")))
	}
	_ = sub.Err()
	return image
}

func validImageURL(s string) bool {
	if strings.HasPrefix(s, "data:") {
		return strings.HasPrefix(s, "data:image/") && strings.Contains(s, ",")
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func readImageFile(o *wire.Object) *ImageFile {
	if !o.Require(ImageFilePart) {
		return nil
	}
	sub := o.Object(ImageFilePart)
	if sub == nil {
		return nil
	}
	image := &ImageFile{FileID: sub.RequiredString("file_id", 0), Detail: readDetail(sub)}
	if image.FileID != "" {
		if err := wire.CheckID(sub.Path("file_id"), image.FileID, "file"); err != nil {
			sub.Fail(err)
		}
	}
	_ = sub.Err()
	return image
}

func readDetail(o *wire.Object) string {
	return cmp.Or(o.Enum("detail", "auto", "low", "high"), defaultDetail)
}

const defaultDetail = "auto"

// Complete fills in what a request may leave out, in a message that comes from
// elsewhere than a request.
func (m *Message) Complete() {
	for _, p := range m.Content {
		switch {
		case p.Text != nil && p.Text.Annotations == nil:
			p.Text.Annotations = []json.RawMessage{}
		case p.ImageFile != nil:
			p.ImageFile.Detail = cmp.Or(p.ImageFile.Detail, defaultDetail)
		case p.ImageURL != nil:
			p.ImageURL.Detail = cmp.Or(p.ImageURL.Detail, defaultDetail)
		}
	}
	for i := range m.Attachments {
		if m.Attachments[i].Tools == nil {
			m.Attachments[i].Tools = []AttachmentTool{}
		}
	}
	if m.Status == Completed && m.CompletedAt == nil {
		m.CompletedAt = &m.CreatedAt
	}
}
