package index_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files/vectorstores/index"
	"understudy/runs/chat/builtin"
	"understudy/store"
)

// fixture is an index over a database of its own.
type fixture struct {
	testing.TB
	db    *store.DB
	index *index.Index
}

func open(t testing.TB, options index.Options) *fixture {
	db, err := store.Open(context.Background(), store.Options{Dir: t.TempDir(), Durability: store.Normal})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &fixture{TB: t, db: db, index: index.New(db, options)}
}

// file stores and publishes a file.
func (f *fixture) file(storeID string, key int64, chunks ...index.Chunk) {
	for i := range chunks {
		chunks[i].Ordinal = i
	}
	require.NoError(f, f.db.AddChunks(f.Context(), storeID, key, chunks))
	require.NoError(f, f.db.PublishChunks(f.Context(), key))
}

func (f *fixture) search(q index.Query) []index.Hit {
	if q.Limit == 0 {
		q.Limit = 10
	}
	hits, err := f.index.Search(f.Context(), q)
	require.NoError(f, err)
	return hits
}

// found shows hits as store/file/ordinal.
func found(hits []index.Hit) []string {
	var list []string
	for _, h := range hits {
		list = append(list, fmt.Sprintf("%s/%d/%d", h.StoreID, h.File, h.Ordinal))
	}
	return list
}

func in(stores ...string) []index.Scope {
	var scopes []index.Scope
	for _, id := range stores {
		scopes = append(scopes, index.Scope{StoreID: id})
	}
	return scopes
}

func words(text string) []index.Question { return []index.Question{{Text: text}} }

func near(vector ...float32) []index.Question { return []index.Question{{Vector: vector}} }

// colours is a store of two files with words and vectors that point the same way.
func colours(f *fixture) {
	f.file("vs_a", 1,
		index.Chunk{Text: "red apples fall", Tokens: 3, Page: 1, Start: 0, End: 15, Vector: []float32{1, 0, 0}},
		index.Chunk{Text: "green pears grow", Tokens: 3, Page: 2, Start: 16, End: 32, Vector: []float32{0, 2, 0}})
	f.file("vs_a", 2,
		index.Chunk{Text: "blue plums and red plums", Tokens: 5, Start: 0, End: 24, Vector: []float32{0.6, 0, 0.8}},
		index.Chunk{Text: "no vector for red things", Tokens: 5, Start: 25, End: 49})
}

func TestSearch(t *testing.T) {
	f := open(t, index.Options{})
	colours(f)
	f.file("vs_b", 3, index.Chunk{Text: "red apples fall", Vector: []float32{1, 0, 0}})
	require.NoError(t, f.db.AddChunks(t.Context(), "vs_a", 4, []index.Chunk{{Text: "red but not published", Vector: []float32{1, 0, 0}}}))

	for _, c := range []struct {
		name  string
		query index.Query
		want  []string
	}{
		{"words only", index.Query{Scopes: in("vs_a"), Questions: words("pears, please")}, []string{"vs_a/1/1"}},
		{"vectors only", index.Query{Scopes: in("vs_a"), Questions: near(1, 0.1, 0)}, []string{"vs_a/1/0", "vs_a/2/0", "vs_a/1/1"}},
		{"both", index.Query{Scopes: in("vs_a"), Questions: []index.Question{{Text: "blue", Vector: []float32{0, 0, 1}}}}, []string{"vs_a/2/0", "vs_a/1/0", "vs_a/1/1"}},
		{"a limit", index.Query{Scopes: in("vs_a"), Questions: near(1, 0.1, 0), Limit: 1}, []string{"vs_a/1/0"}},
		{"allowed files", index.Query{Scopes: []index.Scope{{StoreID: "vs_a", Files: []int64{2}}}, Questions: []index.Question{{Text: "apples", Vector: []float32{1, 0, 0}}}}, []string{"vs_a/2/0"}},
		{"no file allowed", index.Query{Scopes: []index.Scope{{StoreID: "vs_a", Files: []int64{}}}, Questions: words("red")}, nil},
		{"the same chunk in two stores", index.Query{Scopes: in("vs_b", "vs_a"), Questions: words("apples")}, []string{"vs_b/3/0", "vs_a/1/0"}},
		{"two questions", index.Query{Scopes: in("vs_a"), Questions: append(words("pears"), words("apples")...)}, []string{"vs_a/1/0", "vs_a/1/1"}},
		{"an unknown store", index.Query{Scopes: in("vs_x"), Questions: words("red")}, nil},
		{"a vector of another model", index.Query{Scopes: in("vs_a"), Questions: near(1, 0)}, nil},
		{"a vector without direction", index.Query{Scopes: in("vs_a"), Questions: near(0, 0, 0)}, nil},
		{"nothing asked", index.Query{Scopes: in("vs_a"), Questions: words("?!")}, nil},
		{"only the lexical half counts", index.Query{Scopes: in("vs_a"), Weights: index.Weights{Lexical: 1}, Questions: []index.Question{{Text: "blue", Vector: []float32{0, 1, 0}}}}, []string{"vs_a/2/0"}},
		{"only the vector half counts", index.Query{Scopes: in("vs_a"), Weights: index.Weights{Vector: 1}, Limit: 1, Questions: []index.Question{{Text: "blue", Vector: []float32{0, 1, 0}}}}, []string{"vs_a/1/1"}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, found(f.search(c.query))) })
	}
}

func TestScores(t *testing.T) {
	f := open(t, index.Options{})
	colours(f)
	both := index.Query{Scopes: in("vs_a"), Questions: []index.Question{{Text: "red apples fall", Vector: []float32{5, 0, 0}}}}
	hits := f.search(both)
	require.InDelta(t, 1, hits[0].Score, 1e-6, "both halves put it first and are sure")
	for i, hit := range hits {
		require.True(t, hit.Score >= 0 && hit.Score <= 1)
		require.True(t, i == 0 || hit.Score <= hits[i-1].Score)
	}
	both.Threshold = 0.95
	require.Equal(t, []string{"vs_a/1/0"}, found(f.search(both)))

	both.Threshold, both.Questions[0].Text = 0, "green"
	require.LessOrEqual(t, f.search(both)[0].Score, 0.5, "one half alone has found it")
	both.Questions = words("green elephants dance")
	require.Less(t, f.search(both)[0].Score, 0.8, "most of what was asked does not occur")
	both.Questions = words("green")
	require.InDelta(t, 1, f.search(both)[0].Score, 1e-6, "without a vector the words decide alone")
}

// TestScoresOfSmallStores asks one to three short files what one of them answers, or none. The vectors are the offline
// model's, which take common words for a likeness.
func TestScoresOfSmallStores(t *testing.T) {
	texts := []string{
		"Summanus likes tacos.\nTekakwitha likes pizza.\nFilip likes cake.\n",
		"The annual report of the company says that revenue grew by twelve percent. The board of directors is pleased with what the sales team has done.",
		"To reset the router, hold the button on the back until the light is red. Then enter the password that is printed on the label.",
	}
	for stored := 1; stored <= len(texts); stored++ {
		f := open(t, index.Options{})
		for i, text := range texts[:stored] {
			f.file("vs_a", int64(i+1), index.Chunk{Text: text, Vector: builtin.Embed(text, 256)})
		}
		for _, c := range []struct {
			question string
			file     int // that answers, from 1; 0 when none does
		}{
			{"What does Filip like?", 1},
			{"pizza", 1},
			{"the revenue in the report", 2},
			{"How do I reset the router?", 3},
			{"router password", 3},
			{"What is the capital of France?", 0},
			{"who is the president of the united states", 0},
			{"quantum entanglement", 0},
			{"What is it of?", 0},
		} {
			for mode, question := range map[string]index.Question{
				"words": {Text: c.question}, "both": {Text: c.question, Vector: builtin.Embed(c.question, 256)},
			} {
				for i, hit := range f.search(index.Query{Scopes: in("vs_a"), Questions: []index.Question{question}}) {
					if int(hit.File) == c.file {
						require.Zero(t, i, "%s of %d: %s", mode, stored, c.question)
						require.Greater(t, hit.Score, 0.5, "%s of %d: %s", mode, stored, c.question)
					} else {
						require.Less(t, hit.Score, 0.3, "%s of %d: %s in file %d", mode, stored, c.question, hit.File)
					}
				}
			}
		}
	}
}

// TestEqualsKeepTheirOrder has files of the same text, more than are asked for.
func TestEqualsKeepTheirOrder(t *testing.T) {
	f := open(t, index.Options{})
	for key := int64(1); key <= 9; key++ {
		f.file("vs_a", key, index.Chunk{Text: "the same", Vector: []float32{1, 1}})
	}
	want := []string{"vs_a/1/0", "vs_a/2/0", "vs_a/3/0", "vs_a/4/0"}
	for _, questions := range [][]index.Question{words("same"), near(1, 0), {{Text: "same", Vector: []float32{1, 0}}}} {
		for range 3 {
			require.Equal(t, want, found(f.search(index.Query{Scopes: in("vs_a"), Questions: questions, Limit: 4})))
		}
	}
}

// However a word is written, with its accents or without, composed or not, it is
// found, and by as much.
func TestAccentsMakeNoDifference(t *testing.T) {
	f := open(t, index.Options{})
	f.file("vs_a", 1, index.Chunk{Text: "The Café Müller in Zürich is closed on Mondays."})
	f.file("vs_a", 2, index.Chunk{Text: "Socie\u0301te\u0301 E\u0301lectricite\u0301 is open."})
	f.file("vs_a", 3, index.Chunk{Text: "Nothing of the kind is here."})
	for _, c := range []struct{ question, want string }{
		{"cafe muller zurich", "vs_a/1/0"}, {"CAFÉ MÜLLER", "vs_a/1/0"}, {"société électricité", "vs_a/2/0"},
	} {
		hits := f.search(index.Query{Scopes: in("vs_a"), Questions: words(c.question), Limit: 1, Threshold: 0.5})
		require.Equal(t, []string{c.want}, found(hits), c.question)
	}
}
