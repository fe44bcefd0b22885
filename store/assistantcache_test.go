package store

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/assistants"
	"understudy/files/vectorstores"
)

// TestAssistantsInMemory reads assistants between changes: what is answered is what is stored.
func TestAssistantsInMemory(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
	ctx := t.Context()
	stored := func(id string) string {
		body, err := assistantsTable.read(db.Read(ctx), "p", id)
		require.NoError(t, err)
		return string(body)
	}
	for _, id := range []string{"asst_1", "asst_2"} {
		_, err := db.CreateAssistant(ctx, "p", &assistants.Assistant{ID: id, Model: "m"}, nil)
		require.NoError(t, err)
		for range 2 {
			body, err := db.Assistant(ctx, "p", id)
			require.NoError(t, err)
			require.Equal(t, stored(id), string(body))
			_, err = db.Assistant(ctx, "another project", id)
			require.Error(t, err)
		}
	}
	kept, _ := db.assistants.get("p", "asst_1")
	require.NotNil(t, kept)

	_, err := db.UpdateAssistant(ctx, "p", "asst_1", func(a *assistants.Assistant) vectorstores.Change {
		a.Model = "other"
		return vectorstores.Change{}
	})
	require.NoError(t, err)
	body, err := db.Assistant(ctx, "p", "asst_1")
	require.NoError(t, err)
	require.Equal(t, stored("asst_1"), string(body))
	require.Contains(t, string(body), "other")

	require.NoError(t, db.DeleteAssistant(ctx, "p", "asst_1"))
	_, err = db.Assistant(ctx, "p", "asst_1")
	require.Error(t, err)
	kept, _ = db.assistants.get("p", "asst_2")
	require.NotNil(t, kept, "the other one is kept")
}

// TestAssistantCache keeps what is known to be so, within its limit.
func TestAssistantCache(t *testing.T) {
	c := newAssistantCache(100)
	body := func(n int) json.RawMessage { return json.RawMessage(strings.Repeat("x", n)) }
	kept := func(id string) bool {
		got, _ := c.get("p", id)
		return got != nil
	}
	_, changes := c.get("p", "a")
	c.changed("b") // while a was read
	c.put("p", "a", body(10), changes)
	require.False(t, kept("a"), "it may have been a that was changed")

	_, changes = c.get("p", "a")
	c.put("p", "a", body(60), changes)
	c.put("p", "a", body(50), changes)
	require.Equal(t, 50, c.size)
	c.put("p", "b", body(101), changes)
	require.False(t, kept("b"), "larger than all there may be")
	c.put("p", "b", body(50), changes)
	require.True(t, kept("a") && kept("b"))
	c.put("p", "c", body(1), changes)
	require.True(t, kept("c") && !kept("a"))
	require.Equal(t, 1, c.size)
	c.changed("c")
	require.Zero(t, c.size)
	c.put("p", "c", body(1), changes+1)
	c.forget()
	require.False(t, kept("c"))
	require.Zero(t, c.size)
}
