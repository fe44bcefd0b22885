package store

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// writeLock is the byte of the -shm file that SQLite locks while a process writes in WAL mode.
const writeLock = 120

// withHolder adds to the error of a database that another process keeps locked which one that is, as far as the kernel
// tells. It opens no file: to close one again would drop the locks that this process has on it.
func withHolder(path string, err error) error {
	if !IsBusy(err) {
		return err
	}
	locks, unreadable := os.ReadFile("/proc/locks")
	if unreadable != nil {
		return err
	}
	for _, file := range []struct {
		path string
		byte int64
	}{{path + "-shm", writeLock}, {path, 0x40000000}} { // the second where a write-ahead log is not used
		info, missing := os.Stat(file.path)
		if missing != nil {
			continue
		}
		status, _ := info.Sys().(*syscall.Stat_t)
		if pid := lockHolder(string(locks), status.Ino, file.byte); pid > 0 {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // it may have ended, or be another user's
			return fmt.Errorf("%w: process %d (%s) has it locked", err, pid, strings.TrimSpace(string(name)))
		}
	}
	return err
}

// lockHolder finds in /proc/locks which other process has the lock for writing on a byte of the file with a number, 0 when none.
func lockHolder(locks string, inode uint64, position int64) int {
	for line := range strings.Lines(locks) {
		field := strings.Fields(line) // 1: POSIX ADVISORY WRITE pid major:minor:inode first last
		if len(field) < 8 || field[1] != "POSIX" || field[3] != "WRITE" || !strings.HasSuffix(field[5], fmt.Sprintf(":%d", inode)) {
			continue
		}
		pid, err := strconv.Atoi(field[4])
		first, _ := strconv.ParseInt(field[6], 10, 64)
		last, open := strconv.ParseInt(field[7], 10, 64) // EOF is no number
		within := first <= position && (open != nil || position <= last)
		if err == nil && within && !slices.Contains([]int{0, os.Getpid()}, pid) {
			return pid
		}
	}
	return 0
}
