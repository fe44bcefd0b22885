package chat

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Sink that keeps what it is shown.
type recorder struct{ text, refusal strings.Builder }

func (r *recorder) Text(delta string)    { r.text.WriteString(delta) }
func (r *recorder) Refusal(delta string) { r.refusal.WriteString(delta) }
