package assistants

import (
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// Version 1 of the API had file_ids and the retrieval tool where version 2 has
// vector stores. Its files are kept in a store of the assistant, which follows
// what version 1 requests do to them (spec section 16).

// retrieved are the files that the assistant's store holds because version 1
// gave them to it.
func (a *Assistant) retrieved() []string {
	if !HasTool(a.Tools, FileSearch) || len(a.ToolResources.StoreIDs()) == 0 {
		return nil
	}
	return a.ToolResources.FileIDs()
}

// keepRetrieved makes the assistant's store hold its files instead of those
// before.
func (a *Assistant) keepRetrieved(before []string, ids *wire.Minter, now time.Time) vectorstores.Change {
	if !HasTool(a.Tools, FileSearch) {
		return vectorstores.Change{}
	}
	storeID := ""
	if stores := a.ToolResources.StoreIDs(); len(stores) > 0 {
		storeID = stores[0]
	}
	change := vectorstores.Keeping(storeID, before, a.ToolResources.FileIDs(), ids, now)
	if change.New != nil {
		a.ToolResources = a.ToolResources.WithStore(change.New.Store.ID)
	}
	return change
}
