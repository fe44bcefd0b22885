package files

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
)

func TestUploadForm(t *testing.T) {
	type field [2]string
	const anchor, seconds = "expires_after[anchor]", "expires_after[seconds]"
	purpose := field{"purpose", "assistants"}
	tests := map[string]struct {
		fields []field
		want   Upload
		err    *wire.Error
	}{
		"purpose":        {fields: []field{purpose}, want: Upload{Purpose: Assistants}},
		"shortest":       {fields: []field{{seconds, "3600"}, purpose, {anchor, "created_at"}}, want: Upload{Purpose: Assistants, ExpiresAfter: 3600}},
		"longest":        {fields: []field{purpose, {anchor, "created_at"}, {seconds, "2592000"}}, want: Upload{Purpose: Assistants, ExpiresAfter: 2592000}},
		"older Go":       {fields: []field{purpose, {"expires_after.anchor", "created_at"}, {"expires_after.seconds", "3600"}}, want: Upload{Purpose: Assistants, ExpiresAfter: 3600}},
		"leading zero":   {fields: []field{purpose, {anchor, "created_at"}, {seconds, "03600"}}, want: Upload{Purpose: Assistants, ExpiresAfter: 3600}},
		"no purpose":     {err: wire.MissingParam("purpose")},
		"other purpose":  {fields: []field{{"purpose", "world_domination"}}, err: &wire.Error{Message: "'world_domination' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'", Param: "purpose"}},
		"system purpose": {fields: []field{{"purpose", "assistants_output"}}, err: &wire.Error{Message: "'assistants_output' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'", Param: "purpose"}},
		"empty purpose":  {fields: []field{{"purpose", ""}}, err: &wire.Error{Message: "'' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'", Param: "purpose"}},
		"unknown":        {fields: []field{purpose, {"model", "x"}}, err: wire.UnknownParam("model")},
		"whole expiry":   {fields: []field{{"expires_after", "{}"}}, err: wire.UnknownParam("expires_after")},
		"open bracket":   {fields: []field{{"expires_after[seconds", "3600"}}, err: wire.UnknownParam("expires_after[seconds")},
		"similar":        {fields: []field{{"expires_afterwards", "1"}}, err: wire.UnknownParam("expires_afterwards")},
		"unknown member": {fields: []field{purpose, {anchor, "created_at"}, {seconds, "3600"}, {"expires_after[days]", "1"}}, err: wire.UnknownParam("expires_after.days")},
		"no anchor":      {fields: []field{purpose, {seconds, "3600"}}, err: wire.MissingParam("expires_after.anchor")},
		"no seconds":     {fields: []field{purpose, {anchor, "created_at"}}, err: wire.MissingParam("expires_after.seconds")},
		"other anchor":   {fields: []field{purpose, {anchor, "now"}, {seconds, "3600"}}, err: wire.NotInEnum("expires_after.anchor", "now", []string{"created_at"})},
		"anchor number":  {fields: []field{purpose, {anchor, "1"}, {seconds, "3600"}}, err: wire.NotInEnum("expires_after.anchor", "1", []string{"created_at"})},
		"no number":      {fields: []field{purpose, {anchor, "created_at"}, {seconds, "1h"}}, err: wire.WrongType("expires_after.seconds", "an integer", "a string")},
		"too short":      {fields: []field{purpose, {anchor, "created_at"}, {seconds, "3599"}}, err: &wire.Error{Message: "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= 3600, but got 3599 instead.", Param: "expires_after.seconds", Code: "integer_below_min_value"}},
		"too long":       {fields: []field{purpose, {anchor, "created_at"}, {seconds, "2592001"}}, err: &wire.Error{Message: "Invalid 'expires_after.seconds': integer above maximum value. Expected a value <= 2592000, but got 2592001 instead.", Param: "expires_after.seconds", Code: "integer_above_max_value"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var u Upload
			var err error
			for _, f := range test.fields {
				if err = u.Set(f[0], f[1]); err != nil {
					break
				}
			}
			if err == nil {
				err = u.Finish()
			}
			if test.err != nil {
				requireWire(t, err, *test.err)
				return
			}
			require.NoError(t, err)
			u.expiry = nil
			require.Equal(t, test.want, u)
		})
	}
}

func TestEveryPurpose(t *testing.T) {
	for _, purpose := range []string{"assistants", "batch", "fine-tune", "vision", "user_data", "evals"} {
		require.NoError(t, new(Upload).Set("purpose", purpose))
	}
}

func TestCleanName(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct{ sent, want string }{
		{"a.txt", "a.txt"},
		{"grüße \"1\".txt", "grüße \"1\".txt"},
		{"日本語.pdf", "日本語.pdf"},
		{"../../etc/passwd", "passwd"},
		{"/etc/passwd", "passwd"},
		{`C:\Users\me\a.txt`, "a.txt"},
		{`..\..\a.txt`, "a.txt"},
		{"text/csv", "csv"},
		{"a\x00b\r\nc\td.txt\x7f", "abcd.txt"},
		{"a\u0085b", "ab"},
		{"bad\xff.txt", "bad\uFFFD.txt"},
		{"  a.txt  ", "a.txt"},
		{".gitignore", ".gitignore"},
		{"", "file"},
		{".", "file"},
		{"..", "file"},
		{"dir/..", "file"},
		{"dir/", "file"},
		{"\r\n", "file"},
		{long, long[:255]},
		{long + ".txt", long[:251] + ".txt"},
		{"x." + long, ("x." + long)[:255]},
		{strings.Repeat("é", 200) + ".txt", strings.Repeat("é", 125) + ".txt"},
	}
	for _, test := range tests {
		require.Equal(t, test.want, cleanName(test.sent), "%q", test.sent)
	}
}

func FuzzCleanName(f *testing.F) {
	f.Add("a/b.txt")
	f.Add("..\x00\xff" + strings.Repeat("é", 200))
	f.Fuzz(func(t *testing.T, sent string) {
		name := cleanName(sent)
		require.True(t, utf8.ValidString(name))
		require.NotContains(t, []string{"", ".", ".."}, name)
		require.LessOrEqual(t, len(name), maxName)
		require.False(t, strings.ContainsAny(name, "/\\\x00\r\n"), "%q", name)
		require.Equal(t, name, cleanName(name), "cleaning must be idempotent")
	})
}

func TestReadQuery(t *testing.T) {
	limit := &wire.Error{Message: "limit must be between 1 and 10000."}
	tests := map[string]struct {
		query string
		want  Query
		err   *wire.Error
	}{
		"nothing":    {query: "", want: Query{Page: wire.Page{Limit: 10_000}}},
		"everything": {query: "limit=1&order=asc&after=file-1&purpose=batch", want: Query{Page: wire.Page{Limit: 1, Asc: true, After: "file-1"}, Purpose: "batch"}},
		"most":       {query: "limit=10000", want: Query{Page: wire.Page{Limit: 10_000}}},
		"too many":   {query: "limit=10001", err: limit},
		"none":       {query: "limit=0", err: limit},
		"negative":   {query: "limit=-1", err: limit},
		"a word":     {query: "limit=all", err: limit},
		"order":      {query: "order=up", err: wire.NotInEnum("order", "up", []string{"asc", "desc"})},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			values, err := url.ParseQuery(test.query)
			require.NoError(t, err)
			got, err := ReadQuery(values)
			if test.err != nil {
				requireWire(t, err, *test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}
