package vectorstores_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// attachAll attaches files in a batch, with their settings as in one.
func (w *world) attachAll(storeID, batchID string, as vectorstores.NewFile, fileIDs ...string) (b vectorstores.FileBatch) {
	w.t.Helper()
	list := make([]vectorstores.NewFile, len(fileIDs))
	for i, id := range fileIDs {
		list[i] = as
		list[i].FileID = id
	}
	decode(w.t, &b)(w.stores.AttachBatch(w.t.Context(), project, storeID, batchID, list))
	return b
}

func (w *world) batch(storeID, id string) (b vectorstores.FileBatch) {
	w.t.Helper()
	decode(w.t, &b)(w.stores.Batch(w.t.Context(), project, storeID, id))
	return b
}

// listed are the ids of a batch's files.
func (w *world) listed(storeID, batchID string) (ids []string) {
	w.t.Helper()
	list, err := w.stores.ListFiles(w.t.Context(), project, storeID, vectorstores.FileQuery{Page: wire.Page{Limit: 10}, BatchID: batchID})
	require.NoError(w.t, err)
	for _, item := range list.Items {
		ids = append(ids, item.ID)
	}
	return ids
}

var asDefault = vectorstores.NewFile{Chunking: vectorstores.DefaultChunking}

// TestACompletedFileStays: attaching what is there takes nothing out of search.
func TestACompletedFileStays(t *testing.T) {
	w := open(t)
	id, fresh := w.upload("a.txt", "Filip likes pizza."), w.upload("b.txt", "Berlin")
	storeID := w.store()
	year := asDefault
	year.Attributes = vectorstores.Attributes{"year": json.Number("2024")}
	w.attachAll(storeID, "vsfb_1", year, id)
	w.stores.Start()
	before := w.indexed(storeID, id)
	w.stores.Stop()

	b := w.attachAll(storeID, "vsfb_2", asDefault, id)
	require.Equal(t, vectorstores.Completed, b.Status)
	require.Equal(t, vectorstores.FileCounts{Completed: 1, Total: 1}, b.FileCounts)
	require.Equal(t, before, w.indexed(storeID, id), "nothing changes, its attributes too")
	require.Equal(t, []string{"Filip likes pizza."}, w.find("pizza", storeID))
	require.Equal(t, vectorstores.FileCounts{Completed: 1, Total: 1}, w.batch(storeID, "vsfb_1").FileCounts)
	require.Equal(t, []string{id}, w.listed(storeID, "vsfb_2"))

	year.Attributes = vectorstores.Attributes{"year": json.Number("2025")}
	b = w.attachAll(storeID, "vsfb_3", year, id, fresh)
	require.Equal(t, vectorstores.FileCounts{InProgress: 1, Completed: 1, Total: 2}, b.FileCounts)
	require.Equal(t, year.Attributes, w.indexed(storeID, id).Attributes)
	keys, err := w.db.FilesByAttributes(t.Context(), storeID, func(a vectorstores.Attributes) bool { return a["year"] == json.Number("2025") })
	require.NoError(t, err)
	require.Len(t, keys, 1, "filters see the new ones")
	require.Equal(t, vectorstores.FileCounts{InProgress: 1, Completed: 1, Total: 2}, w.get(storeID).FileCounts)
	require.Equal(t, []string{"Filip likes pizza.", "pizza"}, w.embedder.texts(), "it is embedded once")

	var again vectorstores.StoreFile
	alone := vectorstores.NewFile{FileID: id, Chunking: small}
	decode(t, &again)(w.stores.Attach(t.Context(), project, storeID, alone))
	require.Equal(t, vectorstores.InProgress, again.Status, "another chunking is read anew")
	require.Equal(t, year.Attributes, again.Attributes)
	require.Empty(t, w.find("pizza", storeID))
}

// TestBatchesShareFilesInProgress: nobody's batch has cancelled files that
// nobody cancelled.
func TestBatchesShareFilesInProgress(t *testing.T) {
	w := open(t)
	a, b := w.upload("a.txt", "alpha"), w.upload("b.txt", "beta")
	storeID := w.store()
	for _, batchID := range []string{"vsfb_1", "vsfb_2", "vsfb_3"} {
		require.Equal(t, vectorstores.FileCounts{InProgress: 2, Total: 2}, w.attachAll(storeID, batchID, asDefault, a, b).FileCounts)
	}
	require.Equal(t, vectorstores.FileCounts{InProgress: 2, Total: 2}, w.get(storeID).FileCounts)
	require.ElementsMatch(t, []string{a, b}, w.listed(storeID, "vsfb_2"))

	var cancelled vectorstores.FileBatch
	decode(t, &cancelled)(w.stores.CancelBatch(t.Context(), project, storeID, "vsfb_1"))
	require.Equal(t, vectorstores.Cancelled, cancelled.Status)
	require.Equal(t, vectorstores.FileCounts{Cancelled: 2, Total: 2}, cancelled.FileCounts)
	require.NoError(t, w.stores.Detach(t.Context(), project, storeID, b))
	w.stores.Start()
	require.Equal(t, vectorstores.Completed, w.indexed(storeID, a).Status, "two others wait for it")
	for _, batchID := range []string{"vsfb_2", "vsfb_3"} {
		require.Equal(t, vectorstores.FileCounts{Completed: 1, Cancelled: 1, Total: 2}, w.batch(storeID, batchID).FileCounts)
		require.Equal(t, vectorstores.Completed, w.batch(storeID, batchID).Status)
		require.Equal(t, []string{a}, w.listed(storeID, batchID))
	}
	require.Equal(t, cancelled, w.batch(storeID, "vsfb_1"))
}

// TestTheLastToLeaveCancels: a file goes on until all who attached it cancel.
func TestTheLastToLeaveCancels(t *testing.T) {
	w := open(t)
	id, alone := w.upload("a.txt", "alpha"), w.upload("b.txt", "beta")
	storeID := w.store()
	for _, batchID := range []string{"vsfb_1", "vsfb_2"} {
		w.attachAll(storeID, batchID, asDefault, id, alone)
	}
	_, err := w.stores.Attach(t.Context(), project, storeID, vectorstores.NewFile{FileID: alone, Chunking: vectorstores.DefaultChunking})
	require.NoError(t, err)
	for i, batchID := range []string{"vsfb_2", "vsfb_1"} {
		_, err := w.stores.CancelBatch(t.Context(), project, storeID, batchID)
		require.NoError(t, err)
		require.Equal(t, vectorstores.FileCounts{Cancelled: 2, Total: 2}, w.batch(storeID, batchID).FileCounts)
		require.Equal(t, vectorstores.FileCounts{InProgress: 2 - i, Cancelled: i, Total: 2}, w.get(storeID).FileCounts)
	}
	w.stores.Start()
	require.Equal(t, vectorstores.Completed, w.indexed(storeID, alone).Status)
	require.Equal(t, vectorstores.Cancelled, w.indexed(storeID, id).Status)
}

// TestAnotherChunkingWhileReading: who reads the file by the old one loses it,
// and every batch gets the new.
func TestAnotherChunkingWhileReading(t *testing.T) {
	w := open(t)
	id := w.upload("long.txt", long(10))
	storeID := w.store()
	w.attachAll(storeID, "vsfb_1", vectorstores.NewFile{Chunking: small}, id)
	asked, held := make(chan struct{}), make(chan struct{})
	w.embedder.calls = func(_ context.Context, n int) {
		if n == 1 {
			close(asked)
			<-held
		}
	}
	w.stores.Start()
	<-asked
	w.attachAll(storeID, "vsfb_2", asDefault, id)
	close(held)
	done := w.indexed(storeID, id)
	require.Equal(t, vectorstores.DefaultChunking, done.Chunking)
	for _, batchID := range []string{"vsfb_1", "vsfb_2"} {
		require.Equal(t, vectorstores.FileCounts{Completed: 1, Total: 1}, w.batch(storeID, batchID).FileCounts)
	}
	require.Less(t, len(w.find("w1", storeID)), 10, "no chunk of the old size is left")
}

// TestManyAreCancelledAndDetached takes more than one piece of each.
func TestManyAreCancelledAndDetached(t *testing.T) {
	const many = 201
	w := open(t)
	id := w.upload("a.txt", "alpha")
	var stores, ids []string
	for range many {
		stores = append(stores, w.store(id))
		ids = append(ids, w.upload("b.txt", "beta"))
	}
	w.attachAll(stores[0], "vsfb_1", asDefault, ids...)
	var b vectorstores.FileBatch
	decode(t, &b)(w.stores.CancelBatch(t.Context(), project, stores[0], "vsfb_1"))
	require.Equal(t, vectorstores.FileCounts{Cancelled: many, Total: many}, b.FileCounts)
	require.NoError(t, w.files.Delete(t.Context(), project, id))
	require.Equal(t, vectorstores.FileCounts{Cancelled: many, Total: many}, w.get(stores[0]).FileCounts)
	for _, storeID := range stores[1:] {
		require.Zero(t, w.get(storeID).FileCounts.Total)
	}
}
