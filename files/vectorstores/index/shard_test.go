package index_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files/vectorstores/index"
)

const dims = 96

// cloud makes vectors around a few centres, always the same ones for a seed.
func cloud(seed uint64, n int) [][]float32 {
	centres := rand.New(rand.NewPCG(9, 9))
	var middle [8][dims]float32
	for i := range middle {
		for k := range middle[i] {
			middle[i][k] = float32(centres.NormFloat64())
		}
	}
	source := rand.New(rand.NewPCG(seed, 1))
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, dims)
		for k := range vectors[i] {
			vectors[i][k] = middle[i%8][k] + 0.5*float32(source.NormFloat64())
		}
	}
	return vectors
}

// add publishes a file of vectors and answers their places by brute force for a question.
func (f *fixture) add(storeID string, key int64, vectors [][]float32) {
	chunks := make([]index.Chunk, len(vectors))
	for i, v := range vectors {
		chunks[i] = index.Chunk{Text: fmt.Sprintf("number %d", i), Vector: v}
	}
	f.file(storeID, key, chunks...)
}

// nearest ranks vectors by cosine, as hits of one file of vs_a.
func nearest(key int64, vectors [][]float32, question []float32, n int) []string {
	cosine := func(v []float32) (c float64) {
		length := 0.0
		for i := range v {
			c += float64(v[i]) * float64(question[i])
			length += float64(v[i]) * float64(v[i])
		}
		return c * c / length // signs agree in a cloud
	}
	order := make([]int, len(vectors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(cosine(vectors[b]), cosine(vectors[a])) })
	places := make([]string, n)
	for i := range places {
		places[i] = fmt.Sprintf("vs_a/%d/%d", key, order[i])
	}
	return places
}

// counting counts the vectors that are read.
type counting struct {
	index.Store
	scanned atomic.Int64
	single  atomic.Int64 // of scanned ones no part
	stop    func()       // called for every vector, when set
}

func (c *counting) ScanVectors(ctx context.Context, first, last int64, fn func(int64, []byte)) error {
	return c.Store.ScanVectors(ctx, first, last, func(id int64, packed []byte) {
		c.scanned.Add(1)
		if c.stop != nil {
			c.stop()
		}
		fn(id, packed)
	})
}

func (c *counting) ReadVectors(ctx context.Context, ids []int64, fn func(int64, []byte)) error {
	c.single.Add(int64(len(ids)))
	return c.Store.ReadVectors(ctx, ids, fn)
}

func counted(t testing.TB, options index.Options) (*fixture, *counting) {
	f := open(t, options)
	c := &counting{Store: f.db}
	f.index = index.New(c, options)
	return f, c
}

// TestCodesFindWhatAScanFinds searches a store that is large enough for codes, in whole and a file of it.
func TestCodesFindWhatAScanFinds(t *testing.T) {
	f, _ := counted(t, index.Options{})
	one, two := cloud(1, 600), cloud(2, 300)
	f.add("vs_a", 1, one)
	f.add("vs_a", 2, two)
	same := 0
	for i, question := range cloud(3, 20) {
		want := nearest(1, one, question, 10)
		got := found(f.search(index.Query{Scopes: []index.Scope{{StoreID: "vs_a", Files: []int64{1}}}, Questions: near(question...)}))
		require.Equal(t, want, got, i)
		for _, place := range found(f.search(index.Query{Scopes: in("vs_a"), Questions: near(question...)})) {
			if slices.Contains(want, place) || slices.Contains(nearest(2, two, question, 10), place) {
				same++
			}
		}
	}
	require.Equal(t, 20*10, same, "the best of both files are the best of the store")
}

// TestVectorsAreReadUntilTheBestAreSure asks for few hits of a store in which 64 vectors stand out, and for more.
func TestVectorsAreReadUntilTheBestAreSure(t *testing.T) {
	f, reads := counted(t, index.Options{})
	question := make([]float32, dims)
	question[0] = 1
	source := rand.New(rand.NewPCG(5, 5))
	vectors := make([][]float32, 800)
	for i := range vectors {
		vectors[i] = make([]float32, dims)
		for k := range vectors[i] {
			vectors[i][k] = float32(source.NormFloat64())
		}
		if i < 64 {
			vectors[i][0] = 100
		}
	}
	f.add("vs_a", 1, vectors)
	query := index.Query{Scopes: in("vs_a"), Questions: near(question...), Limit: 10}
	f.search(query)
	reads.single.Store(0)
	want := nearest(1, vectors, question, 10)
	require.Equal(t, want, found(f.search(query)))
	require.Equal(t, int64(64), reads.single.Swap(0), "the others cannot be as near")
	query.Limit = 60
	hits := f.search(query)
	require.Equal(t, nearest(1, vectors, question, 60), found(hits))
	query.Limit = 70
	reads.single.Store(0)
	require.Len(t, f.search(query), 70)
	require.Greater(t, reads.single.Load(), int64(64), "there are hits among the others")
}

// TestEqualVectorsOfLargeStoresKeepTheirOrder has more equal vectors than are read at a time.
func TestEqualVectorsOfLargeStoresKeepTheirOrder(t *testing.T) {
	f := open(t, index.Options{})
	vectors := cloud(1, 600)
	for i := 100; i < 500; i++ {
		vectors[i] = vectors[100]
	}
	f.add("vs_a", 1, vectors)
	var want []string
	for i := range 90 {
		want = append(want, fmt.Sprintf("vs_a/1/%d", 100+i))
	}
	require.Equal(t, want, found(f.search(index.Query{Scopes: in("vs_a"), Questions: near(vectors[100]...), Limit: 90})))
}

// TestCodesFollowTheStore publishes and drops files between searches.
func TestCodesFollowTheStore(t *testing.T) {
	f, reads := counted(t, index.Options{})
	one, two, three := cloud(1, 700), cloud(2, 100), cloud(3, 100)
	question := cloud(4, 1)[0]
	all := index.Query{Scopes: in("vs_a"), Questions: near(question...), Limit: 1000}
	read := func() int64 { return reads.scanned.Swap(0) }

	f.add("vs_a", 1, one)
	require.Len(t, f.search(all), 700)
	require.Equal(t, int64(700), read(), "the first search codes the store")
	require.Len(t, f.search(all), 700)
	require.Zero(t, read(), "the next one reads what it compares only")

	f.add("vs_a", 2, two)
	require.Len(t, f.search(all), 800)
	require.Equal(t, int64(100), read(), "only new vectors are read")

	require.NoError(t, f.db.DropChunks(t.Context(), 1))
	f.add("vs_a", 3, three)
	hits := f.search(all)
	require.Len(t, hits, 200, "a dropped file is not found, though its chunks are still stored")
	for _, hit := range hits {
		require.NotEqual(t, int64(1), hit.File)
	}
	f.add("vs_a", 4, one)
	read()
	require.Len(t, f.search(all), 900)
	require.Equal(t, int64(100+700), read(), "what is left after a drop is not read again")

	require.NoError(t, f.db.DropStoreChunks(t.Context(), "vs_a"))
	require.Empty(t, f.search(all))
	f.add("vs_a", 5, two)
	require.Len(t, f.search(all), 100, "a store of the same name is another store")
}

// TestChunksWithoutVectors has a store whose first files came when embeddings failed.
func TestChunksWithoutVectors(t *testing.T) {
	f, _ := counted(t, index.Options{})
	bare := make([]index.Chunk, 600)
	for i := range bare {
		bare[i].Text = "lonely words"
	}
	f.file("vs_a", 1, bare...)
	question := cloud(4, 1)[0]
	require.Empty(t, f.search(index.Query{Scopes: in("vs_a"), Questions: near(question...)}))
	require.Len(t, f.search(index.Query{Scopes: in("vs_a"), Questions: words("lonely")}), 10)
	f.add("vs_a", 2, cloud(1, 5))
	require.Len(t, f.search(index.Query{Scopes: in("vs_a"), Questions: near(question...)}), 5)
}

// TestMemoryIsBounded searches more stores than fit.
func TestMemoryIsBounded(t *testing.T) {
	const bound = 48 << 10
	f, reads := counted(t, index.Options{Memory: bound})
	question := cloud(4, 1)[0]
	for i := range 4 {
		f.add(fmt.Sprintf("vs_%d", i), int64(i+1), cloud(uint64(i), 600))
	}
	search := func(i int) int64 {
		reads.scanned.Store(0)
		require.Len(t, f.search(index.Query{Scopes: in(fmt.Sprintf("vs_%d", i)), Questions: near(question...)}), 10)
		require.Positive(t, f.index.Memory())
		require.LessOrEqual(t, f.index.Memory(), int64(bound))
		return reads.scanned.Load()
	}
	for i := range 4 {
		require.Equal(t, int64(600), search(i))
	}
	require.Zero(t, search(3), "the one used last is held")
	require.Equal(t, int64(600), search(0), "the one used longest ago had to go")

	f.index = index.New(reads, index.Options{Memory: 1})
	require.Equal(t, int64(600), reads.scanned.Swap(0))
	for range 2 {
		require.Len(t, f.search(index.Query{Scopes: in("vs_1"), Questions: near(question...)}), 10)
	}
	require.Equal(t, int64(600), reads.scanned.Load(), "a store that is too large is held alone")
}

// TestStoresThatHoldNothingAreForgotten: what is remembered of each is little, but there may be any number of them.
func TestStoresThatHoldNothingAreForgotten(t *testing.T) {
	const bound = 20 << 10
	f, _ := counted(t, index.Options{Memory: bound})
	for i := range 100 {
		require.Empty(t, f.search(index.Query{Scopes: in(fmt.Sprintf("vs_%d", i)), Questions: near(1, 0), Limit: 1}))
	}
	require.Positive(t, f.index.Memory())
	require.LessOrEqual(t, f.index.Memory(), int64(bound))
}

// TestCancelledBuildGoesOn ends a search while it codes the second of two files.
func TestCancelledBuildGoesOn(t *testing.T) {
	f, reads := counted(t, index.Options{})
	f.add("vs_a", 1, cloud(1, 600))
	f.add("vs_a", 2, cloud(2, 600))
	query := index.Query{Scopes: in("vs_a"), Questions: near(cloud(4, 1)[0]...), Limit: 5}
	ctx, cancel := context.WithCancel(t.Context())
	reads.stop = func() {
		if reads.scanned.Load() == 700 {
			cancel()
		}
	}
	_, err := f.index.Search(ctx, query)
	require.ErrorIs(t, err, context.Canceled)
	reads.stop = nil
	reads.scanned.Store(0)
	require.Len(t, f.search(query), 5)
	require.Equal(t, int64(600), reads.scanned.Load(), "the first file was done")
}

// TestConcurrentSearches publishes and drops files while several searches run.
func TestConcurrentSearches(t *testing.T) {
	f, _ := counted(t, index.Options{Memory: 1 << 20})
	f.add("vs_a", 1, cloud(1, 600))
	vectors := cloud(2, 20)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		question := cloud(uint64(10+i), 1)[0]
		wg.Go(func() {
			for ctx.Err() == nil {
				hits, err := f.index.Search(ctx, index.Query{
					Scopes: in("vs_a", "vs_b"), Questions: []index.Question{{Text: "number 7", Vector: question}}, Limit: 20,
				})
				if errors.Is(err, context.Canceled) {
					return
				}
				if err != nil || len(hits) != 20 {
					t.Errorf("%d hits, %v", len(hits), err)
					return
				}
			}
		})
	}
	for key := int64(2); key < 6; key++ {
		f.add("vs_a", key, vectors)
		f.add("vs_b", 100+key, vectors)
		require.NoError(t, f.db.DropChunks(t.Context(), key))
		require.NoError(t, f.db.PurgeChunks(t.Context()))
	}
	cancel()
	wg.Wait()
}
