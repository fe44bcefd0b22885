package index

import "container/list"

// DefaultMemory is the bound of Options.Memory when it is 0: room for the codes of about a million vectors of 1,536
// numbers.
const DefaultMemory = 256 << 20

// shard answers what is remembered of a store, and makes it the one used last.
func (x *Index) shard(storeID string) *shard {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if element, ok := x.shards[storeID]; ok {
		x.recent.MoveToFront(element)
		return shardOf(element)
	}
	s := newShard(storeID)
	x.shards[storeID] = x.recent.PushFront(s)
	return s
}

func shardOf(element *list.Element) *shard {
	return element.Value.(*shard)
}

// settle counts what the stores of a search have come to, and forgets the stores used longest ago until the rest fit into
// the bound. The store used last stays, whatever its size: without it no search in it could end.
func (x *Index) settle(scopes []Scope) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	for _, scope := range scopes {
		element, ok := x.shards[scope.StoreID]
		if !ok {
			continue // forgotten meanwhile
		}
		s := shardOf(element)
		size := s.view.Load().size()
		x.used += size - s.size
		s.size = size
	}
	for x.used > x.memory && x.recent.Len() > 1 {
		oldest := x.recent.Back()
		s := shardOf(oldest)
		x.recent.Remove(oldest)
		delete(x.shards, s.storeID)
		x.used -= s.size
	}
}

// Memory answers how many bytes the index holds for later searches.
func (x *Index) Memory() int64 {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return x.used
}
