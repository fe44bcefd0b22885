package wire

import (
	"encoding/json"
	"errors"
	"slices"
)

// PageOf pages a short list that is at hand, oldest first, the way stored lists
// are paged. show renders one entry, or answers ErrNotFound for what has gone
// meanwhile: the next one stands in for it.
func PageOf(ids []string, p Page, show func(id string) (json.RawMessage, error)) (List, error) {
	ids = slices.Clone(ids)
	if !p.Asc {
		slices.Reverse(ids)
	}
	for _, cursor := range []struct{ param, id string }{{"after", p.After}, {"before", p.Before}} {
		if cursor.id != "" && !slices.Contains(ids, cursor.id) {
			return List{}, UnknownCursor(cursor.param, cursor.id)
		}
	}
	if p.After != "" {
		ids = ids[slices.Index(ids, p.After)+1:]
	}
	if p.Before != "" {
		ids = ids[:max(0, slices.Index(ids, p.Before))] // none when it lies ahead of after
	}
	backwards := p.Before != "" && p.After == "" // what is next to it counts
	if backwards {
		slices.Reverse(ids)
	}
	var list List
	for ; len(ids) > 0 && len(list.Items) < p.Limit; ids = ids[1:] {
		body, err := show(ids[0])
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return List{}, err
		}
		list.Items = append(list.Items, Item{ID: ids[0], JSON: body})
	}
	list.HasMore = len(ids) > 0
	if backwards {
		slices.Reverse(list.Items)
	}
	return list, nil
}
