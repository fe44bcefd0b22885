package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// searchIn looks for a model in a text that comes in pieces of a size.
func searchIn(s modelSearch, text []byte, size int) {
	for end := 0; end < len(text); {
		end = min(end+size, len(text))
		s.look(text[:end])
	}
}

// FuzzJSONModel holds the search against encoding/json: it finds the model that
// a decoder would see, renaming changes nothing else, and it makes no
// difference in which pieces the text came.
func FuzzJSONModel(f *testing.F) {
	for _, seed := range []string{
		`{"model":"a","messages":[{"role":"user","content":"\"model\":\"b\""}]}`, "\n{ \"mod\\u0065l\" : \"\\u00e9\\\\\" }", `{"model":{"model":"x"},"m":["model","b"]}`,
		`{"model":"a","model":"b"}`, `{"model":1,"model":null}`, `{}`, `[]`, `"model"`, `{"x":"` + strings.Repeat("y", 50) + `\\","model":"z"}`, `{"model":"a"`, ``,
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		whole, parts := &jsonModel{}, &jsonModel{}
		searchIn(whole, text, max(1, len(text)))
		searchIn(parts, text, int(piece)+1)
		require.Equal(t, whole.values, parts.values)
		require.Equal(t, whole.name, parts.name)
		if !json.Valid(text) || bytes.TrimSpace(text)[0] != '{' || !oneMeaning(text) {
			return
		}
		var object map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &object))
		var want string
		if raw := object["model"]; len(raw) > maxModel || json.Unmarshal(raw, &want) != nil {
			return // no string, which is the upstream's to refuse
		}
		require.Equal(t, want, whole.model())
		renamed := map[string]json.RawMessage{}
		require.NoError(t, json.Unmarshal(apply(text, whole.rename(text, `n"w`)), &renamed))
		require.JSONEq(t, `"n\"w"`, string(renamed["model"]))
		delete(object, "model")
		delete(renamed, "model")
		require.Equal(t, object, renamed)
	})
}

// oneMeaning reports whether all members called model are strings: decoders
// differ in what they make of others before or behind them.
func oneMeaning(text []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(text))
	_, _ = decoder.Token() // the brace
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err != nil || decoder.Decode(&value) != nil || name == "model" && value[0] != '"' {
			return false
		}
	}
	return true
}

func TestFormModel(t *testing.T) {
	const before, field = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n--bmodel--b\r\n", "content-disposition: form-data; name=model\r\n\r\n"
	for name, c := range map[string]struct {
		text, model string
	}{
		"first":            {"--b\r\n" + field + "m\r\n--b\r\n", "m"},
		"behind a file":    {before + "\r\n--b\r\n" + field + "m\r\n--b--\r\n", "m"},
		"behind nothing":   {before + "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--b\r\n" + field + "m\r\n--b--\r\n", "m"},
		"behind a preface": {"preface\r\n--b\r\n" + field + "m\r\n--b", "m"},
		"with a type":      {"--b\r\nContent-Type: text/plain\r\nX: y\r\n" + field + "a/b\r\n--b--", "a/b"},
		"empty":            {"--b\r\n" + field + "\r\n--b--", ""},
		"a file":           {"--b\r\nContent-Disposition: form-data; name=\"model\"; filename=\"f\"\r\n\r\nm\r\n--b--", ""},
		"behind the end":   {"--b--\r\n--b\r\n" + field + "m\r\n--b", ""},
		"without its end":  {"--b\r\n" + field + "m", ""},
		"too long":         {"--b\r\n" + field + strings.Repeat("m", maxModel+9) + "\r\n--b--", ""},
		"endless headers":  {"--b\r\nA: " + strings.Repeat("m", maxHeaders) + "\r\n" + field + "m\r\n--b--", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 7, 1 << 20} {
				s := &formModel{delimiter: []byte("--b")}
				searchIn(s, []byte(c.text), size)
				require.Equal(t, c.model, s.model())
				if c.model != "" {
					require.Equal(t, strings.Replace(c.text, c.model+"\r\n--b", "new\r\n--b", 1), string(apply([]byte(c.text), s.rename([]byte(c.text), "new"))))
				}
			}
		})
	}
}

func BenchmarkJSONModel(b *testing.B) {
	text := []byte(`{"messages":[` + strings.Repeat(`{"role":"user","content":"some words of a \"person\""},`, 1000) + `{}],"image":"` + strings.Repeat("QUJD", 20_000) + `","model":"m"}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		searchIn(&jsonModel{}, text, readAtOnce)
	}
}
