package vectorstores

import (
	"net/url"
	"path"
	"strings"

	"understudy/api/wire"
	"understudy/files/extract"
)

// StoreFile is the vector store file object on the wire, in the hosted API's
// key order (spec section 6). Its id is the file's. LastError is null unless
// the status is failed.
type StoreFile struct {
	ID            string     `json:"id"`
	Object        string     `json:"object"`
	UsageBytes    int64      `json:"usage_bytes"` // of text and vectors; 0 until completed
	CreatedAt     int64      `json:"created_at"`  // unix seconds; when it was attached
	VectorStoreID string     `json:"vector_store_id"`
	Status        Status     `json:"status"`
	LastError     *LastError `json:"last_error"`
	Chunking      Chunking   `json:"chunking_strategy"`
	Attributes    Attributes `json:"attributes"`
}

// LastError says why a file could not be indexed.
type LastError struct {
	Code    string `json:"code"` // one of the codes below
	Message string `json:"message"`
}

// The codes of a LastError (spec section 13).
const (
	ServerError     = "server_error"
	UnsupportedFile = extract.UnsupportedFile
	InvalidFile     = extract.InvalidFile
)

// NewFile is a file to be attached to a store.
type NewFile struct {
	FileID     string
	Chunking   Chunking
	Attributes Attributes
}

// Build makes the file of a store as it will be stored.
func (f NewFile) Build(storeID string, createdAt int64) *StoreFile {
	return &StoreFile{
		ID: f.FileID, Object: "vector_store.file", CreatedAt: createdAt, VectorStoreID: storeID,
		Status: InProgress, Chunking: f.Chunking, Attributes: f.Attributes,
	}
}

func filesOf(ids []string, chunking Chunking) []NewFile {
	list := make([]NewFile, len(ids))
	for i, id := range ids {
		list[i] = NewFile{FileID: id, Chunking: chunking}
	}
	return list
}

func idsOf(list []NewFile) []string {
	ids := make([]string, len(list))
	for i, f := range list {
		ids[i] = f.FileID
	}
	return ids
}

// ReadAttach reads the body of POST /vector_stores/{id}/files.
func ReadAttach(o *wire.Object, _ wire.Dialect) (NewFile, error) {
	f := readNewFile(o)
	return f, o.Err()
}

func readNewFile(o *wire.Object) NewFile {
	f := NewFile{FileID: o.RequiredString("file_id", 0), Chunking: readChunking(o), Attributes: readAttributes(o)}
	if f.FileID != "" {
		o.Fail(wire.CheckID(o.Path("file_id"), f.FileID, "file"))
	}
	return f
}

// ReadAttributes reads the body of POST /vector_stores/{id}/files/{file_id}:
// the attributes replace those the file has, null removes them.
func ReadAttributes(o *wire.Object, _ wire.Dialect) (Attributes, error) {
	if o.IsNull("attributes") {
		return Attributes{}, o.Err()
	}
	o.Require("attributes")
	a := readAttributes(o)
	return a, o.Err()
}

// FileQuery selects files of a store: those of a batch when BatchID is set,
// those of a status when Status is.
type FileQuery struct {
	wire.Page
	BatchID string
	Status  Status
}

// ReadFileQuery reads the parameters of the lists of files.
func ReadFileQuery(q url.Values) (FileQuery, error) {
	page, err := wire.ParsePage(q, wire.ListLimits)
	query := FileQuery{Page: page, Status: Status(q.Get("filter"))}
	switch query.Status {
	case "", InProgress, Completed, Failed, Cancelled:
		return query, err
	case Expired:
	}
	return query, wire.NotInEnum("filter", string(query.Status), []string{string(InProgress), string(Completed), string(Failed), string(Cancelled)})
}

// unsupported is the answer to attaching a file whose name says that it holds
// no text this server can read.
func unsupported(param, filename string) error {
	extension := strings.ToLower(path.Ext(filename))
	if extension == "" {
		extension = "none"
	}
	return &wire.Error{
		Message: "Files with extensions [" + wire.Shown(extension) + "] are not supported for retrieval. See https://platform.openai.com/docs/assistants/tools/file-search/supported-files",
		Param:   param, Code: UnsupportedFile,
	}
}
