package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// publishedError is one case of the collected errors of the hosted API.
type publishedError struct {
	ID       string
	Status   int
	Message  string // with {placeholders}
	Type     string
	Param    *string
	Code     *string
	Evidence string
}

// errorWorld is what the error cases need: servers, and objects in every state.
type errorWorld struct {
	*testServer                 // without keys
	keyed, faulty, strict, held *testServer
	assistant, bare             string // bare: without instructions
	thread, done, waiting       string // an empty thread, and those of the runs
	doneRun, waitRun, waitCall  string
	heldThread, heldRun         string
}

func newErrorWorld(t *testing.T) *errorWorld {
	model := newHeldModel(t)
	w := &errorWorld{
		testServer: newServer(t, settings{}), keyed: newServer(t, settings{keys: true}), faulty: newServer(t, settings{fault: true}),
		strict: newServer(t, settings{strict: true}), held: newServer(t, settings{model: model.ServeHTTP}),
	}
	w.assistant = w.post("/v1/assistants", `{"model":"m","instructions":"Help.","tools":[{"type":"function","function":{"name":"f"}}]}`).text("id")
	w.bare = w.post("/v1/assistants", `{"model":"m"}`).text("id")
	w.thread = w.post("/v1/threads", "").text("id")
	done := w.settle(w.post("/v1/threads/runs", `{"assistant_id":"`+w.bare+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`))
	w.done, w.doneRun = done.text("thread_id"), done.text("id")
	waiting := w.settle(w.post("/v1/threads/runs", `{"assistant_id":"`+w.assistant+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`))
	w.waiting, w.waitRun = waiting.text("thread_id"), waiting.text("id")
	w.waitCall = waiting.text("required_action.submit_tool_outputs.tool_calls.0.id")
	require.NotEmpty(t, w.waitCall)
	slow := w.held.post("/v1/assistants", `{"model":"m"}`).text("id")
	run := w.held.post("/v1/threads/runs", `{"assistant_id":"`+slow+`","thread":{"messages":[{"role":"user","content":"hi"}]}}`)
	<-model.asked
	w.heldThread, w.heldRun = run.text("thread_id"), run.text("id")
	return w
}

// errorCase provokes one error; fill are the placeholders of its message, in
// pairs.
type errorCase struct {
	provoke func(w *errorWorld) reply
	fill    func(w *errorWorld) []string
}

// errorCases are the errors that can occur here, by their id in the collection.
var errorCases = map[string]errorCase{
	"auth_bad_key": {
		func(w *errorWorld) reply {
			return w.keyed.call("GET", "/v1/assistants", "", "Authorization", "Bearer sk-nothing-of-ours")
		},
		fixed("masked_key", "sk-n**********ours"),
	},
	"auth_missing": {func(w *errorWorld) reply { return w.keyed.call("POST", "/v1/threads", "{}") }, nil},
	"bad_url":      {func(w *errorWorld) reply { return w.call("GET", "/v1/nothing/here", "") }, fixed("METHOD", "GET", "path", "/v1/nothing/here")},
	"bad_method":   {func(w *errorWorld) reply { return w.call("PUT", "/v1/threads", "") }, fixed("METHOD", "PUT", "path", "/v1/threads")},
	"bad_json":     {func(w *errorWorld) reply { return w.call("POST", "/v1/threads", "{") }, nil},
	"server_error": {
		func(w *errorWorld) reply {
			return w.faulty.call("GET", "/v1/models", "", "X-Request-Id", "req-of-mine")
		},
		fixed("request_id", "req-of-mine"),
	},

	"nf_assistant": {func(w *errorWorld) reply { return w.call("GET", "/v1/assistants/asst_x", "") }, fixed("id", "asst_x")},
	"nf_thread":    {func(w *errorWorld) reply { return w.call("GET", "/v1/threads/thread_x", "") }, fixed("id", "thread_x")},
	"nf_message":   {func(w *errorWorld) reply { return w.call("GET", "/v1/threads/"+w.thread+"/messages/msg_x", "") }, fixed("id", "msg_x")},
	"nf_run":       {func(w *errorWorld) reply { return w.call("GET", "/v1/threads/"+w.thread+"/runs/run_x", "") }, fixed("id", "run_x")},
	"nf_run_step": {
		func(w *errorWorld) reply {
			return w.call("GET", "/v1/threads/"+w.done+"/runs/"+w.doneRun+"/steps/step_123", "")
		},
		fixed("id", "step_123"),
	},
	"nf_file": {func(w *errorWorld) reply { return w.call("GET", "/v1/files/file-x", "") }, fixed("id", "file-x")},
	"id_prefix": {
		func(w *errorWorld) reply { return w.call("GET", "/v1/threads/undefined", "") },
		fixed("field", "thread_id", "value", "undefined", "prefix", "thread"),
	},

	"lock_message": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.waiting+"/messages", `{"role":"user","content":"x"}`)
		},
		func(w *errorWorld) []string { return []string{"thread_id", w.waiting, "run_id", w.waitRun} },
	},
	"lock_run": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.waiting+"/runs", `{"assistant_id":"`+w.assistant+`"}`)
		},
		func(w *errorWorld) []string { return []string{"thread_id", w.waiting, "run_id", w.waitRun} },
	},
	"tool_outputs_state": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.done+"/runs/"+w.doneRun+"/submit_tool_outputs", `{"tool_outputs":[]}`)
		},
		fixed("status", "completed"),
	},
	"tool_outputs_ids": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.waiting+"/runs/"+w.waitRun+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"call_x","output":""},{"tool_call_id":"call_y"}]}`)
		},
		func(w *errorWorld) []string {
			return []string{"py_list_expected", "['" + w.waitCall + "']", "py_list_got", "['call_x', 'call_y']"}
		},
	},
	"cancel_state": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.done+"/runs/"+w.doneRun+"/cancel", "")
		},
		fixed("status", "completed"),
	},
	"update_state": {
		func(w *errorWorld) reply {
			return w.held.call("POST", "/v1/threads/"+w.heldThread+"/runs/"+w.heldRun, `{"metadata":{"a":"b"}}`, "OpenAI-Beta", "assistants=v1")
		},
		fixed("status", "in_progress"),
	},
	"run_needs_input": {func(w *errorWorld) reply {
		return w.call("POST", "/v1/threads/"+w.thread+"/runs", `{"assistant_id":"`+w.bare+`"}`)
	}, nil},
	"model_missing": {func(w *errorWorld) reply { return w.strict.call("POST", "/v1/assistants", `{"model":"gpt-9"}`) }, fixed("model", "gpt-9")},

	"v_unknown": {func(w *errorWorld) reply {
		return w.call("POST", "/v1/threads", `{"messages":[{"role":"user","content":"x","name":"y"}]}`)
	}, fixed("path", "messages[0].name")},
	"v_missing": {func(w *errorWorld) reply {
		return w.call("POST", "/v1/threads/"+w.thread+"/messages", `{"role":"user"}`)
	}, fixed("path", "content")},
	"v_type": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.thread+"/messages", `{"role":"user","content":5}`)
		},
		func(*errorWorld) []string {
			return []string{"path", "content", "a_or_an_type", "one of a string or array of objects", "a_or_an_type", "an integer"}
		},
	},
	"v_enum": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.thread+"/messages", `{"role":"system","content":"x"}`)
		},
		fixed("path", "role", "value", "system", "list", "'user' and 'assistant'"),
	},
	"v_str_max": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/assistants", `{"model":"m","name":"`+strings.Repeat("n", 300)+`"}`)
		},
		fixed("path", "name", "max", "256", "n", "300"),
	},
	"v_str_min": {func(w *errorWorld) reply { return w.call("POST", "/v1/assistants", `{"model":""}`) }, fixed("path", "model", "min", "1")},
	"v_arr_max": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.thread+"/runs", `{"assistant_id":"`+w.assistant+`","tools":[`+strings.Repeat(`{"type":"file_search"},`, 20)+`{"type":"file_search"}]}`)
		},
		fixed("path", "tools", "max", "20", "n", "21"),
	},
	"v_obj_max": {func(w *errorWorld) reply { return w.call("POST", "/v1/threads", `{"metadata":{`+manyMembers(17)+`}}`) }, fixed("n", "17")},
	"v_key_max": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads", `{"metadata":{"abc`+strings.Repeat("k", 65)+`xyz":""}}`)
		},
		fixed("elided_key", "abc...xyz", "key", "abc"+strings.Repeat("k", 65)+"xyz", "n", "71"),
	},
	"v_val_max": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads", `{"metadata":{"k":"`+strings.Repeat("v", 513)+`"}}`)
		},
		fixed("key", "k", "n", "513"),
	},
	"v_int_max": {func(w *errorWorld) reply { return w.call("GET", "/v1/assistants?limit=101", "") }, fixed("path", "limit", "max", "100", "n", "101")},
	"v_int_min": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads/"+w.thread+"/runs", `{"assistant_id":"`+w.assistant+`","max_prompt_tokens":0}`)
		},
		fixed("path", "max_prompt_tokens", "min", "1", "n", "0"),
	},
	"v_num_max": {func(w *errorWorld) reply { return w.call("POST", "/v1/assistants", `{"model":"m","temperature":2.5}`) }, fixed("path", "temperature", "max", "2", "n", "2.5")},
	"v_num_min": {func(w *errorWorld) reply { return w.call("POST", "/v1/assistants", `{"model":"m","top_p":-1}`) }, fixed("path", "top_p", "min", "0", "n", "-1")},
	"v_url": {
		func(w *errorWorld) reply {
			return w.call("POST", "/v1/threads", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"picture.png"}}]}]}`)
		},
		fixed("path", "messages[0].content[0].image_url.url"),
	},

	"file_purpose": {func(w *errorWorld) reply { return w.upload("pictures", "a.txt", "x") }, fixed("value", "pictures")},
	"file_limit":   {func(w *errorWorld) reply { return w.call("GET", "/v1/files?limit=10001", "") }, nil},
	"file_cursor":  {func(w *errorWorld) reply { return w.call("GET", "/v1/files?after=file-x", "") }, nil},
}

// otherErrors are the collected errors that no request provokes here.
var otherErrors = map[string]string{
	"beta_missing":         "a call without the header speaks version 2",
	"beta_v1_retired":      "version 1 is still spoken",
	"rate_limited":         "the server has no rate limit of its own",
	"model_unsupported":    "every model of an upstream may be used",
	"model_unsupported_v1": "every model of an upstream may be used",
	"file_download":        "files of every purpose may be downloaded",
	"file_too_large":       "the hosted words are unknown; the upload tests have the limit",
	// What belongs to vector stores, which the server does not have.
	"nf_vector_store":            "no vector stores",
	"nf_vector_store_file_batch": "no vector stores",
	"nf_vs_file":                 "no vector stores",
	"file_ext_retrieval":         "no vector stores",
}

func fixed(pairs ...string) func(*errorWorld) []string {
	return func(*errorWorld) []string { return pairs }
}

func manyMembers(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	return strings.Join(members, ",")
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// filled puts the pairs into the placeholders of a template, each pair once
// when its name occurs again.
func filled(template string, pairs []string) string {
	return placeholder.ReplaceAllStringFunc(template, func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if "{"+pairs[i]+"}" != name {
				continue
			}
			value := pairs[i+1]
			for j := i + 2; j < len(pairs); j += 2 {
				if pairs[j] == pairs[i] {
					pairs = slices.Delete(slices.Clone(pairs), i, i+2)
					break
				}
			}
			return value
		}
		return name
	})
}

// TestPublishedErrors provokes every collected error of the hosted API that
// can occur here and compares what comes with it, to the letter.
func TestPublishedErrors(t *testing.T) {
	dir := os.Getenv(referenceDir)
	if dir == "" {
		t.Skip(referenceDir + " is not set: the collected errors are not there to compare with")
	}
	data, err := os.ReadFile(filepath.Join(dir, "spec", "errors.json"))
	require.NoError(t, err)
	var collected []publishedError
	require.NoError(t, json.Unmarshal(data, &collected))
	world := newErrorWorld(t)
	left := maps.Clone(errorCases)
	for _, want := range collected {
		c, ok := errorCases[want.ID]
		delete(left, want.ID)
		if !ok {
			require.Contains(t, otherErrors, want.ID, "a new error: provoke it, or say why it cannot occur")
			continue
		}
		t.Run(want.ID, func(t *testing.T) {
			var pairs []string
			if c.fill != nil {
				pairs = c.fill(world)
			}
			got := c.provoke(world)
			require.Equal(t, want.Status, got.status, "%s", got.body)
			require.Equal(t, filled(want.Message, pairs), got.text("error.message"))
			require.Equal(t, want.Type, got.text("error.type"))
			requireNullable(t, want.Param, pairs, got.at("error.param"))
			requireNullable(t, want.Code, pairs, got.at("error.code"))
		})
	}
	require.Empty(t, left, "these are not in the collection")
}

func requireNullable(t *testing.T, want *string, pairs []string, got any) {
	t.Helper()
	if want == nil {
		require.Nil(t, got)
		return
	}
	require.Equal(t, filled(*want, pairs), got)
}
