package main

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// FileSearch says how vector stores are read in and searched. Zero fields stand
// for their defaults.
type FileSearch struct {
	Quotes  bool // citations carry the passage they cite
	Memory  int  // MiB that may be held for searches between them; default 256
	Workers int  // files read in at once; default 2
}

// String shows the settings as they are written in the file.
func (f FileSearch) String() string {
	return fmt.Sprintf("{quotes: %t, memory: %d, workers: %d}", f.Quotes, f.Memory, f.Workers)
}

func (c *configFile) readFileSearch(r *reader, n *yaml.Node) {
	number := func(target *int, key string, example int) func(*yaml.Node) {
		return func(n *yaml.Node) { *target, _ = r.integer(n, key, 1, example) }
	}
	f := &c.fileSearch
	r.mapping(n, "file_search", "file_search: {quotes: true}", fields{
		"quotes":  func(n *yaml.Node) { f.Quotes = r.boolean(n, "quotes") },
		"memory":  number(&f.Memory, "memory", 256),
		"workers": number(&f.Workers, "workers", 2),
	})
}
