package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"understudy/files/extract"
	"understudy/files/vectorstores/chunking"
	"understudy/files/vectorstores/index/indextest"
)

// The default chunks of a vector store, in tokens.
const (
	chunkSize    = 800
	chunkOverlap = 400
)

// ingested are the documents whose reading is measured, one of each kind, as their producers wrote them.
var ingested = []string{"paper.pdf", "report.docx", "slides.pptx", "accounts.xlsx", "report.html"}

// ingestedTexts are the types whose content is a part of the documentation that questions are asked about.
var ingestedTexts = []string{"text.txt", "text.md", "text.go"}

// ingestionRow shows how fast files are read and cut into chunks, without embedding and storing them.
func ingestionRow(least int) row {
	names := slices.Concat(ingested, ingestedTexts)
	var figures []figure
	for _, name := range names {
		figures = append(figures, figure{name: strings.TrimPrefix(filepath.Ext(name), ".") + ", MB/s of file"}, figure{name: "MB/s of text in it"})
	}
	return row{"files read and cut into chunks, one at a time", figures, func(ctx context.Context, b *bench) (values [][]float64, err error) {
		extractor := extract.New(extract.Options{CacheDir: b.work})
		defer func() { err = errors.Join(err, extractor.Close()) }()
		for _, name := range names {
			content, err := documentOf(ctx, name)
			if err != nil {
				return nil, err
			}
			var files, texts []float64
			for round := range b.rounds + 1 {
				file, text, err := ingest(ctx, extractor, name, content, least)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				if round > 0 { // the first one compiles the PDF engine
					files, texts = append(files, file), append(texts, text)
				}
			}
			values = append(values, files, texts)
		}
		return values, nil
	}}
}

// textBytes is how long the texts are.
const textBytes = 1 << 18

// documentOf is one of the documents of package extract's tests, or a text.
func documentOf(ctx context.Context, name string) ([]byte, error) {
	if slices.Contains(ingested, name) {
		module, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
		if err != nil {
			return nil, fmt.Errorf("finding this module: %w", err)
		}
		return os.ReadFile(filepath.Join(filepath.Dir(string(module)), "files", "extract", "testdata", name))
	}
	corpus, err := indextest.Load()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, p := range corpus.Passages {
		if text.Len() < textBytes {
			text.WriteString(p.Text + "\n\n")
		}
	}
	return text.Bytes(), nil
}

// ingest reads a file as often as it takes to read so many bytes, and answers MB/s of it and of its text.
func ingest(ctx context.Context, from *extract.Extractor, name string, content []byte, least int) (file, text float64, err error) {
	began, read := time.Now(), 0
	for read < least {
		doc, err := from.Extract(ctx, name, bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return 0, 0, err
		}
		if _, err := chunking.Split(ctx, doc, chunkSize, chunkOverlap); err != nil {
			return 0, 0, err
		}
		read += len(content)
		text += float64(len(doc.Text()))
	}
	seconds := time.Since(began).Seconds() * (1 << 20)
	return float64(read) / seconds, text / seconds, nil
}
