package runs_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/runs/tools/filesearch"
)

// shelf stands in for the vector stores: it finds what it is told to, and notes
// what it was asked.
type shelf struct {
	mu       sync.Mutex
	found    []vectorstores.Found
	err      error
	indexing bool // files are being read in, and never get done
	finds    []vectorstores.Find
	used     []string
}

func (s *shelf) Find(_ context.Context, _ string, f vectorstores.Find) ([]vectorstores.Found, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finds = append(s.finds, f)
	return s.found[:min(len(s.found), f.MaxResults)], s.err
}

func (s *shelf) Use(_ context.Context, _ string, stores []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = append(s.used, stores...)
	return nil
}

func (s *shelf) AwaitIndexed(ctx context.Context, _ string, stores []string) error {
	if s.indexing && len(stores) > 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// searched is a world whose assistant searches the store vs_a, and also has the
// function add.
func searched(t *testing.T, s *shelf, turns ...turn) *world {
	t.Helper()
	if s.found == nil {
		s.found = []vectorstores.Found{
			{FileID: "file-a", Filename: "foods.txt", Attributes: map[string]any{}, Score: 0.75, Text: "Filip likes cake.", Tokens: 5, Start: 10, End: 27},
			{FileID: "file-b", Filename: "drinks.pdf", Attributes: map[string]any{"page": 3.0}, Score: 0.5, Text: "Effie likes tea.", Tokens: 5, Page: 3},
		}
	}
	w := open(t, worldOptions{search: s}, turns...)
	w.assistant = w.newAssistant(`{"model":"m","tools":[{"type":"file_search"},` + function("add") + `],"tool_resources":{"file_search":{"vector_store_ids":["vs_a"]}}}`)
	return w
}

// seeks calls file_search with a query.
func seeks(query string) turn {
	return func(context.Context, chat.Request, chat.Sink) (*chat.Answer, error) {
		return &chat.Answer{Finish: chat.FinishStop, Usage: perTurn, Calls: []chat.Call{{Name: filesearch.Name, Arguments: `{"query":` + quote(query) + `}`}}}, nil
	}
}

func TestSearchAndCite(t *testing.T) {
	s := &shelf{}
	w := searched(t, s, seeks("Filip's favorite food"), says("It is cake【4", ":0†foods.txt】 and", " not tea【4:9†x】."))
	thread := w.threadOf(`{"messages":[{"role":"user","content":"What does Filip like?"}],"tool_resources":{"file_search":{"vector_store_ids":["vs_t"]}}}`)
	r := w.settled(w.run(thread))
	require.Equal(t, runs.Completed, r.Status)
	require.Equal(t, 2*perTurn.PromptTokens, r.Usage.PromptTokens)

	require.Equal(t, []vectorstores.Find{{Stores: []string{"vs_a", "vs_t"}, Queries: []string{"Filip's favorite food"}, MaxResults: 20}}, s.finds)
	require.Equal(t, []string{"vs_a", "vs_t"}, s.used)

	messages := w.messages(thread)
	text := messages[1].Content[0].Text
	require.Equal(t, "It is cake【4:0†foods.txt】 and not tea.", text.Value)
	require.Len(t, text.Annotations, 1)
	require.JSONEq(t, `{"type":"file_citation","text":"【4:0†foods.txt】","start_index":10,"end_index":25,"file_citation":{"file_id":"file-a"}}`, string(text.Annotations[0]))

	steps := w.steps(r)
	require.Len(t, steps, 2)
	require.Equal(t, runs.StepCompleted, steps[0].Status)
	require.Equal(t, perTurn.PromptTokens, steps[0].Usage.PromptTokens)
	details, err := wire.Marshal(steps[0].Details.ToolCalls[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"`+steps[0].Details.ToolCalls[0].ID+`","type":"file_search","file_search":{"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.0},
		"results":[{"file_id":"file-a","file_name":"foods.txt","score":0.75,"attributes":{}},{"file_id":"file-b","file_name":"drinks.pdf","score":0.5,"attributes":{"page":3}}]}}`, string(details))

	raw, err := w.runs.Step(w.ctx, project, thread, r.ID, steps[0].ID, true)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"content":[{"type":"text","text":"Filip likes cake."}]`)
	list, err := w.runs.Steps(w.ctx, project, thread, r.ID, everything, true)
	require.NoError(t, err)
	require.Equal(t, string(raw), string(list.Items[0].JSON))

	told := w.model.sent()[1].Messages
	call, output := told[len(told)-2], told[len(told)-1]
	require.Equal(t, filesearch.Name, call.Calls[0].Name)
	require.JSONEq(t, `{"query":"Filip's favorite food"}`, call.Calls[0].Arguments)
	require.Equal(t, call.Calls[0].ID, output.CallID)
	require.Contains(t, output.Content[0].Text, "【4:0†foods.txt】\nFilip likes cake.\n\n【4:1†drinks.pdf】 (page 3)\nEffie likes tea.")
}

func TestCitationsWithQuotes(t *testing.T) {
	w := searched(t, &shelf{}, seeks("tea"), says("Tea【4:1†drinks.pdf】【4:0†foods.txt】"))
	create, err := runs.ReadCreate(object(t, `{"assistant_id":`+quote(w.assistant)+`}`), wire.V2)
	require.NoError(t, err)
	create.Quotes = true
	thread := w.thread("What does Effie like?")
	raw, _, err := w.runs.Create(w.ctx, project, thread, create)
	require.NoError(t, err)
	w.settled(decode[runs.Run](t, raw))
	annotations := w.messages(thread)[1].Content[0].Text.Annotations
	require.JSONEq(t, `{"type":"file_citation","text":"【4:1†drinks.pdf】","start_index":3,"end_index":19,
		"file_citation":{"file_id":"file-b","quote":"Effie likes tea.","page":3,"start":0,"end":0,"score":0.5}}`, string(annotations[0]))
	require.JSONEq(t, `{"type":"file_citation","text":"【4:0†foods.txt】","start_index":19,"end_index":34,
		"file_citation":{"file_id":"file-a","quote":"Filip likes cake.","start":10,"end":27,"score":0.75}}`, string(annotations[1]))
}

// Markers of earlier runs still name what those found; their passages are not
// sent again.
func TestLaterRunsCiteWhatEarlierOnesFound(t *testing.T) {
	w := searched(t, &shelf{}, seeks("food"), says("Cake【4:0†foods.txt】."), says("As I said: cake【4:0†foods.txt】."))
	thread := w.thread("What does Filip like?")
	w.settled(w.run(thread))
	_, err := w.say(thread, "Sure?")
	require.NoError(t, err)
	w.settled(w.run(thread))
	require.Equal(t, "assistant: As I said: cake【4:0†foods.txt】.", w.texts(thread)[3])
	require.Len(t, w.messages(thread)[3].Content[0].Text.Annotations, 1)
	for _, m := range w.model.sent()[2].Messages {
		require.Empty(t, m.Calls)
		require.NotEqual(t, chat.ToolRole, m.Role)
	}
}

// The passages of each search of a thread have markers of their own.
func TestMarkersAreUnique(t *testing.T) {
	w := searched(t, &shelf{}, seeks("food"), seeks("drink"), says("Tea【6:1†drinks.pdf】."))
	thread := w.thread("What do they like?")
	w.settled(w.run(thread))
	require.Equal(t, "assistant: Tea【6:1†drinks.pdf】.", w.texts(thread)[1])
	require.Contains(t, string(w.messages(thread)[1].Content[0].Text.Annotations[0]), "file-b")
}

// A turn with both: the server's tool first, then the client's.
func TestSearchBesideAFunction(t *testing.T) {
	both := func(context.Context, chat.Request, chat.Sink) (*chat.Answer, error) {
		return &chat.Answer{Finish: chat.FinishStop, Usage: perTurn, Calls: []chat.Call{
			{Name: "add", Arguments: `{"n":1}`}, {Name: filesearch.Name, Arguments: `{"query":"food"}`},
		}}, nil
	}
	s := &shelf{}
	w := searched(t, s, both, says("Done."))
	r := w.settled(w.run(w.thread("Go.")))
	require.Equal(t, runs.RequiresAction, r.Status)
	require.Len(t, pending(r), 1)
	require.Len(t, s.finds, 1)
	step := w.steps(r)[0]
	require.Equal(t, runs.StepInProgress, step.Status)
	require.Len(t, step.Details.ToolCalls[1].Search.Results, 2)

	_, _, err := w.submit(r, false, "3")
	require.NoError(t, err)
	require.Equal(t, runs.Completed, w.settled(r).Status)
	told := w.model.sent()[1].Messages
	require.Len(t, told[len(told)-3].Calls, 2)
	require.Equal(t, "3", told[len(told)-2].Content[0].Text)
	require.Contains(t, told[len(told)-1].Content[0].Text, "Filip likes cake.")
}

func TestSearchBounds(t *testing.T) {
	for name, tc := range map[string]struct {
		model, options string
		window         int
		limit, fit     int
	}{
		"as it is":          {"gpt-4o", "", 0, 20, 19}, // 20 of 800 tokens are more than 16,000
		"an old model":      {"gpt-3.5-turbo", "", 0, 5, 4},
		"as it was set":     {"gpt-3.5-turbo", `,"file_search":{"max_num_results":3}`, 0, 3, 3},
		"a threshold":       {"m", `,"file_search":{"max_num_results":3,"ranking_options":{"score_threshold":0.25}}`, 0, 3, 3},
		"a small window":    {"m", "", 4000, 20, 2},
		"a very small one":  {"m", "", 100, 20, 1},
		"more than default": {"m", `,"file_search":{"max_num_results":50}`, 0, 50, 19},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{}
			for range 60 {
				s.found = append(s.found, vectorstores.Found{FileID: "file-a", Filename: "a.txt", Tokens: 800, Text: "x"})
			}
			w := searched(t, s, seeks("x"), says("Done."))
			w.model.window = tc.window
			w.assistant = w.newAssistant(`{"model":` + quote(tc.model) + `,"tools":[{"type":"file_search"` + tc.options + `}],"tool_resources":{"file_search":{"vector_store_ids":["vs_a"]}}}`)
			r := w.settled(w.run(w.thread("Go.")))
			require.Equal(t, tc.limit, s.finds[0].MaxResults)
			require.Equal(t, strings.Contains(tc.options, "threshold"), s.finds[0].Threshold == 0.25)
			require.Len(t, w.steps(r)[0].Details.ToolCalls[0].Search.Results, tc.fit)
		})
	}
}

func TestSearchThatFindsNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		call turn
		bare bool // no stores
		told string
	}{
		"no stores": {seeks("food"), true, "There are no uploaded files"},
		"no query":  {seeks(""), false, "has no query"},
		"no match":  {seeks("nothing"), false, "No passage"},
	} {
		t.Run(name, func(t *testing.T) {
			w := searched(t, &shelf{found: []vectorstores.Found{}}, tc.call, says("I do not know."))
			if tc.bare {
				w.assistant = w.newAssistant(`{"model":"m","tools":[{"type":"file_search"}]}`)
			}
			r := w.settled(w.run(w.thread("Go.")))
			require.Equal(t, runs.Completed, r.Status)
			told := w.model.sent()[1].Messages
			require.Contains(t, told[len(told)-1].Content[0].Text, tc.told)
			raw, err := wire.Marshal(w.steps(r)[0].Details.ToolCalls[0].Search)
			require.NoError(t, err)
			require.Contains(t, string(raw), `"results":[]`)
		})
	}
}

// A refusal of the stores, such as that of one that has expired, ends the run
// and says why.
func TestSearchThatIsRefused(t *testing.T) {
	w := searched(t, &shelf{err: wire.Invalidf("Vector store vs_a has expired.")}, seeks("food"))
	r := w.settled(w.run(w.thread("Go.")))
	require.Equal(t, runs.Failed, r.Status)
	require.Equal(t, &runs.LastError{Code: "server_error", Message: "Vector store vs_a has expired."}, r.LastError)
	require.Equal(t, runs.StepFailed, w.steps(r)[0].Status)
}

// A model that searches although it may not any more is not obeyed.
func TestSearchingEndsForStubbornModels(t *testing.T) {
	w := searched(t, &shelf{})
	w.model.choose = func(chat.Request) turn { return calls(filesearch.Name) }
	thread := w.thread("Go.")
	r := w.settled(w.run(thread))
	require.Equal(t, runs.Completed, r.Status)
	require.Len(t, w.model.sent(), 11)
	require.Equal(t, "assistant: ", w.texts(thread)[1])
}

// A model that never stops searching is not offered the tool any more.
func TestSearchingEnds(t *testing.T) {
	w := searched(t, &shelf{})
	w.model.choose = func(req chat.Request) turn {
		for _, tool := range req.Tools {
			if tool.Name == filesearch.Name {
				return seeks("more")
			}
		}
		return says("Enough.")
	}
	r := w.settled(w.run(w.thread("Go.")))
	require.Equal(t, runs.Completed, r.Status)
	require.Len(t, w.steps(r), 11)
}

func TestForcedSearch(t *testing.T) {
	w := searched(t, &shelf{}, seeks("food"), says("Done."))
	r := w.settled(w.run(w.thread("Go."), `"tool_choice":{"type":"file_search"}`))
	require.Equal(t, runs.Completed, r.Status)
	require.Equal(t, chat.ToolChoice{Mode: "function", Function: filesearch.Name}, w.model.sent()[0].ToolChoice)
	require.Equal(t, chat.ToolChoice{}, w.model.sent()[1].ToolChoice)
}

// The client's own function keeps its name.
func TestSearchBesideAFunctionOfItsName(t *testing.T) {
	own := func(context.Context, chat.Request, chat.Sink) (*chat.Answer, error) {
		return &chat.Answer{Finish: chat.FinishStop, Calls: []chat.Call{{Name: filesearch.Name, Arguments: `{}`}}}, nil
	}
	w := searched(t, &shelf{}, own)
	w.assistant = w.newAssistant(`{"model":"m","tools":[{"type":"file_search"},` + function(filesearch.Name) + `]}`)
	r := w.settled(w.run(w.thread("Go.")))
	require.Equal(t, runs.RequiresAction, r.Status)
	require.Equal(t, filesearch.OtherName, w.model.sent()[0].Tools[1].Name)
}

// A run waits for files that are being read in, but not for long.
func TestSearchWaitsForIndexing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{indexing: true}
		w := searched(t, s, seeks("food"), seeks("drink"), says("Done."))
		began := time.Now()
		r := w.settled(w.run(w.withStore()))
		require.Equal(t, runs.Completed, r.Status)
		require.Equal(t, time.Minute, time.Since(began))
		require.Len(t, s.finds, 2)
	})
}

// The assistant's files may be many, and come at any time.
func TestSearchDoesNotWaitForTheAssistantsFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := searched(t, &shelf{indexing: true}, seeks("food"), says("Done."))
		began := time.Now()
		require.Equal(t, runs.Completed, w.settled(w.run(w.thread("Go."))).Status)
		require.Zero(t, time.Since(began))
	})
}

// withStore makes a thread that has a vector store.
func (w *world) withStore() string {
	return w.threadOf(`{"messages":[{"role":"user","content":"Go."}],"tool_resources":{"file_search":{"vector_store_ids":["vs_t"]}}}`)
}

func TestCancelWhileSearching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := searched(t, &shelf{indexing: true}, seeks("food"))
		r := w.run(w.withStore())
		synctest.Wait()
		require.Equal(t, runs.InProgress, w.get(r).Status)
		_, err := w.cancel(r)
		require.NoError(t, err)
		r = w.settled(r)
		require.Equal(t, runs.Cancelled, r.Status)
		require.Equal(t, runs.StepCancelled, w.steps(r)[0].Status)
	})
}

// A search that a crash broke off is carried out after the next start, and the
// model is not asked again for it.
func TestSearchAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{indexing: true}
		w := searched(t, s, seeks("food"), says("Cake【4:0†foods.txt】."))
		thread := w.withStore()
		r := w.run(thread)
		synctest.Wait()
		s.indexing = false
		w.crash()
		require.Equal(t, runs.Completed, w.settled(r).Status)
		require.Len(t, w.model.sent(), 2)
		require.Len(t, s.finds, 1)
		require.Equal(t, "assistant: Cake【4:0†foods.txt】.", w.texts(thread)[1])
	})
}
