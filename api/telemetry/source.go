package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Source is asked whenever the metrics are read; *store.DB is one.
type Source interface {
	// Waiting counts the runs that wait for a place, and for their client.
	Waiting(ctx context.Context, now time.Time) (queued, client int, err error)
	// UndeliveredWebhooks counts the events that endpoints have yet to take, and
	// those that were given up and can still be looked at.
	UndeliveredWebhooks(ctx context.Context) (pending, dead int, err error)
	// Size is in bytes: of the database, and of its write-ahead log.
	Size() (database, log int64, err error)
}

// sourcePatience bounds how long a reader of the metrics waits for the database.
const sourcePatience = 2 * time.Second

// Read adds what a source says to the metrics; it is to be called once.
func (t *Telemetry) Read(s Source) { t.registry.MustRegister(sourced{s, t.now}) }

// sourced is a Source as Prometheus collects it.
type sourced struct {
	source Source
	now    func() time.Time
}

var (
	waitingDesc = prometheus.NewDesc("understudy_runs_waiting", "Runs that wait for a place (queue) or for their client's tool outputs (client).", []string{"phase"}, nil)
	webhookDesc = prometheus.NewDesc("understudy_webhooks_undelivered", "Events that endpoints have yet to take (pending), and those of the last 30 days that were given up (dead).", []string{"state"}, nil)
	sizeDesc    = prometheus.NewDesc("understudy_database_bytes", "What the database file (database) and its write-ahead log (log) occupy.", []string{"part"}, nil)
)

// Describe implements prometheus.Collector.
func (sourced) Describe(to chan<- *prometheus.Desc) {
	to <- waitingDesc
	to <- webhookDesc
	to <- sizeDesc
}

// Collect implements prometheus.Collector.
func (s sourced) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), sourcePatience)
	defer cancel()
	queued, waiting, err := s.source.Waiting(ctx, s.now())
	collect(to, waitingDesc, err, queue, int64(queued), client, int64(waiting))
	pending, dead, err := s.source.UndeliveredWebhooks(ctx)
	collect(to, webhookDesc, err, "pending", int64(pending), "dead", int64(dead))
	database, log, err := s.source.Size()
	collect(to, sizeDesc, err, "database", database, "log", log)
}

// collect hands on two values of one metric, or why there are none.
func collect(to chan<- prometheus.Metric, desc *prometheus.Desc, err error, first string, a int64, second string, b int64) {
	if err != nil {
		to <- prometheus.NewInvalidMetric(desc, err)
		return
	}
	to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(a), first)
	to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(b), second)
}
