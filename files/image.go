package files

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
)

// maxImage bounds an image that is sent inside a prompt, in bytes.
const maxImage = 20 << 20

// imageTypes tell the images models take by how they begin.
var imageTypes = []struct {
	mediaType string
	offset    int
	magic     string
}{
	{"image/png", 0, "\x89PNG\r\n\x1a\n"},
	{"image/jpeg", 0, "\xff\xd8\xff"},
	{"image/gif", 0, "GIF8"},
	{"image/webp", 8, "WEBP"},
}

// DataURL returns an uploaded image as a data URL for a prompt.
func (s *Service) DataURL(ctx context.Context, project, id string) (string, error) {
	file, content, err := s.Content(ctx, project, id)
	if err != nil {
		return "", err
	}
	defer content.Close()
	if file.Bytes > maxImage {
		return "", fmt.Errorf("the image %s has %d bytes; a prompt takes at most %d", id, file.Bytes, maxImage)
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return "", err
	}
	for _, t := range imageTypes {
		if len(data) > t.offset && bytes.HasPrefix(data[t.offset:], []byte(t.magic)) {
			return "data:" + t.mediaType + ";base64," + base64.StdEncoding.EncodeToString(data), nil
		}
	}
	return "", fmt.Errorf("the file %s is not a PNG, JPEG, GIF or WebP image", id)
}
