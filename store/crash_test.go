package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// crashDirVariable tells the test binary to be the process that is killed, and where its database is.
const crashDirVariable = "UNDERSTUDY_TEST_CRASH_DIR"

// writeUntilKilled writes rows from several goroutines and prints the id of each that was acknowledged.
func writeUntilKilled(dir string) {
	db, err := Open(context.Background(), Options{Dir: dir})
	if err == nil {
		err = db.Write(context.Background(), func(_ context.Context, tx *Tx) error {
			_, err := tx.Exec(testSchema)
			return err
		})
	}
	failures := make(chan error)
	for writer := range 8 {
		go func() {
			for n := 0; err == nil; n++ {
				id := fmt.Sprintf("%d_%d", writer, n)
				if err := db.Write(context.Background(), insert(id)); err != nil {
					failures <- err
				}
				fmt.Println(id)
			}
			failures <- err
		}()
	}
	fmt.Fprintln(os.Stderr, <-failures)
	os.Exit(1)
}

func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	child := osexec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDirVariable+"="+dir)
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var acknowledged []string
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		acknowledged = append(acknowledged, lines.Text())
		if len(acknowledged) == 2000 {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait(), "it must not have ended by itself")
	require.GreaterOrEqual(t, len(acknowledged), 2000)

	db := reopen(t, Options{Dir: dir})
	stored := map[string]bool{}
	for _, id := range ids(t, db) {
		stored[id] = true
	}
	for _, id := range acknowledged {
		require.True(t, stored[id], id)
	}
	var verdict string
	require.NoError(t, db.QueryRow(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
	require.NoError(t, db.Write(t.Context(), insert("after the crash")))
}
