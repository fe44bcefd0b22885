package main

import (
	"fmt"
	"slices"
	"strings"
)

// presence is what the ledger knows of an object.
type presence int

const (
	maybe   presence = iota // nobody was told; the first look decides
	present                 // acknowledged, or seen
	absent                  // refused, deleted, or looked for in vain
)

// created is the presence of what a request was to create.
func created(a answer) presence {
	return map[outcome]presence{unknown: maybe, done: present, refused: absent}[a.outcome]
}

// deleted is the presence of what a request was to delete.
func (p presence) deleted(a answer) presence {
	return map[outcome]presence{unknown: maybe, done: absent, refused: p}[a.outcome]
}

// entry is one thing that a client added to a thread: a message of the user, or
// a run with what the assistant says in it.
type entry struct {
	presence presence
	id       string // "" while the server has not told it
	text     string // of the message; "" for a run
	run      *run   // nil for a message
}

// run is what is known of a run.
type run struct {
	token, kind string
	status      string // the last that was seen
	call        string // id of the tool call that was seen
}

// ledger is everything a client added to one thread, in its order.
type ledger struct {
	thread   string
	presence presence
	metadata []string // the values its "mark" may have
	entries  []*entry
}

// listed is a message or run as a list shows it.
type listed struct {
	ID      string  `json:"id"`
	Role    string  `json:"role"`
	Status  string  `json:"status"`
	RunID   *string `json:"run_id"`
	Content []struct {
		Text struct {
			Value string `json:"value"`
		} `json:"text"`
	} `json:"content"`
	Metadata map[string]string `json:"metadata"`
}

func (l listed) text() string {
	var text strings.Builder
	for _, part := range l.Content {
		text.WriteString(part.Text.Value)
	}
	return text.String()
}

// checkMessages compares a thread's messages, oldest first, with the ledger.
// What was in doubt is decided by it: from now on it stays as it was seen.
func (l *ledger) checkMessages(v *verdict, messages []listed) {
	next := 0
	for _, e := range l.entries {
		if e.run != nil {
			next += e.checkReplies(v, l.thread, messages[next:])
			continue
		}
		found := next < len(messages) && messages[next].Role == "user" && messages[next].text() == e.text
		switch {
		case found && e.presence == absent:
			v.blame(doubled, "thread %s: the message %q is there, although it was refused or deleted", l.thread, e.text)
		case found && e.id != "" && e.id != messages[next].ID:
			v.blame(misled, "thread %s: the message %q was acknowledged as %s and is %s", l.thread, e.text, e.id, messages[next].ID)
		case !found && e.presence == present:
			v.blame(l.missing(messages, e.text), "thread %s: the message %q is not in its place", l.thread, e.text)
		}
		e.presence = absent
		if found {
			e.presence, e.id = present, messages[next].ID
			next++
		}
	}
	for _, m := range messages[next:] {
		v.blame(l.surplus(messages, m), "thread %s: the message %s %q is one too many", l.thread, m.ID, m.text())
	}
}

// missing tells a message that is somewhere else from one that is nowhere.
func (l *ledger) missing(messages []listed, text string) fault {
	if slices.ContainsFunc(messages, func(m listed) bool { return m.text() == text }) {
		return disordered
	}
	return lost
}

// surplus tells a message that is there twice from one that is out of its order.
func (l *ledger) surplus(messages []listed, one listed) fault {
	same := 0
	for _, m := range messages {
		if m.text() == one.text() {
			same++
		}
	}
	if same > 1 {
		return doubled
	}
	return disordered
}

// checkReplies compares what the assistant said in a run with what it must
// have, and returns how many messages that are.
func (e *entry) checkReplies(v *verdict, thread string, messages []listed) int {
	n := 0
	for n < len(messages) && messages[n].Role == "assistant" && e.id != "" && messages[n].RunID != nil && *messages[n].RunID == e.id {
		n++
	}
	whole, said := spoken(e.run.token), ""
	for _, m := range messages[:n] {
		said += m.text()
	}
	switch {
	case n > 1:
		v.blame(doubled, "thread %s: run %s spoke %d times: %q", thread, e.id, n, said)
	case e.run.status == "completed" && n == 0:
		v.blame(lost, "thread %s: the message of run %s is not there", thread, e.id)
	case e.run.status == "completed" && (said != whole || messages[0].Status != "completed"):
		v.blame(misled, "thread %s: run %s completed with %q, %s", thread, e.id, said, messages[0].Status)
	case n == 1 && e.run.kind != dawdle && !strings.HasPrefix(whole, said):
		v.blame(misled, "thread %s: run %s said %q", thread, e.id, said)
	case n == 1 && messages[0].Status == "in_progress":
		v.blame(misled, "thread %s: half a message of run %s is stored: %q", thread, e.id, said)
	case n == 1 && over(e.run.status) && e.run.status != "completed" && messages[0].Status != "incomplete":
		v.blame(misled, "thread %s: the message of run %s, %s, is %s", thread, e.id, e.run.status, messages[0].Status)
	}
	return n
}

// over reports whether a run has come to its end.
func over(status string) bool {
	return slices.Contains([]string{"completed", "cancelled", "failed", "incomplete", "expired"}, status)
}

// checkRuns compares a thread's runs, oldest first, with the ledger. The token
// in a run's metadata tells which it is.
func (l *ledger) checkRuns(v *verdict, runs []listed) {
	next := 0
	for _, e := range l.entries {
		if e.run == nil {
			continue
		}
		found := next < len(runs) && runs[next].Metadata["token"] == e.run.token
		switch {
		case found && e.presence == absent:
			v.blame(doubled, "thread %s: the run for %s is there, although it was refused", l.thread, e.run.token)
		case found && e.id != "" && e.id != runs[next].ID:
			v.blame(misled, "thread %s: the run for %s was acknowledged as %s and is %s", l.thread, e.run.token, e.id, runs[next].ID)
		case found:
			e.see(v, runs[next].Status)
		case e.presence == present:
			v.blame(lost, "thread %s: the run %s for %s is not in its place", l.thread, e.id, e.run.token)
		}
		e.presence = absent
		if found {
			e.presence, e.id = present, runs[next].ID
			next++
		}
	}
	for _, r := range runs[next:] {
		v.blame(doubled, "thread %s: the run %s for %q is one too many", l.thread, r.ID, r.Metadata["token"])
	}
}

// see notes the status of a run, which must not change once it has ended.
func (e *entry) see(v *verdict, status string) {
	if over(e.run.status) && status != e.run.status {
		v.blame(lost, "run %s was %s and is %s", e.id, e.run.status, status)
	}
	e.run.status = status
}

// checkThread compares the thread itself with the ledger.
func (l *ledger) checkThread(v *verdict, a answer) {
	var shown listed
	there := a.read(&shown)
	switch mark := shown.Metadata["mark"]; {
	case there && l.presence == absent:
		v.blame(doubled, "thread %s is there, although it was deleted", l.thread)
	case !there && l.presence == present:
		v.blame(lost, "thread %s is not there: status %d", l.thread, a.status)
	case there && !slices.Contains(l.metadata, mark):
		v.blame(lost, "thread %s: its metadata is %q, and must be one of %s", l.thread, mark, fmt.Sprint(l.metadata))
	case there:
		l.presence, l.metadata = present, []string{mark}
	default:
		l.presence = absent
	}
}
