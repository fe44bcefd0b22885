package api

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files"
)

// crlf turns the lines of a fixture into what goes over the wire.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// sdkUpload is the exact request of a client library. In body, a line ends as
// on the wire except inside the content, where ⏎ stands for a bare newline.
type sdkUpload struct {
	contentType string
	body        string
	want        files.Upload
	content     string
}

// sdkUploads were captured on loopback, but Ruby's, which is from a recording
// of the hosted API, and .NET's, which is what MultipartFormDataContent writes
// for the boundary alphabet of its library.
var sdkUploads = map[string]sdkUpload{
	"python": {
		contentType: "multipart/form-data; boundary=c22fe25e555d08f2c58c259c5a0643f9",
		body: `--c22fe25e555d08f2c58c259c5a0643f9
Content-Disposition: form-data; name="purpose"

assistants
--c22fe25e555d08f2c58c259c5a0643f9
Content-Disposition: form-data; name="expires_after[anchor]"

created_at
--c22fe25e555d08f2c58c259c5a0643f9
Content-Disposition: form-data; name="expires_after[seconds]"

3600
--c22fe25e555d08f2c58c259c5a0643f9
Content-Disposition: form-data; name="file"; filename="grüße %221%22.txt"
Content-Type: text/plain

from python⏎
--c22fe25e555d08f2c58c259c5a0643f9--
`,
		want:    files.Upload{Filename: "grüße %221%22.txt", Purpose: files.Assistants, ExpiresAfter: 3600},
		content: "from python\n",
	},
	"node": {
		contentType: "multipart/form-data; boundary=----formdata-undici-010539628618",
		body: `------formdata-undici-010539628618
Content-Disposition: form-data; name="file"; filename="grüße %221%22.txt"
Content-Type: text/plain

from node⏎
------formdata-undici-010539628618
Content-Disposition: form-data; name="purpose"

assistants
------formdata-undici-010539628618
Content-Disposition: form-data; name="expires_after[anchor]"

created_at
------formdata-undici-010539628618
Content-Disposition: form-data; name="expires_after[seconds]"

3600
------formdata-undici-010539628618--
`,
		want:    files.Upload{Filename: "grüße %221%22.txt", Purpose: files.Assistants, ExpiresAfter: 3600},
		content: "from node\n",
	},
	"go": {
		contentType: "multipart/form-data; boundary=b4b9367dc7b2992da1bf6d769f43a39054fa6bcb10aca7892fc6fcf2f080",
		body: `--b4b9367dc7b2992da1bf6d769f43a39054fa6bcb10aca7892fc6fcf2f080
Content-Disposition: form-data; name="expires_after[anchor]"

created_at
--b4b9367dc7b2992da1bf6d769f43a39054fa6bcb10aca7892fc6fcf2f080
Content-Disposition: form-data; name="expires_after[seconds]"

3600
--b4b9367dc7b2992da1bf6d769f43a39054fa6bcb10aca7892fc6fcf2f080
Content-Disposition: form-data; name="file"; filename="grüße \"1\".txt"
Content-Type: text/plain

from go⏎
--b4b9367dc7b2992da1bf6d769f43a39054fa6bcb10aca7892fc6fcf2f080
Content-Disposition: form-data; name="purpose"

assistants
--b4b9367dc7b2992da1bf6d769f43a39054fa6bcb10aca7892fc6fcf2f080--
`,
		want:    files.Upload{Filename: `grüße "1".txt`, Purpose: files.Assistants, ExpiresAfter: 3600},
		content: "from go\n",
	},
	"go-openai": {
		contentType: "multipart/form-data; boundary=a5a597520b8034475240804d3977f107c673009f9a533a322b59a852ba15",
		body: `--a5a597520b8034475240804d3977f107c673009f9a533a322b59a852ba15
Content-Disposition: form-data; name="purpose"

assistants
--a5a597520b8034475240804d3977f107c673009f9a533a322b59a852ba15
Content-Disposition: form-data; name="file"; filename="old.txt"
Content-Type: text/plain; charset=utf-8

from go-openai⏎
--a5a597520b8034475240804d3977f107c673009f9a533a322b59a852ba15--
`,
		want:    files.Upload{Filename: "old.txt", Purpose: files.Assistants},
		content: "from go-openai\n",
	},
	"ruby": {
		contentType: "multipart/form-data; boundary=-----------RubyMultipartPost-40383c666647fd96a63d91c94f1afeff",
		body: `-------------RubyMultipartPost-40383c666647fd96a63d91c94f1afeff
Content-Disposition: form-data; name="file"; filename="sentiment.jsonl"
Content-Length: 159
Content-Type: 
Content-Transfer-Encoding: binary

{"prompt":"Overjoyed with my new phone! ->", "completion":" positive"}⏎{"prompt":"@lakers disappoint for a third straight night ->", "completion":" negative"}⏎
-------------RubyMultipartPost-40383c666647fd96a63d91c94f1afeff
Content-Disposition: form-data; name="purpose"

fine-tune
-------------RubyMultipartPost-40383c666647fd96a63d91c94f1afeff--
`,
		want:    files.Upload{Filename: "sentiment.jsonl", Purpose: files.FineTune},
		content: "{\"prompt\":\"Overjoyed with my new phone! ->\", \"completion\":\" positive\"}\n{\"prompt\":\"@lakers disappoint for a third straight night ->\", \"completion\":\" negative\"}\n",
	},
	".NET": {
		contentType: `multipart/form-data; boundary="=k3J_0aZ9=Qw8=Er7Ty6Ui5Op4As3Df2Gh1Jk0Lz=Xc_Vb9Nm8=Qa7Ws6Ed5Rf4Tg3Yh=="`,
		body: `--=k3J_0aZ9=Qw8=Er7Ty6Ui5Op4As3Df2Gh1Jk0Lz=Xc_Vb9Nm8=Qa7Ws6Ed5Rf4Tg3Yh==
Content-Disposition: form-data; name=file; filename=test-file-delete-me.txt; filename*=utf-8''test-file-delete-me.txt

from .NET⏎
--=k3J_0aZ9=Qw8=Er7Ty6Ui5Op4As3Df2Gh1Jk0Lz=Xc_Vb9Nm8=Qa7Ws6Ed5Rf4Tg3Yh==
Content-Type: text/plain; charset=utf-8
Content-Disposition: form-data; name=purpose

assistants
--=k3J_0aZ9=Qw8=Er7Ty6Ui5Op4As3Df2Gh1Jk0Lz=Xc_Vb9Nm8=Qa7Ws6Ed5Rf4Tg3Yh==--
`,
		want:    files.Upload{Filename: "test-file-delete-me.txt", Purpose: files.Assistants},
		content: "from .NET\n",
	},
	".NET, a name beyond ASCII": {
		contentType: `multipart/form-data; boundary="a=b"`,
		body: `--a=b
Content-Disposition: form-data; name=file; filename="=?utf-8?B?Z3LDvMOfZSAxLnR4dA==?="; filename*=utf-8''gr%C3%BC%C3%9Fe%201.txt

x
--a=b
Content-Type: text/plain; charset=utf-8
Content-Disposition: form-data; name=purpose

assistants
--a=b--
`,
		want:    files.Upload{Filename: "grüße 1.txt", Purpose: files.Assistants},
		content: "x",
	},
}

// request is the body as it goes over the wire.
func (u sdkUpload) request() string { return strings.ReplaceAll(crlf(u.body), "⏎", "\n") }

func TestUploadsOfClientLibraries(t *testing.T) {
	for name, sdk := range sdkUploads {
		t.Run(name, func(t *testing.T) {
			disk := newUploadDisk(t)
			u, draft, err := readUpload(postForm(sdk.contentType, strings.NewReader(sdk.request())), disk.service.Receive)
			require.NoError(t, err)
			defer draft.Abort()
			require.Equal(t, sdk.want.Filename, u.Filename)
			require.Equal(t, sdk.want.Purpose, u.Purpose)
			require.Equal(t, sdk.want.ExpiresAfter, u.ExpiresAfter)
			require.Equal(t, sdk.content, disk.commit(t, draft))
		})
	}
}

// A connection may be cut at any byte. Only the line ends after the closing
// boundary may be missing.
func TestUploadsCutAnywhere(t *testing.T) {
	for name, sdk := range sdkUploads {
		t.Run(name, func(t *testing.T) {
			disk := newUploadDisk(t)
			body := strings.TrimRight(sdk.request(), "\r\n")
			for n := range len(body) {
				_, _, err := readUpload(postForm(sdk.contentType, strings.NewReader(body[:n])), disk.service.Receive)
				requireRefusal(t, err, "multipart form")
			}
			disk.requireEmpty(t)
		})
	}
}
