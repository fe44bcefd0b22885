package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"net/http"
)

// hashedBody hashes a request body while it is read. Of a multipart form it
// hashes what stands between the delimiters: clients make a new boundary each
// time they send the same form.
type hashedBody struct {
	io.ReadCloser
	sum       hash.Hash
	delimiter []byte // empty = no form
	piece     uint64 // bytes hashed since the last delimiter
	held      []byte // read last, not hashed yet: a delimiter may begin in it
	whole     []byte // the hash, once all was read
}

func newHashedBody(r *http.Request) *hashedBody {
	b := &hashedBody{ReadCloser: r.Body, sum: sha256.New()}
	if boundary, err := formBoundary(r.Header.Get("Content-Type")); err == nil {
		b.delimiter = []byte("--" + boundary)
	}
	return b
}

func (b *hashedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if len(b.delimiter) == 0 {
		b.sum.Write(p[:n]) // never fails (hash.Hash)
	} else {
		b.split(p[:n])
	}
	return n, err
}

// split hashes the next bytes of a form, but for its delimiters.
func (b *hashedBody) split(next []byte) {
	b.held = append(b.held, next...)
	rest := b.held
	for {
		at := bytes.Index(rest, b.delimiter)
		if at < 0 {
			break
		}
		b.add(rest[:at])
		b.endPiece()
		rest = rest[at+len(b.delimiter):]
	}
	sure := max(0, len(rest)-len(b.delimiter)+1)
	b.add(rest[:sure])
	b.held = append(b.held[:0], rest[sure:]...)
}

func (b *hashedBody) add(p []byte) {
	b.sum.Write(p)
	b.piece += uint64(len(p))
}

// endPiece tells where the pieces end: behind each one stands its length, so
// that no other pieces make the same hash.
func (b *hashedBody) endPiece() {
	b.sum.Write(binary.BigEndian.AppendUint64(nil, b.piece))
	b.piece = 0
}

// hash reads what is left and returns the hash of all.
func (b *hashedBody) hash() []byte {
	if b.whole != nil {
		return b.whole
	}
	_, _ = io.Copy(io.Discard, b) // a body that breaks off has another hash
	if len(b.delimiter) > 0 {
		b.add(b.held)
		b.endPiece()
	}
	b.whole = b.sum.Sum(nil)
	return b.whole
}
