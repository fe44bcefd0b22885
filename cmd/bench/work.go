package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver of the server's database
)

// modelCall is the body of the direct call: what the server sends for a flow.
const modelCall = `{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"How are you today?"}],` +
	`"stream":true,"stream_options":{"include_usage":true}}`

// newClient returns a client that keeps a connection for every worker.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}}
}

// exchange makes a request, expects status 200 and reads the answer to its end.
func exchange(ctx context.Context, client *http.Client, method, address, body string, headers ...string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d: %s", method, address, response.StatusCode, answer)
	}
	return answer, err
}

// calling is the work of calling a model.
func calling(client *http.Client, base string) work {
	return func(ctx context.Context) (time.Duration, error) {
		began := time.Now()
		answer, err := exchange(ctx, client, http.MethodPost, base+"/chat/completions", modelCall)
		took := time.Since(began)
		if err == nil && !bytes.HasSuffix(answer, []byte("data: [DONE]\n\n")) {
			err = fmt.Errorf("the backend answered %q", answer)
		}
		return took, err
	}
}

// flowsPerThread keeps the prompts of flows short: what long threads cost is
// another question.
const flowsPerThread = 20

// flows is the work of a client of the server. New threads are not timed.
type flows struct {
	client    *http.Client
	base      string
	assistant string
	thread    string
	left      int // in this thread
}

func (f *flows) work(ctx context.Context) (time.Duration, error) {
	if f.left == 0 {
		var err error
		if f.thread, err = create(ctx, f.client, f.base+"/threads", "{}"); err != nil {
			return 0, err
		}
		f.left = flowsPerThread
	}
	f.left--
	began := time.Now()
	err := f.flow(ctx, f.base+"/threads/"+f.thread)
	return time.Since(began), err
}

func (f *flows) flow(ctx context.Context, thread string) error {
	if _, err := create(ctx, f.client, thread+"/messages", `{"role":"user","content":"How are you today?"}`); err != nil {
		return err
	}
	run, err := create(ctx, f.client, thread+"/runs", `{"assistant_id":"`+f.assistant+`"}`)
	if err != nil {
		return err
	}
	answer, err := exchange(ctx, f.client, http.MethodGet, thread+"/runs/"+run, "", "Prefer: wait=20")
	if err == nil && !bytes.Contains(answer, []byte(`"status":"completed"`)) {
		err = fmt.Errorf("the run did not complete: %s", answer)
	}
	return err
}

// create makes an object and returns its id.
func create(ctx context.Context, client *http.Client, address, body string) (id string, err error) {
	answer, err := exchange(ctx, client, http.MethodPost, address, body, "OpenAI-Beta: assistants=v2")
	if err != nil {
		return "", err
	}
	var object struct{ ID string }
	err = json.Unmarshal(answer, &object)
	return object.ID, err
}

// openDatabase opens a database with one table and the settings that the
// server writes with.
func openDatabase(ctx context.Context, dir, durability string) (*sql.DB, error) {
	settings := url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(" + durability + ")", "cache_size(-65536)", "temp_store(MEMORY)", "journal_size_limit(33554432)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "bare.db")+"?"+settings.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
	return db, err
}

// committing is the work of storing a row the size of a run.
func committing(db *sql.DB) work {
	body := strings.Repeat("x", 1000)
	return func(ctx context.Context) (time.Duration, error) {
		began := time.Now()
		_, err := db.ExecContext(ctx, "INSERT INTO rows (body) VALUES ($1)", body)
		return time.Since(began), err
	}
}
