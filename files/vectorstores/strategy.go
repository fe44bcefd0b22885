package vectorstores

import (
	"understudy/api/wire"
)

// Chunking is the chunking_strategy of a file as it is shown: always the static
// one that it comes to (spec section 6).
type Chunking struct {
	Type   string         `json:"type"`
	Static StaticChunking `json:"static"`
}

// StaticChunking are the size of a chunk and what it shares with the one
// before it, in tokens.
type StaticChunking struct {
	Size    int `json:"max_chunk_size_tokens"`
	Overlap int `json:"chunk_overlap_tokens"`
}

// The bounds of the size of a chunk, in tokens.
const (
	minChunk = 100
	maxChunk = 4096
)

const (
	autoChunking   = "auto"
	staticChunking = "static"
)

// DefaultChunking is what the strategy auto comes to.
var DefaultChunking = Chunking{Type: staticChunking, Static: StaticChunking{Size: 800, Overlap: 400}}

// readChunking reads the chunking_strategy field; absent is auto.
func readChunking(o *wire.Object) Chunking {
	sub := o.Object("chunking_strategy")
	if sub == nil || !sub.Require("type") {
		return DefaultChunking
	}
	chunking := DefaultChunking
	if sub.Enum("type", autoChunking, staticChunking) == staticChunking && sub.Require(staticChunking) {
		if static := sub.Object(staticChunking); static != nil {
			chunking.Static = readStatic(static)
		}
	}
	sub.IgnoreNull(staticChunking)
	_ = sub.Err()
	return chunking
}

func readStatic(o *wire.Object) StaticChunking {
	var s StaticChunking
	if o.Require("max_chunk_size_tokens") {
		if size := o.Int("max_chunk_size_tokens", minChunk, maxChunk); size != nil {
			s.Size = *size
		}
	}
	if o.Require("chunk_overlap_tokens") {
		// More than half would put every word into three chunks and more.
		if overlap := o.Int("chunk_overlap_tokens", 0, s.Size/2); overlap != nil {
			s.Overlap = *overlap
		}
	}
	_ = o.Err()
	return s
}
