package vectorstores

import (
	"slices"
	"time"

	"understudy/api/wire"
)

// The bounds of a request (spec sections 13 and 15).
const (
	maxName        = 256
	maxDescription = 512
	maxFirstFiles  = 500  // file_ids of a new store
	maxBatch       = 2000 // files of one batch
)

// Create is the body of POST /vector_stores.
type Create struct {
	Name         *string
	Description  *string
	ExpiresAfter *ExpiresAfter
	Metadata     wire.Metadata
	FileIDs      []string
	Chunking     Chunking
}

// ReadCreate reads the body of POST /vector_stores.
func ReadCreate(o *wire.Object, dialect wire.Dialect) (Create, error) {
	c := Create{
		Name:         o.String("name", maxName),
		Description:  o.String("description", maxDescription),
		ExpiresAfter: readExpiry(o),
		Metadata:     o.Metadata(dialect == wire.V1),
		FileIDs:      readFileIDs(o, "file_ids", maxFirstFiles),
		Chunking:     readChunking(o),
	}
	return c, o.Err()
}

// ReadHelper reads one entry of tool_resources.file_search.vector_stores, which
// makes a store along with an assistant or a thread.
func ReadHelper(o *wire.Object) Create {
	c := Create{
		Metadata: o.Metadata(false),
		FileIDs:  readFileIDs(o, "file_ids", maxHelperFiles),
		Chunking: readChunking(o),
	}
	if o.Has("expires_after") { // not in the published schema; SDKs had it for a while
		c.ExpiresAfter = readExpiry(o)
	}
	_ = o.Err()
	return c
}

// maxHelperFiles is how many files a store made through a helper begins with:
// what one request can hold comes first.
const maxHelperFiles = 10_000

// New is a vector store to be added, with its first files.
type New struct {
	Store *VectorStore
	Files []NewFile
}

// Change is what happens to vector stores in the transaction of another object
// that names them.
type Change struct {
	New     *New      // a store to be made
	StoreID string    // the store that the members below speak of
	Attach  []NewFile // files it shall have; those it has stay
	Detach  []string  // files it shall not have
	At      int64     // unix seconds
}

// Keeping makes the change that a store needs to hold the wanted files in place
// of those it held before. The store is made when storeID is "" and there is
// something to hold.
func Keeping(storeID string, before, wanted []string, ids *wire.Minter, now time.Time) Change {
	if storeID == "" {
		if len(wanted) == 0 {
			return Change{}
		}
		n := Of(wanted).Build(NewID(ids), now)
		return Change{New: &n}
	}
	without := func(ids, others []string) []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(others, id) })
	}
	return Change{StoreID: storeID, Attach: filesOf(without(wanted, before), DefaultChunking), Detach: without(before, wanted), At: now.Unix()}
}

// Build makes the store as it will be stored.
func (c Create) Build(id string, now time.Time) New {
	v := &VectorStore{
		ID: id, Object: "vector_store", CreatedAt: now.Unix(), Name: c.Name, Description: c.Description,
		Status: Completed, ExpiresAfter: c.ExpiresAfter, Metadata: c.Metadata,
	}
	v.Touch(now)
	n := New{Store: v, Files: filesOf(c.FileIDs, c.Chunking)}
	v.Count(InProgress, len(n.Files))
	return n
}

// With returns c with more files.
func (c Create) With(fileIDs []string) Create {
	c.FileIDs = unique(append(slices.Clone(c.FileIDs), fileIDs...))
	return c
}

// ForThread is Build for a store that a thread has for itself: it goes a week
// after its last use unless the request says something else.
func (c Create) ForThread(ids *wire.Minter, now time.Time) New {
	if c.ExpiresAfter == nil {
		c.ExpiresAfter = threadExpiry()
	}
	return c.Build(NewID(ids), now)
}

// NewID mints the id of a store.
func NewID(ids *wire.Minter) string { return ids.HexID(IDPrefix) }

// Of is a store of files with every setting at its default.
func Of(fileIDs []string) Create { return Create{FileIDs: fileIDs, Chunking: DefaultChunking} }

func readExpiry(o *wire.Object) *ExpiresAfter {
	sub := o.Object("expires_after")
	if sub == nil {
		return nil
	}
	e := &ExpiresAfter{}
	if sub.Require("anchor") {
		e.Anchor = sub.Enum("anchor", anchor)
	}
	if sub.Require("days") {
		if days := sub.Int("days", 1, maxDays); days != nil {
			e.Days = *days
		}
	}
	_ = sub.Err()
	return e
}

func readFileIDs(o *wire.Object, name string, maximum int) []string {
	ids := o.Strings(name, maximum)
	for _, id := range ids {
		o.Fail(wire.CheckID(o.Path(name), id, "file"))
	}
	return unique(ids)
}

// unique drops what came before, so that a file is in a store once.
func unique(ids []string) []string {
	var kept []string
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			kept, seen[id] = append(kept, id), true
		}
	}
	return kept
}

// Modify is the body of POST /vector_stores/{id}.
type Modify struct {
	name         *string
	metadata     wire.Metadata
	expiresAfter *ExpiresAfter
	clearName    bool
	clearExpiry  bool
}

// ReadModify reads the body of POST /vector_stores/{id}. An absent field stays
// as it is; null resets the name and the expiry, and changes no metadata.
func ReadModify(o *wire.Object, dialect wire.Dialect) (Modify, error) {
	m := Modify{
		clearName:    o.IsNull("name"),
		clearExpiry:  o.IsNull("expires_after"),
		name:         o.String("name", maxName),
		metadata:     o.Metadata(dialect == wire.V1),
		expiresAfter: readExpiry(o),
	}
	return m, o.Err()
}

// apply changes the store; a new expiry counts from the last use, so that one
// that lies in the past ends the store.
func (m Modify) apply(v *VectorStore) error {
	if v.Status == Expired && (m.expiresAfter != nil || m.clearExpiry) {
		return HasExpired(v.ID)
	}
	if m.name != nil || m.clearName {
		v.Name = m.name
	}
	if m.metadata != nil {
		v.Metadata = m.metadata
	}
	if m.expiresAfter != nil || m.clearExpiry {
		v.ExpiresAfter = m.expiresAfter
		v.Touch(time.Unix(v.LastActiveAt, 0))
	}
	return nil
}
