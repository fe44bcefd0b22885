package wire

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
)

// Page is what a list request asks for (spec section 4).
type Page struct {
	Limit  int
	Asc    bool   // order=asc; the default is newest first
	After  string // id; exclusive
	Before string // id; exclusive
}

// PageLimits are the bounds of the limit parameter of one list route.
type PageLimits struct{ Default, Max int }

// ListLimits hold for every list but that of files.
var ListLimits = PageLimits{Default: 20, Max: 100}

// ParsePage reads limit, order, after and before.
func ParsePage(q url.Values, limits PageLimits) (Page, error) {
	page := Page{Limit: limits.Default, After: q.Get("after"), Before: q.Get("before")}
	switch order := q.Get("order"); order {
	case "", "desc":
	case "asc":
		page.Asc = true
	default:
		return page, NotInEnum("order", order, []string{"asc", "desc"})
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range answers the nearest number
			return page, WrongType("limit", "an integer", "a string")
		}
		if err := checkInt("limit", float64(n), text, 1, limits.Max); err != nil {
			return page, err
		}
		page.Limit = n
	}
	return page, nil
}

// Item is one object of a list: its id and its JSON as it is stored.
type Item struct {
	ID   string
	JSON json.RawMessage
}

// List is one page of a list, in the order that was asked for. HasMore speaks
// of the direction that was asked for: behind the page for after, ahead of it
// for before.
type List struct {
	Items   []Item
	HasMore bool
}

// Size is how many bytes of objects the list has.
func (l List) Size() int {
	n := 0
	for _, item := range l.Items {
		n += len(item.JSON)
	}
	return n
}

// MarshalJSON writes the list envelope; first_id and last_id are null on an
// empty page.
func (l List) MarshalJSON() ([]byte, error) {
	envelope := struct {
		Object  string            `json:"object"`
		Data    []json.RawMessage `json:"data"`
		FirstID *string           `json:"first_id"`
		LastID  *string           `json:"last_id"`
		HasMore bool              `json:"has_more"`
	}{Object: "list", Data: make([]json.RawMessage, len(l.Items)), HasMore: l.HasMore}
	for i, item := range l.Items {
		envelope.Data[i] = item.JSON
	}
	if n := len(l.Items); n > 0 {
		envelope.FirstID, envelope.LastID = &l.Items[0].ID, &l.Items[n-1].ID
	}
	return Marshal(envelope)
}

// UnknownCursor is the answer to an after or before that was never an object
// of the list; param is "after" or "before".
func UnknownCursor(param, id string) *Error {
	return InvalidValue(param, "Invalid '%s': no object with id '%s' exists in this list.", param, Shown(id))
}
