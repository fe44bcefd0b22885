// Package indextest measures how well retrieval answers questions: a corpus of real documentation, questions about it
// whose answers are known, and the usual figures.
//
// The corpus is the documentation of Go's standard library, testdata/godoc.jsonl.gz, which testdata/make.go makes; its
// licence is testdata/LICENSE-go. The questions are in testdata/questions.txt: a third are identifiers as a programmer
// would type them, a third are keywords, a third are put in words that the documentation does not use.
package indextest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"understudy/files/vectorstores/index"
)

//go:embed testdata/godoc.jsonl.gz testdata/questions.txt
var testdata embed.FS

// Corpus is what is searched and what is asked.
type Corpus struct {
	Passages  []Passage // those of a file follow each other
	Questions []Question
}

// Passage is a chunk of the documentation.
type Passage struct {
	File string // the package's import path
	Text string
}

// Question is what a user might ask.
type Question struct {
	Kind    string // identifier, keyword or paraphrase
	Text    string
	Answers []int // the passages that answer it
}

// Load reads the corpus. A question without an answer in it is an error.
func Load() (*Corpus, error) {
	c := &Corpus{}
	packed, err := testdata.ReadFile("testdata/godoc.jsonl.gz")
	if err != nil {
		return nil, err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	for lines := json.NewDecoder(unpacked); ; {
		var p Passage
		if err := lines.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read the corpus: %w", err)
		}
		c.Passages = append(c.Passages, p)
	}
	questions, err := testdata.ReadFile("testdata/questions.txt")
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(questions)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if err := c.addQuestion(lines.Text()); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// addQuestion reads a line: kind, package, a part of the passage that answers, and the question.
func (c *Corpus) addQuestion(line string) error {
	parts := strings.Split(line, " | ")
	if len(parts) != 4 {
		return fmt.Errorf("the question %q does not have four parts", line)
	}
	q := Question{Kind: parts[0], Text: parts[3]}
	for i, p := range c.Passages {
		if p.File == parts[1] && strings.Contains(p.Text, parts[2]) {
			q.Answers = append(q.Answers, i)
		}
	}
	if len(q.Answers) == 0 {
		return fmt.Errorf("nothing answers the question %q", line)
	}
	c.Questions = append(c.Questions, q)
	return nil
}

// Of is the corpus with the questions of one kind.
func (c *Corpus) Of(kind string) *Corpus {
	return &Corpus{Passages: c.Passages, Questions: slices.DeleteFunc(slices.Clone(c.Questions), func(q Question) bool { return q.Kind != kind })}
}

// Quality is how well questions were answered, each figure from 0 to 1.
type Quality struct {
	Recall5 float64 // which part of the answers was among the first five
	NDCG10  float64 // how far in front among the first ten they were: discounted cumulative gain over the best possible
}

// Measure asks all questions. ask answers passages, the best first.
func (c *Corpus) Measure(ask func(Question) ([]int, error)) (Quality, error) {
	var sum Quality
	asked := float64(len(c.Questions))
	for _, q := range c.Questions {
		found, err := ask(q)
		if err != nil {
			return Quality{}, err
		}
		one := q.judge(found)
		sum.Recall5 += one.Recall5
		sum.NDCG10 += one.NDCG10
	}
	return Quality{Recall5: sum.Recall5 / asked, NDCG10: sum.NDCG10 / asked}, nil
}

func (q Question) judge(found []int) Quality {
	var result Quality
	gain, possible := 0.0, 0.0
	for i := range 10 {
		discounted := 1 / math.Log2(float64(i+2))
		if i < len(q.Answers) {
			possible += discounted
		}
		if i < len(found) && slices.Contains(q.Answers, found[i]) {
			gain += discounted
			if i < 5 {
				result.Recall5 += 1 / float64(len(q.Answers))
			}
		}
	}
	result.NDCG10 = gain / possible
	return result
}

// Writer is where a corpus is stored.
type Writer interface {
	AddChunks(ctx context.Context, storeID string, fileSeq int64, chunks []index.Chunk) error
	PublishChunks(ctx context.Context, fileSeq int64) error
}

// Places tells the passages of hits: the first passage of every file, by the file's key.
type Places map[int64]int

// Fill stores the corpus, a file for each package, with what embed makes of each passage.
func (c *Corpus) Fill(ctx context.Context, to Writer, storeID string, embed func(text string) []float32) (Places, error) {
	places := Places{}
	for from := 0; from < len(c.Passages); {
		var chunks []index.Chunk
		for _, p := range c.Passages[from:] {
			if p.File != c.Passages[from].File {
				break
			}
			chunks = append(chunks, index.Chunk{Ordinal: len(chunks), Text: p.Text, Vector: embed(p.Text)})
		}
		key := int64(len(places) + 1)
		if err := errors.Join(to.AddChunks(ctx, storeID, key, chunks), to.PublishChunks(ctx, key)); err != nil {
			return nil, err
		}
		places[key] = from
		from += len(chunks)
	}
	return places, nil
}

// Passages are the passages that were found.
func (p Places) Passages(hits []index.Hit) []int {
	passages := make([]int, len(hits))
	for i, hit := range hits {
		passages[i] = p[hit.File] + hit.Ordinal
	}
	return passages
}
