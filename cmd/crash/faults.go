package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// injections are the ways in which the disk fails, as strace puts them; each
// thread of the server counts for itself.
var injections = []string{
	"fsync,fdatasync:error=EIO:when=%d+5",
	"fsync,fdatasync:error=EIO:when=%d+", // never again
	"pwrite64:error=ENOSPC:when=%d+60",
	"pwrite64:error=EIO:when=%d+60",
}

// canFault says why the disk cannot be made to fail here, "" when it can.
func canFault(ctx context.Context) string {
	said, err := exec.CommandContext(ctx, "strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true").CombinedOutput()
	if err != nil {
		return strings.TrimSpace(fmt.Sprintf("%v %s", err, said))
	}
	return ""
}

// diskFaults has some of the server's system calls fail, and kills it.
func diskFaults(n int) ordeal {
	return ordeal{
		name: "failing disk, kill -9", times: n, due: lenient, shortest: 1500 * time.Millisecond, longest: 4 * time.Second, refusing: true,
		wrapper: func(n int) []string {
			inject := fmt.Sprintf(injections[n%len(injections)], 12+n)
			return []string{"strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,pwrite64", "-e", "inject=" + inject}
		},
	}
}
