package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhereSpansGo reads the standard's variables.
func TestWhereSpansGo(t *testing.T) {
	const collector = "http://collector:4318"
	for name, c := range map[string]struct {
		env  environment
		want Traces
		err  string
	}{
		"nowhere":                {},
		"to the collector":       {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector}, want: Traces{Endpoint: collector}},
		"to the one for traces":  {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/v1/traces"}, want: Traces{Endpoint: "https://t/v1/traces"}},
		"switched off":           {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_SDK_DISABLED": "true"}},
		"metrics alone":          {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_TRACES_EXPORTER": "none"}},
		"with content":           {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}, want: Traces{collector, true}},
		"with content, as newer": {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}, want: Traces{collector, true}},
		"without content":        {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY"}, want: Traces{Endpoint: collector}},
		"by gRPC": {
			env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
			err: `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not spoken here; write http/protobuf, and the collector's port for it (4318), instead`,
		},
		"by gRPC, but not traces": {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, want: Traces{Endpoint: collector}},
		"to Zipkin": {
			env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_TRACES_EXPORTER": "zipkin"},
			err: `OTEL_TRACES_EXPORTER: "zipkin" is none of this server's exporters; write otlp or none instead`,
		},
		"with headers": {env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=hidden%2C, y=1,"}, want: Traces{Endpoint: collector}},
		"with a comma in a key": {
			env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a,hidden"},
			err: "OTEL_EXPORTER_OTLP_HEADERS: header 2 is not of the form name=value, with %2C for a comma and %25 for a percent sign in the value; write something like x-api-key=${KEY} instead",
		},
		"with a percent sign in a key": {
			env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-key=hidden%zz"},
			err: "OTEL_EXPORTER_OTLP_TRACES_HEADERS: header 1 is not of the form name=value, with %2C for a comma and %25 for a percent sign in the value; write something like x-api-key=${KEY} instead",
		},
		"to a host": {
			env: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
			err: "OTEL_EXPORTER_OTLP_ENDPOINT: this is not the URL of a collector; write something like http://localhost:4318 instead",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, "", nil, c.env)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Traces)
		})
	}
}
