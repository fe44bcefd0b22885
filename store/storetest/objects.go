package storetest

import (
	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files"
	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/threads"
)

func (s *suite) objects() {
	ctx := s.Context()
	a, t := s.assistant(), s.thread()
	m := s.message(t.ID, "hello")

	same(s, a)(s.Assistant(ctx, ours, a.ID))
	same(s, t)(s.Thread(ctx, ours, t.ID))
	same(s, m)(s.Message(ctx, ours, t.ID, m.ID))

	a.Model, t.Metadata, m.Metadata = "other", wire.Metadata{"k": "v"}, wire.Metadata{"k": "w"}
	same(s, a)(s.UpdateAssistant(ctx, ours, a.ID, func(a *assistants.Assistant) vectorstores.Change { a.Model = "other"; return vectorstores.Change{} }))
	same(s, t)(s.UpdateThread(ctx, ours, t.ID, func(t *threads.Thread) { t.Metadata = wire.Metadata{"k": "v"} }))
	same(s, m)(s.UpdateMessage(ctx, ours, t.ID, m.ID, func(m *threads.Message) { m.Metadata = wire.Metadata{"k": "w"} }))
	same(s, a)(s.Assistant(ctx, ours, a.ID))
	same(s, t)(s.Thread(ctx, ours, t.ID))
	same(s, m)(s.Message(ctx, ours, t.ID, m.ID))

	require.NoError(s, s.DeleteMessage(ctx, ours, t.ID, m.ID))
	require.NoError(s, s.DeleteThread(ctx, ours, t.ID))
	require.NoError(s, s.DeleteAssistant(ctx, ours, a.ID))
	missing(s)(s.Assistant(ctx, ours, a.ID))
	missing(s)(s.Thread(ctx, ours, t.ID))
	missing(s)(s.Message(ctx, ours, t.ID, m.ID))
	s.missing(s.DeleteAssistant(ctx, ours, a.ID))
	s.missing(s.DeleteThread(ctx, ours, t.ID))
	s.missing(s.DeleteMessage(ctx, ours, t.ID, m.ID))
	missing(s)(s.UpdateAssistant(ctx, ours, a.ID, func(*assistants.Assistant) vectorstores.Change {
		s.Error("a deleted assistant was changed")
		return vectorstores.Change{}
	}))
	missing(s)(s.UpdateThread(ctx, ours, t.ID, func(*threads.Thread) { s.Error("a deleted thread was changed") }))
}

// isolation asks for everything of ours as theirs.
func (s *suite) isolation() {
	ctx := s.Context()
	a, t := s.assistant(), s.thread()
	m := s.message(t.ID, "secret")
	r := s.run(t.ID, runs.Queued)
	step := callStep(r, "f")
	s.change(r, runs.Change{Steps: []*runs.StepRecord{{Step: step, Turn: 1}}})
	_, err := s.CreateFile(ctx, ours, &files.File{ID: "file-x", Purpose: "assistants"}, "blob")
	require.NoError(s, err)

	missing(s)(s.Assistant(ctx, theirs, a.ID))
	missing(s)(s.UpdateAssistant(ctx, theirs, a.ID, func(*assistants.Assistant) vectorstores.Change { s.Error("shown"); return vectorstores.Change{} }))
	s.missing(s.DeleteAssistant(ctx, theirs, a.ID))
	missing(s)(s.Thread(ctx, theirs, t.ID))
	missing(s)(s.UpdateThread(ctx, theirs, t.ID, func(*threads.Thread) { s.Error("shown") }))
	s.missing(s.DeleteThread(ctx, theirs, t.ID))
	missing(s)(s.AddMessage(ctx, theirs, newMessage(t.ID, threads.User, "in")))
	missing(s)(s.Message(ctx, theirs, t.ID, m.ID))
	missing(s)(s.UpdateMessage(ctx, theirs, t.ID, m.ID, func(*threads.Message) { s.Error("shown") }))
	s.missing(s.DeleteMessage(ctx, theirs, t.ID, m.ID))
	missing(s)(s.Messages(ctx, theirs, t.ID, "", wire.Page{Limit: 9}))
	missing(s)(s.CreateRun(ctx, theirs, runs.NewRun{Run: newRun(t.ID, runs.Queued)}))
	missing(s)(s.Run(ctx, theirs, t.ID, r.ID))
	missing(s)(s.Runs(ctx, theirs, t.ID, wire.Page{Limit: 9}))
	missing(s)(s.ChangeRun(ctx, theirs, t.ID, r.ID, func(*runs.Record) (*runs.Change, error) {
		s.Error("shown")
		return nil, nil
	}))
	missing(s)(s.Step(ctx, theirs, t.ID, r.ID, step.ID))
	missing(s)(s.Steps(ctx, theirs, t.ID, r.ID, wire.Page{Limit: 9}))
	missing(s)(s.ModelCalls(ctx, theirs, t.ID, r.ID))
	missing(s)(s.ActiveOn(ctx, theirs, t.ID))
	_, _, err = s.File(ctx, theirs, "file-x")
	s.missing(err)
	missing(s)(s.DeleteFile(ctx, theirs, "file-x"))

	other := s.thread()
	missing(s)(s.Run(ctx, ours, other.ID, r.ID))
	missing(s)(s.Message(ctx, ours, other.ID, m.ID))
	missing(s)(s.Step(ctx, ours, other.ID, r.ID, step.ID))
	missing(s)(s.Step(ctx, ours, t.ID, "run_other", step.ID))
	for name, list := range map[string]func() (wire.List, error){
		"assistants": func() (wire.List, error) { return s.Assistants(ctx, theirs, wire.Page{Limit: 9}) },
		"threads":    func() (wire.List, error) { return s.Threads(ctx, theirs, threads.Query{Page: wire.Page{Limit: 9}}) },
		"files":      func() (wire.List, error) { return s.Files(ctx, theirs, files.Query{Page: wire.Page{Limit: 9}}) },
	} {
		found, err := list()
		require.NoError(s, err, name)
		require.Empty(s, found.Items, name)
	}
	for _, cursor := range []wire.Page{{Limit: 1, After: a.ID}, {Limit: 1, Before: a.ID}} {
		_, err := s.Assistants(ctx, theirs, cursor)
		require.ErrorContains(s, err, "no object with id", "another project's object must not be a cursor")
	}
}

func (s *suite) taken() {
	ctx := s.Context()
	a, t := s.assistant(), s.thread()
	for name, create := range map[string]func() error{
		"assistant": func() error { _, err := s.CreateAssistant(ctx, theirs, a, nil); return err },
		"thread":    func() error { _, err := s.CreateThread(ctx, theirs, t, nil, nil); return err },
		"thread of a run": func() error {
			_, err := s.CreateRun(ctx, theirs, runs.NewRun{Run: newRun(t.ID, runs.Queued), Thread: t})
			return err
		},
	} {
		require.ErrorContains(s, create(), "already in use", name)
	}
	require.NoError(s, s.DeleteAssistant(ctx, ours, a.ID))
	_, err := s.CreateAssistant(ctx, ours, a, nil)
	require.ErrorContains(s, err, "already in use", "the id of a deleted object is a cursor and cannot be had again")
}
