package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is copied in the database must be what the API would have made.
func TestLibrary(t *testing.T) {
	old := stock
	stock = []shelf{{60, 1}, {30, 2}}
	t.Cleanup(func() { stock = old })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := newBench(ctx, settings{rounds: 1, slice: time.Millisecond, dir: t.TempDir(), binary: builtServer(t)})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.tearDown()) }()
	_, err = b.visit(ctx, func(l *library, s *server) ([][]float64, error) {
		c, err := newConn(s.base)
		require.NoError(t, err)
		defer c.close()
		for _, thread := range append(l.threads[30], l.threads[60]...) {
			one, err := c.exchange(http.MethodGet, "/threads/"+thread.id+"/messages/"+thread.message(1), "", version)
			require.NoError(t, err)
			first := string(one)
			copied, err := c.exchange(http.MethodGet, "/threads/"+thread.id+"/messages/"+thread.message(30), "", version)
			require.NoError(t, err)
			require.Equal(t, first, string(bytes.ReplaceAll(copied, []byte(thread.message(30)), []byte(thread.message(1)))))
		}
		list, err := c.exchange(http.MethodGet, "/threads/"+l.threads[60][0].id+"/messages?limit=100", "", version)
		require.NoError(t, err)
		require.Equal(t, 60, bytes.Count(list, []byte(`{"id":"msg_`)))
		pages, err := s.listing(l.threads[60][0], 60)()
		require.NoError(t, err)
		defer pages.close()
		for range pages.paths {
			_, err := pages.work(ctx)
			require.NoError(t, err, "every page is full")
		}
		_, err = c.create("/threads/"+l.threads[30][0].id+"/messages", userMessage)
		require.NoError(t, err, "a thread goes on where the copies end")
		return nil, err
	})
	require.NoError(t, err)
}

func TestStockIsAMillion(t *testing.T) {
	messages := 0
	for _, s := range stock {
		messages += s.length * s.threads
	}
	require.Equal(t, 1_000_000, messages, fmt.Sprint(stock))
}
