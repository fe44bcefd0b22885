package runs

// divergence finds the first place at which the steps of two runs differ, or else
// their ends; nil = they are the same.
func divergence(steps []DiffSteps, a, b *Run) *Divergence {
	for i, s := range steps {
		if d := s.differ(); d != nil {
			d.Step = &i
			return d
		}
	}
	if endOf(a) != endOf(b) {
		return &Divergence{What: "status", A: endOf(a), B: endOf(b)}
	}
	return nil
}

// endOf is the state of a run with the reason for it.
func endOf(r *Run) string {
	switch {
	case r.IncompleteDetails != nil:
		return string(r.Status) + ": " + r.IncompleteDetails.Reason
	case r.LastError != nil:
		return string(r.Status) + ": " + r.LastError.Code
	default:
		return string(r.Status)
	}
}

// differ says in what the two steps differ, nil in nothing. Which place they have
// is for the caller to add.
func (s DiffSteps) differ() *Divergence {
	switch {
	case s.A == nil || s.B == nil || s.A.Type != s.B.Type:
		return &Divergence{What: "step", A: s.A.kind(), B: s.B.kind()}
	case textOf(s.A) != textOf(s.B):
		a, b := fromDifference(textOf(s.A), textOf(s.B))
		return &Divergence{What: "text", A: a, B: b}
	}
	for i := range max(len(s.A.ToolCalls), len(s.B.ToolCalls)) {
		if d := differentCalls(callAt(s.A, i), callAt(s.B, i)); d != nil {
			d.Call = &i
			return d
		}
	}
	if s.A.Status != s.B.Status {
		return &Divergence{What: "status", A: string(s.A.Status), B: string(s.B.Status)}
	}
	return nil
}

// kind is what a step that may be missing did.
func (s *DiffStep) kind() string {
	if s == nil {
		return ""
	}
	return s.Type
}

func textOf(s *DiffStep) string {
	if s.Text == nil {
		return ""
	}
	return *s.Text
}

func callAt(s *DiffStep, i int) *DiffCall {
	if i < len(s.ToolCalls) {
		return &s.ToolCalls[i]
	}
	return nil
}

func differentCalls(a, b *DiffCall) *Divergence {
	name := func(c *DiffCall) string {
		if c == nil {
			return ""
		}
		return c.Name
	}
	switch {
	case a == nil || b == nil || a.Name != b.Name || a.Type != b.Type:
		return &Divergence{What: "tool_call", A: name(a), B: name(b)}
	case canonical(a.Arguments) != canonical(b.Arguments):
		shownA, shownB := fromDifference(canonical(a.Arguments), canonical(b.Arguments))
		return &Divergence{What: "arguments", A: shownA, B: shownB}
	case outputOf(a) != outputOf(b):
		shownA, shownB := fromDifference(outputOf(a), outputOf(b))
		return &Divergence{What: "output", A: shownA, B: shownB}
	}
	return nil
}

func outputOf(c *DiffCall) string {
	if c.Output == nil {
		return ""
	}
	return *c.Output
}

// How much is shown of two texts that differ, in characters.
const (
	shownBefore = 24
	shownAfter  = 120
)

// fromDifference is both texts around the place where they begin to differ.
func fromDifference(a, b string) (shownA, shownB string) {
	x, y := []rune(a), []rune(b)
	at := 0
	for at < len(x) && at < len(y) && x[at] == y[at] {
		at++
	}
	cut := func(text []rune) string {
		from, to := max(0, at-shownBefore), min(len(text), at+shownAfter)
		shown := string(text[from:to])
		if from > 0 {
			shown = "…" + shown
		}
		if to < len(text) {
			shown += "…"
		}
		return shown
	}
	return cut(x), cut(y)
}
