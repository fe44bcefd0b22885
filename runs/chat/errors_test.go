package chat

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClassify(t *testing.T) {
	for name, tc := range map[string]struct {
		status   int
		body     string
		code     ErrorCode
		retry    bool
		overflow bool
		message  string // contained; "" = not checked
	}{
		"rate limit":          {429, `{"error":{"message":"slow"}}`, RateLimitExceeded, true, false, "slow"},
		"Groq's 413":          {413, `{"error":{"message":"Request too large on tokens per minute (TPM): Limit 6000","code":"rate_limit_exceeded"}}`, RateLimitExceeded, true, false, ""},
		"Cloudflare":          {429, "error code: 1015", RateLimitExceeded, true, false, "1015"},
		"Gemini's quota":      {429, `[{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED"}}]`, RateLimitExceeded, true, false, "quota"},
		"no credit":           {402, `{"error":{"message":"Insufficient Balance"}}`, RateLimitExceeded, false, false, "Balance"},
		"quota inside a 400":  {400, `{"error":{"message":"Your credit balance is too low to access the API"}}`, RateLimitExceeded, false, false, ""},
		"empty 400":           {400, " ", InvalidPrompt, false, true, "400"},
		"empty 413":           {413, "", InvalidPrompt, false, true, ""},
		"Ollama":              {400, `{"error":"prompt too long; exceeded max context length by 4 tokens"}`, InvalidPrompt, false, true, ""},
		"Gemini":              {400, `[{"error":{"message":"The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)."}}]`, InvalidPrompt, false, true, ""},
		"xAI":                 {400, `{"code":"c","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."}`, InvalidPrompt, false, true, ""},
		"Bedrock":             {400, `{"message":"Input is too long for requested model."}`, InvalidPrompt, false, true, ""},
		"DashScope":           {400, `{"error":{"message":"Range of input length should be [1, 30720]","code":"invalid_parameter_error"}}`, InvalidPrompt, false, true, ""},
		"LM Studio":           {400, `{"error":"The number of tokens to keep from the initial prompt is greater than the context length."}`, InvalidPrompt, false, true, ""},
		"filtered":            {400, `{"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, InvalidPrompt, false, false, ""},
		"inspected":           {400, `{"error":{"code":"data_inspection_failed","message":"Output data may contain inappropriate content."}}`, InvalidPrompt, false, false, ""},
		"tool use":            {400, `{"error":{"code":"tool_use_failed","message":"m"}}`, ServerError, true, false, ""},
		"busy":                {409, ``, ServerError, true, false, "Conflict"},
		"timeout":             {408, ``, ServerError, true, false, ""},
		"overloaded":          {529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, ServerError, true, false, "Overloaded"},
		"page":                {502, `<html><title>502</title></html>`, ServerError, true, false, "502 (Bad Gateway)"},
		"loop":                {508, ``, ServerError, false, false, ""},
		"events":              {500, "event: error\ndata: {\"error\":{\"message\":\"broke\"}}\n\n", ServerError, true, false, "broke"},
		"FastAPI":             {422, `{"detail":[{"loc":["body","messages",0],"msg":"bad","type":"t"}]}`, ServerError, false, false, "body.messages.0: bad"},
		"list of sentences":   {400, `{"error":{"message":["a","b"]}}`, ServerError, false, false, "a; b"},
		"nested":              {400, `{"error":{"error":{"message":"inner"},"message":"outer"}}`, ServerError, false, false, "inner"},
		"OpenRouter's source": {400, `{"error":{"message":"Provider returned error","metadata":{"raw":"prompt is too long: 9 tokens > 8 maximum"}}}`, InvalidPrompt, false, true, ""},
		"inside a 200":        {0, `{"error":{"code":503,"message":"m"}}`, ServerError, true, false, ""},
		"wrong inside a 200":  {0, `{"error":{"type":"invalid_request_error","message":"m"}}`, ServerError, false, false, ""},
		"MiniMax":             {0, `{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}`, RateLimitExceeded, false, false, "balance"},
		"msg":                 {0, `{"code":500,"msg":"404 NOT_FOUND","success":false}`, ServerError, true, false, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			f := classify(tc.status, http.Header{}, []byte(tc.body))
			require.Equal(t, tc.code, f.code)
			require.Equal(t, tc.retry, f.retry)
			require.Equal(t, tc.overflow, f.overflow)
			require.Contains(t, f.message, tc.message)
			require.NotEmpty(t, f.message)
		})
	}
}

func TestRetryDelays(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, tc := range map[string]struct {
		header map[string]string
		body   string
		want   time.Duration
	}{
		"seconds":       {map[string]string{"Retry-After": "3"}, ``, 3 * time.Second},
		"fraction":      {map[string]string{"Retry-After": "0.5"}, ``, 500 * time.Millisecond},
		"milliseconds":  {map[string]string{"Retry-After": "3", "Retry-After-Ms": "250"}, ``, 250 * time.Millisecond},
		"date":          {map[string]string{"Retry-After": at(9 * time.Second)}, ``, 9 * time.Second},
		"two dates":     {map[string]string{"Retry-After": at(time.Hour), "Date": at(time.Hour - 5*time.Second)}, ``, 5 * time.Second},
		"past date":     {map[string]string{"Retry-After": at(-time.Hour)}, ``, 0},
		"a day":         {map[string]string{"Retry-After": "86400"}, ``, maxWait},
		"absurd":        {map[string]string{"Retry-After": "1e300"}, ``, maxWait},
		"RetryInfo":     {nil, `[{"error":{"message":"m","details":[{"@type":"RetryInfo","retryDelay":"34s"}]}}]`, 34 * time.Second},
		"spoken":        {nil, `{"error":{"message":"Please try again in 1.4s."}}`, 1400 * time.Millisecond},
		"spoken in ms":  {nil, `{"error":{"message":"Please try again in 20ms. Visit us."}}`, 20 * time.Millisecond},
		"spoken in two": {nil, `{"error":{"message":"Please try again in 0m12.5s"}}`, 12500 * time.Millisecond},
		"in words":      {nil, `{"error":{"message":"Please retry after 20 seconds. Thank you"}}`, 20 * time.Second},
		"in minutes":    {nil, `{"error":{"message":"Try again in 1 minute"}}`, time.Minute},
		"header first":  {map[string]string{"Retry-After": "2"}, `{"error":{"message":"try again in 1.4s"}}`, 2 * time.Second},
		"silent":        {nil, `{"error":{"message":"try again later, 5 times"}}`, firstWait},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			for name, value := range tc.header {
				header.Set(name, value)
			}
			r := newRetries(2, Config{Now: func() time.Time { return now }})
			r.normal.RandomizationFactor = 0
			wait, ok := r.next(classify(429, header, []byte(tc.body)))
			require.True(t, ok)
			require.Equal(t, tc.want, wait)
		})
	}
}

// Four tries must cover the minute that loading a model takes.
func TestLoadingTakesAMinute(t *testing.T) {
	r := newRetries(DefaultMaxRetries, Config{Now: time.Now})
	f := classify(503, http.Header{}, []byte(`{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`))
	total := time.Duration(0)
	for {
		wait, ok := r.next(f)
		if !ok {
			break
		}
		total += wait
	}
	require.GreaterOrEqual(t, total, time.Minute-time.Second)
}

func TestRedactBounds(t *testing.T) {
	long := redact(strings.Repeat("ü", 2000), nil)
	require.Less(t, len(long), maxMessage+8)
	require.True(t, strings.HasSuffix(long, "ü…"))
	require.Equal(t, "a < b and c > d", redact("a < b\n\tand c > d", nil))
}
