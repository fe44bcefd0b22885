package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// ordeal is what a server goes through between two checks.
type ordeal struct {
	name              string
	times             int
	due               deadlines
	wrapper           func(n int) []string
	early             int           // one start in so many is killed before it is ready; 0 = none
	shortest, longest time.Duration // that a server lives
	refusing          bool          // writes must have been refused, or nothing was tried
}

// kills kills a healthy server.
func kills(n int) ordeal {
	return ordeal{
		name: "kill -9", times: n, due: prompt, wrapper: func(int) []string { return nil }, early: 4, longest: 1200 * time.Millisecond,
	}
}

// trial has clients work while the server goes through an ordeal, and checks
// their ledgers.
func trial(ctx context.Context, s settings, data string, out io.Writer, o ordeal) error {
	if !s.timing {
		o.due = lenient
	}
	c, err := gather(s, data, o.due, false)
	if err != nil {
		return err
	}
	defer c.upstream.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = c.atWork(ctx, func() error { return c.suffer(ctx, o) })
	if err == nil {
		err = c.check(ctx)
	}
	if c.process != nil {
		defer c.process.kill()
	}
	if err != nil {
		return err
	}
	if o.refusing && c.verdict.counts[turnedDown] == 0 {
		return errors.New(o.name + ": no write was refused, so nothing was tried")
	}
	return c.report(out, fmt.Sprintf("%s: %d times", o.name, o.times))
}

// suffer starts and kills the server, and leaves it running, sound, at the end.
func (c *crowd) suffer(ctx context.Context, o ordeal) error {
	for n := range o.times {
		if o.early > 0 && n%o.early == 1 {
			if err := c.nip(); err != nil {
				return err
			}
			continue
		}
		err := c.raise(ctx, o.wrapper(n))
		if errors.Is(err, errEnded) && o.early == 0 {
			continue // a disk that fails may keep a server from starting
		}
		if err != nil {
			return err
		}
		pause(ctx, o.shortest+rand.N(o.longest-o.shortest)) //nolint:gosec // chance, not secrecy
		c.drop()
	}
	return c.raise(ctx, nil)
}

// nip kills a server while it starts.
func (c *crowd) nip() (err error) {
	if c.process, err = start(nil, c.server, c.data, c.upstream.url); err != nil {
		return err
	}
	time.Sleep(rand.N(120 * time.Millisecond)) //nolint:gosec // the instant is left to chance
	c.process.kill()
	return nil
}
