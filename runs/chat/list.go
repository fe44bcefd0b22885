package chat

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
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
	asking singleflight.Group // whoever comes meanwhile waits for the same answer

	mu    sync.Mutex
	names []string
	until time.Time
}

func (l *modelList) fresh(now time.Time) ([]string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.names, now.Before(l.until)
}

func (l *modelList) keep(names []string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names, l.until = names, until
}

// ListModels returns the names clients may ask for: those of the models: map
// that hold no wildcard, and what the upstreams list, each once. The models of
// the second and later upstreams are named with the upstream before them, as
// requests must. An upstream that does not answer is left out.
func (c *Client) ListModels(ctx context.Context) []string {
	if names, fresh := c.models.fresh(c.config.Now()); fresh {
		return names
	}
	asked := c.models.asking.DoChan("", func() (any, error) {
		names := c.askForModels(context.WithoutCancel(ctx)) // the others have not left
		c.models.keep(names, c.config.Now().Add(listLife))
		return names, nil
	})
	select {
	case answer := <-asked:
		names, _ := answer.Val.([]string) // it always is
		return names
	case <-ctx.Done():
		return nil
	}
}

func (c *Client) askForModels(ctx context.Context) []string {
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
	req, err := http.NewRequestWithContext(u.to(ctx, "/models"), http.MethodGet, address, nil)
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
