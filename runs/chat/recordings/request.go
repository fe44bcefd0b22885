package recordings

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"understudy/runs/chat"
)

// request is what was asked, as its file shows it.
type request struct {
	Upstream string `json:"upstream,omitempty"`
	Method   string `json:"method"`
	// Path lies below the upstream's base URL; what goes to no upstream has its
	// whole URL.
	Path string `json:"path"`
	// Body is JSON as it was sent. Other bodies are a text, or the parts of a
	// form; what is long and not text is its hash.
	Body json.RawMessage `json:"body,omitempty"`

	compared   any // the body, with what may differ replaced
	exact, key string
}

func (q *request) String() string {
	if q.Upstream == "" {
		return q.Method + " " + q.Path
	}
	return q.Method + " " + q.Path + " to " + q.Upstream
}

// readRequest takes what counts of a request. Neither its headers nor the
// upstream's address do.
func readRequest(req *http.Request, body []byte) *request {
	q := &request{Method: req.Method, Path: req.URL.String()}
	if d, ok := chat.DestinationOf(req.Context()); ok {
		q.Upstream, q.Path = d.Upstream(), d.Path
		body = d.Redact(body)
	}
	if req.Header.Get("Content-Encoding") == "gzip" {
		if plain, err := unzip(body); err == nil {
			body = plain
		}
	}
	switch kind, parameters, _ := mime.ParseMediaType(req.Header.Get("Content-Type")); {
	case len(body) == 0:
	case json.Valid(body):
		q.Body = dataURL.ReplaceAllFunc(body, shortened)
	case strings.HasPrefix(kind, "multipart/"):
		q.Body = readForm(body, parameters["boundary"])
	default:
		q.Body = readable(body)
	}
	return q
}

func unzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// longText is from where on text counts as a file, in bytes.
const longText = 64 << 10

// readable is a body, or a part of one, that is not JSON.
func readable(content []byte) json.RawMessage {
	if utf8.Valid(content) && len(content) <= longText {
		return marshal(string(content))
	}
	return marshal(hashOf(content))
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return fmt.Sprintf("sha256:%s (%d bytes)", hex.EncodeToString(sum[:]), len(content))
}

// dataURL is content inside of JSON, as images are sent.
var dataURL = regexp.MustCompile(`"data:[^"\\]{256,}"`)

// shortened keeps the type of a data URL and the hash of its content.
func shortened(quoted []byte) []byte {
	head, content, _ := bytes.Cut(quoted[1:len(quoted)-1], []byte(","))
	if plain, err := base64.StdEncoding.DecodeString(string(content)); err == nil {
		content = plain
	}
	return marshal(string(head) + "," + hashOf(content))
}

// readForm is a multipart body, whose boundary is another each time.
func readForm(body []byte, boundary string) json.RawMessage {
	type field struct {
		Name    string          `json:"name"`
		File    string          `json:"file,omitempty"`
		Content json.RawMessage `json:"content"`
	}
	var form []field
	for reader := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		part, err := reader.NextPart()
		if err != nil {
			break
		}
		content, err := io.ReadAll(part)
		if err != nil {
			break
		}
		form = append(form, field{part.FormName(), part.FileName(), readable(content)})
	}
	return marshal(map[string]any{"form": form})
}

// minted matches the ids that this server makes, and those of hosted objects,
// which look alike.
var minted = regexp.MustCompile(`\b(asst|thread|msg|run|step|call|vs|vsfb|upload|part|file)([_-])(?:[0-9A-Za-z]{24}|[0-9a-f]{32})\b`)

// compare works out what the request is compared by.
func (q *request) compare(ignore []*regexp.Regexp) {
	text := canonical(q.Body)
	head := q.Upstream + "\n" + q.Method + " " + q.Path + "\n"
	q.exact = hashOf([]byte(head + text))
	numbers := map[string]int{}
	text = minted.ReplaceAllStringFunc(text, func(id string) string {
		if numbers[id] == 0 {
			numbers[id] = len(numbers) + 1
		}
		m := minted.FindStringSubmatch(id)
		return m[1] + m[2] + strconv.Itoa(numbers[id])
	})
	for _, pattern := range ignore {
		text = pattern.ReplaceAllString(text, "…")
	}
	q.key = hashOf([]byte(head + text))
	q.compared = decoded(text)
}

// canonical is JSON with its members in the order of their names.
func canonical(body json.RawMessage) string {
	if len(body) == 0 {
		return ""
	}
	return string(marshal(decoded(string(body))))
}

// decoded is a JSON value, with its numbers as they are written. What a pattern
// has made of it may not be JSON any more.
func decoded(text string) any {
	if text == "" {
		return nil
	}
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return text
	}
	return value
}

// marshal is JSON as people read it: <, > and & are themselves.
func marshal(value any) json.RawMessage {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil { // only values that came from JSON, and texts, come here
		panic(err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// maxName bounds each word of a file's name, in bytes.
const maxName = 40

// name is the base of the file's name: what was asked of which model, and the
// hash of all of it.
func (q *request) name() string {
	path, _, _ := strings.Cut(q.Path, "?")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		path = rest
	}
	words := []string{path}
	if body, ok := q.compared.(map[string]any); ok {
		if model, ok := body["model"].(string); ok {
			words = append(words, model)
		}
	}
	var name []string
	for _, word := range words {
		word = notInNames.ReplaceAllString(word, "-")
		if word = strings.Trim(word[:min(len(word), maxName)], "-."); word != "" {
			name = append(name, word)
		}
	}
	hash := strings.TrimPrefix(q.key, "sha256:")[:12]
	return strings.Join(append(name, hash), "-")
}

func withBody(req *http.Request, body []byte) *http.Request {
	if req.Body == nil {
		return req
	}
	again := req.Clone(req.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		again.Body = http.NoBody
	}
	return again
}
