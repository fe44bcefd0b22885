package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"
)

// routes is the list of routes: all of them, and nothing else.
func (s *server) routes() http.Handler {
	root := mux.NewRouter()
	root.UseEncodedPath().SkipClean(true) // an id with a slash in it is an unknown id, not another route
	root.NotFoundHandler = s.elsewhere(badURL)

	for _, base := range bases {
		for _, r := range s.api() {
			methods, handle := []string{r.method}, r.handle
			switch r.method {
			case http.MethodGet:
				methods = append(methods, http.MethodHead)
			case http.MethodPost:
				handle = s.once(handle)
			}
			if !slices.Contains(dryRoutes, r.path) {
				handle = carriesOut(handle)
			}
			path := base + r.path
			root.MatcherFunc(fitting(path, methods)).Path(path).Methods(methods...).HandlerFunc(named(r.path, s.authenticated(handle)))
		}
		// Behind all others: a path that only lacked its method.
		for _, r := range s.api() {
			root.MatcherFunc(fitting(base+r.path, nil)).Path(base + r.path).HandlerFunc(s.plain(badMethod))
		}
	}
	for path, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/": s.index, "/healthz": s.healthz, "/readyz": s.readyz, metricsPath: s.metrics,
	} {
		root.HandleFunc(path, named(path, s.plain(h))).Methods(http.MethodGet, http.MethodHead)
	}
	return root
}

// fitting lets those requests through to a route's regular expression that it may
// match, by their method (nil = any) and the fixed segments of the path. To ask
// the expressions of all routes would be most of what it costs to answer a GET.
func fitting(template string, methods []string) mux.MatcherFunc {
	prefix, _, _ := strings.Cut(template, "{")
	return func(r *http.Request, _ *mux.RouteMatch) bool {
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		return strings.HasPrefix(path, prefix) && (methods == nil || slices.Contains(methods, r.Method)) && fits(template, path)
	}
}

// fits reports whether a path has the fixed segments of a template, and as many
// segments unless the last one is an expression.
func fits(template, path string) bool {
	for {
		segment, restOfTemplate, more := strings.Cut(template, "/")
		given, rest, goesOn := strings.Cut(path, "/")
		switch {
		case !strings.HasPrefix(segment, "{"):
			if segment != given {
				return false
			}
		case strings.Contains(segment, ":"):
			return true
		}
		if !more || !goesOn {
			return more == goesOn
		}
		template, path = restOfTemplate, rest
	}
}

// named notes the template of a route, for what counts requests.
func named(route string, next http.HandlerFunc) http.HandlerFunc {
	route = strings.ReplaceAll(route, ":.+}", "}") // a pattern is the router's matter
	return func(w http.ResponseWriter, r *http.Request) {
		note(r.Context()).route = route
		next(w, r)
	}
}

// bases are the paths the API lies under; the last two are Azure's.
var bases = []string{"/v1", "/openai/v1", "/openai"}

// relayed are the paths, relative to a base path, that the upstreams answer
// with all below them.
var relayed = []string{"/chat/completions", "/completions", "/embeddings", "/moderations", "/images", "/audio", "/responses"}

// route is one route of the API, relative to its base path.
type route struct {
	method, path string
	handle       handler
}

// api is the list of the API's routes.
func (s *server) api() []route {
	return slices.Concat(s.threadsAPI(), s.assistantsAPI(), s.vectorStoresAPI())
}

func (s *server) threadsAPI() []route {
	return []route{
		{"POST", "/threads/{thread_id}/runs", s.createRun},
		{"GET", "/threads/{thread_id}/runs", s.listRuns},
		{"GET", "/threads/{thread_id}/runs/{run_id}", s.getRun},
		{"POST", "/threads/{thread_id}/runs/{run_id}", s.modifyRun},
		{"POST", "/threads/{thread_id}/runs/{run_id}/cancel", s.cancelRun},
		{"POST", "/threads/{thread_id}/runs/{run_id}/submit_tool_outputs", s.submitToolOutputs},
		{"GET", "/threads/{thread_id}/runs/{run_id}/steps", s.listSteps},
		{"GET", "/threads/{thread_id}/runs/{run_id}/steps/{step_id}", s.getStep},
		{"GET", "/threads/{thread_id}/runs/{run_id}/context", s.getContext},
		{"POST", "/threads/{thread_id}/runs/{run_id}/replay", s.replayRun},

		{"POST", "/threads/{thread_id}/messages", s.createMessage},
		{"GET", "/threads/{thread_id}/messages", s.listMessages},
		{"GET", "/threads/{thread_id}/messages/{message_id}", s.getMessage},
		{"POST", "/threads/{thread_id}/messages/{message_id}", s.modifyMessage},
		{"DELETE", "/threads/{thread_id}/messages/{message_id}", s.deleteMessage},
		{"POST", "/threads/{thread_id}/messages/{message_id}/edit", s.editMessage},
		{"GET", "/threads/{thread_id}/messages/{message_id}/files", s.listMessageFiles},
		{"GET", "/threads/{thread_id}/messages/{message_id}/files/{file_id}", s.getMessageFile},

		{"POST", "/threads", s.createThread},
		{"GET", "/threads", s.listThreads},
		{"POST", "/threads/runs", s.createThreadAndRun},
		{"GET", "/threads/{thread_id}", s.getThread},
		{"POST", "/threads/{thread_id}", s.modifyThread},
		{"DELETE", "/threads/{thread_id}", s.deleteThread},
		{"POST", "/threads/{thread_id}/fork", s.forkThread},
		{"POST", "/threads/{thread_id}/rewind", s.rewindThread},
		{"GET", "/threads/{thread_id}/history", s.listHistory},

		{"GET", "/x/runs", s.listPastRuns},
		{"GET", "/x/runs/events", s.followRuns},
		{"GET", "/x/diff", s.diffRuns},
		{"GET", "/x/webhooks/deliveries", s.listDeliveries},
	}
}

func (s *server) assistantsAPI() []route {
	return []route{
		{"POST", "/assistants", s.createAssistant},
		{"GET", "/assistants", s.listAssistants},
		{"GET", "/assistants/{assistant_id}", s.getAssistant},
		{"POST", "/assistants/{assistant_id}", s.modifyAssistant},
		{"DELETE", "/assistants/{assistant_id}", s.deleteAssistant},
		{"POST", "/assistants/{assistant_id}/files", s.attachAssistantFile},
		{"GET", "/assistants/{assistant_id}/files", s.listAssistantFiles},
		{"GET", "/assistants/{assistant_id}/files/{file_id}", s.getAssistantFile},
		{"DELETE", "/assistants/{assistant_id}/files/{file_id}", s.detachAssistantFile},

		{"POST", "/files", s.createFile},
		{"GET", "/files", s.listFiles},
		{"GET", "/files/{file_id}", s.getFile},
		{"DELETE", "/files/{file_id}", s.deleteFile},
		{"GET", "/files/{file_id}/content", s.getFileContent},

		{"POST", "/uploads", s.createUpload},
		{"POST", "/uploads/{upload_id}/parts", s.addUploadPart},
		{"POST", "/uploads/{upload_id}/complete", s.completeUpload},
		{"POST", "/uploads/{upload_id}/cancel", s.cancelUpload},

		{"GET", "/models", s.listModels},
		{"GET", "/models/{model:.+}", s.getModel},
	}
}

func (s *server) vectorStoresAPI() []route {
	return []route{
		{"POST", "/vector_stores", s.createVectorStore},
		{"GET", "/vector_stores", s.listVectorStores},
		{"GET", "/vector_stores/{vector_store_id}", s.getVectorStore},
		{"POST", "/vector_stores/{vector_store_id}", s.modifyVectorStore},
		{"DELETE", "/vector_stores/{vector_store_id}", s.deleteVectorStore},
		{"POST", "/vector_stores/{vector_store_id}/search", s.searchVectorStore},
		{"POST", "/vector_stores/{vector_store_id}/files", s.attachFile},
		{"GET", "/vector_stores/{vector_store_id}/files", s.listStoreFiles},
		{"GET", "/vector_stores/{vector_store_id}/files/{file_id}", s.getStoreFile},
		{"POST", "/vector_stores/{vector_store_id}/files/{file_id}", s.modifyStoreFile},
		{"DELETE", "/vector_stores/{vector_store_id}/files/{file_id}", s.detachFile},
		{"GET", "/vector_stores/{vector_store_id}/files/{file_id}/content", s.getStoreFileContent},
		{"POST", "/vector_stores/{vector_store_id}/file_batches", s.createFileBatch},
		{"GET", "/vector_stores/{vector_store_id}/file_batches/{batch_id}", s.getFileBatch},
		{"POST", "/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel", s.cancelFileBatch},
		{"GET", "/vector_stores/{vector_store_id}/file_batches/{batch_id}/files", s.listBatchFiles},
	}
}
