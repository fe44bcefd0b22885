package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The library passes over values that it cannot read, with a line of its own at
// best; some make it panic. What follows refuses them before it sees them.

const (
	tracesSampler    = "OTEL_TRACES_SAMPLER"
	tracesSamplerArg = "OTEL_TRACES_SAMPLER_ARG"
)

// samplers are those of the library; the last two take a share.
var samplers = []string{"parentbased_always_on", "parentbased_always_off", "always_on", "always_off", "parentbased_traceidratio", "traceidratio"}

// checkSampler refuses a sampler that there is not, and a share that is none for
// one that takes it.
func checkSampler(getenv func(string) string) error {
	name := strings.ToLower(strings.TrimSpace(getenv(tracesSampler)))
	if name == "" {
		return nil
	}
	if !slices.Contains(samplers, name) {
		return fmt.Errorf("%s: there is no sampler %q; write %s instead", tracesSampler, getenv(tracesSampler), either(samplers))
	}
	share := strings.TrimSpace(getenv(tracesSamplerArg))
	if share == "" || !strings.HasSuffix(name, "traceidratio") {
		return nil
	}
	if n, err := strconv.ParseFloat(share, 64); err != nil || !(n >= 0 && n <= 1) { // nor is NaN
		return fmt.Errorf("%s: %q is not a number from 0 to 1; write 0.1 for a tenth of the traces, or another share, instead", tracesSamplerArg, share)
	}
	return nil
}

// traceNumbers are the variables that are whole numbers, with what they can be.
var traceNumbers = []struct {
	name        string
	least, most int
}{
	{"OTEL_EXPORTER_OTLP_TIMEOUT", 0, maxMillis},
	{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 0, maxMillis},
	{"OTEL_BSP_SCHEDULE_DELAY", 1, maxMillis},
	{"OTEL_BSP_EXPORT_TIMEOUT", 0, maxMillis},
	{"OTEL_BSP_MAX_QUEUE_SIZE", 1, maxSpans},
	{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, maxSpans},
	{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", -1, maxLimit},
	{"OTEL_ATTRIBUTE_COUNT_LIMIT", -1, maxLimit},
	{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", -1, maxLimit},
	{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", -1, maxLimit},
	{"OTEL_SPAN_EVENT_COUNT_LIMIT", -1, maxLimit},
	{"OTEL_SPAN_LINK_COUNT_LIMIT", -1, maxLimit},
	{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", -1, maxLimit},
	{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", -1, maxLimit},
}

const (
	maxMillis = 24 * 60 * 60 * 1000
	maxSpans  = 1_000_000 // the queue is made at the start
	maxLimit  = 1<<31 - 1
)

// checkTraceNumbers refuses what is no number, or none that can be meant.
func checkTraceNumbers(getenv func(string) string) error {
	for _, v := range traceNumbers {
		text := getenv(v.name)
		if text == "" {
			continue
		}
		if n, err := strconv.Atoi(text); err != nil || n < v.least || n > v.most {
			return fmt.Errorf("%s: %q is not a whole number from %d to %d; write one, or leave the variable away", v.name, text, v.least, v.most)
		}
	}
	return nil
}

// checkCompression refuses a compression that would be none.
func checkCompression(getenv func(string) string) error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"} {
		switch text := strings.TrimSpace(getenv(name)); text {
		case "", "none", "gzip":
		default:
			return fmt.Errorf("%s: %q is not spoken here; write gzip or none instead", name, text)
		}
	}
	return nil
}

// checkTraceFiles reads the certificates: without one that was meant, a collector
// would be trusted that is not to be, or would not let the server in.
func checkTraceFiles(getenv func(string) string) error {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		ca, certificate, key := prefix+"CERTIFICATE", prefix+"CLIENT_CERTIFICATE", prefix+"CLIENT_KEY"
		if path := strings.TrimSpace(getenv(ca)); path != "" {
			content, err := os.ReadFile(path) //nolint:gosec // the operator names it
			if err != nil {
				return fmt.Errorf("%s: %w", ca, err)
			}
			if !x509.NewCertPool().AppendCertsFromPEM(content) {
				return fmt.Errorf("%s: %s holds no certificate; name a PEM file instead", ca, path)
			}
		}
		cert, secret := strings.TrimSpace(getenv(certificate)), strings.TrimSpace(getenv(key))
		if cert == "" && secret == "" {
			continue
		}
		if cert == "" || secret == "" {
			return fmt.Errorf("%s and %s belong together; set the other one as well", certificate, key)
		}
		if _, err := tls.LoadX509KeyPair(cert, secret); err != nil {
			return fmt.Errorf("%s and %s: %w", certificate, key, err)
		}
	}
	return nil
}
