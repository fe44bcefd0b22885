// Command understudy is the OpenAI Assistants API on any Chat Completions
// backend, in one program with its state in one directory.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(Run(context.Background(), os.Args[1:], System{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}))
}
