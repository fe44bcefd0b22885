package vectorstores_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/files/vectorstores"
	"understudy/files/vectorstores/index"
)

func TestIndexingSurvivesARestart(t *testing.T) {
	w := open(t)
	id := w.upload("long.txt", long(150))
	storeID := w.store()
	_, err := w.stores.Attach(t.Context(), project, storeID, vectorstores.NewFile{FileID: id, Chunking: small})
	require.NoError(t, err)
	reached := make(chan struct{})
	w.embedder.calls = func(ctx context.Context, n int) {
		if n == 2 { // the first batch is stored
			close(reached)
			<-ctx.Done()
		}
	}
	w.stores.Start()
	<-reached
	w.restart()
	require.Equal(t, vectorstores.InProgress, w.get(storeID).Status)
	require.Empty(t, w.find("w0", storeID), "half a file is not found")
	before := len(w.embedder.texts())
	w.embedder.change(func(e *embedder) { e.calls = nil })
	w.stores.Start()
	done := w.indexed(storeID, id)
	require.Equal(t, vectorstores.Completed, done.Status)
	texts := w.embedder.texts()
	require.False(t, slices.Contains(texts[before:], texts[0]), "what was stored is not embedded again")
	require.Greater(t, len(texts), before)

	page, err := w.stores.Content(t.Context(), project, storeID, id)
	require.NoError(t, err)
	require.Equal(t, strings.Fields(long(150)), strings.Fields(page.Data[0].Text), "no chunk is missing or double")
}

func TestLostWorkWritesNothing(t *testing.T) {
	w := open(t)
	id := w.upload("a.txt", "text")
	storeID := w.store(id)
	work, err := w.db.NextFile(t.Context(), "", nil)
	require.NoError(t, err)
	require.Equal(t, id, work.FileID)
	again, err := w.db.NextFile(t.Context(), "", nil)
	require.NoError(t, err)
	require.Equal(t, work.Epoch+1, again.Epoch)
	none, err := w.db.NextFile(t.Context(), "", []int64{work.Seq})
	require.NoError(t, err)
	require.Nil(t, none)

	chunks := []index.Chunk{{Text: "text"}}
	of := vectorstores.Embedding{Model: "m", Dimensions: 1}
	require.ErrorIs(t, w.db.StoreChunks(t.Context(), work, of, chunks), vectorstores.ErrLost)
	require.NoError(t, w.db.StoreChunks(t.Context(), again, of, chunks))
	require.ErrorIs(t, w.db.StoreChunks(t.Context(), again, of, []index.Chunk{{Ordinal: 2, Text: "x"}}), vectorstores.ErrLost, "a gap")
	require.ErrorIs(t, w.db.StoreChunks(t.Context(), again, vectorstores.Embedding{Model: "n", Dimensions: 1}, []index.Chunk{{Ordinal: 1, Text: "x"}}), vectorstores.ErrOtherVectors)
	require.ErrorIs(t, w.db.FinishFile(t.Context(), work, vectorstores.Done{}), vectorstores.ErrLost)
	require.NoError(t, w.stores.Detach(t.Context(), project, storeID, id))
	require.ErrorIs(t, w.db.FinishFile(t.Context(), again, vectorstores.Done{}), vectorstores.ErrLost)
	require.Zero(t, w.get(storeID).FileCounts.Total)
}

func TestABadFileFailsAlone(t *testing.T) {
	w := open(t)
	bad, good := w.upload("bad.json", "\x00\x01\xff\xfe\x02"), w.upload("good.txt", "good text")
	storeID := w.store(bad, good)
	w.stores.Start()
	failed := w.indexed(storeID, bad)
	require.Equal(t, vectorstores.Failed, failed.Status)
	require.Equal(t, vectorstores.InvalidFile, failed.LastError.Code)
	require.True(t, strings.HasPrefix(failed.LastError.Message, "The file could not be parsed"), failed.LastError.Message)
	require.Equal(t, vectorstores.Completed, w.indexed(storeID, good).Status)
	require.Equal(t, vectorstores.FileCounts{Completed: 1, Failed: 1, Total: 2}, w.get(storeID).FileCounts)
	require.Equal(t, []string{"good text"}, w.find("good", storeID))
}

func TestAFaultOfOursIsTheFilesAlone(t *testing.T) {
	w := open(t)
	id, other := w.upload("a.txt", "one"), w.upload("b.txt", "two")
	storeID := w.store(id, other)
	w.embedder.change(func(e *embedder) {
		e.calls = func(_ context.Context, n int) {
			if n == 1 {
				panic("a fault")
			}
		}
	})
	w.stores.Start()
	statuses := []vectorstores.Status{w.indexed(storeID, id).Status, w.indexed(storeID, other).Status}
	require.ElementsMatch(t, []vectorstores.Status{vectorstores.Failed, vectorstores.Completed}, statuses)
	require.Contains(t, w.logs.String(), "a fault")
}

func TestWithoutVectorsWordsAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.embedder.fail = errors.New("the backend is down")
		id := w.upload("a.txt", "Filip likes pizza.")
		storeID := w.store(id)
		w.stores.Start()
		began := time.Now()
		require.Equal(t, vectorstores.Completed, w.indexed(storeID, id).Status)
		require.Greater(t, time.Since(began), time.Minute, "a backend that is down for a moment costs no vectors")
		require.Len(t, w.embedder.texts(), 4)
		v := w.get(storeID)
		require.Contains(t, v.StatusDetails, "found by their words only")
		require.Equal(t, int64(len("Filip likes pizza.")), v.UsageBytes)
		require.Contains(t, w.logs.String(), "the backend is down")
		require.Equal(t, []string{"Filip likes pizza."}, w.find("pizza", storeID))

		other := w.upload("b.txt", "Berlin")
		_, err := w.stores.Attach(t.Context(), project, storeID, vectorstores.NewFile{FileID: other, Chunking: small})
		require.NoError(t, err)
		began = time.Now()
		w.indexed(storeID, other)
		require.Less(t, time.Since(began), time.Second, "the next file is not held up")

		w.embedder.change(func(e *embedder) { e.fail = nil })
		for _, fileID := range []string{id, other} {
			require.Contains(t, w.get(storeID).StatusDetails, "words only")
			_, err := w.stores.Attach(t.Context(), project, storeID, vectorstores.NewFile{FileID: fileID, Chunking: small})
			require.NoError(t, err)
			w.indexed(storeID, fileID)
		}
		require.Empty(t, w.get(storeID).StatusDetails, "attached again, all have vectors")
	})
}

func TestVectorsOfTwoModelsAreNotMixed(t *testing.T) {
	w := open(t)
	first, second, third := w.upload("a.txt", "alpha"), w.upload("b.txt", "beta"), w.upload("c.txt", "gamma")
	storeID := w.store(first)
	w.stores.Start()
	w.indexed(storeID, first)
	of, err := w.db.Embedding(t.Context(), storeID)
	require.NoError(t, err)
	require.Equal(t, vectorstores.Embedding{Model: "up/letters", Dimensions: 32}, of)

	w.embedder.change(func(e *embedder) { e.model = "up/other" })
	_, err = w.stores.Attach(t.Context(), project, storeID, vectorstores.NewFile{FileID: second, Chunking: small})
	require.NoError(t, err)
	require.Equal(t, vectorstores.Completed, w.indexed(storeID, second).Status)
	require.Contains(t, w.get(storeID).StatusDetails, "create a new vector store")
	require.Equal(t, []string{"alpha"}, w.find("alpha", storeID), "by its word")

	fresh := w.store(third)
	w.indexed(fresh, third)
	require.Empty(t, w.get(fresh).StatusDetails)
	require.ElementsMatch(t, []string{"beta", "gamma"}, w.find("beta gamma", storeID, fresh)[:2], "stores of two models are searched together")

	w.embedder.change(func(e *embedder) { e.model, e.dims = "up/letters", 8 })
	_, err = w.stores.Attach(t.Context(), project, storeID, vectorstores.NewFile{FileID: third, Chunking: small})
	require.NoError(t, err)
	require.Equal(t, int64(len("gamma")), w.indexed(storeID, third).UsageBytes, "vectors of another size are no vectors")
}

// TestARefusalIsNotWaitedFor: what will never pass must not hold up files.
func TestARefusalIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.embedder.fail = fmt.Errorf("%w: no such model", vectorstores.ErrRefused)
		id := w.upload("a.txt", "Filip likes pizza.")
		storeID := w.store(id)
		w.stores.Start()
		began := time.Now()
		require.Equal(t, vectorstores.Completed, w.indexed(storeID, id).Status)
		require.Zero(t, time.Since(began))
		require.Len(t, w.embedder.texts(), 1)
		require.Contains(t, w.get(storeID).StatusDetails, "Attach them again")
		require.Equal(t, []string{"Filip likes pizza."}, w.find("pizza", storeID))
	})
}

// TestAdviceStandsWhileItIsNeeded: a store with vectors of another size than
// can be had now needs another store, whatever fails besides.
func TestAdviceStandsWhileItIsNeeded(t *testing.T) {
	w := open(t)
	a, b, c := w.upload("a.txt", "alpha"), w.upload("b.txt", "beta"), w.upload("c.txt", "gamma")
	storeID := w.store(a)
	w.stores.Start()
	w.indexed(storeID, a)
	attach := func(id string) {
		_, err := w.stores.Attach(t.Context(), project, storeID, vectorstores.NewFile{FileID: id, Chunking: small})
		require.NoError(t, err)
		w.indexed(storeID, id)
	}
	w.embedder.change(func(e *embedder) { e.dims = 8 })
	attach(b)
	w.embedder.change(func(e *embedder) { e.fail = vectorstores.ErrRefused })
	attach(c)
	require.Contains(t, w.get(storeID).StatusDetails, "create a new vector store")
	require.NoError(t, w.stores.Detach(t.Context(), project, storeID, b))
	require.NoError(t, w.stores.Detach(t.Context(), project, storeID, c))
	require.Empty(t, w.get(storeID).StatusDetails)
}

func TestStoresWithoutAnEmbeddingModel(t *testing.T) {
	w := open(t)
	w.embedder.fail = vectorstores.ErrNoEmbedding
	id := w.upload("a.txt", "Filip likes pizza.")
	storeID := w.store(id)
	w.stores.Start()
	require.Equal(t, vectorstores.Completed, w.indexed(storeID, id).Status)
	require.Empty(t, w.get(storeID).StatusDetails, "nobody promised vectors")
	require.Equal(t, []string{"Filip likes pizza."}, w.find("pizza", storeID))
}

func TestFilesDeletedMeanwhile(t *testing.T) {
	w := open(t)
	id := w.upload("a.txt", "text")
	storeID := w.store(id)
	batch, err := w.stores.AttachBatch(t.Context(), project, storeID, "vsfb_1", []vectorstores.NewFile{{FileID: id, Chunking: small}})
	require.NoError(t, err)
	require.Contains(t, string(batch), "in_progress")
	held := make(chan struct{})
	asked := make(chan struct{})
	w.embedder.calls = func(context.Context, int) { close(asked); <-held }
	w.stores.Start()
	<-asked
	require.NoError(t, w.files.Delete(t.Context(), project, id))
	close(held)
	var b vectorstores.FileBatch
	decode(t, &b)(w.stores.WaitBatch(t.Context(), project, storeID, "vsfb_1", time.Hour))
	require.Equal(t, vectorstores.FileCounts{Cancelled: 1, Total: 1}, b.FileCounts)
	require.Equal(t, vectorstores.Completed, b.Status)
	require.Zero(t, w.get(storeID).FileCounts.Total)
	_, err = w.stores.File(t.Context(), project, storeID, id)
	require.Equal(t, wire.NotFound, apiError(t, err).Kind)
}

func TestStoresTakeTurns(t *testing.T) {
	w := open(t)
	var many []string
	for range 5 {
		many = append(many, w.upload("a.txt", "many"))
	}
	crowded := w.store(many...)
	single := w.store(w.upload("b.txt", "single"))
	first, err := w.db.NextFile(t.Context(), "", nil)
	require.NoError(t, err)
	second, err := w.db.NextFile(t.Context(), first.StoreID, []int64{first.Seq})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{crowded, single}, []string{first.StoreID, second.StoreID})
	third, err := w.db.NextFile(t.Context(), second.StoreID, []int64{first.Seq, second.Seq})
	require.NoError(t, err)
	require.Equal(t, crowded, third.StoreID)
	require.NotContains(t, []int64{first.Seq, second.Seq}, third.Seq)
}

func TestExpiry(t *testing.T) {
	w := open(t)
	now := time.Now()
	w.now = func() time.Time { return now }
	id := w.upload("a.txt", "text")
	c := vectorstores.Of([]string{id})
	c.ExpiresAfter = &vectorstores.ExpiresAfter{Anchor: "last_active_at", Days: 1}
	_, err := w.stores.Create(t.Context(), project, "vs_brief", c)
	require.NoError(t, err)
	w.stores.Start()
	w.indexed("vs_brief", id)
	now = now.Add(23 * time.Hour)
	require.NoError(t, w.stores.Use(t.Context(), project, []string{"vs_brief"}))
	now = now.Add(23 * time.Hour)
	v := w.get("vs_brief")
	require.Equal(t, vectorstores.Completed, v.Status, "its use put the end off")
	require.Equal(t, now.Add(time.Hour).Unix(), *v.ExpiresAt)

	now = now.Add(time.Hour)
	require.Equal(t, vectorstores.Expired, w.get("vs_brief").Status)
	_, err = w.stores.Find(t.Context(), project, vectorstores.Find{Stores: []string{"vs_brief"}, Queries: []string{"text"}, MaxResults: 1})
	require.Equal(t, "The vector store 'vs_brief' has expired. Create a new vector store with the same files.", apiError(t, err).Message)
	require.Error(t, w.stores.Use(t.Context(), project, []string{"vs_brief"}))
	_, err = w.stores.Attach(t.Context(), project, "vs_brief", vectorstores.NewFile{FileID: id, Chunking: small})
	require.Equal(t, wire.Invalid, apiError(t, err).Kind)
	list, err := w.stores.ListFiles(t.Context(), project, "vs_brief", vectorstores.FileQuery{Page: wire.Page{Limit: 5}})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "its files are still listed, for whoever makes another")
	require.NoError(t, w.stores.Delete(t.Context(), project, "vs_brief"))
}

func TestAwaitIndexed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		storeID := w.store(w.upload("a.txt", "text"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, w.stores.AwaitIndexed(ctx, project, []string{storeID}), context.DeadlineExceeded)
		ended := make(chan error, 1)
		go func() { ended <- w.stores.AwaitIndexed(t.Context(), project, []string{"vs_gone", storeID}) }()
		synctest.Wait()
		w.stores.Start()
		require.NoError(t, <-ended)
		require.Equal(t, vectorstores.Completed, w.get(storeID).Status)

		idle := w.store()
		w.stores.Stop()
		_, err := w.stores.Attach(t.Context(), project, idle, vectorstores.NewFile{FileID: w.upload("b.txt", "x"), Chunking: small})
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, w.stores.AwaitIndexed(t.Context(), project, []string{idle}), "who stops keeps nobody")
		require.Zero(t, time.Since(began))
	})
}

func TestPollsAreHeldForAWhileOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		id := w.upload("a.txt", "text")
		storeID := w.store(id)
		began := time.Now()
		body, err := w.stores.WaitFile(t.Context(), project, storeID, id, 10*time.Second)
		require.NoError(t, err)
		require.Contains(t, string(body), `"in_progress"`)
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

// failingPurge is a store whose first purge fails.
type failingPurge struct {
	vectorstores.Store
	tried chan time.Time
}

func (s *failingPurge) PurgeVectorStores(ctx context.Context) error {
	s.tried <- time.Now()
	if len(s.tried) == 1 {
		return wire.ErrUnavailable
	}
	return s.Store.PurgeVectorStores(ctx)
}

func TestFailedPurgeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		failing := &failingPurge{w.db, make(chan time.Time, 10)}
		stores := vectorstores.NewService(vectorstores.Options{Store: failing, Files: w.files, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		stores.Start()
		time.Sleep(5 * time.Minute)
		stores.Stop()
		require.Len(t, failing.tried, 2, "at the start, and once more")
		first := <-failing.tried
		require.Equal(t, time.Minute, (<-failing.tried).Sub(first))
	})
}

func apiError(t testing.TB, err error) *wire.Error {
	var refused *wire.Error
	require.ErrorAs(t, err, &refused)
	return refused
}
