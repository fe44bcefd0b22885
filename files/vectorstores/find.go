package vectorstores

import (
	"context"
	"errors"

	"understudy/api/wire"
	"understudy/files/vectorstores/index"
)

// Find is a search over one or several stores.
type Find struct {
	Stores     []string
	Queries    []string // a chunk is as good as the query it answers best
	MaxResults int
	Threshold  float64 // from 0 to 1; what scores less is left out
	Filter     Filter  // of the files' attributes
}

// Found is a chunk that was found. Start and End are characters of the file's
// text; Page counts from 1 and is 0 for a file without pages.
type Found struct {
	StoreID    string
	FileID     string
	Filename   string
	Attributes Attributes
	Score      float64 // from 0 to 1
	Text       string
	Tokens     int
	Page       int
	Start, End int
}

// Search carries out the search route.
func (s *Service) Search(ctx context.Context, project, storeID string, search Search) (Page, error) {
	if _, err := s.Get(ctx, project, storeID); err != nil {
		return Page{}, err
	}
	found, err := s.Find(ctx, project, Find{
		Stores: []string{storeID}, Queries: search.Queries, MaxResults: search.MaxResults, Threshold: search.Threshold, Filter: search.Filter,
	})
	if err != nil {
		return Page{}, err
	}
	page := Page{Object: "vector_store.search_results.page", SearchQuery: search.Queries, Data: make([]Result, len(found))}
	for i, f := range found {
		page.Data[i] = Result{
			FileID: f.FileID, Filename: f.Filename, Score: wire.Float(f.Score), Attributes: f.Attributes, Content: []Text{newText(f.Text)},
		}
	}
	return page, nil
}

// Find answers the chunks of the stores that fit the queries best, the best
// first. A store that does not exist holds nothing: it may have been deleted
// since it was named. The error is the API's when one has expired.
// Without an embedding of the queries, or where a store has vectors of another
// model than there is now, words alone decide.
func (s *Service) Find(ctx context.Context, project string, f Find) ([]Found, error) {
	stores, err := s.usable(ctx, project, f.Stores)
	if err != nil {
		return nil, err
	}
	f.Stores = stores
	groups, err := s.scopes(ctx, f)
	if err != nil {
		return nil, err
	}
	var hits []index.Hit
	for _, g := range groups {
		part, err := s.Index.Search(ctx, index.Query{
			Scopes: g.scopes, Questions: s.questions(ctx, g.of, f.Queries), Limit: f.MaxResults, Threshold: f.Threshold,
		})
		if err != nil {
			return nil, err
		}
		hits = merge(hits, part)
	}
	return s.show(ctx, project, hits[:min(len(hits), f.MaxResults)])
}

// usable lists those of the stores that exist, each once, and answers the 400
// for one that has expired.
func (s *Service) usable(ctx context.Context, project string, ids []string) ([]string, error) {
	var there []string
	for _, id := range unique(ids) {
		v, err := s.load(ctx, project, id)
		switch refusal, refused := errors.AsType[*wire.Error](err); {
		case refused && refusal.Kind == wire.NotFound:
			continue
		case err != nil:
			return nil, err
		case v.Status == Expired:
			return nil, HasExpired(id)
		}
		there = append(there, id)
	}
	return there, nil
}

func (s *Service) load(ctx context.Context, project, id string) (*VectorStore, error) {
	body, err := s.Get(ctx, project, id)
	if err != nil {
		return nil, err
	}
	var v VectorStore
	return &v, wire.Decode(body, &v)
}

// group are stores that can be asked with the same vectors.
type group struct {
	of     Embedding
	scopes []index.Scope
}

// scopes narrows each store to the files the filter chooses, and puts together
// what has the same embedding.
func (s *Service) scopes(ctx context.Context, f Find) ([]*group, error) {
	var groups []*group
	byEmbedding := map[Embedding]*group{}
	for _, id := range f.Stores {
		scope := index.Scope{StoreID: id}
		if !f.Filter.All() {
			keys, err := s.Store.FilesByAttributes(ctx, id, f.Filter.Match)
			if err != nil {
				return nil, err
			}
			if len(keys) == 0 {
				continue
			}
			scope.Files = keys
		}
		of, err := s.Store.Embedding(ctx, id)
		if err != nil {
			return nil, err
		}
		g := byEmbedding[of]
		if g == nil {
			g = &group{of: of}
			byEmbedding[of], groups = g, append(groups, g)
		}
		g.scopes = append(g.scopes, scope)
	}
	return groups, nil
}

// questions are the queries with their vectors, or without when there are none
// that could be compared with the stores'.
func (s *Service) questions(ctx context.Context, of Embedding, queries []string) []index.Question {
	questions := make([]index.Question, len(queries))
	for i, q := range queries {
		questions[i].Text = q
	}
	if of == (Embedding{}) || s.Embedder == nil {
		return questions
	}
	vectors, model, err := s.Embedder.Embed(ctx, of.Model, queries)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNoEmbedding) {
		s.Logger.Warn("embedding a query failed, so its words alone are searched", "error", err)
	}
	if err != nil || model != of.Model {
		return questions
	}
	for i, vector := range vectors {
		if len(vector) == of.Dimensions {
			questions[i].Vector = vector
		}
	}
	return questions
}

// merge keeps the order of two lists of hits, the best first.
func merge(a, b []index.Hit) []index.Hit {
	if len(a) == 0 {
		return b
	}
	merged := make([]index.Hit, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0].Score > a[0].Score {
			merged, b = append(merged, b[0]), b[1:]
		} else {
			merged, a = append(merged, a[0]), a[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// show adds what is known of the files. A file that went meanwhile is left out.
func (s *Service) show(ctx context.Context, project string, hits []index.Hit) ([]Found, error) {
	keys := make([]int64, len(hits))
	for i, h := range hits {
		keys[i] = h.File
	}
	known, err := s.Store.FoundFiles(ctx, project, keys)
	if err != nil {
		return nil, err
	}
	found := make([]Found, 0, len(hits))
	for _, h := range hits {
		file, ok := known[h.File]
		if !ok {
			continue
		}
		found = append(found, Found{
			StoreID: h.StoreID, FileID: file.FileID, Filename: file.Filename, Attributes: file.Attributes, Score: h.Score,
			Text: h.Text, Tokens: h.Tokens, Page: h.Page, Start: h.Start, End: h.End,
		})
	}
	return found, nil
}

// Use notes that a run uses the stores, which puts their expiry off. The error
// is the API's when one has expired.
func (s *Service) Use(ctx context.Context, project string, stores []string) error {
	there, err := s.usable(ctx, project, stores)
	if err != nil {
		return err
	}
	for _, id := range there {
		_, err := s.Store.UpdateVectorStore(ctx, project, id, func(v *VectorStore) error {
			v.Touch(s.Now())
			return nil
		})
		if err != nil {
			return wire.OrNoSuch(err, noun, id)
		}
	}
	return nil
}
