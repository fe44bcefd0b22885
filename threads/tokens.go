package threads

import "understudy/files/tokens"

// Tokens an image costs a model, by detail: what OpenAI counts for one tile
// and for an image of usual size.
const (
	lowDetailTokens  = 85
	highDetailTokens = 765
	messageOverhead  = 4 // role and separators
)

// CountTokens estimates what the message costs in a prompt.
func (m *Message) CountTokens() int {
	n := messageOverhead + tokens.Count(m.Text())
	for _, p := range m.Content {
		switch {
		case p.ImageFile != nil:
			n += imageTokens(p.ImageFile.Detail)
		case p.ImageURL != nil:
			n += imageTokens(p.ImageURL.Detail)
		}
	}
	return n
}

func imageTokens(detail string) int {
	if detail == "low" {
		return lowDetailTokens
	}
	return highDetailTokens
}
