package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// referenceDir names the folder with the published descriptions of the API.
// Without it what they are needed for is skipped.
const referenceDir = "REFERENCE_DIR"

// published compares what the server says with OpenAI's published descriptions.
var published = &descriptions{}

// descriptions are the two versions of the published description, with the
// deliberate differences worked in.
type descriptions struct {
	once          sync.Once
	versions      map[string]*description
	mu            sync.Mutex
	checked, fine int
}

// description is one version.
type description struct {
	doc    *openapi3.T
	events map[string]*openapi3.Schema // by the event's name
}

// summary is the line that ends the tests.
func (d *descriptions) summary() string {
	if os.Getenv(referenceDir) == "" {
		return "wire: skipped (" + referenceDir + " is not set)"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("wire: %d/%d", d.fine, d.checked)
}

func (d *descriptions) load(t testing.TB) bool {
	t.Helper()
	dir := os.Getenv(referenceDir)
	if dir == "" {
		return false
	}
	d.once.Do(func() {
		d.versions = map[string]*description{}
		for _, version := range []string{"v1", "v2"} {
			doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, "spec", "openapi-assistants-"+version+".yaml"))
			if err != nil {
				panic(err)
			}
			for _, dev := range deviations {
				dev.apply(doc, version)
			}
			d.versions[version] = &description{doc: doc, events: eventSchemas(doc)}
		}
	})
	return true
}

// eventSchemas finds the schema of each event's data under the event's name.
func eventSchemas(doc *openapi3.T) map[string]*openapi3.Schema {
	schemas := map[string]*openapi3.Schema{}
	add := func(s *openapi3.Schema) {
		name, data := s.Properties["event"], s.Properties["data"]
		if name != nil && data != nil {
			schemas[fmt.Sprint(name.Value.Enum[0])] = data.Value
		}
	}
	for name, ref := range doc.Components.Schemas {
		if !strings.HasSuffix(name, "Event") {
			continue
		}
		add(ref.Value)
		for _, branch := range ref.Value.OneOf {
			add(branch.Value)
		}
	}
	return schemas
}

// versionOf is the version a request speaks: by its header, or by Azure's
// api-version, of which those before 2024-05-01 were version 1.
func versionOf(r *http.Request) string {
	azure := r.URL.Query().Get("api-version")
	switch beta := r.Header.Get("OpenAI-Beta"); {
	case strings.Contains(beta, "assistants=v1"), beta == "" && strings.HasPrefix(azure, "20") && azure < "2024-05-01":
		return "v1"
	default:
		return "v2"
	}
}

// answer validates the body of an answer: by its route when it is a success,
// as the error envelope otherwise.
func (d *descriptions) answer(t testing.TB, r *http.Request, a reply) {
	t.Helper()
	if !d.load(t) {
		return
	}
	version := d.versions[versionOf(r)]
	schema := version.doc.Components.Schemas["ErrorResponse"].Value
	if a.status == http.StatusOK {
		if schema = version.route(r.Method, r.URL.Path); schema == nil {
			return
		}
	}
	d.validate(t, schema, a.body, fmt.Sprintf("%s %s", r.Method, r.URL.Path))
}

// event validates the data of one server-sent event.
func (d *descriptions) event(t testing.TB, r *http.Request, e sentEvent) {
	t.Helper()
	if !d.load(t) {
		return
	}
	schema := d.versions[versionOf(r)].events[e.name]
	if schema == nil {
		t.Errorf("the API has no event %q", e.name)
		return
	}
	data := e.data
	if e.name == "done" {
		data = []byte(`"` + string(data) + `"`)
	}
	d.validate(t, schema, data, "event "+e.name)
}

func (d *descriptions) validate(t testing.TB, schema *openapi3.Schema, body []byte, what string) {
	t.Helper()
	var value any
	err := json.Unmarshal(body, &value)
	if err == nil {
		err = schema.VisitJSON(value, openapi3.DisableSchemaErrorDetails())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checked++
	if err != nil {
		t.Errorf("%s is not as published: %v\n%s", what, err, body)
		return
	}
	d.fine++
}

// route finds the schema of a successful answer, nil for a route that the
// description does not have: models, the list of threads, a run's context.
func (v *description) route(method, path string) *openapi3.Schema {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/openai"), "/v1")
	item := v.doc.Paths.Value(path)
	for template, candidate := range v.doc.Paths.Map() {
		if item == nil && matchesRoute(template, path) {
			item = candidate
		}
	}
	if item == nil || item.GetOperation(method) == nil {
		return nil
	}
	content := item.GetOperation(method).Responses.Status(http.StatusOK).Value.Content.Get("application/json")
	return content.Schema.Value
}

func matchesRoute(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// deviation is one place where the server deliberately does not do what the
// published description says.
type deviation struct {
	schema, property string
	versions         string // which descriptions say so
	change           func(owner *openapi3.Schema, property string)
}

// deviations lists all of them. Hosted behaviour wins over the published
// description: clients were built against what the hosted API sent.
var deviations = []deviation{
	// An empty page has no first and last id; the hosted API sent null.
	{"ListAssistantsResponse", "first_id", "v1 v2", nullable},
	{"ListAssistantsResponse", "last_id", "v1 v2", nullable},
	{"ListMessagesResponse", "first_id", "v1 v2", nullable},
	{"ListMessagesResponse", "last_id", "v1 v2", nullable},
	{"ListRunsResponse", "first_id", "v1 v2", nullable},
	{"ListRunsResponse", "last_id", "v1 v2", nullable},
	{"ListRunStepsResponse", "first_id", "v1 v2", nullable},
	{"ListRunStepsResponse", "last_id", "v1 v2", nullable},
	{"ListFilesResponse", "first_id", "v2", nullable},
	{"ListFilesResponse", "last_id", "v2", nullable},
	{"ListVectorStoresResponse", "first_id", "v2", nullable},
	{"ListVectorStoresResponse", "last_id", "v2", nullable},
	{"ListVectorStoreFilesResponse", "first_id", "v2", nullable},
	{"ListVectorStoreFilesResponse", "last_id", "v2", nullable},
	{"ListAssistantFilesResponse", "first_id", "v1", nullable},
	{"ListAssistantFilesResponse", "last_id", "v1", nullable},
	{"ListMessageFilesResponse", "first_id", "v1", nullable},
	{"ListMessageFilesResponse", "last_id", "v1", nullable},

	// The description requires a member that it describes nowhere, and the
	// hosted API sent data.
	{"ListAssistantFilesResponse", "items", "v1", notRequired},
	{"ListMessageFilesResponse", "items", "v1", notRequired},

	// An assistant without instructions makes a run without any: the hosted API
	// sent null where the description has a string.
	{"RunObject", "instructions", "v1 v2", nullable},

	// The hosted API sent both of a file as null when there was nothing to say.
	{"OpenAIFile", "expires_at", "v2", nullable},
	{"OpenAIFile", "status_details", "v1 v2", nullable},

	// The hosted API sent both of a vector store as null when they were not set,
	// and called a batch vector_store.file_batch.
	{"VectorStoreObject", "name", "v2", nullable},
	{"VectorStoreObject", "expires_after", "v2", nullable},
	{"VectorStoreFileBatchObject", "object", "v2", hostedBatch},

	// The hosted API took token caps below the described minimum of 256.
	{"RunObject", "max_prompt_tokens", "v1 v2", noMinimum},
	{"RunObject", "max_completion_tokens", "v1 v2", noMinimum},

	// A run that a content filter cut short says so, as its message does; the
	// described reasons are the two token caps.
	{"RunObject", "incomplete_details", "v1 v2", filterReason},
}

func (d deviation) apply(doc *openapi3.T, version string) {
	if !strings.Contains(d.versions, version) {
		return
	}
	owner := doc.Components.Schemas[d.schema].Value
	if owner.Properties[d.property] == nil && !slices.Contains(owner.Required, d.property) {
		panic("the description " + version + " has no " + d.schema + "." + d.property)
	}
	d.change(owner, d.property)
}

// filterReason adds content_filter to the reasons a run is incomplete for.
func filterReason(owner *openapi3.Schema, property string) {
	details := owner.Properties[property].Value
	for _, s := range append(openapi3.SchemaRefs{owner.Properties[property]}, details.AnyOf...) {
		if reason := s.Value.Properties["reason"]; reason != nil {
			reason.Value.Enum = append(reason.Value.Enum, "content_filter")
		}
	}
}

func hostedBatch(owner *openapi3.Schema, property string) {
	owner.Properties[property].Value.Enum = []any{"vector_store.file_batch"}
}

// nullable lets a property be null. The schema is wrapped rather than changed,
// for others may share it.
func nullable(owner *openapi3.Schema, property string) {
	owner.Properties[property] = &openapi3.SchemaRef{Value: &openapi3.Schema{
		AnyOf: openapi3.SchemaRefs{owner.Properties[property], {Value: &openapi3.Schema{Nullable: true, Enum: []any{nil}}}},
	}}
}

func noMinimum(owner *openapi3.Schema, property string) { owner.Properties[property].Value.Min = nil }

func notRequired(owner *openapi3.Schema, property string) {
	owner.Required = slices.DeleteFunc(slices.Clone(owner.Required), func(name string) bool { return name == property })
}
