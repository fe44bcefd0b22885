package assistants

import (
	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// The bounds of tool resources (spec section 15).
const (
	maxCodeFiles    = 20
	maxVectorStores = 1
)

// ToolResources are the files and vector stores given to the built-in tools of
// an assistant, thread or run. The zero value is {} on the wire.
type ToolResources struct {
	CodeInterpreter *CodeResources   `json:"code_interpreter,omitempty"`
	FileSearch      *SearchResources `json:"file_search,omitempty"`
}

// CodeResources are the files in the code_interpreter's folder.
type CodeResources struct {
	FileIDs []string `json:"file_ids"`
}

// SearchResources are the vector stores file_search looks into.
type SearchResources struct {
	VectorStoreIDs []string `json:"vector_store_ids"`
}

// ReadResources reads the tool_resources field of a run, or of an assistant or
// thread that is modified.
func ReadResources(o *wire.Object) ToolResources {
	r, _ := readToolResources(o, false)
	return r
}

// ReadNewResources is ReadResources for an assistant or thread to be made, which
// may ask for a vector store to be made along; nil when it does not.
func ReadNewResources(o *wire.Object) (ToolResources, *vectorstores.Create) {
	return readToolResources(o, true)
}

// HelperFiles is the field that names the files of a vector store to be made along.
const HelperFiles = "tool_resources.file_search.vector_stores[0].file_ids"

func readToolResources(o *wire.Object, toBeMade bool) (r ToolResources, helper *vectorstores.Create) {
	sub := o.Object("tool_resources")
	if sub == nil {
		return r, nil
	}
	if code := sub.Object(CodeInterpreter); code != nil {
		r.CodeInterpreter = &CodeResources{FileIDs: readIDs(code, "file_ids", maxCodeFiles, "file")}
		_ = code.Err()
	}
	if search := sub.Object(FileSearch); search != nil {
		r.FileSearch = &SearchResources{VectorStoreIDs: readIDs(search, "vector_store_ids", maxVectorStores, "vs")}
		if toBeMade {
			helper = readHelper(search, r.FileSearch.VectorStoreIDs)
		}
		_ = search.Err()
	}
	_ = sub.Err()
	return r, helper
}

// readHelper reads vector_stores, which excludes vector_store_ids.
func readHelper(o *wire.Object, ids []string) *vectorstores.Create {
	const name = "vector_stores"
	entries := o.Objects(name, maxVectorStores)
	if len(entries) == 0 {
		return nil
	}
	if len(ids) > 0 {
		o.Fail(wire.MutuallyExclusive(o.Path(name), o.Path("vector_store_ids")))
	}
	create := vectorstores.ReadHelper(entries[0])
	return &create
}

// withFileIDs reads version 1's file_ids, which are code_interpreter's files
// under their older name.
func (r ToolResources) withFileIDs(o *wire.Object, dialect wire.Dialect) ToolResources {
	if dialect != wire.V1 {
		o.Ignore("file_ids") // real version 2 clients still send it
		return r
	}
	if ids := readIDs(o, "file_ids", maxCodeFiles, "file"); o.Has("file_ids") {
		r.CodeInterpreter = &CodeResources{FileIDs: ids}
	}
	return r
}

// showing returns r as it is shown beside tools: code_interpreter's files are
// echoed, empty, as soon as the tool is enabled.
func (r ToolResources) showing(tools []Tool) ToolResources {
	if r.CodeInterpreter == nil && HasTool(tools, CodeInterpreter) {
		r.CodeInterpreter = &CodeResources{FileIDs: []string{}}
	}
	return r
}

// Complete returns r with a list, if an empty one, for each tool that is mentioned;
// it is for resources that come from elsewhere than a request.
func (r ToolResources) Complete() ToolResources {
	if r.CodeInterpreter != nil && r.CodeInterpreter.FileIDs == nil {
		r.CodeInterpreter = &CodeResources{FileIDs: []string{}}
	}
	if r.FileSearch != nil && r.FileSearch.VectorStoreIDs == nil {
		r.FileSearch = &SearchResources{VectorStoreIDs: []string{}}
	}
	return r
}

// readIDs is never nil, so that an absent list is [] on the wire.
func readIDs(o *wire.Object, name string, maximum int, prefix string) []string {
	ids := o.Strings(name, maximum)
	for _, id := range ids {
		if err := wire.CheckID(o.Path(name), id, prefix); err != nil {
			o.Fail(err)
		}
	}
	if ids == nil {
		return []string{}
	}
	return ids
}

// merged returns r with the parts that change says something about replaced.
func (r ToolResources) merged(change ToolResources) ToolResources {
	if change.CodeInterpreter != nil {
		r.CodeInterpreter = change.CodeInterpreter
	}
	if change.FileSearch != nil {
		r.FileSearch = change.FileSearch
	}
	return r
}

// FileIDs lists every file the resources name.
func (r ToolResources) FileIDs() []string {
	if r.CodeInterpreter == nil {
		return nil
	}
	return r.CodeInterpreter.FileIDs
}

// StoreIDs lists every vector store the resources name.
func (r ToolResources) StoreIDs() []string {
	if r.FileSearch == nil {
		return nil
	}
	return r.FileSearch.VectorStoreIDs
}

// WithStore returns r with a vector store for file_search.
func (r ToolResources) WithStore(id string) ToolResources {
	r.FileSearch = &SearchResources{VectorStoreIDs: []string{id}}
	return r
}
