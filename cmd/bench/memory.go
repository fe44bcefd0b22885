package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
)

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// memory is what of the process is in memory, in bytes.
func (p *process) memory() (float64, error) {
	status, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return 0, &notMeasured{"this system has no /proc/PID/status to read memory from"}
	}
	found := residentLine.FindSubmatch(status)
	if found == nil {
		return 0, fmt.Errorf("no VmRSS in %q", status)
	}
	kilobytes, err := strconv.ParseFloat(string(found[1]), 64)
	return kilobytes * kilobyte, err
}

const (
	kilobyte = 1 << 10
	megabyte = 1 << 20
)
