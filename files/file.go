// Package files holds the File: bytes a client uploaded, or a run produced,
// under a purpose. The row of a file lives in a Store, its content in Blobs, a
// directory of the local disk.
//
// The content is durable before the row that names it is written, and the row
// is gone before the content is removed. A crash therefore never leaves a file
// without content; it leaves at most content without a file, which Sweep
// removes at the next start.
//
// The package validates, fills in defaults and streams; it knows neither HTTP
// nor SQL.
package files

import (
	"fmt"

	"understudy/api/wire"
)

// IDPrefix begins every file id. It ends in a hyphen, alone among the API's.
const IDPrefix = "file-"

// MaxBytes is how much one file may hold: 512 MB (spec section 14).
const MaxBytes = 512 << 20

// File is the file object on the wire, in the hosted API's key order (spec
// section 6). ExpiresAt is null for a file that stays until it is deleted;
// Status is "processed" from the start and StatusDetails always null.
type File struct {
	Object        string  `json:"object"`
	ID            string  `json:"id"`
	Purpose       string  `json:"purpose"`
	Filename      string  `json:"filename"`
	Bytes         int64   `json:"bytes"`
	CreatedAt     int64   `json:"created_at"` // unix seconds
	ExpiresAt     *int64  `json:"expires_at"` // unix seconds
	Status        string  `json:"status"`
	StatusDetails *string `json:"status_details"`
}

// ErrTooLarge is the answer to content beyond MaxBytes. The hosted API's words
// for it are not known.
var ErrTooLarge = &wire.Error{
	Kind:    wire.TooLarge,
	Message: fmt.Sprintf("The file is larger than %d MB (%d bytes), which is the most one file may hold. Split it and upload the parts as separate files.", MaxBytes>>20, MaxBytes),
	Param:   "file",
}

// noSuch is the 404 of the file routes, which is worded unlike every other.
func noSuch(id string) *wire.Error {
	return &wire.Error{Kind: wire.NotFound, Message: "No such File object: " + id, Param: "id"}
}
