package store

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// hashSize is how many bytes of a SHA-256 name a part inside its thread.
const hashSize = 16

type hash [hashSize]byte

func hashOf(body []byte) hash {
	sum := sha256.Sum256(body)
	return hash(sum[:hashSize])
}

// A prompt repeats the one before it and adds a little. Each message of a thread is stored once, but a list of all
// messages, in every call, would make a run cost what its thread is long. So a long list is cut into stretches, which
// are parts like messages are, and the list of stretches is cut again until it is short. Where to cut is read from the
// hashes: two prompts that agree over a stretch have the same one, wherever it lies in them. No stretch has less than
// two, or cutting might never come to an end.
const (
	maxList     = 64 // hashes in one list
	stretchMask = 15 // a stretch ends behind every 16th hash, on average
)

// part is something of a request that is stored once in its thread: a message, or a list of other parts.
type part struct {
	hash  hash
	depth int    // 0 = a message, or a request without its messages
	body  []byte // as it was sent, or the hashes of what it lists
	lists []*part
	ready []byte // body as it is stored; nil = not packed yet
}

func newPart(body []byte) *part { return &part{hash: hashOf(body), body: body} }

// packed is the part's body as it is stored.
func (p *part) packed() []byte {
	switch {
	case p.ready != nil:
		return p.ready
	case p.depth > 0 && !bytes.HasPrefix(p.body, frameMagic): // hashes do not become shorter
		return p.body
	}
	p.ready = pack(p.body)
	return p.ready
}

// fold cuts a list that is too long into stretches until it is short enough. It returns the parts to be named by the
// call, and how deep below them messages lie.
func fold(list []*part) (short []*part, depth int) {
	for ; len(list) > maxList; depth++ {
		list = stretches(list, depth+1)
	}
	return list, depth
}

func stretches(list []*part, depth int) []*part {
	var out []*part
	from := 0
	for i, p := range list {
		if size := i - from + 1; size > 1 && p.hash[0]&stretchMask == 0 || size == maxList || i == len(list)-1 {
			stretch := &part{depth: depth, body: hashesOf(list[from : i+1]), lists: list[from : i+1]}
			stretch.hash = hashOf(stretch.body)
			out = append(out, stretch)
			from = i + 1
		}
	}
	return out
}

func hashesOf(list []*part) []byte {
	hashes := make([]byte, 0, hashSize*len(list))
	for _, p := range list {
		hashes = append(hashes, p.hash[:]...)
	}
	return hashes
}

// splitHashes takes a list of hashes apart.
func splitHashes(hashes []byte) []hash {
	list := make([]hash, 0, len(hashes)/hashSize)
	for ; len(hashes) >= hashSize; hashes = hashes[hashSize:] {
		list = append(list, hash(hashes))
	}
	return list
}

// splitRequest takes the messages out of a request body: rest is the body without them and splitAt where they were. A
// body that has none, or that would not come out the same again, stays whole, and splitAt is 0.
func splitRequest(request []byte) (rest []byte, splitAt int, messages [][]byte) {
	at := findMessages(request)
	if at == 0 {
		return request, 0, nil
	}
	end := at + 1 // behind '['
	if end < len(request) && request[end] == ']' {
		return slices.Concat(request[:at], request[end+1:]), at, [][]byte{}
	}
	for {
		size := valueSize(request[end:])
		if size <= 0 || end+size >= len(request) {
			return request, 0, nil
		}
		messages = append(messages, request[end:end+size])
		end += size
		switch request[end] {
		case ',':
			end++
		case ']':
			return slices.Concat(request[:at], request[end+1:]), at, messages
		default: // there are blanks, as we do not write them
			return request, 0, nil
		}
	}
}

// joinMessages is the array that splitRequest took apart.
func joinMessages(messages [][]byte) []byte {
	return slices.Concat([]byte("["), bytes.Join(messages, []byte(",")), []byte("]"))
}

// findMessages returns where the value of the member "messages" of a JSON object begins, 0 unless that is an array.
func findMessages(object []byte) int {
	if len(object) == 0 || object[0] != '{' {
		return 0
	}
	for at := 1; ; at++ {
		name := valueSize(object[at:])
		colon := at + name
		if name <= 0 || colon+1 >= len(object) || object[colon] != ':' {
			return 0
		}
		value := colon + 1
		if string(object[at:colon]) == `"messages"` {
			if object[value] == '[' {
				return value
			}
			return 0
		}
		at = value + valueSize(object[value:])
		if at == value || at >= len(object) || object[at] != ',' {
			return 0
		}
	}
}

// valueSize is the length of the JSON value that text begins with, 0 when there is none. It trusts text to be JSON.
func valueSize(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			size := stringSize(text[i:])
			if size == 0 {
				return 0
			}
			i += size - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return 0
}

// stringSize is the length of the JSON string that text begins with, quotes included; 0 when it has no end.
func stringSize(text []byte) int {
	for end := 1; end < len(text); end++ {
		next := bytes.IndexByte(text[end:], '"')
		if next < 0 {
			return 0
		}
		end += next
		escapes := 0
		for text[end-1-escapes] == '\\' { // the first byte is a quote
			escapes++
		}
		if escapes%2 == 0 {
			return end + 1
		}
	}
	return 0
}
