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
			n += ImageTokens(p.ImageFile.Detail)
		case p.ImageURL != nil:
			n += ImageTokens(p.ImageURL.Detail)
		}
	}
	return n
}

// ImageTokens estimates what an image of a detail costs in a prompt.
func ImageTokens(detail string) int {
	if detail == "low" {
		return lowDetailTokens
	}
	return highDetailTokens
}
