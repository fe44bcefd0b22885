package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func said(role, id, text, runID, status string) listed {
	m := listed{ID: id, Role: role, Status: status}
	m.Content = append(m.Content, struct {
		Text struct {
			Value string `json:"value"`
		} `json:"text"`
	}{})
	m.Content[0].Text.Value = text
	if runID != "" {
		m.RunID = &runID
	}
	return m
}

func user(text string) listed { return said("user", "msg_"+text, text, "", "completed") }

func assistant(runID, text, status string) listed {
	return said("assistant", "msg_"+runID, text, runID, status)
}

// book is a ledger of two messages, a completed run, a message in doubt, a
// cancelled run and a message that was refused.
func book() *ledger {
	return &ledger{thread: "thread_1", presence: present, metadata: []string{"old", "new"}, entries: []*entry{
		{presence: present, id: "msg_one", text: "one"},
		{presence: present, id: "run_1", run: &run{token: "w1-1", kind: say, status: "completed"}},
		{presence: present, id: "msg_two", text: "two"},
		{presence: maybe, text: "doubt"},
		{presence: present, id: "run_2", run: &run{token: "w1-2", kind: hang, status: "cancelled"}},
		{presence: absent, text: "refused"},
	}}
}

// TestMessages: each way of failing a client is found, and called by its name.
func TestMessages(t *testing.T) {
	reply := assistant("run_1", spoken("w1-1"), "completed")
	for name, c := range map[string]struct {
		shown []listed
		found map[fault]int
	}{
		"as acknowledged":         {[]listed{user("one"), reply, user("two")}, nil},
		"with what was in doubt":  {[]listed{user("one"), reply, user("two"), user("doubt")}, nil},
		"a part of a cancelled":   {[]listed{user("one"), reply, user("two"), assistant("run_2", "In reply to w1-2: one, ", "incomplete")}, nil},
		"one gone":                {[]listed{user("one"), reply}, map[fault]int{lost: 1}},
		"the reply gone":          {[]listed{user("one"), user("two")}, map[fault]int{lost: 1}},
		"all gone":                {nil, map[fault]int{lost: 3}},
		"one twice":               {[]listed{user("one"), reply, user("two"), user("two")}, map[fault]int{doubled: 1}},
		"what was in doubt twice": {[]listed{user("one"), reply, user("two"), user("doubt"), user("doubt")}, map[fault]int{doubled: 1}},
		"the reply twice":         {[]listed{user("one"), reply, reply, user("two")}, map[fault]int{doubled: 1}},
		"what was refused":        {[]listed{user("one"), reply, user("two"), user("refused")}, map[fault]int{doubled: 1}},
		"another order":           {[]listed{user("two"), user("one"), reply}, map[fault]int{disordered: 3, lost: 1}},
		"half a reply":            {[]listed{user("one"), assistant("run_1", "In reply to", "completed"), user("two")}, map[fault]int{misled: 1}},
		"an open reply":           {[]listed{user("one"), reply, user("two"), assistant("run_2", "In", "in_progress")}, map[fault]int{misled: 1}},
		"another id":              {[]listed{said("user", "msg_other", "one", "", "completed"), reply, user("two")}, map[fault]int{misled: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerdict()
			book().checkMessages(v, c.shown)
			if c.found == nil {
				c.found = map[fault]int{}
			}
			require.Equal(t, c.found, v.found, v.texts)
		})
	}
}

func TestWhatWasSeenStays(t *testing.T) {
	reply := assistant("run_1", spoken("w1-1"), "completed")
	v, l := newVerdict(), book()
	l.checkMessages(v, []listed{user("one"), reply, user("two"), user("doubt")})
	require.False(t, v.faulty())
	l.checkMessages(v, []listed{user("one"), reply, user("two")})
	require.Equal(t, map[fault]int{lost: 1}, v.found)

	v, l = newVerdict(), book()
	l.checkMessages(v, []listed{user("one"), reply, user("two")})
	l.checkMessages(v, []listed{user("one"), reply, user("two"), user("doubt")})
	require.Equal(t, map[fault]int{doubled: 1}, v.found)
}

func TestRuns(t *testing.T) {
	shown := func(id, token, status string) listed {
		return listed{ID: id, Status: status, Metadata: map[string]string{"token": token}}
	}
	first, second := shown("run_1", "w1-1", "completed"), shown("run_2", "w1-2", "cancelled")
	for name, c := range map[string]struct {
		shown []listed
		found map[fault]int
	}{
		"as acknowledged": {[]listed{first, second}, map[fault]int{}},
		"one gone":        {[]listed{first}, map[fault]int{lost: 1}},
		"one twice":       {[]listed{first, second, shown("run_3", "w1-2", "queued")}, map[fault]int{doubled: 1}},
		"gone back":       {[]listed{shown("run_1", "w1-1", "in_progress"), second}, map[fault]int{lost: 1}},
		"another id":      {[]listed{shown("run_9", "w1-1", "completed"), second}, map[fault]int{misled: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerdict()
			book().checkRuns(v, c.shown)
			require.Equal(t, c.found, v.found, v.texts)
		})
	}
}

func TestThread(t *testing.T) {
	shown := func(mark string) answer {
		return answer{outcome: done, status: 200, body: []byte(`{"id":"thread_1","metadata":{"mark":"` + mark + `"}}`)}
	}
	gone := answer{outcome: refused, status: 404}
	for name, c := range map[string]struct {
		known presence
		shown []answer
		found map[fault]int
	}{
		"there":                   {present, []answer{shown("old"), shown("old")}, map[fault]int{}},
		"gone":                    {present, []answer{gone}, map[fault]int{lost: 1}},
		"deleted":                 {absent, []answer{gone}, map[fault]int{}},
		"deleted and back":        {absent, []answer{shown("old")}, map[fault]int{doubled: 1}},
		"maybe deleted":           {maybe, []answer{gone, gone}, map[fault]int{}},
		"deleted after all":       {maybe, []answer{shown("new"), gone}, map[fault]int{lost: 1}},
		"metadata nobody sent":    {present, []answer{shown("other")}, map[fault]int{lost: 1}},
		"metadata that goes back": {present, []answer{shown("new"), shown("old")}, map[fault]int{lost: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			v, l := newVerdict(), book()
			l.presence = c.known
			for _, a := range c.shown {
				l.checkThread(v, a)
			}
			require.Equal(t, c.found, v.found, v.texts)
		})
	}
}
