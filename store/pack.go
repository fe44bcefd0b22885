package store

import (
	"bytes"
	"fmt"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"understudy/api/wire"
)

const (
	// leastPacked is the shortest body that is worth compressing, in bytes.
	leastPacked = 256

	// packWindow is how far back a compressed body refers to itself, in bytes. What repeats in a model's answer, the
	// frame of each delta, repeats at once; a small window keeps the encoders small.
	packWindow = 128 << 10

	// mostUnpacked bounds what a body may become, in bytes: an answer of 32 MiB at most, or a prompt.
	mostUnpacked = 1 << 30
)

// frameMagic begins every zstd frame, which is how a packed body is known.
var frameMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// packing serves all databases of the process: an encoder has tables that are best used again. The fastest level finds
// what there is to find in bodies this short. It is made when the process starts, and its encoders with it: they wait in
// a channel, which must not belong to the testing/synctest bubble that happens to be the first to use it.
var packing = func() *zstd.Encoder {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(packWindow),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil { // the options are constants
		panic(err)
	}
	encoder.EncodeAll(nil, nil)
	return encoder
}()

var unpacking = func() *zstd.Decoder {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(mostUnpacked))
	if err != nil { // the options are constants
		panic(err)
	}
	return decoder
}()

// pack returns a body as it is stored: compressed when that is shorter. What looks like a frame before is compressed
// whatever its length, so that every frame is one of ours. It is never nil, which would be stored as NULL.
func pack(body []byte) []byte {
	disguised := bytes.HasPrefix(body, frameMagic)
	if len(body) < leastPacked && !disguised {
		return append([]byte{}, body...)
	}
	if packed := packing.EncodeAll(body, make([]byte, 0, len(body)/4+64)); disguised || len(packed) < len(body) {
		return packed
	}
	return body
}

// unpack undoes pack.
func unpack(w witness, stored []byte) ([]byte, error) {
	if !bytes.HasPrefix(stored, frameMagic) {
		return stored, nil
	}
	body, err := unpacking.DecodeAll(stored, nil)
	if err != nil {
		return nil, w.damaged(fmt.Errorf("%w: unpack a body of the tape: %w", wire.ErrDamaged, err))
	}
	return body, nil
}
