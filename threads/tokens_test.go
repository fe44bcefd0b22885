package threads

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessagesCostWhatTheyHold(t *testing.T) {
	message := func(parts ...Part) *Message { return &Message{Content: parts} }
	require.Equal(t, messageOverhead, message().CountTokens())
	require.Equal(t, messageOverhead+2, message(NewText("hello world")).CountTokens())
	require.Equal(t, messageOverhead+lowDetailTokens+highDetailTokens, message(
		Part{Type: ImageURLPart, ImageURL: &ImageURL{Detail: "low"}},
		Part{Type: ImageFilePart, ImageFile: &ImageFile{Detail: "auto"}},
	).CountTokens())
}
