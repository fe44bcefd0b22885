package files

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"understudy/api/wire"
)

// The purposes a client may upload under (spec section 14).
const (
	FineTune   = "fine-tune"
	Assistants = "assistants"
	Batch      = "batch"
	UserData   = "user_data"
	Vision     = "vision"
	Evals      = "evals"
)

// UploadPurposes are all of them, in the order the hosted API's error lists them.
var UploadPurposes = []string{FineTune, Assistants, Batch, UserData, Vision, Evals}

// The bounds of expires_after.seconds (spec section 14).
const (
	minExpirySeconds = 3600
	maxExpirySeconds = 2_592_000
)

const expiryField = "expires_after"

// Upload is what POST /files says about the content it carries. Filename may
// be anything a client sent: it is cleaned when the file is made.
type Upload struct {
	Filename     string
	Purpose      string
	ExpiresAfter int // seconds after created_at; 0 keeps the file until it is deleted

	// expiry is expires_after as JSON, gathered from form fields.
	expiry map[string]json.RawMessage
}

// Set takes one field of the form, in any order, and refuses what can be
// refused at once: a wrong purpose need not wait for the content.
func (u *Upload) Set(name, value string) error {
	if name == "purpose" {
		u.Purpose = value
		return checkPurpose(value)
	}
	member, ok := expiryMember(name)
	if !ok {
		return wire.UnknownParam(name)
	}
	if u.expiry == nil {
		u.expiry = map[string]json.RawMessage{}
	}
	u.expiry[member] = formValue(member, value)
	return nil
}

// Finish checks the form as a whole, after its last field.
func (u *Upload) Finish() error {
	if u.Purpose == "" {
		return wire.MissingParam("purpose")
	}
	if u.expiry == nil {
		return nil
	}
	body, err := json.Marshal(map[string]any{expiryField: u.expiry})
	if err != nil {
		return err
	}
	o, err := wire.ParseObject(body)
	if err != nil {
		return err
	}
	u.ExpiresAfter = ReadExpiresAfter(o)
	return o.Err()
}

// ReadExpiresAfter reads the expires_after field, in seconds after creation; 0
// when absent or null.
func ReadExpiresAfter(o *wire.Object) int {
	sub := o.Object(expiryField)
	if sub == nil {
		return 0
	}
	if sub.Require("anchor") {
		sub.Enum("anchor", "created_at")
	}
	seconds := 0
	if sub.Require("seconds") {
		if n := sub.Int("seconds", minExpirySeconds, maxExpirySeconds); n != nil {
			seconds = *n
		}
	}
	_ = sub.Err()
	return seconds
}

// New makes the object as it will be stored; size is in bytes, createdAt in unix
// seconds.
func (u Upload) New(id string, size, createdAt int64) *File {
	f := &File{
		Object: "file", ID: id, Purpose: u.Purpose, Filename: cleanName(u.Filename),
		Bytes: size, CreatedAt: createdAt, Status: "processed",
	}
	if u.ExpiresAfter > 0 {
		f.ExpiresAt = wire.Ptr(createdAt + int64(u.ExpiresAfter))
	}
	return f
}

// checkPurpose words its error as the hosted file routes did, in the style of
// a JSON Schema validator.
func checkPurpose(purpose string) error {
	if slices.Contains(UploadPurposes, purpose) {
		return nil
	}
	return &wire.Error{
		Message: fmt.Sprintf("'%s' is not one of ['%s'] - 'purpose'", purpose, strings.Join(UploadPurposes, "', '")),
		Param:   "purpose",
	}
}

// expiryMember takes the member out of expires_after[member], or of
// expires_after.member as older Go clients spell it.
func expiryMember(field string) (string, bool) {
	rest, ok := strings.CutPrefix(field, expiryField)
	if !ok {
		return "", false
	}
	if member, ok := strings.CutPrefix(rest, "."); ok {
		return member, true
	}
	if member, ok := strings.CutPrefix(rest, "["); ok {
		return strings.CutSuffix(member, "]")
	}
	return "", false
}

// formValue is the JSON a form field stands for: forms have only strings, so
// that seconds is a number by its name.
func formValue(member, value string) json.RawMessage {
	if n, err := strconv.Atoi(value); err == nil && member == "seconds" {
		return json.RawMessage(strconv.Itoa(n))
	}
	quoted, _ := json.Marshal(value) // a string always encodes
	return quoted
}
