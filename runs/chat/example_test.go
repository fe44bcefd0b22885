package chat_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"understudy/runs/chat"
)

// printer shows what a model says while it says it.
type printer struct{}

func (printer) Text(delta string)    { fmt.Printf("%q\n", delta) }
func (printer) Refusal(delta string) { fmt.Printf("refused: %q\n", delta) }

func ExampleClient_Complete() {
	backend := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":"Hello"}}]}`+"\n\n")
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":" there."},"finish_reason":"stop"}]}`+"\n\n")
	})
	client, err := chat.New(chat.Config{
		Upstreams: []chat.Upstream{{Name: "example", BaseURL: "memory://example/v1"}},
		Models:    []chat.Mapping{{Pattern: "gpt-4*", Target: "example/small"}},
		Schemes:   map[string]http.RoundTripper{"memory": chat.HandlerTransport(backend)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	answer, err := client.Complete(context.Background(), chat.Request{
		Model:    "gpt-4o",
		Messages: []chat.Message{{Role: chat.User, Content: []chat.Part{{Text: "Hi!"}}}},
	}, printer{})
	fmt.Println(answer.Exchange.Model, answer.Finish, err)
	// Output:
	// "Hello"
	// " there."
	// small stop <nil>
}
