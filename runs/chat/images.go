package chat

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"understudy/runs/outbound"
)

const (
	imageTimeout   = 15 * time.Second // for one image, redirects and body included
	maxImage       = 20 << 20         // bytes
	maxRedirects   = 3
	imagesAtOnce   = 4 // of one request
	imageLife      = 10 * time.Minute
	maxImageMemory = 64 << 20 // bytes of fetched images that are kept

	// omittedImage stands where an image was.
	omittedImage = "[An image was here. This model cannot see images.]"
)

// imageTypes are the formats that models see.
var imageTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// images fetches what messages point to.
type images struct {
	client *http.Client
	known  *imageCache
	flight singleflight.Group
}

// imageError is a sentence for the API client, which knows the URL and is told
// its host only.
type imageError string

func (e imageError) Error() string { return string(e) }

func newImages(config Config) (*images, error) {
	dialer, err := outbound.NewGuardedDialer(config.ImageHosts)
	if err != nil {
		return nil, fmt.Errorf("image_hosts: %w", err)
	}
	return &images{known: newImageCache(config.Now), client: imageClient(config.through(dialer.Transport()))}, nil
}

func imageClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(_ *http.Request, before []*http.Request) error {
			if len(before) > maxRedirects {
				return errRedirects
			}
			return nil
		},
	}
}

// shows tells whether the message brings an image before the model: only users'
// messages do.
func (m Message) shows() bool { return m.Role == User && hasImage(m.Content) }

// prepared returns the messages with their images in the form that the
// upstream takes.
func (m *images) prepared(ctx context.Context, messages []Message, form Images) ([]Message, *failure) {
	if form == ImagesURL || !slices.ContainsFunc(messages, Message.shows) {
		return messages, nil
	}
	var work errgroup.Group
	work.SetLimit(imagesAtOnce)
	out := slices.Clone(messages)
	for i := range out {
		if !out[i].shows() {
			continue
		}
		out[i].Content = slices.Clone(out[i].Content)
		for j := range out[i].Content {
			part := &out[i].Content[j]
			switch {
			case part.ImageURL == "":
			case form == ImagesNone:
				*part = Part{Text: omittedImage}
			case !strings.HasPrefix(part.ImageURL, "data:"):
				work.Go(func() (err error) {
					part.ImageURL, err = m.inlined(ctx, part.ImageURL)
					return err
				})
			}
		}
	}
	if err := work.Wait(); err != nil {
		return nil, &failure{code: InvalidPrompt, message: err.Error()}
	}
	return out, nil
}

// inlined returns the image as a data URL; its error is an imageError, or the
// cause of the context's end. Those who
// want the same image at once share one fetch, which goes on when one of them
// leaves.
func (m *images) inlined(ctx context.Context, address string) (string, error) {
	if data, ok := m.known.get(address); ok {
		return data, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", imageError("The URL of an image cannot be used: it must begin with http:// or https:// and a host, or be a data URL.")
	}
	fetched := m.flight.DoChan(address, func() (any, error) {
		ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), imageTimeout, errImageSlow)
		defer cancel()
		data, err := m.fetch(ctx, u)
		if err != nil {
			return "", imageError(fmt.Sprintf("The image at %s could not be used: %s.", u.Hostname(), reasonOf(ctx, err)))
		}
		m.known.put(address, data)
		return data, nil
	})
	select {
	case r := <-fetched:
		return r.Val.(string), r.Err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// Why an image is not used, beside what the network has to say.
var (
	errRedirects  = errors.New("it was redirected more than 3 times")
	errImageSlow  = errors.New("it took longer than 15 seconds")
	errImageLarge = errors.New("it is larger than 20 MB")
	errImageType  = errors.New("it is not a PNG, JPEG, GIF or WebP image")
)

// statusError is an answer that is no image.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("the server answered with HTTP status %d", int(s))
}

func (m *images) fetch(ctx context.Context, u *url.URL) (string, error) {
	bare := *u
	bare.User = nil // whoever wants a password has not published its image
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, bare.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", strings.Join(imageTypes, ", "))
	req.Header.Set("User-Agent", "understudy")
	res, err := m.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", statusError(res.StatusCode)
	}
	if res.ContentLength > maxImage {
		return "", errImageLarge
	}
	content, err := io.ReadAll(io.LimitReader(res.Body, maxImage+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxImage {
		return "", errImageLarge
	}
	kind := http.DetectContentType(content) // what a server says of its type decides nothing
	if !slices.Contains(imageTypes, kind) {
		return "", errImageType
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content), nil
}

// reasonOf puts an error into words without addresses: what a name resolves to
// inside is nobody's business.
func reasonOf(ctx context.Context, err error) string {
	var dns *net.DNSError
	var status statusError
	var unsent *UnsentError
	for _, known := range []error{errRedirects, errImageLarge, errImageType, outbound.ErrForbiddenAddress} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(context.Cause(ctx), errImageSlow):
		return errImageSlow.Error()
	case errors.As(err, &unsent):
		return strings.TrimSuffix(unsent.Message, ".")
	case errors.As(err, &dns):
		return "its host name is not known"
	}
	return "its server could not be reached"
}
