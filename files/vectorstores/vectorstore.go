// Package vectorstores holds vector stores: sets of files whose text is cut
// into chunks that can be searched by their words and their meaning.
//
// A file is attached at once and indexed in the background: extracted, chunked,
// embedded and stored in pieces, each in a transaction of its own. What waits
// is what the store has as in_progress, so that a process that starts goes on
// where the one before it stopped.
//
// The package validates, counts and ranks; it knows neither HTTP nor SQL.
package vectorstores

import (
	"time"

	"understudy/api/wire"
)

// The prefixes of ids. A file of a store has the id of the file.
const (
	IDPrefix    = "vs_"
	BatchPrefix = "vsfb_"
)

// The nouns of the API's 404s.
const (
	noun      = "vector store"
	batchNoun = "vector store file batch"
)

// Status is the state of a store, a file of a store or a batch of files (spec
// section 13).
type Status string

// The states. Expired is a store's alone; a store is never Failed or Cancelled.
const (
	InProgress Status = "in_progress"
	Completed  Status = "completed"
	Failed     Status = "failed"
	Cancelled  Status = "cancelled"
	Expired    Status = "expired"
)

// VectorStore is the vector store object on the wire, in the hosted API's key
// order (spec section 6). StatusDetails is no part of the hosted API's object
// and left out unless there is something to say: that files of the store can be
// found by their words only.
type VectorStore struct {
	ID            string        `json:"id"`
	Object        string        `json:"object"`
	CreatedAt     int64         `json:"created_at"` // unix seconds
	Name          *string       `json:"name"`
	Description   *string       `json:"description"`
	UsageBytes    int64         `json:"usage_bytes"` // of text and vectors of the completed files
	FileCounts    FileCounts    `json:"file_counts"`
	Status        Status        `json:"status"`
	ExpiresAfter  *ExpiresAfter `json:"expires_after"`
	ExpiresAt     *int64        `json:"expires_at"`     // unix seconds
	LastActiveAt  int64         `json:"last_active_at"` // unix seconds
	Metadata      wire.Metadata `json:"metadata"`
	StatusDetails string        `json:"status_details,omitempty"`
}

// FileCounts are the files of a store or batch by their status.
type FileCounts struct {
	InProgress int `json:"in_progress"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`
	Total      int `json:"total"`
}

// Add counts n more files of a status; other statuses than a file's are not counted.
func (c *FileCounts) Add(status Status, n int) {
	switch status {
	case InProgress:
		c.InProgress += n
	case Completed:
		c.Completed += n
	case Failed:
		c.Failed += n
	case Cancelled:
		c.Cancelled += n
	case Expired:
		return
	}
	c.Total += n
}

// ExpiresAfter is how long a store stays: Days after it was last used. Anchor
// is "last_active_at".
type ExpiresAfter struct {
	Anchor string `json:"anchor"`
	Days   int    `json:"days"`
}

const (
	anchor  = "last_active_at"
	maxDays = 365
	// threadDays is how long a store stays that was made through a thread.
	threadDays = 7
)

// threadExpiry is the expiry of stores that threads made (spec section 13).
func threadExpiry() *ExpiresAfter { return &ExpiresAfter{Anchor: anchor, Days: threadDays} }

// Count changes the counts of the store's files and settles its status.
func (v *VectorStore) Count(status Status, n int) {
	v.FileCounts.Add(status, n)
	if v.Status == Expired {
		return
	}
	v.Status = Completed
	if v.FileCounts.InProgress > 0 {
		v.Status = InProgress
	}
}

// Weigh changes the bytes that the store's files use.
func (v *VectorStore) Weigh(bytes int64) {
	if v.Status != Expired {
		v.UsageBytes += bytes
	}
}

// What StatusDetails says, and what helps.
const (
	notEmbedded = "Some files could not be embedded and are found by their words only. "
	tryAgain    = notEmbedded + "Attach them again when the embedding model answers."
	makeAnother = notEmbedded + "The vectors of this store are of an embedding model or size that is no longer to be had: create a new vector store with the same files."
)

// FoundByWords notes whether there are files that have no vectors and should,
// and whether one was just found that can have none in this store.
func (v *VectorStore) FoundByWords(some, foreign bool) {
	switch {
	case !some || v.Status == Expired:
		v.StatusDetails = ""
	case foreign:
		v.StatusDetails = makeAnother
	case v.StatusDetails == "":
		v.StatusDetails = tryAgain
	}
}

// Touch notes that the store was used, which puts its end off.
func (v *VectorStore) Touch(now time.Time) {
	v.LastActiveAt = now.Unix()
	v.ExpiresAt = nil
	if v.ExpiresAfter != nil {
		v.ExpiresAt = wire.Ptr(now.AddDate(0, 0, v.ExpiresAfter.Days).Unix())
	}
}

// Expire ends a store: its files are still listed, and can be searched no more.
func (v *VectorStore) Expire() {
	v.Status, v.UsageBytes, v.StatusDetails = Expired, 0, ""
}

// HasExpired is the answer to what an expired store cannot do.
func HasExpired(id string) error {
	return wire.Invalidf("The vector store '%s' has expired. Create a new vector store with the same files.", wire.Shown(id))
}

// noSuchFile is the 404 for a file that a store does not have.
func noSuchFile(storeID, fileID string) error {
	return &wire.Error{Kind: wire.NotFound, Message: "No file found with id '" + wire.Shown(fileID) + "' in vector store '" + wire.Shown(storeID) + "'."}
}
