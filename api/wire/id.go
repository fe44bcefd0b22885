package wire

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	alphanumerics = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	timeDigits    = 8
	randomDigits  = 16
	ticksPerMilli = 64 // the time part lasts until 2077 in eight base-62 digits
)

// NewID mints prefix + 24 alphanumerics: eight for the time, sixteen random.
// Ids made later sort later, so that indexes on them are appended to.
func NewID(prefix string, at time.Time) string {
	id := make([]byte, len(prefix)+timeDigits+randomDigits)
	copy(id, prefix)
	digits := id[len(prefix):]
	ticks := uint64(at.UnixMicro()) * ticksPerMilli / 1000 // the clock is after 1970
	for i := timeDigits - 1; i >= 0; i-- {
		digits[i] = alphanumerics[ticks%uint64(len(alphanumerics))]
		ticks /= uint64(len(alphanumerics))
	}
	fillRandom(digits[timeDigits:])
	return string(id)
}

// fillRandom writes unbiased random alphanumerics: bytes at or above the
// largest multiple of 62 are drawn again.
func fillRandom(dst []byte) {
	const limit = 256 - 256%len(alphanumerics)
	var pool [2 * randomDigits]byte
	for i := 0; i < len(dst); {
		_, _ = rand.Read(pool[:]) // never fails (crypto/rand)
		for _, b := range pool {
			if int(b) < limit && i < len(dst) {
				dst[i] = alphanumerics[int(b)%len(alphanumerics)]
				i++
			}
		}
	}
}

// MintedAfter reports whether NewID made an id at a later time than another, be
// their prefixes what they may. Of ids from elsewhere it says false.
func MintedAfter(id, other string) bool {
	at, ok := timeOf(id)
	before, known := timeOf(other)
	return ok && known && at > before
}

// Minted reports whether NewID may have made an id, be its prefix what it may.
func Minted(id string) bool {
	_, digits, found := strings.Cut(id, "_")
	return found && len(digits) == timeDigits+randomDigits && strings.Trim(digits, alphanumerics) == ""
}

// timeOf is the time part of an id that NewID may have made.
func timeOf(id string) (string, bool) {
	_, digits, _ := strings.Cut(id, "_")
	if len(digits) != timeDigits+randomDigits {
		return "", false
	}
	return digits[:timeDigits], true
}

// NewHexID mints prefix + 32 hex digits from a UUIDv7, as vector stores,
// uploads and requests carry them.
func NewHexID(prefix string) string {
	id, err := uuid.NewV7()
	if err != nil { // crypto/rand never fails
		panic(err)
	}
	return prefix + hex.EncodeToString(id[:])
}

// CheckID reports a wrong prefix the way the API does; field names the path
// or body parameter the id came in. The prefix is given without its
// separator, as the sentence shows it ("thread", "file").
func CheckID(field, id, prefix string) error {
	if !strings.HasPrefix(id, prefix) {
		return WrongPrefix(field, id, prefix)
	}
	return nil
}
