package runs

import (
	"cmp"
	"encoding/json"
	"slices"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/runs/chat"
	"understudy/runs/tools/filesearch"
)

// SearchCall is a call of the file_search tool in a step (spec section 8).
// Results is [] until the search was carried out.
type SearchCall struct {
	RankingOptions SearchRanking  `json:"ranking_options"`
	Results        []SearchResult `json:"results"`
}

// SearchRanking says how results were ranked.
type SearchRanking struct {
	Ranker         string     `json:"ranker"`
	ScoreThreshold wire.Float `json:"score_threshold"`
}

// SearchResult is a passage that was found. Content is there only where it was
// asked for with include[].
type SearchResult struct {
	FileID     string          `json:"file_id"`
	FileName   string          `json:"file_name"`
	Score      wire.Float      `json:"score"` // 0 to 1
	Attributes json.RawMessage `json:"attributes"`
	Content    []ResultContent `json:"content,omitempty"`
}

// ResultContent is the text of a result; Type is text.
type ResultContent struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Complete fills in what the hosted API left out of the searches of some steps.
func (s *Step) Complete() {
	for _, call := range s.Details.ToolCalls {
		if search := call.Search; search != nil {
			search.RankingOptions.Ranker = cmp.Or(search.RankingOptions.Ranker, assistants.DefaultRanker)
			if search.Results == nil {
				search.Results = []SearchResult{}
			}
		}
	}
}

// The bounds of file_search (spec section 12.1).
const (
	maxResults      = 20
	maxResultsOld   = 5 // for gpt-3.5-turbo
	resultBudget    = 16_000
	resultBudgetOld = 4_000 // tokens, for gpt-3.5-turbo
)

// maxSearchTurns ends a model's searching: one that never finds what it wants
// would go on until the run expires.
const maxSearchTurns = 10

// searchTool returns the settings of the run's file_search tool, nil when it has
// none.
func (r *Run) searchTool() *assistants.SearchOptions {
	i := slices.IndexFunc(r.Tools, func(t assistants.Tool) bool { return t.Type == assistants.FileSearch })
	if i < 0 {
		return nil
	}
	return r.Tools[i].Search
}

// searchName is what file_search is called to the model: the client may have a
// function of that name.
func (r *Run) searchName() string {
	if assistants.FindFunction(r.Tools, filesearch.Name) != nil {
		return filesearch.OtherName
	}
	return filesearch.Name
}

// searchDefinition is the tool as it is offered to the model.
func (r *Run) searchDefinition() chat.Tool {
	return chat.Tool{Name: r.searchName(), Description: filesearch.Description, Parameters: filesearch.Parameters}
}

// searchCall is a call of the tool before it is carried out.
func (r *Run) searchCall(id string) ToolCall {
	ranking := r.searchTool().RankingOptions
	return ToolCall{ID: id, Type: assistants.FileSearch, Search: &SearchCall{
		RankingOptions: SearchRanking{ranking.Ranker, ranking.ScoreThreshold}, Results: []SearchResult{},
	}}
}

// withResults returns the step with what its searches found: with the texts, or
// without them, as it is stored and shown unless they are asked for.
func (s *Step) withResults(searches []*filesearch.Search, texts bool) *Step {
	shown := *s
	shown.Details.ToolCalls = slices.Clone(s.Details.ToolCalls)
	for i, call := range shown.Details.ToolCalls {
		at := slices.IndexFunc(searches, func(search *filesearch.Search) bool { return search.CallID == call.ID })
		if call.Search == nil || at < 0 {
			continue
		}
		filled := *call.Search
		filled.Results = results(searches[at].Passages, texts)
		shown.Details.ToolCalls[i].Search = &filled
	}
	return &shown
}

func results(passages []filesearch.Passage, texts bool) []SearchResult {
	out := make([]SearchResult, len(passages))
	for i, p := range passages {
		out[i] = SearchResult{FileID: p.FileID, FileName: p.FileName, Score: wire.Float(p.Score), Attributes: p.Attributes}
		if texts {
			out[i].Content = []ResultContent{{Type: "text", Text: p.Text}}
		}
	}
	return out
}

// searching reports whether a call of the step is still to be carried out here.
func (r *StepRecord) searching() bool {
	return slices.ContainsFunc(r.Searches, func(s *filesearch.Search) bool { return !s.Done })
}

// unanswered reports whether a call of the step is still to be answered, by whoever.
func (r *StepRecord) unanswered() bool { return r.searching() || len(r.Step.unanswered()) > 0 }

// search returns the search of a call, nil for a function's.
func (r *StepRecord) search(callID string) *filesearch.Search {
	for _, s := range r.Searches {
		if s.CallID == callID {
			return s
		}
	}
	return nil
}

// searchTokens is what the searches cost in a prompt of their run.
func (r *StepRecord) searchTokens() int {
	n := 0
	for _, s := range r.Searches {
		n += s.Tokens()
	}
	return n
}
