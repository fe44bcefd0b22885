package store

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLockHolder(t *testing.T) {
	const inode = 9977981
	for line, pid := range map[string]int{
		"1: POSIX  ADVISORY  WRITE 3568 fd:00:9977981 120 120":    3568,
		"1: POSIX  ADVISORY  WRITE 3568 fd:00:9977981 120 127":    3568,
		"1: POSIX  ADVISORY  WRITE 3568 fd:00:9977981 0 EOF":      3568,
		"1: POSIX  ADVISORY  WRITE 3568 fd:00:9977981 121 121":    0, // a checkpoint
		"1: POSIX  ADVISORY  READ 3568 fd:00:9977981 120 120":     0,
		"1: FLOCK  ADVISORY  WRITE 3568 fd:00:9977981 0 EOF":      0,
		"1: POSIX  ADVISORY  WRITE 3568 fd:00:19977981 120 120":   0, // another file
		"1: POSIX  ADVISORY  WRITE 0 fd:00:9977981 120 120":       0, // of another pid namespace
		"1: -> POSIX  ADVISORY  WRITE 3568 fd:00:9977981 120 120": 0, // waits for it
		"": 0,
		fmt.Sprintf("1: POSIX  ADVISORY  WRITE %d fd:00:9977981 120 120", os.Getpid()): 0,
	} {
		require.Equal(t, pid, lockHolder("2: FLOCK  ADVISORY  WRITE 1 fd:00:7 0 EOF\n"+line+"\n", inode, writeLock), line)
	}
}
