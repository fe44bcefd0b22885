package runs

import "strings"

// Crash lets the engine go the way kill -9 does: no lease is freed, and streams
// break. It returns when nothing of the engine is left.
func (e *Engine) Crash() {
	e.stop.Do(func() {
		e.mu.Lock()
		e.stopping = true
		e.mu.Unlock()
		close(e.stopped)
		e.kill(errDraining)
	})
	e.wg.Wait()
	e.mu.Lock() // readers may still be leaving
	defer e.mu.Unlock()
	for _, log := range e.waiting {
		log.breakOff()
	}
}

// Driven reports how many runs are driven and how many streams wait for a place.
func (e *Engine) Driven() (driven, waiting int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live), len(e.waiting)
}

// Queued reports how many runs wait for a place.
func (e *Engine) Queued() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.places.waiters)
}

// NewLog returns the log of a run that has no stored events yet.
func NewLog() *Log { return newLog() }

// Watch returns a reader of the log: one who is there from the beginning, or
// one who joins.
func (l *Log) Watch(joins bool) *Watch {
	w := (&Engine{waiting: map[string]*Log{}}).newWatch(Start{})
	w.live = l.join(w.more, joins)
	return w
}

// Say returns what appends text to a message, as a turn does.
func (l *Log) Say(messageID string) func(delta string) {
	var text strings.Builder
	return func(delta string) {
		from := text.Len()
		text.WriteString(delta)
		l.text(messageID, 0, false, text.String(), from)
	}
}

// Show and Record append events as a turn does.
func (l *Log) Show(name string, v any)   { l.show(name, v) }
func (l *Log) Record(name string, v any) { l.record(name, v) }

// Held is what the log keeps: lines, and bytes of text with their marks.
func (l *Log) Held() (lines, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line.text != nil {
			bytes += len(line.text.text) + 8*cap(line.text.ends)
		}
	}
	return len(l.lines), bytes
}

// End and BreakOff end a log as an engine does.
func (l *Log) End()      { l.end() }
func (l *Log) BreakOff() { l.breakOff() }

// CompareWords is compareWords.
var CompareWords = compareWords

// CountOrigins counts one request of a run.
func CountOrigins(run *Run, request []byte) Origins {
	return originCounter{run: run, counted: map[string]int{}}.count(request)
}
