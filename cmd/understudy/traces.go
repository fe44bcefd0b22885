package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"understudy/api/telemetry"
)

// The standard's variables that decide whether spans are exported at all, and
// how; the library reads these and all others from the process's environment.
const (
	otlpEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	otlpTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	otlpProtocol       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	otlpTracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	tracesExporter     = "OTEL_TRACES_EXPORTER"
	otlpHeaders        = "OTEL_EXPORTER_OTLP_HEADERS"
	otlpTracesHeaders  = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
	sdkDisabled        = "OTEL_SDK_DISABLED"
	captureContent     = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
)

// Traces say where spans go.
type Traces struct {
	Endpoint string // "" = there are none
	Content  bool   // what was said is in them
}

// readTraces reads the OTEL_* variables.
func readTraces(getenv func(string) string) (Traces, error) {
	name := otlpTracesEndpoint
	if getenv(name) == "" {
		name = otlpEndpoint
	}
	t := Traces{Endpoint: strings.TrimSpace(getenv(name))}
	if t.Endpoint == "" || strings.EqualFold(getenv(sdkDisabled), "true") {
		return Traces{}, nil
	}
	switch exporter := getenv(tracesExporter); exporter {
	case "", "otlp":
	case "none":
		return Traces{}, nil
	default:
		return Traces{}, fmt.Errorf("%s: %q is none of this server's exporters; write otlp or none instead", tracesExporter, exporter)
	}
	address, err := url.Parse(t.Endpoint)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return Traces{}, fmt.Errorf("%s: this is not the URL of a collector; write something like http://localhost:4318 instead", name)
	}
	for _, name := range []string{otlpTracesProtocol, otlpProtocol} {
		switch protocol := getenv(name); protocol {
		case "":
			continue
		case "http/protobuf", "http/json":
		default:
			return Traces{}, fmt.Errorf("%s: %q is not spoken here; write http/protobuf, and the collector's port for it (4318), instead", name, protocol)
		}
		break
	}
	for _, name := range []string{otlpTracesHeaders, otlpHeaders} {
		if err := checkTraceHeaders(name, getenv(name)); err != nil {
			return Traces{}, err
		}
	}
	for _, check := range []func(func(string) string) error{checkSampler, checkTraceNumbers, checkCompression, checkTraceFiles} {
		if err := check(getenv); err != nil {
			return Traces{}, err
		}
	}
	switch strings.ToLower(getenv(captureContent)) {
	case "true", "span_only", "span_and_event":
		t.Content = true
	}
	return t, nil
}

// checkTraceHeaders finds what the library would leave out of name=value,name=value,
// and print: a value may be a key.
func checkTraceHeaders(name, text string) error {
	for i, header := range strings.Split(text, ",") {
		if strings.TrimSpace(header) == "" {
			continue
		}
		key, value, found := strings.Cut(header, "=")
		if _, err := url.PathUnescape(value); !found || err != nil || !headerName.MatchString(strings.TrimSpace(key)) {
			return fmt.Errorf("%s: header %d is not of the form name=value, with %%2C for a comma and %%25 for a percent sign in the value; write something like x-api-key=${KEY} instead", name, i+1)
		}
	}
	return nil
}

// flushTime bounds how long the end of the server waits for a collector.
const flushTime = grace / 2

// exportSpans has runs seen as spans, if a collector is configured.
func (a *app) exportSpans(ctx context.Context) error {
	t := a.config.Traces
	if t.Endpoint == "" {
		return nil
	}
	a.logger.Info("spans of runs go to an OpenTelemetry collector", "endpoint", publicURL(t.Endpoint), "content", t.Content)
	return a.seen.Export(ctx, telemetry.ExportOptions{Version: versionText(), Content: t.Content, Logger: a.logger})
}

// flushSpans sends what is left, and gives a collector that is away up.
func (a *app) flushSpans() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	started := time.Now()
	if err := a.seen.Close(ctx); err != nil {
		a.logger.Warn("the last spans could not be exported", "waited", time.Since(started).Round(time.Millisecond), "error", err)
	}
}
