package archive

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTimesOfADump: times come in however tools wrote them, and what has none is
// counted and named.
func TestTimesOfADump(t *testing.T) {
	for written, want := range map[string]string{
		`1700000000`: "1700000000", `1700000000.0`: "1700000000", `1.7e9`: "1700000000", `"1700000000"`: "1700000000", `"1700000000.0"`: "1700000000", `null`: "null",
		`1700000000.5`: "", `"2023-11-14T22:13:20Z"`: "", `true`: "", `"soon"`: "", `""`: "", `1e300`: "", `[1]`: "",
	} {
		t.Run(written, func(t *testing.T) {
			d := newDump(dumpOf(t, map[string]string{"x/1.json": "\n" + `{"id":"thread_1","object":"thread","created_at":` + written + `}`}))
			require.NoError(t, d.readDir(t.Context()))
			report := newReport()
			d.noteUnread(&report)
			if want == "" {
				require.Empty(t, d.objects)
				require.Len(t, report.Notes, 1)
				require.Contains(t, report.Notes[0], `Left out: 1 objects of the kind thread, which cannot be read; the first is "thread_1" in x/1.json: line 2: its created_at is `)
				return
			}
			require.Empty(t, report.Notes)
			require.Contains(t, string(d.objects["thread"][0].raw), `"created_at":`+want+`,`)
			want = strings.Replace(want, "null", "0", 1)
			require.Equal(t, want, strconv.FormatInt(d.objects["thread"][0].known.CreatedAt, 10))
		})
	}
}

// TestOtherTimes: those of a run are read alike, and one that is none ends the import.
func TestOtherTimes(t *testing.T) {
	thread := `{"id":"t","object":"thread","created_at":1}`
	run := `{"id":"run_1","object":"thread.run","created_at":2,"thread_id":"t","status":"completed","completed_at":`
	db, report := imported(t, map[string]string{"a.jsonl": thread + "\n" + run + `1700000000.0}`})
	require.Empty(t, report.Notes)
	require.Contains(t, objects(t, db, "thread.run")[0], `"completed_at":1700000000,`)
	db, blobs := emptyStore(t)
	_, err := ImportDump(t.Context(), db, blobs, Options{}, dumpOf(t, map[string]string{"a.jsonl": thread + "\n" + run + `"late"}`}))
	require.ErrorContains(t, err, "a.jsonl: line 2: thread.run run_1: ")
	require.ErrorContains(t, err, "completed_at")
}

// TestLeftOutAreCounted: each object once, with what belongs to it.
func TestLeftOutAreCounted(t *testing.T) {
	bad := `{"id":"t2","object":"thread","created_at":1.5}`
	message := func(id, thread, at string) string {
		return `{"id":"` + id + `","object":"thread.message","thread_id":"` + thread + `","role":"user","content":[],"created_at":` + at + `}`
	}
	again := message("msg_3", "t1", `"never"`)
	db, report := imported(t, map[string]string{"a.jsonl": strings.Join([]string{
		`{"id":"t1","object":"thread","created_at":1}`, bad, bad,
		message("msg_1", "t1", "1"), message("msg_2", "t1", "true"), again, message("msg_3", "t1", "3"), message("msg_4", "t2", "1"),
		`{"id":"run_1","object":"thread.run","created_at":{},"thread_id":"t1","steps":[{"id":"s1","object":"thread.run.step","created_at":1,"thread_id":"t1","run_id":"run_1"}]}`,
		`{"object":"thread.message","created_at":1}`, `{"id":7,"object":"assistant"}`, `{"object":"poem"}`,
	}, "\n")})
	require.Equal(t, []string{"t1"}, ids(t, db, "thread"))
	require.Equal(t, []string{"msg_1", "msg_3"}, ids(t, db, "thread.message"))
	require.Equal(t, []string{
		"Left out: 1 objects of the kind assistant, which cannot be read; the first is \"\" in a.jsonl: line 11: json: cannot unmarshal number into Go struct field known.id of type string.",
		"Left out: 1 objects of the kind thread, which cannot be read; the first is \"t2\" in a.jsonl: line 2: its created_at is 1.5, which is no time in whole seconds.",
		"Left out: 1 objects of the kind thread.message, which belong to what was left out.",
		"Left out: 1 objects of the kind thread.run, which cannot be read; the first is \"run_1\" in a.jsonl: line 9: its created_at is {}, which is no time in whole seconds.",
		"Left out: 1 objects of the kind thread.run.step, which belong to what was left out.",
		"Left out: 2 objects of the kind thread.message, which cannot be read; the first is \"msg_2\" in a.jsonl: line 5: its created_at is true, which is no time in whole seconds.",
	}, report.Notes)
}

// TestAllLeftOut: a directory of which nothing can be read is reported like any other.
func TestAllLeftOut(t *testing.T) {
	_, report := imported(t, map[string]string{"1.json": `{"id":"t","object":"thread","created_at":"x"}`})
	require.Len(t, report.Notes, 1)
}
