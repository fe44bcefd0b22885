package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reply is what came back, read to its end.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

func (a reply) ok() reply {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, a.status, "%s", a.body)
	return a
}

// refused asserts an error by its status, param and code, and returns its
// message; param and code are "" for null.
func (a reply) refused(status int, param, code string) string {
	a.t.Helper()
	require.Equal(a.t, fmt.Sprintf("%d param=%s code=%s", status, param, code),
		fmt.Sprintf("%d param=%s code=%s", a.status, a.text("error.param"), a.text("error.code")), "%s", a.body)
	return a.text("error.message")
}

// at returns a member of the answer by its path, such as "data.0.id".
func (a reply) at(path string) any {
	a.t.Helper()
	var value any
	require.NoError(a.t, json.Unmarshal(a.body, &value), "%s", a.body)
	return member(value, path)
}

func member(value any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// text is at for a string, "" for null and for what is not there.
func (a reply) text(path string) string {
	a.t.Helper()
	s, _ := a.at(path).(string)
	return s
}

// ids lists the ids of a page.
func (a reply) ids() []string {
	a.t.Helper()
	list := []string{}
	data, _ := a.at("data").([]any)
	for _, item := range data {
		list = append(list, fmt.Sprint(member(item, "id")))
	}
	return list
}

// keyOrder lists the members of a JSON object in their order.
func keyOrder(t testing.TB, object []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(object))
	token, err := dec.Token()
	require.NoError(t, err)
	require.Equal(t, json.Delim('{'), token)
	var names []string
	for dec.More() {
		name, err := dec.Token()
		require.NoError(t, err)
		names = append(names, fmt.Sprint(name))
		var value json.RawMessage
		require.NoError(t, dec.Decode(&value))
	}
	return strings.Join(names, " ")
}

// raw returns a member of a JSON object as it stands there.
func raw(t testing.TB, object []byte, name string) string {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(object, &members))
	return string(members[name])
}
