package chat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Auth says how an upstream wants its key.
type Auth string

// The ways to send a key. The scheme is a setting, never a guess.
const (
	AuthBearer Auth = "bearer"  // Authorization: Bearer KEY
	AuthRaw    Auth = "raw"     // Authorization: KEY
	AuthAPIKey Auth = "api-key" // api-key: KEY, as Azure wants it
	AuthNone   Auth = "none"
)

// Streaming says whether an upstream is asked to stream.
type Streaming string

// Auto streams, and stops when the upstream turns out not to be able to.
const (
	StreamAuto   Streaming = "auto"
	StreamAlways Streaming = "always"
	StreamNever  Streaming = "never"
)

// Images says what becomes of the images that messages point to by URL.
type Images string

// Inline is for every backend that sees images. With url the backend does the
// fetching, from wherever it stands; whether it may is the operator's choice.
const (
	ImagesInline Images = "inline" // fetched here, with care, and sent as data
	ImagesURL    Images = "url"    // handed on as they are
	ImagesNone   Images = "none"   // left out, with a word that they are; uploaded ones, too
)

// The values that zero fields of an Upstream stand for.
const (
	DefaultBaseURL       = "https://api.openai.com/v1"
	DefaultIdleTimeout   = 60 * time.Second
	DefaultMaxRetries    = 4
	DefaultContextWindow = 128_000
	DefaultMaxConcurrent = 256
)

// Upstream is one configured backend. Every zero field stands for its default.
type Upstream struct {
	Name           string // how models and logs name it; default "default"
	BaseURL        string // without /chat/completions; default DefaultBaseURL
	APIKey         string // empty = none is sent; never stored, logged or shown
	Auth           Auth   // default bearer
	Headers        map[string]string
	Stream         Streaming     // default auto
	IdleTimeout    time.Duration // longest silence inside an answer; ten times as much before its first byte
	MaxRetries     int           // default DefaultMaxRetries; negative = none
	ContextWindow  int           // tokens; default DefaultContextWindow
	EmbeddingModel string        // empty = this upstream embeds nothing
	// EmbeddingDimensions is how long its vectors shall be, for models that can
	// be asked; 0 = as long as the model makes them.
	EmbeddingDimensions int
	MaxConcurrent       int    // calls under way at once, others wait their turn; default DefaultMaxConcurrent
	Images              Images // default inline; url where the scheme is not the web's

	// Kind is the family of backends it belongs to, one of Kinds; the default
	// is GuessKind of the base URL. It decides what the first calls look like.
	Kind string
	// Profile says by name, one of ProfileNames, what may be sent (true) or is
	// left out, and what is done to a conversation. It beats Kind, and it is
	// where learning begins, not where it ends: what the backend refuses all
	// the same is changed, as a refused request helps nobody.
	Profile map[string]bool
}

// Mapping sends the models that match Pattern, in which * stands for any text,
// to Target: "upstream/model", or several of these with | between them, each
// asked when the one before it is down or refuses. A model of * is the one the
// client asked for.
type Mapping struct {
	Pattern string
	Target  string
}

// Config configures a Client. At least one upstream is needed.
type Config struct {
	Upstreams    []Upstream
	Models       []Mapping // the first match wins
	ModelsStrict bool      // refuse models that match nothing
	// ImageHosts are the hosts (names, addresses or CIDR ranges) that images
	// are fetched from although they are not on the public internet.
	ImageHosts []string

	// Transport replaces the network, for tests.
	Transport http.RoundTripper
	// Schemes serves base URLs with other schemes than http and https.
	Schemes map[string]http.RoundTripper
	// Through, when it is set, is given what carries requests to upstreams, and
	// what fetches images, and returns what stands before it.
	Through func(http.RoundTripper) http.RoundTripper
	// Repeatable has a call depend on nothing but itself: each finds out anew what
	// its backend refuses, and waits between tries are not random.
	Repeatable bool
	Logger     *slog.Logger
	Now        func() time.Time
	// Sleep waits between two tries; it returns early, with an error, when
	// the context ends.
	Sleep func(context.Context, time.Duration) error
}

// complete fills in the defaults and checks what was written.
func (c Config) complete() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if len(c.Upstreams) == 0 {
		return c, errors.New("no upstream is configured: write one under upstreams, with a name and a base_url")
	}
	c.Upstreams = slices.Clone(c.Upstreams)
	names := map[string]bool{}
	for i := range c.Upstreams {
		u := &c.Upstreams[i]
		u.setDefaults(c.Schemes)
		if err := u.validate(c.Schemes); err != nil {
			return c, err
		}
		if names[u.Name] {
			return c, fmt.Errorf("two upstreams are called %q: give each its own name", u.Name)
		}
		names[u.Name] = true
	}
	return c, nil
}

func (u *Upstream) setDefaults(schemes map[string]http.RoundTripper) {
	setDefault(&u.Name, "default")
	setDefault(&u.BaseURL, DefaultBaseURL)
	setDefault(&u.Auth, AuthBearer)
	setDefault(&u.Stream, StreamAuto)
	setDefault(&u.IdleTimeout, DefaultIdleTimeout)
	setDefault(&u.MaxRetries, DefaultMaxRetries)
	setDefault(&u.ContextWindow, DefaultContextWindow)
	setDefault(&u.MaxConcurrent, DefaultMaxConcurrent)
	if scheme, _, _ := strings.Cut(u.BaseURL, ":"); schemes[scheme] != nil {
		setDefault(&u.Images, ImagesURL) // this backend is in the process and fetches nothing
	}
	setDefault(&u.Images, ImagesInline)
	setDefault(&u.Kind, GuessKind(u.BaseURL))
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (u *Upstream) validate(schemes map[string]http.RoundTripper) error {
	if strings.ContainsAny(u.Name, "/|*") {
		return fmt.Errorf("upstream %q: a name cannot contain /, | or *", u.Name)
	}
	base, err := url.Parse(u.BaseURL)
	if err != nil {
		return fmt.Errorf("upstream %q: base_url is not a URL: write something like http://localhost:11434/v1", u.Name)
	}
	_, served := schemes[base.Scheme]
	web := (base.Scheme == "http" || base.Scheme == "https") && base.Host != ""
	if !served && !web {
		return fmt.Errorf("upstream %q: base_url must begin with http:// or https:// and a host, like http://localhost:11434/v1", u.Name)
	}
	if !slices.Contains([]Auth{AuthBearer, AuthRaw, AuthAPIKey, AuthNone}, u.Auth) {
		return fmt.Errorf("upstream %q: auth is %q: write bearer, raw, api-key or none", u.Name, u.Auth)
	}
	if !slices.Contains([]Streaming{StreamAuto, StreamAlways, StreamNever}, u.Stream) {
		return fmt.Errorf("upstream %q: stream is %q: write auto, always or never", u.Name, u.Stream)
	}
	if u.IdleTimeout < 0 {
		return fmt.Errorf("upstream %q: idle_timeout is negative: write a duration like 60s", u.Name)
	}
	if u.ContextWindow < 0 {
		return fmt.Errorf("upstream %q: context_window is negative: write a number of tokens", u.Name)
	}
	if u.MaxConcurrent < 0 {
		return fmt.Errorf("upstream %q: max_concurrent is negative: write how many calls it takes at once, like %d", u.Name, DefaultMaxConcurrent)
	}
	if !slices.Contains([]Images{ImagesInline, ImagesURL, ImagesNone}, u.Images) {
		return fmt.Errorf("upstream %q: images is %q: write inline, url or none", u.Name, u.Images)
	}
	if strings.ContainsAny(u.APIKey, "\r\n\x00") {
		return fmt.Errorf("upstream %q: api_key contains a line break", u.Name)
	}
	return u.validateProfile()
}

// endpoint returns the address of path below the base URL, whose query is kept
// because Azure's api-version stands there.
func (u *Upstream) endpoint(path string) (string, error) {
	base, err := url.Parse(u.BaseURL)
	if err != nil {
		return "", fmt.Errorf("upstream %q: base_url is not a URL", u.Name)
	}
	root := strings.TrimSuffix(strings.TrimRight(base.Path, "/"), "/chat/completions")
	base.Path = strings.TrimRight(root, "/") + path
	base.RawPath = ""
	base.Fragment = ""
	return base.String(), nil
}

// setHeaders writes the key and the configured headers; the latter win.
func (u *Upstream) setHeaders(h http.Header) {
	if u.APIKey != "" {
		switch u.Auth {
		case AuthBearer:
			h.Set("Authorization", "Bearer "+u.APIKey)
		case AuthRaw:
			h.Set("Authorization", u.APIKey)
		case AuthAPIKey:
			h.Set("Api-Key", u.APIKey)
		case AuthNone:
		}
	}
	for name, value := range u.Headers {
		h.Set(name, value)
	}
}

// minSecret keeps short header values, like a version, out of the redaction.
const minSecret = 8

// secrets lists what must not appear in an error message or on the tape: the
// key, header values, and keys inside the base URL's query.
func (u *Upstream) secrets() []string {
	var all []string
	if base, err := url.Parse(u.BaseURL); err == nil {
		for name, values := range base.Query() {
			if secretName.MatchString(name) {
				all = append(all, values...)
			}
		}
	}
	if u.APIKey != "" {
		all = append(all, u.APIKey)
	}
	for _, value := range u.Headers {
		if len(value) >= minSecret {
			all = append(all, value)
		}
	}
	return all
}

// withoutSecrets takes the secrets out of an answer. An answer without any, which
// may be long, is not copied.
func (u *Upstream) withoutSecrets(answer []byte) []byte {
	for _, secret := range u.secrets() {
		if bytes.Contains(answer, []byte(secret)) {
			answer = bytes.ReplaceAll(answer, []byte(secret), []byte("[key]"))
		}
	}
	return answer
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
