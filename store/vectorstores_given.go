package store

import (
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores"
	"understudy/threads"
)

// applyChange does to vector stores what goes along with another object's
// change. A store that is gone or has expired is left as it is.
func applyChange(tx *Tx, project string, c vectorstores.Change) error {
	if c.New != nil {
		_, err := insertVectorStore(tx, project, *c.New)
		return err
	}
	if c.StoreID == "" {
		return nil
	}
	if usable, err := isUsable(tx, project, c.StoreID); err != nil || !usable {
		return err
	}
	counts := newCensus()
	for _, id := range c.Detach {
		row, err := liveRow(tx, c.StoreID, id)
		if err != nil {
			return err
		}
		if row != nil {
			if err := row.detach(tx, counts); err != nil {
				return err
			}
		}
	}
	if err := counts.write(tx); err != nil {
		return err
	}
	return attachMissing(tx, project, c.StoreID, c.Attach, c.At)
}

// isUsable reports whether a project has a store that can take files.
func isUsable(r Reader, project, id string) (bool, error) {
	var usable bool
	err := r.QueryRow("SELECT EXISTS (SELECT 1 FROM vector_stores WHERE id = $1 AND project_id = $2 AND gone = 0)", id, project).Scan(&usable)
	return usable, err
}

// attachMissing adds those files to a store that it does not have.
func attachMissing(tx *Tx, project, storeID string, list []vectorstores.NewFile, at int64) error {
	var missing []vectorstores.NewFile
	for _, f := range list {
		row, err := liveRow(tx, storeID, f.FileID)
		if err != nil {
			return err
		}
		if row == nil {
			missing = append(missing, f)
		}
	}
	a := attachment{tx: tx, project: project, storeID: storeID, at: at}
	_, err := a.attach(missing)
	return err
}

// giveSearched lets the thread's vector store have what a message attaches for
// file_search. A thread that has no store gets one; so does one whose store has
// expired or was deleted, with the files that are still known of it.
func giveSearched(tx *Tx, project string, m *threads.Message) error {
	ids := m.Searched()
	if len(ids) == 0 {
		return nil
	}
	body, err := threadsTable.read(tx, project, m.ThreadID)
	if err != nil {
		return err
	}
	var t threads.Thread
	if err := decode(tx, body, &t); err != nil {
		return err
	}
	n := vectorstores.Of(ids).ForThread(wire.MinterOf(tx.ctx), time.Unix(m.CreatedAt, 0))
	if storeIDs := t.ToolResources.StoreIDs(); len(storeIDs) > 0 {
		usable, err := isUsable(tx, project, storeIDs[0])
		if err != nil {
			return err
		}
		if usable {
			return attachMissing(tx, project, storeIDs[0], n.Files, m.CreatedAt)
		}
		if err := inherit(tx, project, storeIDs[0], &n); err != nil {
			return err
		}
	}
	if _, err := insertVectorStore(tx, project, n); err != nil {
		return err
	}
	_, err = rewrite(tx, threadsTable, m.ThreadID, body, func(t *threads.Thread) { t.ToolResources = t.ToolResources.WithStore(n.Store.ID) })
	return err
}

// inherit adds the files of an expired store to a new one.
func inherit(tx *Tx, project, expired string, n *vectorstores.New) error {
	rows, err := readFileRows(tx, inStore+" AND body IS NOT NULL", expired, project)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, f := range n.Files {
		have[f.FileID] = true
	}
	for _, row := range rows {
		if f := row.file; !have[f.ID] {
			n.Files = append(n.Files, vectorstores.NewFile{FileID: f.ID, Chunking: f.Chunking, Attributes: f.Attributes})
			n.Store.Count(vectorstores.InProgress, 1)
		}
	}
	return nil
}
