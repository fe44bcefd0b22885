package chat

import (
	"encoding/json"
	"strings"
)

// settleArguments makes the arguments of a call out of their fragments.
// Appending is the rule; what other backends do is tried only when appending
// gives no JSON. Arguments that are not JSON at all stay as the model wrote
// them: the API client decides.
func settleArguments(fragments []string) string {
	joined := repair([]byte(strings.Join(fragments, "")))
	if strings.TrimSpace(joined) == "" {
		return "{}"
	}
	if json.Valid([]byte(joined)) {
		return unwrapped(joined)
	}
	if last, ok := cumulative(fragments); ok {
		return unwrapped(last)
	}
	return withoutPlaceholder(joined)
}

// unwrapped undoes arguments that were encoded as JSON twice.
func unwrapped(arguments string) string {
	raw := []byte(strings.TrimSpace(arguments))
	if !isString(raw) {
		return arguments
	}
	inner := stringOf(raw)
	if !json.Valid([]byte(inner)) || !strings.HasPrefix(strings.TrimSpace(inner), "{") {
		return arguments
	}
	return inner
}

// cumulative recognises fragments that each hold everything so far, or a last
// one that repeats all before it.
func cumulative(fragments []string) (string, bool) {
	if len(fragments) < 2 {
		return "", false
	}
	last := fragments[len(fragments)-1]
	if !json.Valid([]byte(repair([]byte(last)))) {
		return "", false
	}
	chain := true
	for i := 1; i < len(fragments) && chain; i++ {
		chain = strings.HasPrefix(fragments[i], fragments[i-1])
	}
	if chain || last == strings.Join(fragments[:len(fragments)-1], "") {
		return repair([]byte(last)), true
	}
	return "", false
}

// withoutPlaceholder drops an empty object that a gateway put before or behind
// the real arguments.
func withoutPlaceholder(arguments string) string {
	for _, rest := range []string{
		strings.TrimPrefix(arguments, "{}"),
		strings.TrimSuffix(arguments, "{}"),
	} {
		if rest != "" && rest != arguments && json.Valid([]byte(rest)) {
			return rest
		}
	}
	return arguments
}

// wireArguments is what a backend is shown of earlier arguments: always JSON,
// as several refuse anything else in the history.
func wireArguments(arguments string) string {
	if strings.TrimSpace(arguments) == "" {
		return "{}"
	}
	if json.Valid([]byte(arguments)) {
		return arguments
	}
	if closed := closeJSON(arguments); json.Valid([]byte(closed)) {
		return closed
	}
	return "{}"
}

// closeJSON appends the quotes and brackets that a cut JSON text lacks.
func closeJSON(s string) string {
	var open []byte
	inString := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{':
			open = append(open, '}')
		case c == '[':
			open = append(open, ']')
		case (c == '}' || c == ']') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	var out strings.Builder
	out.WriteString(s)
	if inString {
		out.WriteByte('"')
	}
	for i := len(open) - 1; i >= 0; i-- {
		out.WriteByte(open[i])
	}
	return out.String()
}

// declaredName maps the name a model wrote to a declared tool. Models put the
// name space of their training in front.
func declaredName(name string, tools []Tool) string {
	declared := func(name string) bool {
		for _, t := range tools {
			if t.Name == name {
				return true
			}
		}
		return false
	}
	if declared(name) {
		return name
	}
	for _, prefix := range []string{"functions.", "default_api:", "default_api."} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && declared(rest) {
			return rest
		}
	}
	return name
}
