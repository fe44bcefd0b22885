package store

import (
	"encoding/json"
	"sync"
)

// maxAssistants bounds the assistants kept in memory, in bytes of their bodies.
const maxAssistants = 4 << 20

// assistantCache keeps the assistants that were read last: every run begins with its assistant, and a reader has to
// fetch its pages again after each commit.
type assistantCache struct {
	mutex   sync.Mutex
	limit   int
	size    int
	changes int64 // how often an assistant was changed
	byID    map[string]cachedAssistant
}

type cachedAssistant struct {
	project string
	body    json.RawMessage // belongs to all who read it, and is never written to
}

func newAssistantCache(limit int) *assistantCache {
	return &assistantCache{limit: limit, byID: map[string]cachedAssistant{}}
}

// get answers a project's assistant, nil when it is not kept, and how often assistants have changed until now.
func (c *assistantCache) get(project, id string) (body json.RawMessage, changes int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if kept, ok := c.byID[id]; ok && kept.project == project {
		body = kept.body
	}
	return body, c.changes
}

// put keeps an assistant that was read after get said how often assistants had changed. One that may have been changed
// since it was read is not kept.
func (c *assistantCache) put(project, id string, body json.RawMessage, changes int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.changes != changes || len(body) > c.limit {
		return
	}
	if c.size+len(body) > c.limit {
		c.clear()
	}
	c.size += len(body) - len(c.byID[id].body)
	c.byID[id] = cachedAssistant{project: project, body: body}
}

// changed forgets an assistant that a commit has changed or deleted.
func (c *assistantCache) changed(id string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.changes++
	c.size -= len(c.byID[id].body)
	delete(c.byID, id)
}

// forget forgets all.
func (c *assistantCache) forget() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.changes++
	c.clear()
}

func (c *assistantCache) clear() {
	clear(c.byID)
	c.size = 0
}
