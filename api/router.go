package api

import (
	"net/http"

	"github.com/gorilla/mux"
)

// routes is the list of routes: all of them, and nothing else.
func (s *server) routes() http.Handler {
	root := mux.NewRouter()
	root.UseEncodedPath().SkipClean(true) // an id with a slash in it is an unknown id, not another route
	root.NotFoundHandler = s.plain(badURL)
	root.MethodNotAllowedHandler = s.plain(badMethod)

	root.HandleFunc("/", s.plain(s.index)).Methods(http.MethodGet)
	root.HandleFunc("/healthz", s.plain(s.healthz)).Methods(http.MethodGet)
	root.HandleFunc("/readyz", s.plain(s.readyz)).Methods(http.MethodGet)

	v1 := root.PathPrefix("/v1").Subrouter()
	for _, r := range []struct {
		method, path string
		handle       handler
	}{
		{"POST", "/assistants", s.createAssistant},
		{"GET", "/assistants", s.listAssistants},
		{"GET", "/assistants/{assistant_id}", s.getAssistant},
		{"POST", "/assistants/{assistant_id}", s.modifyAssistant},
		{"DELETE", "/assistants/{assistant_id}", s.deleteAssistant},

		{"POST", "/threads", s.createThread},
		{"POST", "/threads/runs", s.createThreadAndRun},
		{"GET", "/threads/{thread_id}", s.getThread},
		{"POST", "/threads/{thread_id}", s.modifyThread},
		{"DELETE", "/threads/{thread_id}", s.deleteThread},

		{"POST", "/threads/{thread_id}/messages", s.createMessage},
		{"GET", "/threads/{thread_id}/messages", s.listMessages},
		{"GET", "/threads/{thread_id}/messages/{message_id}", s.getMessage},
		{"POST", "/threads/{thread_id}/messages/{message_id}", s.modifyMessage},
		{"DELETE", "/threads/{thread_id}/messages/{message_id}", s.deleteMessage},

		{"POST", "/threads/{thread_id}/runs", s.createRun},
		{"GET", "/threads/{thread_id}/runs", s.listRuns},
		{"GET", "/threads/{thread_id}/runs/{run_id}", s.getRun},
		{"POST", "/threads/{thread_id}/runs/{run_id}", s.modifyRun},
		{"POST", "/threads/{thread_id}/runs/{run_id}/cancel", s.cancelRun},
		{"POST", "/threads/{thread_id}/runs/{run_id}/submit_tool_outputs", s.submitToolOutputs},
		{"GET", "/threads/{thread_id}/runs/{run_id}/steps", s.listSteps},
		{"GET", "/threads/{thread_id}/runs/{run_id}/steps/{step_id}", s.getStep},
		{"GET", "/threads/{thread_id}/runs/{run_id}/context", s.getContext},

		{"POST", "/files", s.createFile},
		{"GET", "/files", s.listFiles},
		{"GET", "/files/{file_id}", s.getFile},
		{"DELETE", "/files/{file_id}", s.deleteFile},
		{"GET", "/files/{file_id}/content", s.getFileContent},
	} {
		v1.HandleFunc(r.path, s.authenticated(r.handle)).Methods(r.method)
	}
	return root
}
