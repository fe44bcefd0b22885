package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"

	"understudy/runs/chat"
)

// hopByHop are the headers that are about one connection, in both directions.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// kept are the headers of a request that stay here: the client's credentials,
// also those that only mean something together with its key, what a browser or
// a proxy says of the client, and what is about this connection.
var kept = []string{
	"Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key", "Openai-Organization", "Openai-Project", "Cookie",
	"Origin", "Referer", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-Ip", "Via",
	"Content-Length", "Expect",
}

// forwarded is what of a request's headers the upstream gets.
func forwarded(from http.Header) http.Header {
	header := from.Clone()
	removeConnection(header)
	for _, name := range kept {
		header.Del(name)
	}
	for name := range header {
		ours := strings.HasPrefix(name, "Understudy-") && name != chat.HopHeader
		if ours || strings.HasPrefix(name, "Sec-") {
			delete(header, name)
		}
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "understudy")
	}
	return header
}

// withheld are the headers of an answer that do not reach the client: the
// upstream's credentials, what is about its host, and its opinion on origins,
// which the guard has given already.
var withheld = []string{
	"Set-Cookie", "Www-Authenticate", "Authorization", "Api-Key", "X-Api-Key", chat.HopHeader,
	"Alt-Svc", "Strict-Transport-Security", "Clear-Site-Data",
	"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
	"Access-Control-Expose-Headers", "Access-Control-Max-Age",
}

// returned puts what of an answer's headers the client gets into header.
func returned(header, from http.Header) {
	from = from.Clone()
	removeConnection(from)
	for _, name := range withheld {
		from.Del(name)
	}
	for name, values := range from {
		if name == "Vary" {
			values = append(header.Values(name), values...)
		}
		header[name] = values
	}
}

// removeConnection removes the headers that are about one connection, and
// those that Connection says are.
func removeConnection(header http.Header) {
	for _, names := range header.Values("Connection") {
		for name := range strings.SplitSeq(names, ",") {
			header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		header.Del(name)
	}
}

// maxErrorAnswer is how much of an error is searched for the upstream's key, in
// bytes, before and after it is unzipped; errors are sentences.
const maxErrorAnswer = 64 << 10

// withoutKey is the answer's content. Errors about a key like to repeat it, and
// this one is not the client's. An error that is changed comes plain.
func withoutKey(from *http.Response, way chat.Outgoing) (content io.Reader, changed bool) {
	encoding := from.Header.Get("Content-Encoding")
	if from.StatusCode < http.StatusBadRequest || encoding != "" && encoding != "gzip" {
		return from.Body, false
	}
	page, err := io.ReadAll(io.LimitReader(from.Body, maxErrorAnswer))
	rest := io.MultiReader(failing{err}, from.Body)
	plain := page
	if encoding == "gzip" {
		unzipped, err := gzip.NewReader(bytes.NewReader(page))
		if err != nil {
			return io.MultiReader(bytes.NewReader(page), rest), false
		}
		plain, _ = io.ReadAll(io.LimitReader(unzipped, maxErrorAnswer)) // what cannot be read cannot be searched
	}
	shown := way.Redact(plain)
	switch {
	case bytes.Equal(shown, plain):
		return io.MultiReader(bytes.NewReader(page), rest), false
	case encoding == "gzip":
		from.Header.Del("Content-Encoding")
		return bytes.NewReader(shown), true
	}
	return io.MultiReader(bytes.NewReader(shown), rest), true
}
