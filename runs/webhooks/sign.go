package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix = "whsec_"
	leastSecret  = 24 // bytes, as Standard Webhooks has it
)

// ErrBadSecret says what a secret looks like.
var ErrBadSecret = errors.New(`the secret of a webhook is whsec_ and then the base64 of at least 24 random bytes; make one with: echo "whsec_$(openssl rand -base64 32)"`)

// CheckSecret says what is wrong with a secret, without repeating it.
func CheckSecret(secret string) error {
	_, err := parseSecret(secret)
	return err
}

func parseSecret(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < leastSecret {
		return nil, ErrBadSecret
	}
	return key, nil
}

// sign makes the value of the header webhook-signature.
func sign(key []byte, id string, at time.Time, payload []byte) string {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{id, ".", strconv.FormatInt(at.Unix(), 10), "."} {
		mac.Write([]byte(part)) // never fails (hash.Hash)
	}
	mac.Write(payload)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
