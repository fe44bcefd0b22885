package chat

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxMessage bounds an error message, in bytes.
const maxMessage = 1000

var (
	htmlTag     = regexp.MustCompile(`(?s)<!--.*?-->|</?[A-Za-z!][^>]*>`)
	urlSecret   = regexp.MustCompile(`(?i)([?&](?:[a-z0-9_-]*(?:key|token|secret|signature|sig|password))=)[^&\s"']+`)
	secretName  = regexp.MustCompile(`(?i)(?:key|token|secret|signature|sig|password)$`)
	urlUser     = regexp.MustCompile(`(://)[^/\s@]+@`)
	bearer      = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=*-]{6,}`)
	keyPrefix   = regexp.MustCompile(`\b(?:sk|pk|rk|gsk|xai|hf|nvapi|AIza|fw|csk|tgp)[-_][A-Za-z0-9_*.-]{6,}|\bAIza[A-Za-z0-9_*-]{6,}`)
	maskedWord  = regexp.MustCompile(`[A-Za-z0-9_.-]*\*{2,}[A-Za-z0-9_.*-]*`)
	whiteSpaces = regexp.MustCompile(`\s+`)
)

// redact makes a backend's sentence fit for an API client: no markup, no key
// nor part of one, one line of bounded length.
func redact(message string, secrets []string) string {
	for _, secret := range secrets {
		message = strings.ReplaceAll(message, secret, "[key]")
	}
	message = htmlTag.ReplaceAllString(message, " ")
	message = urlSecret.ReplaceAllString(message, "${1}[key]")
	message = urlUser.ReplaceAllString(message, "${1}")
	message = bearer.ReplaceAllString(message, "${1} [key]")
	message = keyPrefix.ReplaceAllString(message, "[key]")
	message = maskedWord.ReplaceAllString(message, "[key]")
	message = strings.TrimSpace(whiteSpaces.ReplaceAllString(message, " "))
	if len(message) <= maxMessage {
		return message
	}
	end := maxMessage
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + "…"
}
