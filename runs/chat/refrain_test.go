package chat

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// takenApart reads a stream as read does, but every line of it as if it were the
// only one of its kind.
func takenApart(body io.Reader, f *fold) reading {
	t := &tape{r: body}
	t.peek()
	e := &events{on: f.event}
	ended := io.EOF
	for !f.done && f.failure == nil {
		line, ok := t.line()
		if !ok {
			e.dispatch()
			ended = t.err
			break
		}
		e.line(line)
	}
	return reading{fold: f, ended: ended, raw: t.buf, streamed: true}
}

// requireTakenApartAlike reads a body that is a stream, and the same whose
// connection breaks behind it, in both ways.
func requireTakenApartAlike(t *testing.T, body []byte) {
	t.Helper()
	for name, behind := range map[string]error{"ends": io.EOF, "breaks": io.ErrUnexpectedEOF} {
		stream := func() io.Reader { return io.MultiReader(bytes.NewReader(body), iotest.ErrReader(behind)) }
		if r := read(stream(), &fold{now: time.Now}); !r.streamed {
			return
		}
		want, shown, state := settled(func(f *fold) reading { return takenApart(stream(), f) })
		got, seen, kept := settled(func(f *fold) reading { return read(stream(), f) })
		require.Equal(t, want, got, name)
		require.Equal(t, shown, seen, name)
		require.Equal(t, state, kept, name)
	}
}

// repeatedLines are streams whose lines repeat each other but for a text.
func repeatedLines() map[string]string {
	chunk := func(before, text, after string) string {
		return "data: {" + before + `"content":` + text + after + "}\n\n"
	}
	inside := func(choice string) string { return `"choices":[` + choice }
	plain := func(text string) string { return chunk(inside(`{"index":0,"delta":{`), text, `}}]`) }
	done := `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	between := func(other, before, after string) string { // the same again behind something else
		return chunk(before, `"a"`, after) + "data: " + other + "\n\n" + chunk(before, `"b"`, after)
	}
	usage := func(n int) string { return fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":%d}`, n, n) }
	counted := func(text string) string {
		return "data: [{" + usage(3) + `},{"choices":[{"index":0,"delta":{"content":` + text + "}}]}]\n\n"
	}
	calling := func(text string) string { return chunk(inside(`{"index":0,"delta":{"tool_calls":{},`), text, `}}]`) }
	each := func(before string) string {
		const after = `}}]`
		return chunk(before, `"a"`, after) + chunk(before, `"b"`, after) + chunk(before, `"c"`, after) + done
	}
	return map[string]string{
		"words":           plain(`"one"`) + plain(`" two"`) + plain(`" three"`) + done,
		"nothing":         plain(`""`) + plain(`"a"`) + plain(`""`) + plain(`"b"`) + done,
		"escapes":         plain(`"a"`) + plain(`"\n"`) + plain(`"\u00e9\\"`) + plain(`"b"`) + done,
		"half characters": plain(`"a"`) + plain(`"\ud83d"`) + plain(`"\ude00"`) + plain("\"\xc3\"") + plain("\"\xa9\"") + done,
		"bare controls":   plain(`"a"`) + plain("\"\t\"") + plain("\"\t\"") + plain(`"\t"`) + done,
		"no strings":      plain(`"a"`) + plain(`7`) + plain(`null`) + plain(`["x"]`) + plain(`"b"`) + done,
		"quotes":          plain(`"a"`) + plain(`"b","content":"c"`) + plain(`"d"}},{"index":0,"delta":{"content":"e"`) + plain(`"f"`) + done,
		"same words":      each(`"id":"a","model":"b",` + inside(`{"index":0,"delta":{"role":"c",`)),
		"finished before": chunk(inside(`{"index":0,"delta":{`), `"a"`, `},"finish_reason":"stop"}]`) + plain(`"b"`) + plain(`"c"`) + done,
		"all finished":    between(`{"choices":[{"finish_reason":"stop"}]}`, inside(`{"index":0,"delta":{`), `},"finish_reason":"length"}]`),
		"counted":         between("{"+usage(9)+"}", usage(3)+","+inside(`{"index":0,"delta":{`), `}}]`) + done,
		"choice counted":  between("{"+usage(9)+"}", inside(`{`+usage(3)+`,"index":0,"delta":{`), `}}]`) + done,
		"more than usage": between("{"+usage(9)+"}", inside(`{"index":0,"delta":{`), `}}]`),
		"counted before":  counted(`"a"`) + "data: {" + usage(9) + "}\n\n" + counted(`"b"`) + done,
		"ends with 0":     between(`{"choices":[{"finish_reason":"length"}]}`, inside(`{"index":0,"delta":{`), `},"finish_reason":0}]`),
		"empty calls":     calling(`"a"`) + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + calling(`""`),
		"extra content":   between(`{"choices":[{"delta":{"extra_content":{"b":2}}}]}`, inside(`{"index":0,"delta":{"extra_content":{"a":1},`), `}}]`) + done,
		"refused":         each(inside(`{"index":0,"delta":{"refusal":"no",`)),
		"thinking":        each(inside(`{"index":0,"delta":{"reasoning":"hm",`)),
		"thoughts":        plain(`"<think>"`) + plain(`"hm"`) + plain(`"</think>"`) + plain(`"a"`) + plain(`"b"`) + done,
		"calls":           each(inside(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"add","arguments":"1"}}],`)),
		"legacy calls":    each(inside(`{"index":0,"delta":{"function_call":{"name":"add","arguments":"1"},`)),
		"alternatives":    each(inside(`{"index":0,"delta":{"content":"x"}},{"index":1,"delta":{`)),
		"two choices":     each(inside(`{"index":0,"delta":{"content":"x"}},{"index":0,"delta":{`)),
		"another choice":  plain(`"a"`) + strings.ReplaceAll(each(inside(`{"index":1,"delta":{`)), `"index":0`, `"index":1`),
		"messages":        each(inside(`{"index":0,"message":{`)),
		"errors":          each(`"error":{"message":"overloaded"},` + inside(`{"index":0,"delta":{`)),
		"event names":     strings.ReplaceAll(each(inside(`{"index":0,"delta":{`)), "data: ", "event: message\ndata: "),
		"error events":    plain(`"a"`) + plain(`"b"`) + "event: error\n" + plain(`"c"`) + done,
		"split":           plain(`"a"`) + "data: {\"choices\":\n" + plain(`"b"`) + plain(`"c"`) + done,
		"bare lines":      strings.ReplaceAll(each(inside(`{"index":0,"delta":{`)), "data: {", "{"),
		"arrays":          strings.NewReplacer("data: {", "data: [{", "}\n", "}]\n").Replace(each(inside(`{"index":0,"delta":{`))),
		"cut off":         plain(`"a"`) + plain(`"b"`) + `data: {"choices":[{"index":0,"delta":{"content":"c"`,
	}
}

func TestRepeatedLines(t *testing.T) {
	for name, stream := range repeatedLines() {
		t.Run(name, func(t *testing.T) { requireTakenApartAlike(t, []byte(stream)) })
	}
}

// TestRefrain: a line is known by all but its text.
func TestRefrain(t *testing.T) {
	line := []byte(`data: {"model":"m","text":"one"}`)
	at := strings.Index(string(line), `"one"`)
	var r refrain
	_, ok := r.text(line)
	require.False(t, ok, "nothing was learnt")
	r.learn(line, []byte(`"one"`))
	_, ok = r.text(line)
	require.False(t, ok, "it was no part of the line")
	r.learn(line, line[at:at+5])
	for text, want := range map[string]bool{
		`"one"`: true, `""`: true, `"two words"`: true, `"é"`: true, "\"\xff\"": true,
		``: false, `"`: false, `1`: false, `"a\n"`: false, `"a","b":"c"`: false, "\"\x00\"": false, `null`: false,
	} {
		got, ok := r.text([]byte(`data: {"model":"m","text":` + text + `}`))
		require.Equal(t, want, ok, text)
		if ok {
			require.Equal(t, text, string(got))
		}
	}
	_, ok = r.text([]byte(`data: {"model":"n","text":"one"}`))
	require.False(t, ok)
	_, ok = r.text([]byte(`data: {"model":"m","text":"one","x":1}`))
	require.False(t, ok)
}

// TestWordsAreNotTakenApart: a line that was learnt is read by what it has in
// common with the next, even where that makes no sense by itself.
func TestWordsAreNotTakenApart(t *testing.T) {
	f := &fold{now: time.Now}
	require.Error(t, f.stream(&tape{r: strings.NewReader(texts(`"a"`, `"b"`))}))
	require.Equal(t, `data: {"choices":[{"index":0,"delta":{"content":`, string(f.refrain.before))
	require.Equal(t, `}}]}`, string(f.refrain.after))

	f = &fold{now: time.Now, refrain: refrain{before: []byte("la "), after: []byte(" la")}}
	require.Error(t, f.stream(&tape{r: strings.NewReader("la \"a\" la\n\nla \"b\" la\n\ndata: [DONE]\n\n")}))
	require.Equal(t, "ab", f.visible.String())
}
