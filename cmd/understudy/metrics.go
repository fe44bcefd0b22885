package main

import "go.yaml.in/yaml/v3"

// readMetrics takes who may read /metrics.
func (c *configFile) readMetrics(r *reader, n *yaml.Node) {
	var tokens []*yaml.Node
	r.mapping(n, "metrics", "metrics: {token: \"${METRICS_TOKEN}\"}", fields{
		"token": func(n *yaml.Node) {
			tokens, c.metricsToken = append(tokens, n), readKey(r, n, "token", "${METRICS_TOKEN}")
		},
		"token_file": func(n *yaml.Node) {
			tokens, c.metricsToken = append(tokens, n), readKeyFile(r, n, "token_file", "/run/secrets/metrics")
		},
	})
	if len(tokens) > 1 {
		r.fail(tokens[1], "token and token_file are both there; write one of them instead")
	}
}
