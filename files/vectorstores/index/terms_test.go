package index_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"understudy/files/vectorstores/index"
)

func TestTerms(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" ?! -- \"'* ", ""},
		{"The quick, brown fox.", "the quick brown fox"},
		{"files and a class on the bus", "file and a class on the bus"},
		{"foo_bar FooBar fooBar", "foobar foo bar foobar foo bar foobar foo bar"},
		{"HTTP2 serveHTTP HTTPServer", "http2 http servehttp serve http httpserver http server"},
		{"__init__ _", "init"},
		{"SHA-256 x509 v1.2", "sha 256 x509 v1 2"},
		{"net/http.Client", "net http client"},
		{"Ünïcode ÉTÉ", "unicode ete"},
		{"e\u0301te\u0301", "ete"},
		{"ΠΟΛΗΣ πόλης", "πολησ πολησ"},
		{"ＦＵＬＬ ﬁle", "full file"},
		{"السُّكَّان", "السكان"},
		{"한국어", "한국 국어"},
		{"\u1112\u1161\u11ab", "한"},
		{"हिन्दी में", "हिन्दी में"},
		{"北京大学 is a 校", "北京 京大 大学 is a 校"},
		{"ab京c", "ab 京 c"},
		{"NEAR(a OR b) AND NOT c*", "near a or b and not c"},
	} {
		require.Equal(t, c.want, strings.Join(index.Terms(c.text), " "), c.text)
	}
}

// FuzzQuestion asks whatever comes. No text is ever taken for the database's query language, and a text finds itself.
func FuzzQuestion(f *testing.F) {
	for _, seed := range []string{
		"red apples", `"`, `a" OR "b`, "NEAR(a b, 2)", "terms:red", "{terms}: red", "red*", "^red", "a AND NOT b", "-red", "red\x00apples",
		"\xff\xfe", "北京大学", "foo_bar HTTP2", "(", "rowid:1", "e\u0301", "\u0301", "ﬁ ǅ ß İ", strings.Repeat("x ", 100),
	} {
		f.Add(seed)
	}
	fixture := open(f, index.Options{})
	colours(fixture)
	key := int64(100)
	f.Fuzz(func(t *testing.T, text string) {
		for _, term := range index.Terms(text) {
			require.NotEmpty(t, term)
			for _, r := range term {
				require.True(t, unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) || r == unicode.ReplacementChar, "%q of %q", term, text)
			}
		}
		_, err := fixture.index.Search(t.Context(), index.Query{Scopes: in("vs_a"), Questions: words(text), Limit: 5})
		require.NoError(t, err)
		if !ascii(text) || len(index.Terms(text)) == 0 || len(text) > 1000 {
			return // the database knows the letters of an older Unicode
		}
		key++
		chunk := []index.Chunk{{Text: text}}
		require.NoError(t, fixture.db.AddChunks(t.Context(), "vs_fuzz", key, chunk))
		require.NoError(t, fixture.db.PublishChunks(t.Context(), key))
		hits, err := fixture.index.Search(t.Context(), index.Query{
			Scopes: []index.Scope{{StoreID: "vs_fuzz", Files: []int64{key}}}, Questions: words(text), Limit: 1,
		})
		require.NoError(t, err)
		require.Len(t, hits, 1)
		require.Equal(t, text, hits[0].Text)
		require.NoError(t, fixture.db.DropChunks(t.Context(), key))
	})
}

func ascii(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII || r == 0 }) < 0
}
