package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"understudy/runs"
)

// progressLines writes a line for each change of a run, in colours where
// somebody looks at them.
type progressLines struct {
	out    io.Writer
	colour bool
	day    string // of the line before
}

func newProgressLines(sys System) *progressLines {
	return &progressLines{out: sys.Stdout, colour: isTerminal(sys.Stdout) && sys.Getenv("NO_COLOR") == "" && sys.Getenv("TERM") != "dumb"}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// colours of statuses, by ANSI's numbers; others have none.
var colours = map[runs.Status]string{
	runs.Completed: "32", runs.Failed: "31", runs.Expired: "31", runs.Incomplete: "33", runs.RequiresAction: "36", runs.Cancelled: "90", runs.Cancelling: "90", runs.InProgress: "34",
}

func (l *progressLines) show(p runs.Progress, _ json.RawMessage) error {
	at := time.UnixMilli(int64(p.At * 1000)).Local()
	if day := at.Format(time.DateOnly); day != l.day {
		if _, err := fmt.Fprintf(l.out, "%s\n", l.painted("90", "-- "+day)); err != nil {
			return err
		}
		l.day = day
	}
	status := fmt.Sprintf("%-15s", p.Status)
	if code := colours[p.Status]; code != "" {
		status = l.painted(code, status)
	}
	tokens := ""
	if p.ModelCalls > 0 {
		tokens = fmt.Sprintf("%d+%d", p.Usage.PromptTokens, p.Usage.CompletionTokens)
	}
	line := fmt.Sprintf("%s  %s  %s  %s  %-20s  %11s  %8.3fs  %s", at.Format("15:04:05.000"), p.ThreadID, p.ID, status, printable(p.Model), tokens, p.Seconds, l.noteOf(p))
	_, err := fmt.Fprintln(l.out, strings.TrimRight(line, " "))
	return err
}

// noteOf is what a run waits for, or why it ended as it did.
func (l *progressLines) noteOf(p runs.Progress) string {
	switch {
	case p.LastError != nil:
		return l.painted("31", printable(p.LastError.Code+": "+p.LastError.Message))
	case p.Incomplete != nil:
		return printable(*p.Incomplete)
	case len(p.WaitsFor) > 0:
		return "waits for " + printable(strings.Join(p.WaitsFor, ", "))
	}
	return ""
}

func (l *progressLines) painted(code, text string) string {
	if !l.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
