// Package recordings keeps what upstreams answer, and answers in their place.
//
// It stands where requests leave for the network: above it everything is as
// without it, the reading of answers, retries and streams included. What an
// upstream answers is kept in a directory, in one readable file for each
// exchange, and is found again by what was asked: the upstream's name, the
// method, the path and the body. It does not matter where the upstream lies,
// in what order a body has its members, or which ids the server gave to
// threads, runs, files or calls that a body speaks of.
//
// A request that was sent several times has several recordings, which answer in
// their order; the last one goes on answering when it is replayed.
package recordings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Options say where recordings lie and what is done with them.
type Options struct {
	Dir string
	// Replay answers every request from the recordings and sends none. Without it
	// those are sent, and recorded, that no recording answers that has not
	// answered already.
	Replay bool
	// Ignore matches what may differ between a request and its recording.
	Ignore []*regexp.Regexp
	Logger *slog.Logger // nil = nothing is logged
}

// Set is the recordings of a directory. It is safe for concurrent use.
type Set struct {
	Options

	mu      sync.Mutex
	all     []*recording
	exact   map[string][]*recording // by the request as it is
	alike   map[string][]*recording // by the request as it is compared
	numbers map[string]int          // the last of each name
	sealed  bool
	missed  int
	made    int
}

// recording is one exchange.
type recording struct {
	file    string // its name
	request *request
	answer  *answer
	used    bool
}

// Open reads the recordings of a directory. To replay it must not be empty, to
// record it is made. A session that asked nothing leaves no recordings, but a word
// about its upstreams.
func Open(o Options) (*Set, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Set{Options: o, exact: map[string][]*recording{}, alike: map[string][]*recording{}, numbers: map[string]int{}}
	if !o.Replay {
		if err := os.MkdirAll(o.Dir, 0o755); err != nil { //nolint:gosec // it is for everybody who checks the project out
			return nil, err
		}
	}
	entries, err := os.ReadDir(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no directory %s with recordings; make it with understudy serve --record %s", o.Dir, o.Dir)
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".json") {
			names = append(names, strings.TrimSuffix(entry.Name(), ".json"))
		}
	}
	slices.SortFunc(names, byNumber)
	for _, name := range names {
		r, err := s.load(name + ".json")
		if err != nil {
			return nil, err
		}
		s.add(r)
	}
	if o.Replay && len(entries) == 0 {
		return nil, fmt.Errorf("the directory %s has no recordings; make some with understudy serve --record %s", o.Dir, o.Dir)
	}
	return s, nil
}

// numbered splits the name of the second and later recordings of a request.
func numbered(name string) (base string, number int) {
	if i := strings.LastIndexByte(name, '-'); i >= 0 && len(name)-i <= 6 {
		if n, err := strconv.Atoi(name[i+1:]); err == nil && n > 1 {
			return name[:i], n
		}
	}
	return name, 1
}

func byNumber(a, b string) int {
	baseA, numberA := numbered(a)
	baseB, numberB := numbered(b)
	if baseA != baseB {
		return strings.Compare(baseA, baseB)
	}
	return numberA - numberB
}

func (s *Set) load(file string) (*recording, error) {
	path := filepath.Join(s.Dir, file)
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, err
	}
	r, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a recording: %w; record it again, or remove it", path, err)
	}
	r.file = file
	r.request.compare(s.Ignore)
	base, number := numbered(strings.TrimSuffix(file, ".json"))
	s.numbers[base] = max(s.numbers[base], number)
	return r, nil
}

// add makes a recording known. The caller holds mu, or is alone.
func (s *Set) add(r *recording) {
	s.all = append(s.all, r)
	s.exact[r.request.exact] = append(s.exact[r.request.exact], r)
	s.alike[r.request.key] = append(s.alike[r.request.key], r)
}

// take returns the recording that answers a request: the first that has not
// answered yet, of those for exactly this request before those that merely
// match. When all have, the last one answers again in a replay.
func (s *Set) take(q *request) *recording {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists := [][]*recording{s.exact[q.exact], s.alike[q.key]}
	for _, list := range lists {
		for _, r := range list {
			if !r.used {
				r.used = true
				return r
			}
		}
	}
	if s.Replay {
		for _, list := range lists {
			if len(list) > 0 {
				return list[len(list)-1]
			}
		}
		s.missed++
	}
	return nil
}

// keep writes a new recording.
func (s *Set) keep(ctx context.Context, q *request, a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed && a.End == gaveUp {
		return // it was given up because the server stopped
	}
	r := &recording{request: q, answer: a, used: true}
	text, err := encode(r)
	if err == nil {
		r.file, err = s.write(q.name(), text)
	}
	if err != nil {
		s.Logger.ErrorContext(ctx, "an answer was not recorded", "request", q.String(), "error", err)
		return
	}
	s.made++
	s.add(r)
	s.Logger.InfoContext(ctx, "recorded", "request", q.String(), "file", r.file)
}

// write makes a file under the first free name. Another server may record into
// the same directory.
func (s *Set) write(base string, text []byte) (file string, err error) {
	for {
		s.numbers[base]++
		file = base + ".json"
		if n := s.numbers[base]; n > 1 {
			file = fmt.Sprintf("%s-%d.json", base, n)
		}
		f, err := os.OpenFile(filepath.Join(s.Dir, file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it is for everybody who checks the project out
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(text)
		return file, errors.Join(err, f.Close())
	}
}

// Through returns a transport that records what next answers, or that replays
// without it.
func (s *Set) Through(next http.RoundTripper) http.RoundTripper { return transport{s, next} }

// Seal is called when the server begins to stop: what is given up from now on
// says nothing about the upstream.
func (s *Set) Seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
}

// maxListed is how many unused recordings the log names.
const maxListed = 10

// Close says in the log what became of the recordings. The error of a replay
// says how many requests had none.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unused []string
	for _, r := range s.all {
		if !r.used {
			unused = append(unused, r.file)
		}
	}
	if !s.Replay {
		s.Logger.Info("recording ended", "dir", s.Dir, "new", s.made, "used", len(s.all)-s.made-len(unused), "unused", len(unused))
		return nil
	}
	s.Logger.Info("replay ended", "dir", s.Dir, "used", len(s.all)-len(unused), "unused", len(unused), "missed", s.missed)
	if len(unused) > 0 {
		s.Logger.Info("recordings that nothing asked for", "files", unused[:min(len(unused), maxListed)])
	}
	if s.missed > 0 {
		return fmt.Errorf("%d requests had no recording in %s", s.missed, s.Dir)
	}
	return nil
}

// transport is a Set on the way to the network.
type transport struct {
	*Set
	next http.RoundTripper
}

// CloseIdleConnections lets http.Client reach the network's connections.
func (t transport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := bodyOf(req)
	if err != nil {
		return nil, err
	}
	q := readRequest(req, body)
	q.compare(t.Ignore)
	if r := t.take(q); r != nil {
		return r.answer.response(req)
	}
	if t.Replay {
		return nil, t.miss(req.Context(), q)
	}
	res, err := t.next.RoundTrip(withBody(req, body))
	if err != nil {
		t.keep(req.Context(), q, failed(req.Context(), err))
		return nil, err
	}
	return t.tape(req, q, res), nil
}

// bodyOf reads the body of a request, which a RoundTripper must close.
func bodyOf(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}
