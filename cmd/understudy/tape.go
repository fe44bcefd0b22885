package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"understudy/api/wire"
	"understudy/store"
)

// Tape says what is kept of model calls.
type Tape struct {
	Off         bool          // nothing, of any project
	OffProjects []string      // nothing, of these
	Keep        time.Duration // from the call's end on; 0 = for ever
	MaxSize     int64         // of all together, in bytes, about; 0 = whatever it takes
}

// defaultTape is what is kept unless something else is written.
var defaultTape = Tape{Keep: 30 * day, MaxSize: 1 << 30}

const day = 24 * time.Hour

// String shows the settings as they are written in the file.
func (t Tape) String() string {
	if t.Off {
		return "off"
	}
	keep, size := "forever", "unlimited"
	if t.Keep > 0 {
		keep = t.Keep.String()
	}
	if t.MaxSize > 0 {
		size = strconv.FormatInt(t.MaxSize>>20, 10) + "MiB"
	}
	return fmt.Sprintf("{keep: %s, max_size: %s, off: %v}", keep, size, t.OffProjects)
}

// isOff reports whether a project has no tape.
func (t Tape) isOff(project string) bool { return t.Off || slices.Contains(t.OffProjects, project) }

// limits are the store's. Without a tape, what there is of one is due at once.
func (t Tape) limits() store.TapeLimits {
	if t.Off {
		return store.TapeLimits{Keep: time.Nanosecond}
	}
	return store.TapeLimits{Keep: t.Keep, Size: t.MaxSize, Off: t.OffProjects}
}

// readTape takes "tape: off" and a map of settings.
func readTape(r *reader, n *yaml.Node) Tape {
	const example = "tape: {keep: 30d}"
	t := defaultTape
	if n.Kind == yaml.ScalarNode && n.Value == "off" {
		return Tape{Off: true}
	}
	r.mapping(n, "tape", example+" or tape: off", fields{
		"keep":     func(n *yaml.Node) { t.Keep = r.age(n, "keep") },
		"max_size": func(n *yaml.Node) { t.MaxSize = r.tapeSize(n) },
		"off": func(n *yaml.Node) {
			for _, item := range r.items(n, "off", "off: [default]") {
				if project, ok := r.text(item, "off", "default"); ok {
					t.OffProjects = append(t.OffProjects, project)
				}
			}
		},
	})
	return t
}

// age reads a time to keep something for: days, or as Go writes durations.
func (r *reader) age(n *yaml.Node, key string) time.Duration {
	value, ok := r.scalar(n, key, "a duration", "30d")
	if !ok || value == "forever" {
		return 0
	}
	if d, err := wire.ParseDuration(value); err == nil && d >= time.Second {
		return d
	}
	r.fail(n, "%s: %q is not a time of a second or more, in days or hours; write %s: 30d, or %[1]s: forever, instead", key, n.Value, key)
	return 0
}

// tapeSize reads a size, or that there is none.
func (r *reader) tapeSize(n *yaml.Node) int64 {
	if n.Value == "unlimited" {
		return 0
	}
	return int64(r.size(n, "max_size", "1GiB"))
}

// tapeSweep is how late what is no longer kept may be removed.
const tapeSweep = time.Minute

// sweepTape removes now and then what is no longer kept of the tape.
func (a *app) sweepTape() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-a.stop
		cancel()
	}()
	tick := time.NewTicker(tapeSweep)
	defer tick.Stop()
	for {
		removed, err := a.db.SweepTape(ctx, a.repeats.now(), a.config.Tape.limits())
		switch {
		case err != nil && ctx.Err() == nil:
			a.logger.Error("removing what is no longer kept of the tape; it is tried again", "error", err)
		case removed > 0:
			a.logger.Info("removed model calls from the tape, which are no longer kept", "calls", removed)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
