package chat

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
)

// fallback is one thing that backends refuse, and the request without it.
type fallback struct {
	what  string         // for the log
	sign  *regexp.Regexp // in the words of the refusal
	sent  func(r wireRequest, p profile) bool
	learn func(p *profile)
}

// refusal are the words that tell "I do not take this" from "this value is
// wrong": the latter is the client's to mend.
const refusal = `(?s).*(support|not permitted|not allowed|unknown|unrecogni[sz]ed|unexpected|extra|` +
	`cannot find field|unavailable|not available|deprecated|no such|invalid (parameter|argument|field)|not implemented)`

// refusedName matches a refusal that names one of the alternatives.
func refusedName(names string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)(` + names + `)` + refusal + `|` + refusal + `.*(` + names + `)`)
}

// fallbacks are tried in order; one that has nothing to change is skipped.
// None weakens what was asked for without a check: JSON and forced calls are
// then asked for in words and verified, one call at a time is enforced here.
var fallbacks = []fallback{
	{
		"sends no stream_options", refusedName(`stream_options|include_usage`),
		func(r wireRequest, _ profile) bool { return r.StreamOptions != nil },
		func(p *profile) { p.noStreamOptions = true },
	}, {
		"says max_completion_tokens", refusedName(`max_tokens`),
		func(r wireRequest, p profile) bool { return r.MaxTokens > 0 && !p.limitRenamed },
		func(p *profile) { p.maxCompletionTokens, p.limitRenamed = true, true },
	}, {
		"says max_tokens", refusedName(`max_completion_tokens`),
		func(r wireRequest, p profile) bool { return r.MaxCompletionTokens > 0 && !p.limitRenamed },
		func(p *profile) { p.maxCompletionTokens, p.limitRenamed = false, true },
	}, {
		"sends no parallel_tool_calls", refusedName(`parallel_tool_calls`),
		func(r wireRequest, _ profile) bool { return r.ParallelToolCalls != nil },
		func(p *profile) { p.noParallel = true },
	}, {
		"sends no tool_choice", refusedName(`tool_choice|tool choice`),
		func(r wireRequest, _ profile) bool { return r.ToolChoice != nil },
		func(p *profile) { p.noToolChoice = true },
	}, {
		"sends no strict", refusedName(`\bstrict\b`),
		wireRequest.hasStrictTool,
		func(p *profile) { p.noStrict = true },
	}, {
		"asks for JSON by weaker means", refusedName(`response_?format|json_schema|json_object|response mime ?type|json mode|structured output`),
		func(r wireRequest, _ profile) bool { return r.ResponseFormat != nil },
		func(p *profile) { p.json++ },
	}, {
		"sends plain tool schemas", refusedName(`\$schema|additionalproperties|additional_properties`),
		func(r wireRequest, p profile) bool { return len(r.Tools) > 0 && !p.plainSchemas },
		func(p *profile) { p.plainSchemas = true },
	}, {
		"sends no reasoning_effort", refusedName(`reasoning_effort|reasoning effort`),
		func(r wireRequest, _ profile) bool { return r.ReasoningEffort != "" },
		func(p *profile) { p.noEffort = true },
	}, {
		"sends no temperature", refusedName(`temperature`),
		func(r wireRequest, _ profile) bool { return r.Temperature != nil },
		func(p *profile) { p.noTemperature = true },
	}, {
		"sends no top_p", refusedName(`top_p`),
		func(r wireRequest, _ profile) bool { return r.TopP != nil },
		func(p *profile) { p.noTopP = true },
	}, {
		"streams", regexp.MustCompile(`only supports? stream|only stream|stream mode|enable the stream|stream must be|requires? stream|streaming is required|for non-?streaming calls`),
		func(r wireRequest, p profile) bool { return !r.Stream && !p.streamTurned },
		func(p *profile) { p.stream, p.streamTurned = true, true },
	}, {
		"does not stream", regexp.MustCompile(`(cannot|can't|not support\w*|unsupported)[^.]{0,40}stream|stream\w*[^.]{0,40}(not supported|unsupported|not allowed|not available|not implemented)`),
		func(r wireRequest, p profile) bool { return r.Stream && !p.streamTurned },
		func(p *profile) { p.stream, p.streamTurned = false, true },
	}, {
		"joins turns of one role", regexp.MustCompile(`must alternate|should alternate|alternate between|alternating|consecutive (user|assistant)|roles? .*alternat`),
		func(_ wireRequest, p profile) bool { return !p.mergeRoles },
		func(p *profile) { p.mergeRoles = true },
	}, {
		"answers tool outputs before the user speaks", regexp.MustCompile(`role '?user'? after role '?tool`),
		func(_ wireRequest, p profile) bool { return !p.assistantAfterTool },
		func(p *profile) { p.assistantAfterTool = true },
	}, {
		"puts instructions into the first user turn", regexp.MustCompile(`system role (is )?not supported|does not support '?system|system (message|instruction|role)s? (is|are) not (supported|allowed)|developer instruction is not enabled`),
		func(_ wireRequest, p profile) bool { return !p.noSystem },
		func(p *profile) { p.noSystem = true },
	}, {
		"rewrites call ids", regexp.MustCompile(`tool.?call.?id.*(length of 9|a-z)`),
		func(_ wireRequest, p profile) bool { return !p.shortIDs },
		func(p *profile) { p.shortIDs = true },
	}, {
		"sends reasoning_content with every call", regexp.MustCompile(`(missing|must|required|need)[^.]{0,60}reasoning_content|reasoning_content[^.]{0,60}(missing|must|required|need)`),
		func(_ wireRequest, p profile) bool { return !p.fillReasoning && !p.noReasoning },
		func(p *profile) { p.fillReasoning = true },
	}, {
		"sends no reasoning", refusedName(`reasoning_content|reasoning_details|reasoning_text|\breasoning\b|thinking_blocks|\bthinking\b|\bsignature\b`),
		func(r wireRequest, p profile) bool {
			return !p.noReasoning && r.echoesThoughts()
		},
		func(p *profile) { p.noReasoning = true },
	}, {
		"marks calls of other models as unsigned", regexp.MustCompile(`missing[^.]{0,40}thought_?\s?signature|thought_?\s?signature[^.]{0,40}missing`),
		func(_ wireRequest, p profile) bool { return !p.unsigned },
		func(p *profile) { p.unsigned = true },
	}, {
		"sends no additional members", refusedName(`extra_content|thought_signature|tool_calls`),
		func(r wireRequest, p profile) bool { return !p.noExtras && r.echoesExtras() },
		func(p *profile) { p.noExtras = true },
	}, {
		"declares the functions of the history", regexp.MustCompile("`?tools=?`? param|toolconfig field must be defined|tools? (field|parameter) (is|must be) (required|defined|provided)"),
		func(r wireRequest, p profile) bool { return len(r.Tools) == 0 && !p.declareTools },
		func(p *profile) { p.declareTools = true },
	}, {
		"sends blank contents", regexp.MustCompile(`non-?empty|at least one content element|(must|can ?not|should) not? ?be empty|can(no|')t be empty|content is empty|empty content|non-whitespace`),
		func(r wireRequest, p profile) bool { return p.emptyContent != emptyAsBlank && r.hasEmptyContent() },
		func(p *profile) { p.emptyContent = emptyAsBlank },
	}, {
		"sends empty contents", regexp.MustCompile(`content.*(null|none|valid string|a string|either content or tool_calls|missing|required)|(null|none|missing).*content`),
		func(r wireRequest, p profile) bool { return p.emptyContent == emptyAsNull && r.hasEmptyContent() },
		func(p *profile) { p.emptyContent = emptyAsString },
	},
}

// wrongValue are the words of a refusal that is about a value, not about the
// parameter: leaving that out would hide the client's mistake.
var wrongValue = regexp.MustCompile(`too (large|small|high|low)|at most|at least \d|between -?\d|` +
	`(less|greater|more|larger|smaller) than|invalid schema|out of range`)

// otherEfforts matches the refusal of one value of reasoning_effort.
var otherEfforts = regexp.MustCompile(`(?s)reasoning[_ ]effort.*supported values are`)

// changed finds the fallback for a refused request and applies it to p. What
// it returns says what was changed, "" when there is nothing to change.
func changed(p *profile, r wireRequest, f *failure) string {
	if f.code != ServerError || !mayBeMended(f.status) || wrongValue.MatchString(f.words) {
		return ""
	}
	if r.ReasoningEffort != "" && otherEfforts.MatchString(f.words) {
		return "" // the next client may name one that is taken
	}
	for _, fb := range fallbacks {
		if fb.sign.MatchString(f.words) && fb.sent(r, *p) {
			fb.learn(p)
			return fb.what
		}
	}
	return ""
}

// mayBeMended tells the statuses under which backends refuse parts of a
// request. Some chat templates fail with a 500.
func mayBeMended(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout:
		return false
	}
	return status == 0 || status >= 400
}

func (r wireRequest) hasStrictTool(profile) bool {
	for _, t := range r.Tools {
		if t.Function.Strict {
			return true
		}
	}
	return false
}

// echoes tells whether one of the members goes back with a message.
func (r wireRequest) echoes(names ...string) bool {
	for _, m := range r.Messages {
		if slices.ContainsFunc(names, func(name string) bool { return m.More[name] != nil }) {
			return true
		}
	}
	return false
}

func (r wireRequest) echoesThoughts() bool {
	return r.echoes("reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "thinking_blocks") ||
		slices.ContainsFunc(r.Messages, func(m wireMessage) bool { return m.Role == string(Assistant) && isArray(m.Content) })
}

func (r wireRequest) echoesExtras() bool {
	for _, m := range r.Messages {
		if slices.ContainsFunc(m.ToolCalls, func(c wireCall) bool { return len(c.More) > 0 }) {
			return true
		}
	}
	return r.echoes("extra_content")
}

func (r wireRequest) hasEmptyContent() bool {
	return slices.ContainsFunc(r.Messages, func(m wireMessage) bool {
		return isEmpty(m.Content) || isBlankString(m.Content)
	})
}

func isBlankString(v json.RawMessage) bool { return string(v) == `" "` }
