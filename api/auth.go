package api

import (
	"net/http"
	"regexp"
	"strings"

	"understudy/api/keys"
	"understudy/api/wire"
)

// errNoKey is the answer to a call without a key.
var errNoKey = &wire.Error{
	Kind: wire.Unauthorized,
	Message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), " +
		"or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. " +
		"You can obtain an API key from https://platform.openai.com/account/api-keys.",
}

// plain adapts a handler that needs no caller.
func (s *server) plain(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// authenticated adapts a handler of the API: it finds out who calls and which
// dialect, and renders the error.
func (s *server) authenticated(h handler) http.HandlerFunc {
	return s.plain(func(w http.ResponseWriter, r *http.Request) error {
		project, err := s.caller(r)
		if err != nil {
			return err
		}
		if err := s.rates.take(note(r.Context()).keyID, s.changing.Load().requestsPerMinute, s.Now(), w.Header()); err != nil {
			return err
		}
		if ids := s.Seeds.Minter(project, r.Method, r.URL.Path); ids != nil {
			r = r.WithContext(wire.WithMinter(r.Context(), ids))
		}
		c := &call{w: w, r: r, project: project, dialect: dialect(r), memory: &s.memory}
		defer c.release()
		if err := c.checkIDs(); err != nil {
			return err
		}
		if err := s.adopt(r.Context(), c); err != nil {
			return err
		}
		return h(c)
	})
}

// caller returns the project of the key a request carries.
func (s *server) caller(r *http.Request) (string, error) {
	n := note(r.Context())
	if s.Keys == nil {
		n.project = keys.DefaultProject
		return n.project, nil
	}
	text := presentedKey(r)
	if text == "" {
		return "", errNoKey
	}
	k, err := keys.Verify(r.Context(), s.Keys, text)
	if err != nil {
		return "", err
	}
	n.keyID, n.project = k.ID, k.Project
	return k.Project, nil
}

// presentedKey takes the key from the Authorization header, Bearer or the
// password of Basic, or from Azure's api-key header.
func presentedKey(r *http.Request) string {
	if scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(text)
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	return r.Header.Get("Api-Key")
}

// dialect reads the version of the API from OpenAI-Beta. Without the header
// Azure's api-version decides, and else a client gets version 2.
func dialect(r *http.Request) wire.Dialect {
	switch beta := r.Header.Get("OpenAI-Beta"); {
	case strings.Contains(beta, "assistants=v1"):
		return wire.V1
	case strings.Contains(beta, "assistants="):
		return wire.V2
	}
	version := r.URL.Query().Get("api-version")
	if azureDate.MatchString(version) && version < azureV2 {
		return wire.V1
	}
	return wire.V2
}

// azureV2 is the first api-version of Azure that speaks version 2; older ones
// sort before it by their date.
const azureV2 = "2024-05-01"

var azureDate = regexp.MustCompile(`^20\d\d-\d\d-\d\d`)
