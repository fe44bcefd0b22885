package storetest

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/files"
	"understudy/runs"
	"understudy/threads"
)

// paged is a list with its ids in the order of their making.
type paged struct {
	name    string
	ids     []string
	deleted []string
	list    func(wire.Page) (wire.List, error)
}

// paging asks every list for every page there is and compares with a model of
// what spec section 4 says.
func (s *suite) paging() {
	for _, l := range s.lists() {
		s.TB.(*testing.T).Run(l.name, func(t *testing.T) {
			cursors := append([]string{""}, l.ids...)
			for _, limit := range []int{1, 2, len(l.ids) - len(l.deleted), 100} {
				for _, after := range cursors {
					for _, before := range cursors {
						for _, asc := range []bool{true, false} {
							page := wire.Page{Limit: limit, Asc: asc, After: after, Before: before}
							got, err := l.list(page)
							require.NoError(t, err)
							want, more := l.expect(page)
							require.Equal(t, want, idsOf(got), "%+v of %v without %v", page, l.ids, l.deleted)
							require.Equal(t, more, got.HasMore, "has_more of %+v", page)
						}
					}
				}
			}
			for _, unknown := range []wire.Page{{Limit: 1, After: "never_was"}, {Limit: 1, Before: "never_was"}} {
				_, err := l.list(unknown)
				require.ErrorContains(t, err, "no object with id 'never_was'")
			}
		})
	}
}

// expect is the page as the specification has it.
func (l paged) expect(page wire.Page) (ids []string, more bool) {
	order := slices.Clone(l.ids)
	if !page.Asc {
		slices.Reverse(order)
	}
	from, to := 0, len(order)
	if page.After != "" {
		from = slices.Index(order, page.After) + 1
	}
	if page.Before != "" {
		to = slices.Index(order, page.Before)
	}
	visible := []string{}
	for i := from; i < to; i++ {
		if !slices.Contains(l.deleted, order[i]) {
			visible = append(visible, order[i])
		}
	}
	more = len(visible) > page.Limit
	if more && page.Before != "" && page.After == "" { // the page nearest to the cursor
		return visible[len(visible)-page.Limit:], true
	}
	return visible[:min(len(visible), page.Limit)], more
}

// listLength is how many objects each list has, with the deleted ones.
const listLength = 5

// lists fills every list; the second and last objects are deleted where that is possible.
func (s *suite) lists() []paged {
	ctx := s.Context()
	t, r := s.thread(), (*runs.Run)(nil)
	lists := map[string]*paged{
		"assistants": {list: func(p wire.Page) (wire.List, error) { return s.Assistants(ctx, ours, p) }},
		"threads":    {list: func(p wire.Page) (wire.List, error) { return s.Threads(ctx, ours, threads.Query{Page: p}) }},
		"threads by metadata": {list: func(p wire.Page) (wire.List, error) {
			return s.Threads(ctx, ours, threads.Query{Page: p, Metadata: wire.Metadata{"listed": "yes"}})
		}},
		"messages": {list: func(p wire.Page) (wire.List, error) { return s.Messages(ctx, ours, t.ID, "", p) }},
		"runs":     {list: func(p wire.Page) (wire.List, error) { return s.Runs(ctx, ours, t.ID, p) }},
		"steps":    {list: func(p wire.Page) (wire.List, error) { return s.Steps(ctx, ours, t.ID, r.ID, p) }},
		"files":    {list: func(p wire.Page) (wire.List, error) { return s.Files(ctx, ours, files.Query{Page: p}) }},
		"files by purpose": {list: func(p wire.Page) (wire.List, error) {
			return s.Files(ctx, ours, files.Query{Page: p, Purpose: "vision"})
		}},
	}
	add := func(list, id string) { lists[list].ids = append(lists[list].ids, id) }
	add("threads", t.ID)
	for i := range listLength {
		add("assistants", s.assistant().ID)
		listed := &threads.Thread{ID: wire.NewID(threads.IDPrefix, made), Metadata: wire.Metadata{"listed": "yes"}}
		_, err := s.CreateThread(ctx, ours, listed, nil, nil)
		require.NoError(s, err)
		add("threads", listed.ID)
		add("threads by metadata", listed.ID)
		add("messages", s.message(t.ID, "m").ID)
		r = s.run(t.ID, runs.Completed)
		add("runs", r.ID)
		for _, purpose := range []string{"vision", "assistants"} {
			f := &files.File{ID: wire.NewID(files.IDPrefix, made), Purpose: purpose}
			_, err := s.CreateFile(ctx, ours, f, "blob"+strconv.Itoa(i)+purpose)
			require.NoError(s, err)
			add("files", f.ID)
			if purpose == "vision" {
				add("files by purpose", f.ID)
			}
		}
	}
	for range listLength {
		step := callStep(r, "f")
		s.change(r, runs.Change{Steps: []*runs.StepRecord{{Step: step, Turn: 1}}})
		add("steps", step.ID)
	}
	s.deleteSome(lists, t.ID)
	var all []paged
	for name, l := range lists {
		l.name = name
		all = append(all, *l)
	}
	return all
}

// deleteSome leaves cursors without an object in the lists.
func (s *suite) deleteSome(lists map[string]*paged, threadID string) {
	ctx := s.Context()
	remove := func(names []string, from func(id string) error) {
		first := lists[names[len(names)-1]]
		for _, id := range []string{first.ids[1], first.ids[len(first.ids)-1]} {
			require.NoError(s, from(id))
			for _, name := range names {
				lists[name].deleted = append(lists[name].deleted, id)
			}
		}
	}
	remove([]string{"assistants"}, func(id string) error { return s.DeleteAssistant(ctx, ours, id) })
	remove([]string{"threads", "threads by metadata"}, func(id string) error { return s.DeleteThread(ctx, ours, id) })
	remove([]string{"messages"}, func(id string) error { return s.DeleteMessage(ctx, ours, threadID, id) })
	remove([]string{"files", "files by purpose"}, func(id string) error { _, err := s.DeleteFile(ctx, ours, id); return err })
}

// threadsByMetadata finds few among many: more than one stretch is read.
func (s *suite) threadsByMetadata() {
	ctx := s.Context()
	var wanted []string
	for i := range 1200 {
		t := &threads.Thread{ID: wire.NewID(threads.IDPrefix, made), Metadata: wire.Metadata{"n": strconv.Itoa(i % 400), "all": "x"}}
		_, err := s.CreateThread(ctx, ours, t, nil, nil)
		require.NoError(s, err)
		if i%400 == 7 {
			wanted = append(wanted, t.ID)
		}
	}
	last := wire.NewID(threads.IDPrefix, made)
	_, err := s.CreateThread(ctx, ours, &threads.Thread{ID: last}, nil, nil)
	require.NoError(s, err)
	for _, tc := range []struct {
		name string
		page wire.Page
		want []string
		more bool
	}{
		{"all", wire.Page{Limit: 3, Asc: true}, wanted, false},
		{"newest first", wire.Page{Limit: 2}, []string{wanted[2], wanted[1]}, true},
		{"behind a cursor", wire.Page{Limit: 1, Asc: true, After: wanted[0]}, wanted[1:2], true},
		{"nearest before a cursor", wire.Page{Limit: 1, Asc: true, Before: last}, wanted[2:], true},
		{"all before a cursor", wire.Page{Limit: 9, Asc: true, Before: last}, wanted, false},
		{"between cursors", wire.Page{Limit: 9, Asc: true, After: wanted[0], Before: wanted[2]}, wanted[1:2], false},
	} {
		list, err := s.Threads(ctx, ours, threads.Query{Page: tc.page, Metadata: wire.Metadata{"n": "7", "all": "x"}})
		require.NoError(s, err, tc.name)
		require.Equal(s, tc.want, idsOf(list), tc.name)
		require.Equal(s, tc.more, list.HasMore, tc.name)
	}
}
