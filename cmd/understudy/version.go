package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by release builds (-ldflags "-X main.version=…").
var version = ""

// versionText is the release's version, or the commit the program was built from.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}

// Run shows the version.
func (c *VersionCmd) Run(sys System) error {
	if c.JSON {
		return json.NewEncoder(sys.Stdout).Encode(map[string]string{"version": versionText(), "go": runtime.Version()})
	}
	_, err := fmt.Fprintf(sys.Stdout, "understudy %s (%s)\n", versionText(), runtime.Version())
	return err
}
