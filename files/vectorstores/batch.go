package vectorstores

import (
	"understudy/api/wire"
)

// FileBatch is the file batch object on the wire, in the hosted API's key order
// and with its object name, which the published schema spells otherwise (spec
// section 6).
type FileBatch struct {
	ID            string     `json:"id"`
	Object        string     `json:"object"`
	CreatedAt     int64      `json:"created_at"` // unix seconds
	Status        Status     `json:"status"`
	VectorStoreID string     `json:"vector_store_id"`
	FileCounts    FileCounts `json:"file_counts"`
}

func newBatch(id, storeID string, createdAt int64, files int) *FileBatch {
	b := &FileBatch{ID: id, Object: "vector_store.file_batch", CreatedAt: createdAt, VectorStoreID: storeID}
	b.Count(InProgress, files)
	return b
}

// Count changes the counts of the batch's files and settles its status: a
// cancelled batch stays so, and one of which no file could be read has failed.
func (b *FileBatch) Count(status Status, n int) {
	b.FileCounts.Add(status, n)
	counts := b.FileCounts
	switch {
	case b.Status == Cancelled:
	case counts.InProgress > 0:
		b.Status = InProgress
	case counts.Failed > 0 && counts.Failed == counts.Total:
		b.Status = Failed
	default:
		b.Status = Completed
	}
}

// ReadBatch reads the body of POST /vector_stores/{id}/file_batches: file_ids
// with settings for all, or files with their own.
func ReadBatch(o *wire.Object, _ wire.Dialect) ([]NewFile, error) {
	attributes, chunking := readAttributes(o), readChunking(o)
	if !o.Has("files") {
		o.Require("file_ids")
		list := filesOf(readFileIDs(o, "file_ids", maxBatch), chunking)
		for i := range list {
			list[i].Attributes = attributes
		}
		if len(list) == 0 {
			o.Fail(wire.EmptyArray("file_ids"))
		}
		o.IgnoreNull("files")
		return list, o.Err()
	}
	if o.Has("file_ids") {
		o.Fail(wire.MutuallyExclusive("file_ids", "files"))
	}
	o.IgnoreNull("file_ids")
	list := readFiles(o)
	return list, o.Err()
}

// readFiles reads the entries of files; of a file named twice the last counts.
func readFiles(o *wire.Object) []NewFile {
	var list []NewFile
	place := map[string]int{}
	for _, entry := range o.Objects("files", maxBatch) {
		f := readNewFile(entry)
		_ = entry.Err()
		if i, twice := place[f.FileID]; twice {
			list[i] = f
			continue
		}
		place[f.FileID] = len(list)
		list = append(list, f)
	}
	if len(list) == 0 {
		o.Fail(wire.EmptyArray(o.Path("files")))
	}
	return list
}
