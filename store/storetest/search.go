package storetest

import (
	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/threads"
)

// found searches ours, oldest first, and tells where each word of the first thread was found.
func (s *suite) found(text string, carrying wire.Metadata) (ids []string, first threads.Found) {
	s.Helper()
	ids, show, err := s.SearchThreads(s.Context(), ours, text, threads.Query{Metadata: carrying})
	require.NoError(s, err)
	if len(ids) > 0 {
		first, err = show(ids[0])
		require.NoError(s, err)
	}
	return ids, first
}

// search finds threads by what was said in them, as it is now.
func (s *suite) search() {
	ctx := s.Context()
	weather, music := s.thread(), s.thread()
	elsewhere := &threads.Thread{ID: wire.NewID(threads.IDPrefix, made), Object: "thread"}
	_, err := s.CreateThread(ctx, theirs, elsewhere, []*threads.Message{newMessage(elsewhere.ID, threads.User, "the weather is secret")}, nil)
	require.NoError(s, err)
	said := s.message(weather.ID, "How is the weather in Café Tirol?")
	s.message(music.ID, "Play a song about the weather, the sea, the mountains and all the other things that songs are about")
	find := func(text string, want ...string) {
		s.Helper()
		ids, _ := s.found(text, nil)
		require.Equal(s, want, ids, text)
	}
	find("weather", weather.ID, music.ID)
	find("WEATHER cafe", weather.ID)
	find("song", music.ID)
	for _, text := range []string{"secret", "weather nowhere", `"`, "", "NEAR", "terms: weather OR"} {
		find(text)
	}
	_, first := s.found("tirol", nil)
	require.Equal(s, []threads.Match{{MessageID: &said.ID, Snippet: "How is the weather in Café Tirol?"}}, first.Matches)

	s.message(music.ID, "and now something about Tirol") // a thread grows behind what was read of it
	r := s.run(music.ID, runs.Queued)
	s.change(r, runs.Change{Messages: []*runs.MessageRecord{{Message: newMessage(music.ID, threads.Assistant, "yodel"), Turn: 1}}})
	find("yodel", music.ID)
	ids, _ := s.found("tirol", nil)
	require.Equal(s, []string{weather.ID, music.ID}, ids)
	require.NoError(s, s.DeleteMessage(ctx, ours, weather.ID, said.ID))
	find("tirol", music.ID)
	_, err = s.UpdateThread(ctx, ours, weather.ID, func(t *threads.Thread) { t.Metadata = wire.Metadata{"topic": "alpine weather"} })
	require.NoError(s, err)
	ids, first = s.found("alpine", wire.Metadata{"topic": "alpine weather"})
	require.Equal(s, []string{weather.ID}, ids)
	require.Equal(s, []threads.Match{{Snippet: "topic: alpine weather"}}, first.Matches)
	ids, _ = s.found("alpine", wire.Metadata{"topic": "x"})
	require.Empty(s, ids)

	_, err = s.ForkThread(ctx, ours, threads.Fork{Of: weather.ID, ID: "thread_hidden", At: made, Hidden: true})
	require.NoError(s, err)
	find("alpine", weather.ID)
	require.NoError(s, s.DeleteThread(ctx, ours, weather.ID))
	find("alpine")
	for cursor, want := range map[string][]string{weather.ID: {weather.ID, music.ID}, elsewhere.ID: {music.ID}, "thread_none": {music.ID}} {
		ids, _, err := s.SearchThreads(ctx, ours, "yodel", threads.Query{Page: wire.Page{After: cursor}})
		require.NoError(s, err)
		require.Equal(s, want, ids, "a cursor that was deleted has its place")
	}
	last := s.message(s.thread().ID, "0")
	for range 250 { // more than is read at a time
		last = s.message(last.ThreadID, "many words of no importance")
	}
	last = s.message(last.ThreadID, "needle")
	ids, first = s.found("needle", nil)
	require.Equal(s, []string{last.ThreadID}, ids)
	require.Equal(s, last.ID, *first.Matches[0].MessageID)
	edited := []threads.Part{threads.NewText("thread")}
	_, _, err = s.ReviseThread(ctx, ours, threads.Revision{ThreadID: last.ThreadID, MessageID: last.ID, At: made, Content: edited})
	require.NoError(s, err)
	find("needle")
	find("thread", last.ThreadID)
}
