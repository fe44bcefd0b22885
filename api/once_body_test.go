package api

import (
	"bytes"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// hashOf hashes a form, of which the handler has read some before.
func hashOf(contentType, body string, read int64) string {
	b := newHashedBody(postForm(contentType, strings.NewReader(body)))
	_, _ = io.CopyN(io.Discard, b, read)
	return string(b.hash())
}

// TestHashOfAForm: a form has the same hash whatever its boundary is and however
// it comes, and another one when anything in it differs.
func TestHashOfAForm(t *testing.T) {
	const file, content = `form-data; name="file"; filename="a.txt"`, "Hello\r\n--co\r\n-----\r\nfriend-"
	form := formOf(file, content, purposePart, "assistants")
	bounded := func(boundary string) (contentType, body string) {
		return "multipart/form-data; boundary=" + boundary, strings.ReplaceAll(form, "--b\r\n", "--"+boundary+"\r\n")
	}
	same := hashOf(plainForm, form, 0)
	seen := map[string]string{same: "the form"}
	for _, boundary := range []string{"b", "c22fe25e555d08f2c58c259c5a0643f9", "----formdata-undici-010539628618"} {
		contentType, body := bounded(boundary)
		body = strings.Replace(body, "--b--", "--"+boundary+"--", 1)
		for read := range int64(len(body)) + 1 {
			require.Equal(t, same, hashOf(contentType, body, read), "%s, %d", boundary, read)
		}
		r := postForm(contentType, iotest.OneByteReader(strings.NewReader(body)))
		require.Equal(t, same, string(newHashedBody(r).hash()), boundary)
	}
	for name, other := range map[string]string{
		"another content":              formOf(file, content+"!", purposePart, "assistants"),
		"another file name":            formOf(`form-data; name="file"; filename="b.txt"`, content, purposePart, "assistants"),
		"another purpose":              formOf(file, content, purposePart, "batch"),
		"another order":                formOf(purposePart, "assistants", file, content),
		"another type":                 strings.Replace(form, "a.txt\"\r\n", "a.txt\"\r\nContent-Type: text/plain\r\n", 1),
		"a part more":                  formOf(file, content, purposePart, "assistants", `form-data; name="x"`, ""),
		"cut off":                      strings.TrimSuffix(form, "--b--\r\n"),
		"parts run together":           formOf(file, content+"\r\nContent-Disposition: "+purposePart+"\r\n\r\nassistants"),
		"as it stands in another form": formOf(file, content+"\x00\x00\x00\x00\x00\x00\x00"+strconv.Itoa(len(content))),
		"nothing":                      "",
	} {
		hash := hashOf(plainForm, other, 0)
		require.NotContains(t, seen, hash, name)
		seen[hash] = name
	}
	require.NotContains(t, seen, hashOf("application/json", form, 0), "no form has a boundary")
}

// TestHashOfSDKUploads sends the form of each SDK twice, as it would: with
// another boundary.
func TestHashOfSDKUploads(t *testing.T) {
	for name, sdk := range sdkUploads {
		boundary, err := formBoundary(sdk.contentType)
		require.NoError(t, err)
		other := boundary + "x"
		again := strings.ReplaceAll(sdk.request(), boundary, other)
		require.Equal(t, hashOf(sdk.contentType, sdk.request(), 0), hashOf(strings.ReplaceAll(sdk.contentType, boundary, other), again, 0), name)
	}
}

// TestHashTakesNoMemory: what is hashed is not held.
func TestHashTakesNoMemory(t *testing.T) {
	disk := newUploadDisk(t)
	head, tail, _ := strings.Cut(formOf(filePart, "SPLIT", purposePart, "batch"), "SPLIT")
	r := postForm(plainForm, io.MultiReader(strings.NewReader(head), &zeros{n: 64 << 20}, strings.NewReader(tail)))
	body := newHashedBody(r)
	r.Body = body
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, draft, err := readUpload(r, disk.service.Receive)
	require.NoError(t, err)
	defer draft.Abort()
	sum := body.hash()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "bytes allocated")
	whole := formOf(filePart, string(bytes.Repeat([]byte{0}, 64<<20)), purposePart, "batch")
	require.Equal(t, hashOf(plainForm, whole, 0), string(sum))
}
