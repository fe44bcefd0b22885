package runs

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

// Delta appends a piece of text to a log as a turn does.
func (l *Log) Delta(messageID, text string, first bool) { l.textDelta(messageID, text, first) }

// Publish appends an event as a turn does.
func (l *Log) Publish(name string, v any) { l.publish(name, v) }

// End and BreakOff end a log as an engine does.
func (l *Log) End()      { l.end() }
func (l *Log) BreakOff() { l.breakOff() }
