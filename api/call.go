package api

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"understudy/api/wire"
)

// maxBody bounds a JSON body, in bytes: a thread's initial messages may be many
// and long, and nothing legitimate comes near.
const maxBody = 32 << 20

// handler answers one call; the error it returns is rendered by the adapter.
type handler func(c *call) error

// call is one request and its answer.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	project string
	dialect wire.Dialect

	memory              *memory // nil = without a bound
	bodyBytes, bodyHeld int64   // of the body: read, and taken from memory

	// keep is told the answer before it is sent; nil when nobody wants to know.
	keep func(answer json.RawMessage, stream again) error
	// receipt has the answer kept in the same commit as what the call changes;
	// nil when it need not be.
	receipt *wire.Receipt
}

// ids are the prefixes of path parameters, as error sentences show them.
var idPrefixes = map[string]string{
	"assistant_id": "asst",
	"thread_id":    "thread",
	"message_id":   "msg",
	"run_id":       "run",
	"step_id":      "step",

	"vector_store_id": "vs",
	"batch_id":        "vsfb",
}

// checkIDs refuses path ids of the wrong kind before anything is looked up.
// Files are not among them: the hosted API answered 404.
func (c *call) checkIDs() error {
	for _, name := range []string{"assistant_id", "thread_id", "message_id", "run_id", "step_id", "vector_store_id", "batch_id"} {
		if _, ok := mux.Vars(c.r)[name]; ok {
			if err := wire.CheckID(name, c.id(name), idPrefixes[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// id returns an id of the path. An escape that is none stays as it was sent.
func (c *call) id(name string) string {
	sent := mux.Vars(c.r)[name]
	if id, err := url.PathUnescape(sent); err == nil {
		return id
	}
	return sent
}

// newestFirst refuses what lists that go one way only cannot be asked for.
func newestFirst(page wire.Page) error {
	switch {
	case page.Asc:
		return wire.InvalidValue("order", "Invalid 'order': 'asc'. This list goes from the newest to the oldest.")
	case page.Before != "":
		return wire.InvalidValue("before", "Invalid 'before': this list goes from the newest to the oldest.")
	}
	return nil
}

// body reads the request's JSON object, whatever content type it names.
func (c *call) body() (*wire.Object, error) {
	var reader io.Reader = http.MaxBytesReader(c.w, c.r.Body, maxBody)
	switch encoding := c.r.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(reader)
		if err != nil {
			return nil, wire.Invalidf("The request body is not gzip, which its Content-Encoding header says it is.")
		}
		reader = io.LimitReader(unzipped, maxBody+1)
	default:
		return nil, wire.Invalidf("Content-Encoding '%s' is not supported. Send the body as it is, or with gzip.", encoding)
	}
	data, err := c.readAll(reader)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || len(data) > maxBody {
		return nil, &wire.Error{Kind: wire.TooLarge, Message: "The request body is larger than 32 MiB."}
	}
	if refusal, ok := errors.AsType[*wire.Error](err); ok {
		return nil, refusal
	}
	if err != nil {
		return nil, wire.Invalidf("The request body could not be read to its end.")
	}
	wire.MinterOf(c.r.Context()).AboutText(string(data))
	return wire.ParseObject(data)
}

// read reads the body as what a domain package takes it for.
func read[T any](c *call, decode func(*wire.Object, wire.Dialect) (T, error)) (T, error) {
	o, err := c.body()
	if err != nil {
		var none T
		return none, err
	}
	return decode(o, c.dialect)
}

// readMetadata reads a body that may hold metadata only.
func readMetadata(o *wire.Object, dialect wire.Dialect) (wire.Metadata, error) {
	m := o.Metadata(dialect == wire.V1)
	return m, o.Err()
}

// query reads the query string; one that cannot be read is refused rather than
// read in part.
func (c *call) query() (url.Values, error) {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, wire.Invalidf("The query string of the request could not be read.")
	}
	return query, nil
}

func (c *call) page() (wire.Page, error) {
	query, err := c.query()
	if err != nil {
		return wire.Page{}, err
	}
	return wire.ParsePage(query, wire.ListLimits)
}

// chosenID returns the id that the client wants its new object to have, ""
// when it leaves the choice to the server.
func (c *call) chosenID(prefix string) (string, error) {
	id := c.r.Header.Get("Understudy-Id")
	if id == "" {
		return "", nil
	}
	rest, ok := strings.CutPrefix(id, prefix)
	if !ok || !chosenID.MatchString(rest) {
		return "", wire.InvalidValue("Understudy-Id", "Invalid 'Understudy-Id': '%s'. Expected '%s' and then 1 to 64 letters, digits, '_' or '-'.", id, prefix)
	}
	return id, nil
}

var chosenID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// json answers 200; every success of the API is one.
func (c *call) json(body any, err error) error {
	if err != nil {
		return err
	}
	if list, ok := body.(wire.List); ok {
		if err := c.holdAnswer(formsOfList * list.Size()); err != nil {
			return err
		}
	}
	data, err := encode(body)
	if err == nil {
		data, err = c.render(data)
	}
	err = wire.Damaged(err) // what cannot be shown came from the store
	if err == nil && c.keep != nil {
		err = c.keep(data, nil)
	}
	if err == nil {
		err = c.holdAnswer(len(data))
	}
	if err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, data)
}

// formsOfList is how often a list is in memory while it is encoded: as it was
// read, in the encoder's buffer and as it is sent.
const formsOfList = 3

// holdAnswer takes memory for an answer that a slow reader may keep there. What
// changed something is answered in any case.
func (c *call) holdAnswer(size int) error {
	if c.r.Method != http.MethodGet {
		return nil
	}
	c.release()
	return c.hold(size)
}

// render is an object as this call's client sees it.
func (c *call) render(object json.RawMessage) (json.RawMessage, error) {
	if c.dialect == wire.V1 {
		return toV1(object)
	}
	return object, nil
}

// deleted answers the deletion of an object.
func (c *call) deleted(id, object string, err error) error {
	return c.json(struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{id, object, true}, err)
}

// encode is the JSON of an answer; what a service has ready stays as it is.
func encode(body any) (json.RawMessage, error) {
	if data, ready := body.(json.RawMessage); ready {
		return data, nil
	}
	return wire.Marshal(body)
}

func writeJSON(w http.ResponseWriter, status int, body any) error {
	data, err := encode(body)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	if _, err = w.Write(data); err == nil {
		err = http.NewResponseController(w).Flush() // the client need not wait for what follows an answer, such as the log
	}
	return clientGone(err)
}

// errClientGone marks an answer that could not be delivered: nobody is left to
// be told.
var errClientGone = errors.New("the client went away")

func clientGone(err error) error {
	if err != nil {
		return errClientGone
	}
	return nil
}
