package builtin

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
)

const (
	defaultDimensions = 256
	maxDimensions     = 4096
	maxInputs         = 2048 // as the hosted API

	// fragmentWeight is what three letters of a word count beside the word, so
	// that "invoice" and "invoicing" are somewhat alike.
	fragmentWeight = 0.3
)

type embeddingRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	Dimensions     *int            `json:"dimensions"`
	EncodingFormat string          `json:"encoding_format"`
}

// embeddings answers with hashed word features: texts that share words are
// near each other, and the same text always has the same vector.
func (s *server) embeddings(w http.ResponseWriter, r *http.Request) error {
	var request embeddingRequest
	if err := decodeBody(w, r, &request); err != nil {
		return err
	}
	if request.Model == "" {
		return badRequest("", "you must provide a model parameter")
	}
	dimensions := defaultDimensions
	if request.Dimensions != nil {
		dimensions = *request.Dimensions
	}
	if dimensions < 1 || dimensions > maxDimensions {
		return badRequest("dimensions", "Invalid 'dimensions': expected a value from 1 to %d, but got %d instead.", maxDimensions, dimensions)
	}
	switch request.EncodingFormat {
	case "", "float", "base64":
	default:
		return badRequest("encoding_format", "Invalid value: '%s'. Supported values are: 'float' and 'base64'.", request.EncodingFormat)
	}
	inputs, tokens, err := readInputs(request.Input)
	if err != nil {
		return err
	}
	if err := s.pause(r); err != nil {
		return err
	}
	data := make([]any, len(inputs))
	for i, features := range inputs {
		vector := embed(features, dimensions)
		item := map[string]any{"object": "embedding", "index": i, "embedding": vector}
		if request.EncodingFormat == "base64" {
			item["embedding"] = packed(vector)
		}
		data[i] = item
	}
	return writeJSON(w, http.StatusOK, map[string]any{
		"object": "list",
		"data":   data,
		"model":  Model,
		"usage":  map[string]int{"prompt_tokens": tokens, "total_tokens": tokens},
	})
}

// readInputs turns the input (a text, token numbers, or an array of either)
// into the features of each text, and counts the tokens.
func readInputs(raw json.RawMessage) ([][]string, int, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	} else if numbers, ok := tokenNumbers(raw); ok && len(numbers) > 0 {
		return [][]string{numbers}, len(numbers), nil
	}
	if len(list) == 0 || len(list) > maxInputs {
		return nil, 0, badRequest("input", "Invalid 'input': expected 1 to %d texts, but got %d.", maxInputs, len(list))
	}
	inputs, tokens := make([][]string, len(list)), 0
	for i, item := range list {
		var text string
		if numbers, ok := tokenNumbers(item); ok && len(numbers) > 0 {
			inputs[i], tokens = numbers, tokens+len(numbers)
			continue
		}
		if json.Unmarshal(item, &text) != nil || text == "" {
			return nil, 0, badRequest("input", "Invalid 'input': expected non-empty strings or arrays of token numbers.")
		}
		inputs[i], tokens = features(text), tokens+countTokens(text)
	}
	return inputs, tokens, nil
}

// features are the words of a text, or the text itself when it has none.
func features(text string) []string {
	if list := words(text); len(list) > 0 {
		return list
	}
	return []string{text}
}

// Embed is the vector that the model answers for a text, of length 1.
func Embed(text string, dimensions int) []float32 {
	return embed(features(text), dimensions)
}

func tokenNumbers(raw json.RawMessage) ([]string, bool) {
	if !bytes.HasPrefix(raw, []byte("[")) {
		return nil, false
	}
	var numbers []int
	if json.Unmarshal(raw, &numbers) != nil {
		return nil, false
	}
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = fmt.Sprintf("token %d", n)
	}
	return names, true
}

// embed hashes every word, and every three letters of it, to a dimension and a
// sign, and normalises the sum to length 1.
func embed(features []string, dimensions int) []float32 {
	sum := make([]float64, dimensions)
	add := func(feature string, weight float64) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(feature)) // a hash never fails
		bits := h.Sum64()
		if bits>>63 == 1 {
			weight = -weight
		}
		sum[bits%uint64(dimensions)] += weight //nolint:gosec // positive, as the request is checked
	}
	for _, feature := range features {
		add(feature, 1)
		letters := []rune(feature)
		for i := 0; i+3 < len(letters); i++ {
			add("fragment "+string(letters[i:i+3]), fragmentWeight)
		}
	}
	length := 0.0
	for _, x := range sum {
		length += x * x
	}
	vector := make([]float32, dimensions)
	if length == 0 {
		// Features may cancel out; a vector of length 1 is promised even then.
		vector[0] = 1
		return vector
	}
	for i, x := range sum {
		vector[i] = float32(x / math.Sqrt(length))
	}
	return vector
}

// packed is the base64 of little-endian floats, which SDKs ask for by default.
func packed(vector []float32) string {
	raw := make([]byte, 0, 4*len(vector))
	for _, x := range vector {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
