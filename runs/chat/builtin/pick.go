package builtin

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// picker finds values in the user's text. Numbers, quotations and phrases are
// handed out one after the other, so that two properties do not get the same.
type picker struct {
	text     string
	verbatim bool // every string is the whole text

	head    string                     // of the text: as much as is searched
	words   string                     // of the head, between single spaces
	object  map[string]json.RawMessage // a JSON object inside the text
	numbers []string
	quotes  []string
	phrases []string // capitalised: names, places
}

const (
	searchedBytes = 16 << 10 // of a text, for values; all of it may still be one
	maxPicks      = 100      // of each kind
	maxLabel      = 64       // bytes of a property's name, to be looked for in the text
)

const proper = `\p{Lu}[\p{L}\p{N}.'’-]*(?:,? \p{Lu}[\p{L}\p{N}.'’-]*)*`

var (
	numberInText = regexp.MustCompile(`(?:^|[^\p{L}\p{N}_.-])(-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?)`)
	quoteInText  = regexp.MustCompile(`"([^"\n]+)"|“([^”\n]+)”|‘([^’\n]+)’|(?:^|\s)'([^'\n]+)'|` + "`([^`\n]+)`")
	afterWord    = regexp.MustCompile(`(?i:\b(?:in|at|for|near|from|to|of|named|called|about|with)) (?:the )?(` + proper + `)`)
	properInText = regexp.MustCompile(`[\p{Ll}\p{N},;:] (` + proper + `)`)
	fromWhere    = regexp.MustCompile(`\b[Ff]rom (` + proper + `)`)
	toWhere      = regexp.MustCompile(`\b[Tt]o (` + proper + `)`)
	codeInText   = regexp.MustCompile(`[\p{L}\p{N}_-]*\d[\p{L}\p{N}_-]*`)
	tailInText   = regexp.MustCompile(`(?i)\b(?:in|at|for|near|from|to|of|about) (?:the )?([^.,;:?!\n]+)[.,;:?!\s]*$`)
)

func newPicker(text string) *picker {
	p := &picker{text: strings.TrimSpace(text)}
	p.head = dropHalfRune(p.text[:min(len(p.text), searchedBytes)])
	p.words = " " + strings.Join(words(p.head), " ") + " "
	if open := strings.IndexByte(p.text, '{'); open >= 0 {
		// A text may go on behind its object: only the first value is read.
		_ = json.NewDecoder(strings.NewReader(p.text[open:])).Decode(&p.object)
	}
	for _, m := range numberInText.FindAllStringSubmatch(p.head, maxPicks) {
		// JSON forbids the leading zeros of a code such as 007.
		if n := strings.ReplaceAll(m[1], ",", ""); json.Valid([]byte(n)) {
			p.numbers = append(p.numbers, n)
		}
	}
	for _, m := range quoteInText.FindAllStringSubmatch(p.head, maxPicks) {
		p.quotes = append(p.quotes, strings.Join(m[1:], ""))
	}
	for _, expression := range []*regexp.Regexp{afterWord, properInText} {
		for _, m := range expression.FindAllStringSubmatch(p.head, maxPicks) {
			// A hit inside one that is already there is the same name again.
			phrase := strings.TrimRight(m[1], ".'’-")
			if !slices.ContainsFunc(p.phrases, func(have string) bool { return strings.Contains(have, phrase) }) {
				p.phrases = append(p.phrases, phrase)
			}
		}
	}
	return p
}

// introductions lead to the value of properties with these names.
var introductions = map[string]*regexp.Regexp{
	"from": fromWhere, "origin": fromWhere, "source": fromWhere, "departure": fromWhere,
	"to": toWhere, "destination": toWhere, "target": toWhere, "recipient": toWhere, "arrival": toWhere,
}

// labelled finds the value behind a property's name, as in "size: 5",
// "unit=kelvin", "title is Dune" and "from Berlin".
func (p *picker) labelled(name string) (string, bool) {
	if expression, ok := introductions[strings.ToLower(name)]; ok {
		if m := expression.FindStringSubmatch(p.head); m != nil {
			return strings.TrimRight(m[1], ".'’-"), true
		}
	}
	if len(name) > maxLabel || !p.mentions(name) {
		return "", false
	}
	parts := words(name)
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part) + "s?"
	}
	label := regexp.MustCompile(`(?i)(?:^|[\W_])` + strings.Join(parts, `[\s_-]*`) +
		`["']?(?:\s*[:=]\s*| is | of )(?:"([^"\n]+)"|'([^'\n]+)'|([^\s,;"'{}\[\]]+))`)
	if m := label.FindStringSubmatch(p.head); m != nil {
		return strings.TrimRight(strings.Join(m[1:], ""), ".!?"), true
	}
	return "", false
}

// wholeText are the names of properties that want all the user said.
var wholeText = []string{
	"query", "question", "text", "prompt", "message", "content", "input", "code", "expression",
	"search", "q", "body", "request", "instruction", "sentence", "description", "note", "thought",
}

// codeNames are the names of properties whose values have digits, such as an
// order's number.
var codeNames = []string{"id", "number", "no", "code", "sku", "isbn", "zip", "phone", "version"}

// strings returns candidates for a string property: those that the text offers
// for it in particular, and those that merely fit any string.
func (p *picker) strings(name, format string) (special, general []string) {
	if p.verbatim {
		return []string{p.text}, nil
	}
	if value, ok := p.labelled(name); ok {
		special = append(special, value)
	}
	nameParts := words(name)
	for kind, f := range formats {
		if kind == format || slices.Contains(nameParts, kind) {
			special = append(special, f.inside.FindAllString(p.head, maxPicks)...)
		}
	}
	slices.Sort(special[min(1, len(special)):])
	special = append(special, p.quotes...)
	if slices.ContainsFunc(nameParts, func(w string) bool { return slices.Contains(codeNames, w) }) {
		special = append(special, codeInText.FindAllString(p.head, maxPicks)...)
	}
	if p.text == "" {
		return special, nil
	}
	if slices.ContainsFunc(nameParts, func(w string) bool { return slices.Contains(wholeText, w) }) {
		special = append(special, p.text)
	}
	special = append(special, p.phrases...)
	if m := tailInText.FindStringSubmatch(p.head); m != nil {
		general = append(general, strings.TrimSpace(m[1]))
	}
	return special, append(general, p.text)
}

// splitLists makes "Paris, London" two phrases, for a list of names; what is
// one name in "San Francisco, CA" stays so.
func (p *picker) splitLists() {
	var split []string
	for _, phrase := range p.phrases {
		for i, part := range strings.Split(phrase, ", ") {
			if i > 0 && len(part) == 2 && part == strings.ToUpper(part) {
				split[len(split)-1] += ", " + part
			} else {
				split = append(split, part)
			}
		}
	}
	p.phrases = split
}

// used takes a value out of what is handed out.
func (p *picker) used(value string) {
	for _, list := range []*[]string{&p.numbers, &p.quotes, &p.phrases} {
		if i := slices.Index(*list, value); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
			return
		}
	}
}

// mentions reports whether the text has these words in a row.
func (p *picker) mentions(phrase string) bool {
	parts := words(phrase)
	if len(parts) == 0 {
		return false
	}
	return strings.Contains(p.words, " "+strings.Join(parts, " ")+" ")
}
