package telemetry

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// ExportOptions say how spans are exported beside what the OTEL_* variables of
// the environment say, which the library reads itself.
type ExportOptions struct {
	Version string
	// Content puts what was said to models and tools, and what they said, into spans.
	Content bool
	Logger  *slog.Logger
}

// scope is how the spans name the code they come from.
const scope = "understudy"

// Export has the runs that follow seen as spans, which go to a collector by OTLP.
// It is to be called before anything is observed, and Close at the end. A
// collector that is away costs spans, and one line of the log.
func (t *Telemetry) Export(ctx context.Context, o ExportOptions) error {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return err
	}
	of, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "understudy"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv(), // has the last word
	)
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&calmExporter{SpanExporter: exporter, logger: o.Logger}), sdktrace.WithResource(of), sdktrace.WithIDGenerator(idGenerator{}),
	)
	t.spans = &spans{provider: provider, tracer: provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version)), content: o.Content, now: t.now}
	return nil
}

// Close exports the spans that wait to be, as long as ctx lasts.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.spans == nil {
		return nil
	}
	return t.spans.provider.Shutdown(ctx)
}

// calmExporter says once that a collector is away, not with every batch.
type calmExporter struct {
	sdktrace.SpanExporter
	logger *slog.Logger
	away   atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *calmExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	switch err := e.SpanExporter.ExportSpans(ctx, spans); {
	case err == nil:
		if e.away.Swap(false) {
			e.logger.Info("spans can be exported again")
		}
	case !e.away.Swap(true):
		e.logger.Warn("spans cannot be exported, and are lost until they can; see that the collector of OTEL_EXPORTER_OTLP_ENDPOINT is up", "error", err)
	}
	return nil
}

// idGenerator mints ids, unless the context says which ones a span is to have.
type idGenerator struct{}

type idsKey struct{}

// withIDs has the next span be the one that was announced as sc.
func withIDs(ctx context.Context, sc trace.SpanContext) context.Context {
	return context.WithValue(ctx, idsKey{}, sc)
}

// NewIDs implements sdktrace.IDGenerator.
func (g idGenerator) NewIDs(ctx context.Context) (id trace.TraceID, of trace.SpanID) {
	if sc, ok := ctx.Value(idsKey{}).(trace.SpanContext); ok {
		return sc.TraceID(), sc.SpanID()
	}
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // an id, not a secret
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // an id, not a secret
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID implements sdktrace.IDGenerator.
func (idGenerator) NewSpanID(ctx context.Context, _ trace.TraceID) (id trace.SpanID) {
	if sc, ok := ctx.Value(idsKey{}).(trace.SpanContext); ok {
		return sc.SpanID()
	}
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64()) //nolint:gosec // an id, not a secret
	}
	return id
}
