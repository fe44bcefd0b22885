package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// patience is how long any answer may take, and any stream.
const patience = 2 * time.Minute

// conn is one connection, made for the first request and kept for those after
// it. It costs a tenth of an http.Client, which would be measured along.
type conn struct {
	network net.Conn // nil until there was a request
	in      *bufio.Reader
	host    string
	prefix  string // of all paths
	out     []byte
	answer  bytes.Buffer
}

// newConn is a connection to a base URL.
func newConn(base string) (*conn, error) {
	address, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	return &conn{host: address.Host, prefix: address.Path}, nil
}

func (c *conn) dial() (err error) {
	if c.network, err = net.DialTimeout("tcp", c.host, patience); err == nil {
		c.in = bufio.NewReader(c.network)
	}
	return err
}

func (c *conn) close() {
	if c.network != nil {
		_ = c.network.Close()
	}
}

// send writes a request and reads the answer's head. The caller reads the body
// to its end before the next request.
func (c *conn) send(method, path, body, headers string) (*http.Response, error) {
	if c.network == nil {
		if err := c.dial(); err != nil {
			return nil, err
		}
	}
	out := c.out[:0]
	out = append(out, method...)
	out = append(out, ' ')
	out = append(out, c.prefix...)
	out = append(out, path...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, c.host...)
	out = append(out, "\r\n"...)
	if body != "" {
		out = append(out, "Content-Type: application/json\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(body)), 10)
		out = append(out, "\r\n"...)
	}
	out = append(out, headers...)
	out = append(out, "\r\n"...)
	out = append(out, body...)
	c.out = out
	if err := c.network.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := c.network.Write(out); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, fmt.Errorf("%s %s%s: %w", method, c.prefix, path, err)
	}
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(response.Body) // what came of it
		_ = response.Body.Close()
		return nil, fmt.Errorf("%s %s%s: status %d: %s", method, c.prefix, path, response.StatusCode, said)
	}
	return response, nil
}

// exchange makes a request and reads the whole answer, which is good until the
// next one. Headers end with a line break each.
func (c *conn) exchange(method, path, body, headers string) ([]byte, error) {
	response, err := c.send(method, path, body, headers)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	c.answer.Reset()
	_, err = c.answer.ReadFrom(response.Body)
	return c.answer.Bytes(), err
}

// version goes with every request of the Assistants API.
const version = "OpenAI-Beta: assistants=v2\r\n"

// create makes an object and returns its id.
func (c *conn) create(path, body string) (id string, err error) {
	answer, err := c.exchange(http.MethodPost, path, body, version)
	if err != nil {
		return "", err
	}
	const first = `{"id":"`
	if rest, ok := bytes.CutPrefix(answer, []byte(first)); ok {
		if end := bytes.IndexByte(rest, '"'); end > 0 {
			return string(rest[:end]), nil
		}
	}
	var object struct{ ID string }
	err = json.Unmarshal(answer, &object)
	return object.ID, err
}

// reach reads an answer until it contains the mark, which has little time, and
// leaves the rest.
func (c *conn) reach(response *http.Response, mark string) error {
	if err := c.network.SetDeadline(time.Now().Add(patience / 8)); err != nil {
		return err
	}
	all, chunk := []byte(nil), make([]byte, 8<<10)
	for !bytes.Contains(all, []byte(mark)) {
		n, err := response.Body.Read(chunk)
		all = append(all, chunk[:n]...)
		if err != nil {
			return fmt.Errorf("%w before %q: %s", err, mark, all)
		}
	}
	return nil
}

// until reads an answer until it contains the mark, and returns when that was;
// then it reads the rest. An answer without the mark is an error.
func (c *conn) until(response *http.Response, mark string) (time.Time, error) {
	defer response.Body.Close()
	var seen time.Time
	c.answer.Reset()
	chunk := make([]byte, 8<<10)
	for searched := 0; ; {
		n, err := response.Body.Read(chunk)
		c.answer.Write(chunk[:n])
		if all := c.answer.Bytes(); seen.IsZero() && bytes.Contains(all[searched:], []byte(mark)) {
			seen = time.Now()
		} else {
			searched = max(0, len(all)-len(mark))
		}
		if err == io.EOF && !seen.IsZero() {
			return seen, nil
		} else if err != nil {
			return seen, fmt.Errorf("%w before %q: %s", err, mark, c.answer.Bytes())
		}
	}
}
