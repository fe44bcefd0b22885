package uploads

import (
	"regexp"

	"understudy/api/wire"
	"understudy/files"
)

// Create is the body of POST /uploads.
type Create struct {
	Filename string
	Purpose  string
	Bytes    int64
	// ExpiresAfter is how long the file lives, in seconds after it was made; 0
	// keeps it until it is deleted.
	ExpiresAfter int
}

// ReadCreate reads the body of POST /uploads. The type is required as the hosted
// API required it; what a file is, is read from its content and its name.
func ReadCreate(o *wire.Object, _ wire.Dialect) (Create, error) {
	c := Create{Filename: o.RequiredString("filename", 0)}
	if o.Require("purpose") {
		c.Purpose = o.Enum("purpose", files.UploadPurposes...)
	}
	if o.Require("bytes") {
		if n := o.Int("bytes", 1, MaxBytes); n != nil {
			c.Bytes = int64(*n)
		}
	}
	_ = o.RequiredString("mime_type", 0)
	c.ExpiresAfter = files.ReadExpiresAfter(o)
	return c, o.Err()
}

// new makes the object as it will be stored.
func (c Create) new(id string, at int64) *Upload {
	return &Upload{
		ID: id, Object: "upload", Bytes: c.Bytes, CreatedAt: at, Filename: c.Filename,
		Purpose: c.Purpose, Status: pending, ExpiresAt: at + lifetime,
	}
}

// Complete is the body of POST /uploads/{id}/complete.
type Complete struct {
	PartIDs []string
	MD5     string // of the whole content, in hex; "" = not to be checked
}

var md5Form = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

// ReadComplete reads the body of POST /uploads/{id}/complete.
func ReadComplete(o *wire.Object, _ wire.Dialect) (Complete, error) {
	var c Complete
	if o.Require("part_ids") {
		if c.PartIDs = o.Strings("part_ids", maxParts); c.PartIDs != nil && len(c.PartIDs) == 0 {
			o.Fail(wire.EmptyArray("part_ids"))
		}
	}
	if sum := o.String("md5", 0); sum != nil {
		c.MD5 = *sum
		if !md5Form.MatchString(c.MD5) {
			o.Fail(wire.InvalidValue("md5", "Invalid 'md5': expected 32 hex digits, but got '%s' instead.", wire.Shown(c.MD5)))
		}
	}
	return c, o.Err()
}
