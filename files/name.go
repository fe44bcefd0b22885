package files

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest filename kept, in bytes: what file systems take, so
// that a tool can lay a file out under its name.
const maxName = 255

// maxExtension is how much of a long name's end is kept for its type, in bytes.
const maxExtension = 32

// unnamed stands in for a name of which nothing is left.
const unnamed = "file"

// cleanName makes the filename that is shown, out of whatever a client sent:
// the last component of a path in either system's spelling, valid UTF-8,
// without control characters, at most maxName bytes. It is never used as a
// path by this server, but clients and tools write files under it.
func cleanName(sent string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(sent, string(utf8.RuneError)))
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.TrimSpace(shorten(strings.TrimSpace(name)))
	if strings.Trim(name, ".") == "" {
		return unnamed
	}
	return name
}

// shorten cuts the middle out of a long name: the extension tells tools what
// the file is.
func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > maxExtension {
		extension = ""
	}
	end := maxName - len(extension)
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + extension
}
