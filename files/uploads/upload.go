// Package uploads holds the Upload: a file that is sent in parts, because it is
// large or the line is bad. Parts are content like any file's; completing an
// upload joins those the client names, in its order, to one file.
//
// A part is durable before it is answered, and an upload and the file it
// becomes change in one transaction. What an upload no longer needs is removed
// behind that, so a crash leaves at most content that nothing names, which the
// sweep of files takes at the next start.
package uploads

import (
	"fmt"

	"understudy/api/wire"
	"understudy/files"
)

// The prefixes of the ids, before 32 hex digits (spec section 3).
const (
	IDPrefix   = "upload_"
	PartPrefix = "part_"
)

// The limits of an upload (spec section 14).
const (
	MaxBytes     = 8 << 30  // of the file it becomes
	MaxPartBytes = 64 << 20 // of one part
	maxParts     = 10_000
	lifetime     = 3600 // seconds from its creation
)

// The states of an upload; all but the first are final.
const (
	pending   = "pending"
	completed = "completed"
	cancelled = "cancelled"
	expired   = "expired"
)

// Upload is the upload object on the wire, in the hosted API's key order (spec
// section 6). Bytes is what the client announced. File is there once the upload
// is completed.
type Upload struct {
	ID        string      `json:"id"`
	Object    string      `json:"object"`
	Bytes     int64       `json:"bytes"`
	CreatedAt int64       `json:"created_at"` // unix seconds
	Filename  string      `json:"filename"`
	Purpose   string      `json:"purpose"`
	Status    string      `json:"status"`
	ExpiresAt int64       `json:"expires_at"` // unix seconds
	File      *files.File `json:"file,omitempty"`
}

// Part is the upload.part object on the wire.
type Part struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	CreatedAt int64  `json:"created_at"` // unix seconds
	UploadID  string `json:"upload_id"`
}

// takes reports why an upload cannot be changed at a unix time, nil when it can.
func (u *Upload) takes(at int64) error {
	status := u.Status
	if status == pending && at >= u.ExpiresAt {
		status = expired
	}
	switch status {
	case pending:
		return nil
	case expired:
		return wire.Invalidf("Upload '%s' has expired: an upload must be completed within %d minutes. Create a new one.", u.ID, lifetime/60)
	default:
		return wire.Invalidf("Upload '%s' has status '%s' and can no longer be changed. Create a new one.", u.ID, status)
	}
}

// noSuch is worded as the file routes word it.
func noSuch(id string) *wire.Error {
	return &wire.Error{Kind: wire.NotFound, Message: "No such Upload object: " + wire.Shown(id), Param: "upload_id"}
}

// ErrPartTooLarge is the answer to a part beyond MaxPartBytes.
var ErrPartTooLarge = &wire.Error{
	Kind:    wire.TooLarge,
	Message: fmt.Sprintf("The part is larger than %d MB (%d bytes), which is the most one part may hold. Send smaller parts.", MaxPartBytes>>20, MaxPartBytes),
	Param:   "data",
}
