package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver of the server's database
)

// newDisk opens a database with the settings that the server writes with, and
// commits to it on request: as often as a slice allows, one row the size of a
// run at a time. It answers with the median time of a commit.
func newDisk(ctx context.Context, dir string) (http.Handler, error) {
	options := url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "cache_size(-65536)", "temp_store(MEMORY)", "journal_size_limit(33554432)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "bare.db")+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL)"); err != nil {
		return nil, err
	}
	body := strings.Repeat("x", 1000)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slice, err := time.ParseDuration(r.FormValue("slice"))
		var all []time.Duration
		for began := time.Now(); err == nil && (len(all) == 0 || time.Since(began) < slice); {
			commit := time.Now()
			_, err = db.ExecContext(r.Context(), "INSERT INTO rows (body) VALUES ($1)", body)
			all = append(all, time.Since(commit))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%d", quantilesOf(all).p50)
	}), nil
}

// commits is the load of a disk process.
type commits struct{ *conn }

func newCommits(disk *process) (commits, error) {
	c, err := newConn(disk.base)
	return commits{c}, err
}

// offer implements load.
func (c commits) offer(_ context.Context, slice time.Duration) (s sample, err error) {
	answer, err := c.exchange(http.MethodPost, "/?slice="+slice.String(), "", "Content-Length: 0\r\n")
	if err == nil {
		err = json.Unmarshal(answer, &s.whole.p50)
	}
	return s, err
}
