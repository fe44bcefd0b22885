package chat

import "strings"

// finishKind is what a finish_reason means to a run.
type finishKind int

const (
	finishNone   finishKind = iota // nothing was said
	finishNormal                   // the calls, if any, decide
	finishLength
	finishFilter
	finishFailed
)

var finishKinds = map[string]finishKind{
	"length":            finishLength,
	"max_tokens":        finishLength,
	"model_length":      finishLength,
	"max_output_tokens": finishLength,

	"content_filter":     finishFilter,
	"safety":             finishFilter,
	"recitation":         finishFilter,
	"prohibited_content": finishFilter,
	"blocklist":          finishFilter,
	"spii":               finishFilter,
	"sensitive":          finishFilter,

	"error":                        finishFailed,
	"abort":                        finishFailed,
	"network_error":                finishFailed,
	"insufficient_system_resource": finishFailed,
}

// readFinish classifies a finish_reason. Unknown reasons are normal ends: what
// the answer holds decides, not what the backend calls it.
func readFinish(reason string) finishKind {
	reason = strings.ToLower(strings.TrimSpace(reason))
	if reason == "" || reason == "null" {
		return finishNone
	}
	if kind, ok := finishKinds[reason]; ok {
		return kind
	}
	return finishNormal
}
