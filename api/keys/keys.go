// Package keys holds API keys: who may call the server, and whose objects a
// caller sees. A key is shown once, when it is made; only its hash is stored.
package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"understudy/api/wire"
)

// DefaultProject owns everything when callers have no keys, and the keys that
// were made without naming a project.
const DefaultProject = "default"

// A key reads "sk-understudy-" + id + "-" + secret.
const (
	prefix   = "sk-understudy-"
	idLength = 12
)

// Key is a key as it is stored.
type Key struct {
	ID        string // the part that may be shown and logged
	Project   string
	Name      string
	Hash      []byte // SHA-256 of the whole key
	CreatedAt time.Time
	RevokedAt *time.Time
}

// Store keeps keys.
type Store interface {
	CreateKey(ctx context.Context, k Key) error
	// Key answers wire.ErrNotFound for an unknown id.
	Key(ctx context.Context, id string) (Key, error)
	Keys(ctx context.Context) ([]Key, error)
	// RevokeKey answers wire.ErrNotFound for an unknown or revoked id.
	RevokeKey(ctx context.Context, id string, at time.Time) error
}

// Mint makes a key and its secret text, which is told once and not kept.
func Mint(project, name string, at time.Time) (Key, string) {
	id := strings.ToLower(rand.Text()[:idLength])
	text := prefix + id + "-" + rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(text))
	return Key{ID: id, Project: project, Name: name, Hash: sum[:], CreatedAt: at}, text
}

// Verify returns the key that text is, or the API's 401. The comparison takes
// the same time wherever the texts differ.
func Verify(ctx context.Context, store Store, text string) (Key, error) {
	id, _, _ := strings.Cut(strings.TrimPrefix(text, prefix), "-")
	k, err := store.Key(ctx, id)
	if err != nil && !errors.Is(err, wire.ErrNotFound) {
		return Key{}, err
	}
	sum := sha256.Sum256([]byte(text))
	if subtle.ConstantTimeCompare(sum[:], k.Hash) != 1 || k.RevokedAt != nil {
		return Key{}, incorrect(text)
	}
	return k, nil
}

func incorrect(text string) *wire.Error {
	return &wire.Error{
		Kind: wire.Unauthorized, Code: "invalid_api_key",
		Message: "Incorrect API key provided: " + mask(text) + ". You can find your API key at https://platform.openai.com/account/api-keys.",
	}
}

// mask shows the ends of a key, as the hosted API did.
func mask(text string) string {
	const shown = 4
	if len(text) < 3*shown {
		return strings.Repeat("*", len(text))
	}
	return text[:shown] + strings.Repeat("*", min(len(text)-2*shown, 32)) + text[len(text)-shown:]
}
