package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkRead is one lookup by unique id: on its own and in a view.
func BenchmarkRead(b *testing.B) {
	db := openTest(b, Normal)
	for _, id := range []string{"a", "b", "c"} {
		require.NoError(b, db.Write(b.Context(), insert(id)))
	}
	lookup := func(b *testing.B, r Reader) {
		var id string
		require.NoError(b, r.QueryRow("SELECT id FROM items WHERE id = $1", "b").Scan(&id))
	}
	b.Run("lone", func(b *testing.B) {
		for b.Loop() {
			lookup(b, db.Read(b.Context()))
		}
	})
	b.Run("view", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, db.View(b.Context(), func(r Reader) error {
				lookup(b, r)
				return nil
			}))
		}
	})
}
