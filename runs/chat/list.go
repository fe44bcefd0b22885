package chat

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// listTimeout is how long an upstream may take to list its models.
	listTimeout = 5 * time.Second
	// listLife is how long a list is taken to be right: SDK consoles ask often,
	// and backends change their models rarely.
	listLife = time.Minute
	// maxListPage bounds what is read of an upstream's list, in bytes.
	maxListPage = 8 << 20
)

// modelList remembers what the upstreams listed.
type modelList struct {
	mu    sync.Mutex
	names []string
	until time.Time
}

// ListModels returns the names clients may ask for: those of the models: map
// that hold no wildcard, and what the upstreams list, each once. The models of
// the second and later upstreams are named with the upstream before them, as
// requests must. An upstream that does not answer is left out.
func (c *Client) ListModels(ctx context.Context) []string {
	c.models.mu.Lock()
	defer c.models.mu.Unlock()
	if now := c.config.Now(); now.Before(c.models.until) {
		return c.models.names
	}
	listed := make([][]string, len(c.config.Upstreams))
	var all sync.WaitGroup
	for i := range c.config.Upstreams {
		all.Go(func() { listed[i] = c.modelsOf(ctx, &c.config.Upstreams[i]) })
	}
	all.Wait()
	var names []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, m := range c.Models() {
		add(m.Name)
	}
	for i, models := range listed {
		for _, name := range models {
			if i > 0 {
				name = c.config.Upstreams[i].Name + "/" + name
			}
			add(name)
		}
	}
	if ctx.Err() == nil {
		c.models.names, c.models.until = names, c.config.Now().Add(listLife)
	}
	return names
}

// modelsOf asks one upstream, nil when it does not list its models.
func (c *Client) modelsOf(ctx context.Context, u *Upstream) []string {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	address, err := u.endpoint("/models")
	if err != nil {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil
	}
	u.setHeaders(req.Header)
	res, err := c.http.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if res.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(res.Body, maxListPage)).Decode(&list) != nil {
		return nil
	}
	var ids []string
	for _, m := range list.Data {
		if m.ID != "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
}
