package index

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

const (
	// meanSample is how many vectors, spread over the store, the mean is taken from.
	meanSample = 1024

	// reframeGrowth is how many times as many vectors as when the mean was taken make a new one worth its price, which
	// is to code all vectors again.
	reframeGrowth = 4

	// codeBatch is how many vectors are coded at a time.
	codeBatch = 256
)

// codeset holds the codes of a store's vectors, file after file. It is not changed once others can see it: a longer one
// may share its memory, behind its end. nil is an empty one.
type codeset struct {
	frame  *frame // nil while no file had a vector
	framed int    // how many vectors there were when the frame was made
	codes
	ids   []int64
	spans []span
}

// span is where a file's codes are.
type span struct {
	file     int64 // its number
	from, to int
}

// size is the memory in bytes.
func (c *codeset) size() int64 {
	if c == nil {
		return 0
	}
	return int64(8*cap(c.bits) + 4*cap(c.scale) + 4*cap(c.bias) + 8*cap(c.ids) + 24*cap(c.spans))
}

// keep answers a copy with the codes of some files only.
func (c *codeset) keep(files map[int64]File) *codeset {
	if c == nil || c.frame == nil {
		return nil
	}
	kept := &codeset{frame: c.frame, framed: c.framed}
	words := c.frame.words()
	for _, s := range c.spans {
		if _, ok := files[s.file]; !ok {
			continue
		}
		kept.spans = append(kept.spans, span{s.file, len(kept.ids), len(kept.ids) + s.to - s.from})
		kept.bits = append(kept.bits, c.bits[s.from*words:s.to*words]...)
		kept.scale = append(kept.scale, c.scale[s.from:s.to]...)
		kept.bias = append(kept.bias, c.bias[s.from:s.to]...)
		kept.ids = append(kept.ids, c.ids[s.from:s.to]...)
	}
	return kept
}

// extend answers the codes of all files, of which the set may hold some already. After an error it answers those that
// were done.
func (c *codeset) extend(ctx context.Context, store Store, key int64, files []File) (*codeset, error) {
	total := 0
	for _, f := range files {
		total += f.Chunks
	}
	longer := &codeset{}
	if c != nil && c.frame != nil && total < reframeGrowth*c.framed {
		*longer = *c
	} else {
		frame, err := sampleFrame(ctx, store, key, files, total)
		if err != nil || frame == nil {
			return c, err
		}
		longer.frame, longer.framed = frame, total
	}
	longer.grow(total)
	done := map[int64]bool{}
	for _, s := range longer.spans {
		done[s.file] = true
	}
	for _, f := range files {
		if done[f.Number] {
			continue
		}
		before := len(longer.ids)
		if err := longer.addFile(ctx, store, key, f.Number); err != nil {
			longer.truncate(before)
			return longer, err
		}
		longer.spans = append(longer.spans, span{f.Number, before, len(longer.ids)})
	}
	return longer, nil
}

// grow makes room for n codes at once.
func (c *codeset) grow(n int) {
	more := max(n-len(c.ids), 0)
	c.bits = slices.Grow(c.bits, more*c.frame.words())
	c.scale, c.bias, c.ids = slices.Grow(c.scale, more), slices.Grow(c.bias, more), slices.Grow(c.ids, more)
}

func (c *codeset) truncate(n int) {
	c.bits, c.scale, c.bias, c.ids = c.bits[:n*c.frame.words()], c.scale[:n], c.bias[:n], c.ids[:n]
}

// sampleFrame takes the mean of vectors all over the store. It is nil when there are none.
func sampleFrame(ctx context.Context, store Store, key int64, files []File, total int) (*frame, error) {
	var sum []float64
	n := 0
	add := func(_ int64, packed []byte) {
		if sum == nil {
			sum = make([]float64, len(packed)/4)
		}
		if len(packed) == 4*len(sum) {
			addPacked(sum, packed)
			n++
		}
	}
	if err := store.ReadVectors(ctx, sampleIDs(key, files, total), add); err != nil {
		return nil, err
	}
	if n == 0 { // few chunks have a vector: any of them will do
		for _, f := range files {
			first, last := OfFile(key, f.Number)
			if err := store.ScanVectors(ctx, first, last, add); err != nil {
				return nil, err
			}
			if n > 0 {
				break
			}
		}
	}
	if n == 0 {
		return nil, nil
	}
	mean := make([]float32, len(sum))
	for i, x := range sum {
		mean[i] = float32(x / float64(n))
	}
	return newFrame(len(mean), mean), nil
}

// sampleIDs are the ids of chunks at equal distances.
func sampleIDs(key int64, files []File, total int) []int64 {
	stride := max(total/meanSample, 1)
	var ids []int64
	next, before := 0, 0
	for _, f := range files {
		first, _ := OfFile(key, f.Number)
		for ; next < before+f.Chunks; next += stride {
			ids = append(ids, first+int64(next-before))
		}
		before += f.Chunks
	}
	return ids
}

// addFile codes a file's vectors, as many at a time as there are processors. Vectors of another length than the frame's
// cannot be compared with the others and are passed over.
func (c *codeset) addFile(ctx context.Context, store Store, key, file int64) error {
	batch := make([]byte, 0, 4*c.frame.dims) // grows to codeBatch vectors when the file has them
	flush := func() {
		c.addBatch(batch)
		batch = batch[:0]
	}
	first, last := OfFile(key, file)
	err := store.ScanVectors(ctx, first, last, func(id int64, packed []byte) {
		if len(packed) != 4*c.frame.dims {
			return
		}
		c.ids = append(c.ids, id)
		if batch = append(batch, packed...); len(batch) == codeBatch*len(packed) {
			flush()
		}
	})
	flush()
	return err
}

// addBatch codes vectors that lie one behind the other.
func (c *codeset) addBatch(batch []byte) {
	width := 4 * c.frame.dims
	n, at := len(batch)/width, len(c.scale)
	c.bits = append(c.bits, make([]uint64, n*c.frame.words())...)
	c.scale, c.bias = append(c.scale, make([]float32, n)...), append(c.bias, make([]float32, n)...)
	part := (n + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	var workers sync.WaitGroup
	for from := 0; from < n; from += part {
		workers.Go(func() {
			room := make([]float32, c.frame.dims)
			for i := from; i < min(from+part, n); i++ {
				c.frame.encode(batch[i*width:(i+1)*width], &c.codes, at+i, room)
			}
		})
	}
	workers.Wait()
}
