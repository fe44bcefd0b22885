package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTraceVariablesThatAreWrong stop the start, and say why.
func TestTraceVariablesThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	empty, away := filepath.Join(dir, "empty.pem"), filepath.Join(dir, "away.pem")
	require.NoError(t, os.WriteFile(empty, []byte("hidden"), 0o600))
	const samplersWanted = "write parentbased_always_on, parentbased_always_off, always_on, always_off, parentbased_traceidratio or traceidratio instead"
	const shareWanted = "is not a number from 0 to 1; write 0.1 for a tenth of the traces, or another share, instead"
	for env, want := range map[string]string{
		"OTEL_TRACES_SAMPLER=bogus":                                                     `OTEL_TRACES_SAMPLER: there is no sampler "bogus"; ` + samplersWanted,
		"OTEL_TRACES_SAMPLER=jaeger_remote":                                             `OTEL_TRACES_SAMPLER: there is no sampler "jaeger_remote"; ` + samplersWanted,
		"OTEL_TRACES_SAMPLER=always_on":                                                 "",
		"OTEL_TRACES_SAMPLER= Always_Off ":                                              "",
		"OTEL_TRACES_SAMPLER=traceidratio":                                              "",
		"OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=0.25":                 "",
		"OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=10%":                  `OTEL_TRACES_SAMPLER_ARG: "10%" ` + shareWanted,
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=1.5":      `OTEL_TRACES_SAMPLER_ARG: "1.5" ` + shareWanted,
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=-0.1":     `OTEL_TRACES_SAMPLER_ARG: "-0.1" ` + shareWanted,
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=NaN":      `OTEL_TRACES_SAMPLER_ARG: "NaN" ` + shareWanted,
		"OTEL_TRACES_SAMPLER=always_on OTEL_TRACES_SAMPLER_ARG=bogus":                   "", // which takes none
		"OTEL_BSP_MAX_QUEUE_SIZE=-1":                                                    `OTEL_BSP_MAX_QUEUE_SIZE: "-1" is not a whole number from 1 to 1000000; write one, or leave the variable away`,
		"OTEL_BSP_SCHEDULE_DELAY=5s":                                                    `OTEL_BSP_SCHEDULE_DELAY: "5s" is not a whole number from 1 to 86400000; write one, or leave the variable away`,
		"OTEL_EXPORTER_OTLP_TIMEOUT=bogus":                                              `OTEL_EXPORTER_OTLP_TIMEOUT: "bogus" is not a whole number from 0 to 86400000; write one, or leave the variable away`,
		"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=x":                                           `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: "x" is not a whole number from -1 to 2147483647; write one, or leave the variable away`,
		"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=-1 OTEL_BSP_MAX_QUEUE_SIZE=1":                "",
		"OTEL_EXPORTER_OTLP_COMPRESSION=zstd":                                           `OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" is not spoken here; write gzip or none instead`,
		"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=gzip":                                    "",
		"OTEL_EXPORTER_OTLP_CERTIFICATE=" + away:                                        "OTEL_EXPORTER_OTLP_CERTIFICATE: open " + away + ": no such file or directory",
		"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE=" + empty:                                "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: " + empty + " holds no certificate; name a PEM file instead",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY=" + empty:                                        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together; set the other one as well",
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=x OTEL_EXPORTER_OTLP_CLIENT_KEY=" + away: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY: open x: no such file or directory",
	} {
		t.Run(env, func(t *testing.T) {
			wrong := environment{}
			for _, variable := range strings.SplitAfter(env, " OTEL_") {
				name, value, _ := strings.Cut(strings.TrimSuffix(variable, " OTEL_"), "=")
				wrong["OTEL_"+strings.TrimPrefix(name, "OTEL_")] = value
			}
			_, err := load(t, "", nil, wrong)
			require.NoError(t, err, "without a collector nobody minds")
			maps.Copy(wrong, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
			_, err = load(t, "", nil, wrong)
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, want)
		})
	}
}
