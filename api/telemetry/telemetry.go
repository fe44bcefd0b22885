// Package telemetry counts and times what the server does, for those who
// operate it. The counters are for Prometheus to read, the spans are for
// OpenTelemetry. It is the only importer of the libraries behind them, and has a
// registry of its own: what the domain and the store tell their observers ends
// here.
package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Telemetry observes one server.
type Telemetry struct {
	now      func() time.Time
	registry *prometheus.Registry
	legs     legs
	spans    *spans // nil = none are made

	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	streams      prometheus.Gauge
	inPhase      *prometheus.GaugeVec
	phaseTime    *prometheus.HistogramVec
	ended        *prometheus.CounterVec
	calls        *prometheus.CounterVec
	upstreamTime *prometheus.HistogramVec
	firstToken   *prometheus.HistogramVec
	retries      *prometheus.CounterVec
	tokens       *prometheus.CounterVec
	webhooks     *prometheus.CounterVec
	commitTime   prometheus.Histogram
	commitSize   prometheus.Histogram
	models       names
}

// Options say what is observed.
type Options struct {
	Version string
	Now     func() time.Time
}

// The bounds of histograms, in seconds.
var (
	commitBounds  = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}
	requestBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	runBounds     = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600}
)

// New returns a Telemetry that has seen nothing yet.
func New(o Options) *Telemetry {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
	}
	single := func(name, help string, bounds []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds})
	}
	t := &Telemetry{
		now: o.Now, registry: prometheus.NewRegistry(),
		requests:     counter("understudy_http_requests_total", "Requests that were answered.", "route", "method", "status"),
		requestTime:  histogram("understudy_http_request_seconds", "From a request to the end of its answer, streams and held requests included.", requestBounds, "route"),
		streams:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "understudy_http_open_streams", Help: "Answers that are event streams and still open."}),
		inPhase:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "understudy_runs_at_work", Help: "Runs whose model (model) or server-side tool (tools) is at work now."}, []string{"phase"}),
		phaseTime:    histogram("understudy_run_phase_seconds", "How long runs waited for a place (queue), for the model (model), for a server-side tool (tools), for their client (client).", runBounds, "phase"),
		ended:        counter("understudy_runs_ended_total", "Runs that ended.", "status"),
		calls:        counter("understudy_model_calls_total", "Model calls, retries not counted: outcome is ok, an error code, or interrupted.", "upstream", "model", "outcome"),
		upstreamTime: histogram("understudy_upstream_seconds", "From the last attempt of a model call to the end of its answer.", runBounds, "upstream"),
		firstToken:   histogram("understudy_first_token_seconds", "From the last attempt of a model call to its first token, where the upstream streams.", runBounds, "upstream"),
		retries:      counter("understudy_upstream_retries_total", "Further attempts of model calls.", "upstream"),
		tokens:       counter("understudy_tokens_total", "Tokens of model calls. cached is a part of prompt, reasoning a part of completion.", "upstream", "model", "kind"),
		webhooks:     counter("understudy_webhook_attempts_total", "Attempts to deliver webhooks: outcome is delivered, failed (it is tried again) or dead (it is given up).", "outcome"),
		commitTime:   single("understudy_store_commit_seconds", "From the begin of a database transaction to its commit on disk.", commitBounds),
		commitSize:   single("understudy_store_commit_operations", "Operations that shared a database transaction.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "understudy_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": o.Version}})
	build.Set(1)
	t.registry.MustRegister(
		t.requests, t.requestTime, t.streams, t.inPhase, t.phaseTime, t.ended, t.calls, t.upstreamTime, t.firstToken, t.retries, t.tokens, t.webhooks,
		t.commitTime, t.commitSize, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return t
}

// Handler shows what was counted, in the formats of Prometheus. What cannot be
// read for the moment is left out.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Answered counts a request. The route is its template, never its path.
func (t *Telemetry) Answered(route, method string, status int, took time.Duration) {
	t.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(status)).Inc()
	t.requestTime.WithLabelValues(route).Observe(took.Seconds())
}

// knownMethod keeps clients from making up labels.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return other
}

// Streaming counts the event streams that are open; by is 1 or -1.
func (t *Telemetry) Streaming(by int) {
	t.streams.Add(float64(by))
}

// Attempted implements webhooks.Observer.
func (t *Telemetry) Attempted(outcome string) { t.webhooks.WithLabelValues(outcome).Inc() }

// Committed counts a transaction of the store.
func (t *Telemetry) Committed(took time.Duration, operations int) {
	t.commitTime.Observe(took.Seconds())
	t.commitSize.Observe(float64(operations))
}
