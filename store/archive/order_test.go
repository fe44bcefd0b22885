package archive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const orderThread = `{"id":"t","object":"thread","created_at":1}`

// says is a message: its id, and behind it the run that made it ("b:run_1") and its second ("b@2").
func says(message string) string {
	message, second, later := strings.Cut(message, "@")
	if !later {
		second = "1"
	}
	id, run, answers := strings.Cut(message, ":")
	role, made := "user", "null"
	if answers {
		role, made = "assistant", strconv.Quote(run)
	}
	return fmt.Sprintf(`{"id":%q,"object":"thread.message","created_at":%s,"thread_id":"t","run_id":%s,"role":%q,"content":[]}`, id, second, made, role)
}

// page is a list of messages as SDKs answer it.
func page(messages ...string) string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = says(m)
	}
	return `{"object":"list","data":[` + strings.Join(all, ",") + `]}`
}

func threadFile(messages ...string) string {
	return `{"export_schema":"assistants-thread-export/v1","thread":` + orderThread + `,"messages":` + page(messages...) + `}`
}

// TestOrderOfADump: lists are newest first unless their times or their layout
// say otherwise, also within one second, over several pages, and with answers of
// runs among the messages.
func TestOrderOfADump(t *testing.T) {
	many := map[string]string{}
	var inOrder []string
	for n := range 12 {
		id := fmt.Sprintf("m%02d", n)
		inOrder, many[fmt.Sprintf("messages-%d.json", 11-n)] = append(inOrder, id), page(id)
	}
	abc := []string{"a", "b", "c"}
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"newest first":                  {map[string]string{"0.json": page("c@3", "b@2"), "1.json": page("a")}, abc},
		"oldest first":                  {map[string]string{"0.json": page("a", "b", "c@2")}, abc},
		"oldest first, an answer":       {map[string]string{"0.json": page("a", "b:run_1", "c@2")}, abc},
		"within a second":               {map[string]string{"0.json": page("c", "b"), "1.json": page("a")}, abc},
		"a question and its answer":     {map[string]string{"0.json": page("b:run_1", "a")}, abc[:2]},
		"an answer among questions":     {map[string]string{"0.json": page("c", "b:run_1", "a")}, abc},
		"two exchanges":                 {map[string]string{"0.json": page("d:run_2", "c", "b:run_1", "a")}, []string{"a", "b", "c", "d"}},
		"two answers of a run":          {map[string]string{"0.json": page("d:run_1", "c:run_1", "b:run_1", "a")}, []string{"a", "b", "c", "d"}},
		"the newest alone in a second":  {map[string]string{"0.json": page("d:run_2@9", "c@9", "b:run_1@3", "a")}, []string{"a", "b", "c", "d"}},
		"pages of one":                  {map[string]string{"0.json": page("b:run_1"), "1.json": page("a")}, abc[:2]},
		"pages that overlap":            {map[string]string{"0.json": page("c@3", "b:r@2"), "1.json": page("b:r@2", "a")}, abc},
		"pages by number":               {many, inOrder},
		"a known layout":                {map[string]string{"0.json": threadFile("a", "b:run_1", "c")}, abc},
		"a known layout, answer last":   {map[string]string{"0.json": threadFile("a", "b:run_1")}, abc[:2]},
		"a line each":                   {map[string]string{"0.jsonl": says("c") + "\n" + says("b:run_1") + "\n" + says("a")}, abc},
		"a file each, asked first":      {map[string]string{"m1.json": says("a"), "m2.json": says("b:run_1")}, abc[:2]},
		"a file each, answered first":   {map[string]string{"m1.json": says("b:run_1"), "m2.json": says("a")}, abc[:2]},
		"a file each, a question last":  {map[string]string{"m1.json": says("a"), "m2.json": says("b:run_1"), "m3.json": says("c")}, abc},
		"a file each, two exchanges":    {map[string]string{"m1.json": says("d:r@9"), "m2.json": says("a"), "m3.json": says("c@9"), "m4.json": says("b:q")}, []string{"a", "b", "c", "d"}},
		"a file each, and their list":   {map[string]string{"1.json": says("a"), "2.json": page("c", "b:run_1", "a")}, abc},
		"a file each, behind the list":  {map[string]string{"1.json": page("c", "b:run_1", "a"), "2.json": says("c")}, abc},
		"a list, and one of the answer": {map[string]string{"1.json": "[" + says("b:run_1") + "," + says("a") + "]"}, abc[:2]},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDump(dumpOf(t, c.files))
			require.NoError(t, d.readDir(t.Context()))
			require.Empty(t, d.unread)
			require.Equal(t, c.want, idsOf(d.inOrder("thread.message")))
		})
	}
}

func idsOf(objects []*dumped) (all []string) {
	for _, o := range objects {
		all = append(all, o.known.ID)
	}
	return all
}

// TestOrderOfSteps: a page of steps is of one run, and the lists of a thread do not mix.
func TestOrderOfSteps(t *testing.T) {
	step := func(id, run string) string {
		return fmt.Sprintf(`{"id":%q,"object":"thread.run.step","created_at":1,"thread_id":"t","run_id":%q,"type":"tool_calls","step_details":{"type":"tool_calls","tool_calls":[]}}`, id, run)
	}
	run := func(id string) string {
		return fmt.Sprintf(`{"id":%q,"object":"thread.run","created_at":1,"thread_id":"t","status":"completed"}`, id)
	}
	db, _ := imported(t, map[string]string{
		"thread.json": orderThread, "runs.json": "[" + run("run_2") + "," + run("run_1") + "]",
		"steps-1.json": "[" + step("s3", "run_2") + "]", "steps-2.json": "[" + step("s2", "run_1") + "," + step("s1", "run_1") + "]",
	})
	require.Equal(t, []string{"run_1", "run_2"}, ids(t, db, "thread.run"))
	require.Equal(t, []string{"s1", "s2", "s3"}, ids(t, db, "thread.run.step"))
}

func TestPathsByNumber(t *testing.T) {
	want := []string{"a/page-2.json", "a/page-10.json", "a.json", "b1c2", "b1c10", "b01c11", "b2", "b2x", "b99999999999999999999", "b100000000000000000000", "c01", "c1"}
	got := slices.Clone(want)
	slices.Sort(got)
	slices.SortFunc(got, comparePaths)
	require.Equal(t, want, got)
}
