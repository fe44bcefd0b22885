package chat

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs/outbound/outboundtest"
)

// The first bytes of images, by which they are known.
var pictures = map[string]string{
	"png":  "\x89PNG\r\n\x1a\n0",
	"jpeg": "\xff\xd8\xff\xe0",
	"gif":  "GIF89a",
	"webp": "RIFF\x24\x00\x00\x00WEBPVP8 ",
}

func dataURL(kind string) string {
	return "data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString([]byte(pictures[kind]))
}

// gallery is a server of images and of things that are none.
type gallery struct {
	*httptest.Server
	served atomic.Int64
	last   atomic.Pointer[http.Request]
}

func newGallery(t *testing.T) *gallery {
	g := &gallery{}
	mux := http.NewServeMux()
	for kind, content := range pictures {
		mux.HandleFunc("/"+kind, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain") // which is not asked
			_, _ = io.WriteString(w, content)
		})
	}
	for path, content := range map[string]string{
		"/page": "<!doctype html><p>No image", "/svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
		"/pdf": "%PDF-1.7", "/empty": "", "/bmp": "BM0000",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, content)
		})
	}
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("url"), http.StatusFound)
	})
	mux.HandleFunc("/hops/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		target := "/png"
		if n > 1 {
			target = fmt.Sprintf("/hops/%d", n-1)
		}
		http.Redirect(w, r, target, http.StatusMovedPermanently)
	})
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(maxImage+1))
		_, _ = io.WriteString(w, pictures["png"])
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, pictures["png"])
		for zeros := make([]byte, 1<<20); r.Context().Err() == nil; {
			if _, err := w.Write(zeros); err != nil {
				return
			}
		}
	})
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.served.Add(1)
		g.last.Store(r)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

func picture(urls ...string) Request {
	m := Message{Role: User, Content: []Part{{Text: "What is this?"}}}
	for _, u := range urls {
		m.Content = append(m.Content, Part{ImageURL: u, Detail: "low"})
	}
	return Request{Model: "m", Messages: []Message{m}}
}

// seen returns the image URLs that the backend was sent last.
func (s *script) seen(t *testing.T) []string {
	var urls []string
	content, isList := s.sent[len(s.sent)-1]["messages"].([]any)[0].(map[string]any)["content"].([]any)
	require.True(t, isList)
	for _, part := range content {
		if image, ok := part.(map[string]any)["image_url"].(map[string]any); ok {
			require.Equal(t, "low", image["detail"])
			urls = append(urls, image["url"].(string))
		}
	}
	return urls
}

// imaging is a client whose images come from the public host pictures.test,
// which the gallery plays; what it dials is listed.
func imaging(t *testing.T, form Images, known outboundtest.Names, g *gallery) (*harness, *script, *outboundtest.Dialled) {
	s := &script{replies: []reply{ok("a cat")}}
	h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", Images: form}}}, map[string]http.Handler{"up": s})
	dialer, to := outboundtest.Guarded(t, nil, known, g.Listener.Addr().String())
	h.images.client = imageClient(dialer.Transport())
	return h, s, to
}

func TestImagesAreInlined(t *testing.T) {
	g := newGallery(t)
	h, s, to := imaging(t, ImagesInline, outboundtest.Names{"pictures.test": {{"93.184.215.14"}}}, g)
	for kind := range pictures {
		_, err := h.Complete(t.Context(), picture("http://pictures.test/"+kind, dataURL("png")), nil)
		require.NoError(t, err)
		require.Equal(t, []string{dataURL(kind), dataURL("png")}, s.seen(t))
	}
	require.Equal(t, "93.184.215.14:80", to.All()[0])

	// Three redirects are followed, and passwords stay here.
	_, err := h.Complete(t.Context(), picture("http://me:secret@pictures.test/hops/3"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{dataURL("png")}, s.seen(t))
	require.Empty(t, g.last.Load().Header.Get("Authorization"))
}

func TestImagesAreFetchedOnce(t *testing.T) {
	g := newGallery(t)
	h, s, _ := imaging(t, ImagesInline, outboundtest.Names{"pictures.test": {{"93.184.215.14"}}}, g)
	now := time.Now()
	h.images.known.now = func() time.Time { return now }
	for range 3 {
		_, err := h.Complete(t.Context(), picture("http://pictures.test/png", "http://pictures.test/png", "http://pictures.test/gif"), nil)
		require.NoError(t, err)
		require.Equal(t, []string{dataURL("png"), dataURL("png"), dataURL("gif")}, s.seen(t))
	}
	require.EqualValues(t, 2, g.served.Load())

	now = now.Add(imageLife)
	_, err := h.Complete(t.Context(), picture("http://pictures.test/png"), nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, g.served.Load(), "an image may change")
}

func TestImageCacheMakesRoom(t *testing.T) {
	c := newImageCache(time.Now)
	big := strings.Repeat("x", maxImageMemory/4)
	for _, url := range []string{"a", "b", "c"} {
		c.put(url, big)
	}
	_, ok := c.get("a") // so that b is the one that was used longest ago
	require.True(t, ok)
	c.put("c", big)
	c.put("d", big)
	for url, kept := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		_, ok := c.get(url)
		require.Equal(t, kept, ok, url)
	}
	require.LessOrEqual(t, c.size, maxImageMemory)
	c.put("e", strings.Repeat("x", maxImageMemory))
	require.Zero(t, c.size, "what does not fit alone is not kept")
}

func TestImagesByOtherMeans(t *testing.T) {
	g := newGallery(t)
	h, s, _ := imaging(t, ImagesURL, nil, g)
	_, err := h.Complete(t.Context(), picture("http://127.0.0.1/secret.png", dataURL("gif")), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"http://127.0.0.1/secret.png", dataURL("gif")}, s.seen(t))

	h, s, _ = imaging(t, ImagesNone, nil, g)
	_, err = h.Complete(t.Context(), picture("http://127.0.0.1/secret.png", dataURL("gif")), nil)
	require.NoError(t, err)
	require.Equal(t, "What is this?\n"+omittedImage+"\n"+omittedImage, s.sent[0]["messages"].([]any)[0].(map[string]any)["content"])

	// Backends inside the process are handed URLs, unless it is said otherwise.
	h = newHarness(t, Config{}, map[string]http.Handler{"up": s})
	require.Equal(t, ImagesURL, h.Upstreams()[0].Images)
	require.Zero(t, g.served.Load())
}

func TestImagesThatAreRefused(t *testing.T) {
	g := newGallery(t)
	known := outboundtest.Names{
		"pictures.test":  {{"93.184.215.14"}},
		"inside.test":    {{"10.0.0.7"}},
		"rebinding.test": {{"93.184.215.14"}, {"127.0.0.1"}},
	}
	const forbidden = "could not be used: the address is not on the public internet."
	for name, tc := range map[string]struct{ url, message string }{
		"not public":                    {"http://inside.test/png?token=secret", "The image at inside.test " + forbidden},
		"this machine":                  {"http://127.0.0.1:8080/png", "The image at 127.0.0.1 " + forbidden},
		"this machine as a number":      {"http://2130706433/", "The image at 2130706433 " + forbidden},
		"this machine in hex":           {"http://0x7f.1/", "The image at 0x7f.1 " + forbidden},
		"this machine in IPv6":          {"http://[::1]/png", "The image at ::1 " + forbidden},
		"this machine, mapped":          {"http://[::ffff:7f00:1]/png", "The image at ::ffff:7f00:1 " + forbidden},
		"this machine, wide digits":     {"http://１２７.０.０.１/png", forbidden},
		"a redirect to metadata":        {"http://pictures.test/to?url=http://169.254.169.254/latest/meta-data", "The image at pictures.test " + forbidden},
		"a redirect to metadata's IPv6": {"http://pictures.test/to?url=http://[fd00:ec2::254]/latest", "The image at pictures.test " + forbidden},
		"a redirect inside":             {"http://pictures.test/to?url=http://inside.test/png", "The image at pictures.test " + forbidden},
		"a redirect to a file":          {"http://pictures.test/to?url=file:///etc/passwd", "its server could not be reached"},
		"a name that changes":           {"http://rebinding.test/to?url=http://rebinding.test/png", "The image at rebinding.test " + forbidden},
		"too many redirects":            {"http://pictures.test/hops/4", "redirected more than 3 times"},
		"too large":                     {"http://pictures.test/huge", "larger than 20 MB"},
		"without end":                   {"http://pictures.test/endless", "larger than 20 MB"},
		"a page":                        {"http://pictures.test/page", "not a PNG, JPEG, GIF or WebP image"},
		"SVG":                           {"http://pictures.test/svg", "not a PNG, JPEG, GIF or WebP image"},
		"BMP":                           {"http://pictures.test/bmp", "not a PNG, JPEG, GIF or WebP image"},
		"PDF":                           {"http://pictures.test/pdf", "not a PNG, JPEG, GIF or WebP image"},
		"nothing":                       {"http://pictures.test/empty", "not a PNG, JPEG, GIF or WebP image"},
		"not there":                     {"http://pictures.test/none?sig=secret", "The image at pictures.test could not be used: the server answered with HTTP status 404."},
		"unknown host":                  {"http://unknown.test/png", "its host name is not known"},
		"no TLS there":                  {"https://pictures.test/png", "its server could not be reached"},
		"another scheme":                {"ftp://pictures.test/png", "must begin with http:// or https://"},
		"a file":                        {"file:///etc/passwd", "must begin with http:// or https://"},
		"no host":                       {"http:///png", "must begin with http:// or https://"},
		"no URL":                        {"http://a b/secret", "must begin with http:// or https://"},
	} {
		t.Run(name, func(t *testing.T) {
			h, s, to := imaging(t, ImagesInline, known, g)
			_, err := h.Complete(t.Context(), picture(tc.url), nil)
			var failed *Error
			require.ErrorAs(t, err, &failed)
			require.Equal(t, InvalidPrompt, failed.Code)
			require.False(t, failed.Overflow)
			require.Contains(t, failed.Message, tc.message)
			require.NotContains(t, failed.Message, "secret")
			require.NotContains(t, failed.Message, "10.0.0.7")
			require.Empty(t, s.sent, "the backend is not asked")
			for _, address := range to.All() {
				require.Contains(t, address, "93.184.215.14:")
			}
		})
	}
}

func TestSlowImages(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a byte a second": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, pictures["png"])
			for sleep(r.Context(), time.Second) == nil {
				_, _ = w.Write([]byte{0})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{replies: []reply{ok("a cat")}}
				h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", Images: ImagesInline}}}, map[string]http.Handler{"up": s})
				h.images.client.Transport = HandlerTransport(serve)
				begun := time.Now()
				_, err := h.Complete(t.Context(), picture("http://pictures.test/png"), nil)
				require.ErrorContains(t, err, "The image at pictures.test could not be used: it took longer than 15 seconds.")
				require.Equal(t, imageTimeout, time.Since(begun))
				synctest.Wait()
			})
		})
	}
}

// Nothing is replaced here: the system's resolver, real connections.
func TestImagesFromAllowedHosts(t *testing.T) {
	g := newGallery(t)
	_, port, err := net.SplitHostPort(g.Listener.Addr().String())
	require.NoError(t, err)
	for _, tc := range []struct {
		host  string
		allow []string
		works bool
	}{
		{"127.0.0.1", nil, false},
		{"localhost", nil, false},
		{"127.0.0.1", []string{"127.0.0.1"}, true},
		{"127.0.0.1", []string{"10.0.0.0/8", "127.0.0.0/8"}, true},
		{"127.0.0.1", []string{"localhost"}, false},
		{"localhost", []string{"localhost"}, true},
	} {
		s := &script{replies: []reply{ok("a cat")}}
		h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", Images: ImagesInline}}, ImageHosts: tc.allow}, map[string]http.Handler{"up": s})
		_, err := h.Complete(t.Context(), picture("http://"+net.JoinHostPort(tc.host, port)+"/png"), nil)
		if !tc.works {
			require.ErrorContains(t, err, "The image at "+tc.host+" could not be used: the address is not on the public internet.")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []string{dataURL("png")}, s.seen(t))
	}
}

// What is not shown to the model is not fetched.
func TestImagesOfTheModelAreNotFetched(t *testing.T) {
	g := newGallery(t)
	h, s, _ := imaging(t, ImagesInline, outboundtest.Names{"pictures.test": {{"93.184.215.14"}}}, g)
	req := hello("m")
	req.Messages = append(req.Messages, Message{Role: Assistant, Content: []Part{{Text: "See:"}, {ImageURL: "http://pictures.test/png"}}}, user("And?"))
	_, err := h.Complete(t.Context(), req, nil)
	require.NoError(t, err)
	require.Zero(t, g.served.Load())
	require.Equal(t, "See:", s.sent[0]["messages"].([]any)[1].(map[string]any)["content"])
}

// A caller that leaves is not held up by a fetch, which goes on for the others.
func TestImagesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		proceed := make(chan struct{})
		s := &script{replies: []reply{ok("a cat")}}
		h := newHarness(t, Config{Upstreams: []Upstream{{Name: "up", Images: ImagesInline}}}, map[string]http.Handler{"up": s})
		h.images.client.Transport = HandlerTransport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			served.Add(1)
			<-proceed
			_, _ = io.Copy(w, bytes.NewReader([]byte(pictures["png"])))
		}))
		impatient, leave := context.WithCancelCause(t.Context())
		gone := errors.New("left")
		first, second := make(chan error), make(chan error)
		go func() {
			_, err := h.Complete(impatient, picture("http://pictures.test/png"), nil)
			first <- err
		}()
		synctest.Wait()
		go func() {
			_, err := h.Complete(t.Context(), picture("http://pictures.test/png"), nil)
			second <- err
		}()
		synctest.Wait()
		leave(gone)
		require.ErrorIs(t, <-first, gone)
		close(proceed)
		require.NoError(t, <-second)
		require.EqualValues(t, 1, served.Load())
	})
}

func TestImageHostsAreChecked(t *testing.T) {
	_, err := New(Config{Upstreams: []Upstream{{}}, ImageHosts: []string{"a/b"}})
	require.ErrorContains(t, err, `image_hosts: "a/b" is neither`)
}
