package main

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
)

// item is a file or an assistant, told by its name.
type item struct {
	presence presence
	id       string
	name     string
	content  string // of a file
}

// shelf is what one client made beside the threads it works on.
type shelf struct {
	*client
	owner   int
	files   []*item
	helps   []*item // assistants
	orphans []*item // threads whose creation was not acknowledged
}

// form is a multipart body.
type form struct {
	kind    string
	content []byte
}

func newForm(name, content string) *form {
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	_ = parts.WriteField("purpose", "assistants") // a buffer takes everything
	file, _ := parts.CreateFormFile("file", name)
	_, _ = file.Write([]byte(content))
	_ = parts.Close()
	return &form{parts.FormDataContentType(), body.Bytes()}
}

func (s *shelf) upload(ctx context.Context, n int) {
	i := &item{name: fmt.Sprintf("f%d-%d.txt", s.owner, n), content: strings.Repeat(fmt.Sprintf("%d/%d ", s.owner, n), 200+n%2000)}
	s.files = append(s.files, i.enter(s.send(ctx, http.MethodPost, "/v1/files", newForm(i.name, i.content))))
}

func (s *shelf) hire(ctx context.Context, n int) {
	i := &item{name: fmt.Sprintf("a%d-%d", s.owner, n)}
	s.helps = append(s.helps, i.enter(s.send(ctx, http.MethodPost, "/v1/assistants", map[string]any{"model": "m", "name": i.name})))
}

func (i *item) enter(a answer) *item {
	var made listed
	i.presence = created(a)
	if a.read(&made) {
		i.id = made.ID
	}
	return i
}

// drop deletes an item, if it is known to be there.
func (s *shelf) drop(ctx context.Context, i *item, base string) {
	if i.presence != present || i.id == "" {
		return
	}
	i.presence = i.presence.deleted(s.send(ctx, http.MethodDelete, base+"/"+i.id, nil))
}

// reread checks the content of a file.
func (s *shelf) reread(ctx context.Context, i *item) {
	if i.presence != present || i.id == "" {
		return
	}
	a := s.send(ctx, http.MethodGet, "/v1/files/"+i.id+"/content", nil)
	if a.outcome == done && string(a.body) != i.content || a.outcome == refused && a.status != http.StatusServiceUnavailable {
		s.verdict.blame(lost, "the file %s has changed: status %d, %d bytes for %d", i.id, a.status, len(a.body), len(i.content))
	}
}

// check compares everything on the shelf with the server's lists.
func (s *shelf) check(ctx context.Context, listed stock) {
	for base, items := range map[string][]*item{"/v1/files": s.files, "/v1/assistants": s.helps, "/v1/threads": s.orphans} {
		for _, i := range items {
			ids := listed[base][i.name]
			switch {
			case len(ids) > 1 || len(ids) == 1 && i.presence == absent:
				s.verdict.blame(doubled, "%s is there as %v", i.name, ids)
			case i.presence == present && (len(ids) == 0 || ids[0] != i.id):
				s.verdict.blame(lost, "%s was acknowledged as %s and is there as %v", i.name, i.id, ids)
			}
		}
	}
	for _, i := range s.files {
		s.reread(ctx, i)
	}
}

// stock is all there is: by base path and name, the ids.
type stock map[string]map[string][]string

// take lists all there is.
func (c *client) take(ctx context.Context) (stock, error) {
	all := stock{}
	for _, base := range []string{"/v1/files", "/v1/assistants", "/v1/threads"} {
		all[base] = map[string][]string{}
		for after, more := "", true; more; {
			a := c.send(ctx, http.MethodGet, base+"?order=asc&limit=100"+after, nil)
			var page struct {
				Data []struct {
					ID, Name, Filename string
					Metadata           map[string]string
				} `json:"data"`
				HasMore bool `json:"has_more"`
			}
			if !a.read(&page) {
				return nil, fmt.Errorf("%s cannot be listed: status %d: %s", base, a.status, a.body)
			}
			for _, o := range page.Data {
				name := o.Name + o.Filename + o.Metadata["mark"]
				all[base][name] = append(all[base][name], o.ID)
				after = "&after=" + o.ID
			}
			more = page.HasMore
		}
	}
	return all, nil
}

// settled is how long a request may go on at the server after its client left.
const settled = 200 * time.Millisecond
