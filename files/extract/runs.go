package extract

import "strings"

// runs collects the text of runs, which is what stands in elements called t.
type runs struct {
	strings.Builder
	inside bool
}

func (r *runs) reset() { *r = runs{} }

func (r *runs) take() string {
	text := strings.TrimSpace(r.String())
	r.reset()
	return text
}

func (r *runs) write(text string) { r.WriteString(text) }

func (r *runs) start(name string) (leaveOut bool) {
	switch name {
	case "t":
		r.inside = true
	case "tab":
		r.write("\t")
	case "br", "cr":
		r.write("\n")
	case "noBreakHyphen":
		r.write("-")
	case "pPr", "rPr": // settings
		return true
	case "del", "moveFrom", "rt", "Fallback": // gone, moved, how to pronounce it, the same again for old programs
		return true
	}
	return false
}

func (r *runs) text(text string) {
	if r.inside {
		r.WriteString(text)
	}
}

func (r *runs) end(name string) {
	if name == "t" {
		r.inside = false
	}
}
