//go:build ignore

// Command make writes godoc.jsonl.gz: the documentation of Go's standard library as `go doc -all` prints it, cut into
// chunks of about 1,000 characters, each a JSON object {"file","text"} on a line of its own.
//
//	go run make.go > godoc.jsonl.gz
package main

import (
	"compress/gzip"
	"encoding/json"
	"log"
	"os"
	"os/exec"
	"strings"
)

const size = 1000

func main() {
	list, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		log.Fatal(err)
	}
	packed, err := gzip.NewWriterLevel(os.Stdout, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	lines := json.NewEncoder(packed)
	lines.SetEscapeHTML(false)
	for _, name := range strings.Fields(string(list)) {
		if strings.Contains(name, "internal") || strings.HasPrefix(name, "vendor/") || strings.HasPrefix(name, "simd") {
			continue
		}
		doc, err := exec.Command("go", "doc", "-all", name).Output()
		if err != nil {
			log.Fatal(name, ": ", err)
		}
		for _, text := range cut(string(doc)) {
			if err := lines.Encode(map[string]string{"file": name, "text": text}); err != nil {
				log.Fatal(err)
			}
		}
	}
	if err := packed.Close(); err != nil {
		log.Fatal(err)
	}
}

// cut joins paragraphs until a chunk is full, and begins a new one with a declaration when it is at least half full.
func cut(doc string) []string {
	var chunks []string
	chunk := ""
	end := func() {
		if text := strings.TrimSpace(chunk); text != "" {
			chunks = append(chunks, text)
		}
		chunk = ""
	}
	for paragraph := range strings.SplitSeq(doc, "\n\n") {
		declares := paragraph != "" && !strings.HasPrefix(paragraph, " ") && !strings.HasPrefix(paragraph, "\t")
		if len(chunk)+len(paragraph) > size || declares && len(chunk) > size/2 {
			end()
		}
		for len(paragraph) > 2*size {
			at := strings.LastIndex(paragraph[:size], "\n")
			if at <= 0 {
				break
			}
			chunk = paragraph[:at]
			end()
			paragraph = paragraph[at:]
		}
		chunk += paragraph + "\n\n"
	}
	end()
	return chunks
}
