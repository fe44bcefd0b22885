package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/api/wire"
	"understudy/files"
)

// uploadDisk is where the uploads of one test go.
type uploadDisk struct {
	root    string
	blobs   *files.Blobs
	service *files.Service // without rows: Receive needs none
}

func newUploadDisk(t testing.TB) uploadDisk {
	t.Helper()
	root := t.TempDir()
	blobs, err := files.OpenBlobs(root)
	require.NoError(t, err)
	return uploadDisk{root: root, blobs: blobs, service: files.NewService(nil, blobs, nil)}
}

func (d uploadDisk) requireEmpty(t testing.TB) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(d.root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			err = fmt.Errorf("%s was left behind", path)
		}
		return err
	}))
}

// commit returns the content of a draft as it ends up on the disk.
func (d uploadDisk) commit(t testing.TB, draft *files.Draft) string {
	t.Helper()
	name, err := draft.Commit()
	require.NoError(t, err)
	r, size, err := d.blobs.Open(name)
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.EqualValues(t, len(content), size)
	return string(content)
}

func postForm(contentType string, body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/files", body)
	r.Header.Set("Content-Type", contentType)
	return r
}

// requireRefusal checks that err is a 400 that says so.
func requireRefusal(t testing.TB, err error, phrase string) {
	t.Helper()
	var refusal *wire.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, wire.Invalid, refusal.Kind, refusal.Message)
	require.Contains(t, refusal.Message, phrase)
}

// formOf writes parts, each a Content-Disposition and a value, with boundary b.
func formOf(parts ...string) string {
	var body strings.Builder
	for i := 0; i < len(parts); i += 2 {
		fmt.Fprintf(&body, "--b\r\nContent-Disposition: %s\r\n\r\n%s\r\n", parts[i], parts[i+1])
	}
	return body.String() + "--b--\r\n"
}

const (
	plainForm   = "multipart/form-data; boundary=b"
	filePart    = `form-data; name="file"; filename="a.txt"`
	purposePart = `form-data; name="purpose"`
)

func TestFormsThatAreTaken(t *testing.T) {
	tests := map[string]struct{ contentType, body, filename, content string }{
		"file first":         {body: formOf(filePart, "x", purposePart, "batch"), filename: "a.txt", content: "x"},
		"purpose first":      {body: formOf(purposePart, "batch", filePart, "x"), filename: "a.txt", content: "x"},
		"empty file":         {body: formOf(filePart, "", purposePart, "batch"), filename: "a.txt"},
		"empty filename":     {body: formOf(`form-data; name="file"; filename=""`, "x", purposePart, "batch"), content: "x"},
		"preamble":           {body: "hello\r\n" + formOf(filePart, "x", purposePart, "batch"), filename: "a.txt", content: "x"},
		"epilogue":           {body: formOf(filePart, "x", purposePart, "batch") + "bye", filename: "a.txt", content: "x"},
		"bare newlines":      {body: strings.ReplaceAll(formOf(filePart, "x", purposePart, "batch"), "\r", ""), filename: "a.txt", content: "x"},
		"almost boundaries":  {body: formOf(filePart, "x--b\r\n--bb\r\n--b-\r\n\r\n--c--\r\n-", purposePart, "batch"), filename: "a.txt", content: "x--b\r\n--bb\r\n--b-\r\n\r\n--c--\r\n-"},
		"quoted-printable":   {body: "--b\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Disposition: " + filePart + "\r\n\r\n=41\r\n" + formOf(purposePart, "batch"), filename: "a.txt", content: "=41"},
		"upper case":         {contentType: "Multipart/Form-Data; Boundary=b", body: formOf(`Form-Data; Name="file"; FileName="a.txt"`, "x", purposePart, "batch"), filename: "a.txt", content: "x"},
		"loose boundary":     {contentType: "multipart/form-data; boundary=a=b?c", body: strings.ReplaceAll(formOf(filePart, "x", purposePart, "batch"), "--b", "--a=b?c"), filename: "a.txt", content: "x"},
		"unquoted spaces":    {body: formOf(`form-data; name=file; filename=my file (1).txt`, "x", purposePart, "batch"), filename: "my file (1).txt", content: "x"},
		"unquoted UTF-8":     {body: formOf(`form-data; name=file; filename=grüße.txt`, "x", purposePart, "batch"), filename: "grüße.txt", content: "x"},
		"raw UTF-8":          {body: formOf(`form-data; name="file"; filename="日本語.txt"`, "x", purposePart, "batch"), filename: "日本語.txt", content: "x"},
		"RFC 2231":           {body: formOf(`form-data; name=file; filename*0*=UTF-8''gr%C3%BC; filename*1="ße.txt"`, "x", purposePart, "batch"), filename: "grüße.txt", content: "x"},
		"only filename*":     {body: formOf(`form-data; name=file; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt`, "x", purposePart, "batch"), filename: "grüße.txt", content: "x"},
		"loose filename*":    {body: formOf(`form-data; name=file; filename=a b; filename*=utf-8''a%20b.txt`, "x", purposePart, "batch"), filename: "a b.txt", content: "x"},
		"encoded word":       {body: formOf(`form-data; name=file; filename="=?utf-8?B?Z3LDvMOfZQ==?="`, "x", purposePart, "batch"), filename: "grüße", content: "x"},
		"Windows path":       {body: formOf(`form-data; name="file"; filename="C:\my docs\a.txt"`, "x", purposePart, "batch"), filename: `C:\my docs\a.txt`, content: "x"},
		"semicolon in name":  {body: formOf(`form-data; name=file ; filename="a;b \"c\".txt"; x=(`, "x", purposePart, "batch"), filename: `a;b "c".txt`, content: "x"},
		"purpose as a file":  {body: formOf(filePart, "x", `form-data; name="purpose"; filename="purpose"`, "batch"), filename: "a.txt", content: "x"},
		"no form-data":       {body: formOf(`attachment; name="file"; filename="a.txt"`, "x", purposePart, "batch"), filename: "a.txt", content: "x"},
		"closing line alone": {body: strings.TrimRight(formOf(filePart, "x", purposePart, "batch"), "\r\n"), filename: "a.txt", content: "x"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			disk := newUploadDisk(t)
			contentType := test.contentType
			if contentType == "" {
				contentType = plainForm
			}
			u, draft, err := readUpload(postForm(contentType, strings.NewReader(test.body)), disk.service.Receive)
			require.NoError(t, err)
			require.Equal(t, "batch", u.Purpose)
			require.Equal(t, test.filename, u.Filename)
			require.Equal(t, test.content, disk.commit(t, draft))
		})
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	manyParts := []string{filePart, "x"}
	for i := range maxParts {
		manyParts = append(manyParts, fmt.Sprintf(`form-data; name="expires_after[%d]"`, i), "1")
	}
	tests := map[string]struct {
		contentType, body, message, param, code string
	}{
		"no file":              {body: formOf(purposePart, "batch"), message: "Missing required parameter: 'file'.", param: "file", code: "missing_required_parameter"},
		"no purpose":           {body: formOf(filePart, "x"), message: "Missing required parameter: 'purpose'.", param: "purpose", code: "missing_required_parameter"},
		"nothing":              {body: "--b--\r\n", message: "Missing required parameter: 'file'.", param: "file", code: "missing_required_parameter"},
		"other purpose":        {body: formOf(filePart, "x", purposePart, "x"), message: "'x' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'", param: "purpose"},
		"unknown field":        {body: formOf(filePart, "x", `form-data; name="model"`, "m"), message: "Unknown parameter: 'model'.", param: "model", code: "unknown_parameter"},
		"long unknown field":   {body: formOf(`form-data; name="document"; filename="a"`, strings.Repeat("x", 1<<20)), message: "Unknown parameter: 'document'.", param: "document", code: "unknown_parameter"},
		"long field":           {body: formOf(filePart, "x", `form-data; name="expires_after[anchor]"`, strings.Repeat("x", maxField+1)), message: "Invalid 'expires_after[anchor]': a form field may be at most 1024 bytes long.", param: "expires_after[anchor]", code: "invalid_value"},
		"file twice":           {body: formOf(filePart, "x", filePart, "y"), message: "Invalid 'file': it was sent more than once.", param: "file", code: "invalid_value"},
		"purpose twice":        {body: formOf(purposePart, "batch", purposePart, "batch"), message: "Invalid 'purpose': it was sent more than once.", param: "purpose", code: "invalid_value"},
		"file as text":         {body: formOf(`form-data; name="file"`, "a.txt", purposePart, "batch"), message: "Invalid type for 'file': expected a file, but got a string instead.", param: "file", code: "invalid_type"},
		"no name":              {body: formOf(`form-data; filename="a.txt"`, "x"), message: "A part of the multipart form has no name in its Content-Disposition header."},
		"no disposition":       {body: "--b\r\nX: y\r\n\r\nx\r\n--b--\r\n", message: "A part of the multipart form has no name in its Content-Disposition header."},
		"many parts":           {body: formOf(manyParts...), message: "The multipart form has more than 16 parts."},
		"long headers":         {body: formOf(filePart+"; x="+strings.Repeat("y", 2*maxHeaders), "x"), message: "We could not parse the multipart form of your request: the headers of a part are larger than 16384 bytes."},
		"bad header":           {body: "--b\r\nno colon\r\n\r\nx\r\n--b--\r\n", message: "We could not parse the multipart form of your request: malformed MIME header: missing colon: \"no colon\"."},
		"other boundary":       {body: strings.ReplaceAll(formOf(filePart, "x"), "--b", "--c"), message: "The multipart form ends before its closing boundary: the request was cut off or its boundary is not the one its Content-Type header names."},
		"no body":              {message: "The multipart form ends before its closing boundary: the request was cut off or its boundary is not the one its Content-Type header names."},
		"JSON":                 {contentType: "application/json", body: "{}", message: "Invalid Content-Type header (application/json), expected multipart/form-data. (HINT: If you're using curl, you can pass -H 'Content-Type: multipart/form-data')"},
		"no content type":      {contentType: " ", body: "{}", message: "Invalid Content-Type header (), expected multipart/form-data. (HINT: If you're using curl, you can pass -H 'Content-Type: multipart/form-data')"},
		"other multipart":      {contentType: "multipart/mixed; boundary=b", message: "Invalid Content-Type header (multipart/mixed; boundary=b), expected multipart/form-data. (HINT: If you're using curl, you can pass -H 'Content-Type: multipart/form-data')"},
		"content type by hand": {contentType: "multipart/form-data", message: "Invalid Content-Type header (multipart/form-data): multipart/form-data needs a boundary. (HINT: do not set this header yourself; your HTTP library adds it together with the boundary)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			disk := newUploadDisk(t)
			contentType := test.contentType
			if contentType == "" {
				contentType = plainForm
			}
			_, draft, err := readUpload(postForm(strings.TrimSpace(contentType), strings.NewReader(test.body)), disk.service.Receive)
			require.Nil(t, draft)
			require.Equal(t, &wire.Error{Message: test.message, Param: test.param, Code: test.code}, err)
			disk.requireEmpty(t)
		})
	}
}

func TestPartOfAnUpload(t *testing.T) {
	disk := newUploadDisk(t)
	f := form{file: "data", set: func(name, _ string) error { return wire.UnknownParam(name) }, receive: disk.service.Receive}
	require.NoError(t, f.read(postForm(plainForm, strings.NewReader(formOf(`form-data; name="data"; filename="upload"`, "part")))))
	require.Equal(t, "part", disk.commit(t, f.draft))
}

func TestUploadTooLarge(t *testing.T) {
	t.Run("announced", func(t *testing.T) {
		r := postForm(plainForm, nil)
		r.ContentLength = files.MaxBytes + maxFrame + 1
		_, _, err := readUpload(r, nil)
		require.Equal(t, files.ErrTooLarge, err)
	})
	t.Run("received", func(t *testing.T) {
		_, _, err := readUpload(postForm(plainForm, strings.NewReader(formOf(filePart, "x"))),
			func(io.Reader) (*files.Draft, error) { return nil, files.ErrTooLarge })
		require.Equal(t, files.ErrTooLarge, err)
	})
	t.Run("for the server", func(t *testing.T) {
		disk := newUploadDisk(t)
		r := postForm(plainForm, strings.NewReader(formOf(filePart, strings.Repeat("x", 1<<20))))
		r.Body = http.MaxBytesReader(nil, r.Body, 1<<10)
		_, _, err := readUpload(r, disk.service.Receive)
		require.Equal(t, files.ErrTooLarge, err)
		disk.requireEmpty(t)
	})
}

func TestUploadOnADiskThatFails(t *testing.T) {
	died := errors.New("disk died")
	_, _, err := readUpload(postForm(plainForm, strings.NewReader(formOf(filePart, "x"))),
		func(io.Reader) (*files.Draft, error) { return nil, died })
	require.Equal(t, died, err) // not the client's fault
}

// uploadServer answers uploads with what readUpload made of them, and tells
// of each one through the channel.
func uploadServer(t *testing.T, disk uploadDisk) (url string, done chan error) {
	t.Helper()
	done = make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, draft, err := readUpload(r, disk.service.Receive)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else {
			_, _ = fmt.Fprint(w, draft.Size())
			draft.Abort()
		}
		done <- err
	}))
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t)
	})
	return server.URL, done
}

func TestUploadWithoutContentLength(t *testing.T) {
	disk := newUploadDisk(t)
	url, done := uploadServer(t, disk)
	body := formOf(filePart, strings.Repeat("x", 1<<20), purposePart, "batch")
	resp, err := http.Post(url, plainForm, io.MultiReader(strings.NewReader(body)))
	require.NoError(t, err)
	size, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close(), <-done))
	require.Equal(t, "1048576", string(size))
	disk.requireEmpty(t)
}

func TestUploadOfAClientThatLeaves(t *testing.T) {
	disk := newUploadDisk(t)
	url, done := uploadServer(t, disk)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 9999999\r\n\r\n%s",
		plainForm, strings.TrimSuffix(formOf(filePart, strings.Repeat("x", 1<<20)), "--b--\r\n"))
	require.NoError(t, errors.Join(err, conn.Close()))
	require.Error(t, <-done)
	disk.requireEmpty(t)
}

// zeros reads as n zero bytes.
type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.n)
	clear(p[:n])
	z.n -= n
	return n, nil
}

func TestUploadIsNeverWholeInMemory(t *testing.T) {
	disk := newUploadDisk(t)
	frame := formOf(filePart, "SPLIT", purposePart, "batch")
	head, tail, _ := strings.Cut(frame, "SPLIT")
	body := io.MultiReader(strings.NewReader(head), &zeros{n: 64 << 20}, strings.NewReader(tail))
	r := postForm(plainForm, body)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, draft, err := readUpload(r, disk.service.Receive)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	defer draft.Abort()
	require.EqualValues(t, 64<<20, draft.Size())
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "bytes allocated")
}

func TestDownloadHeaders(t *testing.T) {
	tests := []struct{ filename, want string }{
		{"a.txt", `attachment; filename="a.txt"`},
		{"my file, v1.0 (final)?.txt", `attachment; filename="my file, v1.0 (final)?.txt"`},
		{"grüße.txt", `attachment; filename="gr__e.txt"; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt`},
		{`a "b" \c.txt`, `attachment; filename="a _b_ _c.txt"; filename*=UTF-8''a%20%22b%22%20%5Cc.txt`},
		{"a\r\nSet-Cookie: x", `attachment; filename="a__Set-Cookie: x"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x`},
		{"日本+語", `attachment; filename="__+_"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%2B%E8%AA%9E`},
	}
	for _, test := range tests {
		h := http.Header{}
		setDownload(h, test.filename)
		require.Equal(t, "application/octet-stream", h.Get("Content-Type"))
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Equal(t, test.want, h.Get("Content-Disposition"))
		_, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
		require.NoError(t, err)
		require.Equal(t, test.filename, params["filename"])
	}
}

func FuzzReadUpload(f *testing.F) {
	for _, sdk := range sdkUploads {
		f.Add(sdk.contentType, []byte(sdk.request()))
	}
	f.Add(plainForm, []byte(formOf(purposePart, "batch", `form-data; name=file; filename=a "b`, "x")))
	disk := newUploadDisk(f)
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := postForm(plainForm, bytes.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		u, draft, err := readUpload(r, disk.service.Receive)
		if err == nil {
			require.NotEmpty(t, u.Purpose)
			require.LessOrEqual(t, draft.Size(), int64(len(body)))
			draft.Abort()
		} else {
			var refusal *wire.Error
			require.ErrorAs(t, err, &refusal)
		}
		_ = attachment(u.Filename)
		left, err := os.ReadDir(filepath.Join(disk.root, "drafts")) // nothing was committed
		require.NoError(t, err)
		require.Empty(t, left)
	})
}
