package files

import (
	"encoding/json"
	"errors"
	"net/url"

	"understudy/api/wire"
)

// Query selects files: those with the given purpose, or all when it is "".
type Query struct {
	wire.Page
	Purpose string
	// Unused narrows the list to files that nothing names: no assistant, thread,
	// message or vector store.
	Unused bool
}

// listLimits are wider than those of every other list.
var listLimits = wire.PageLimits{Default: 10_000, Max: 10_000}

// ReadQuery reads the parameters of GET /files. A limit that is out of range
// or no number has its own words here.
func ReadQuery(q url.Values) (Query, error) {
	page, err := wire.ParsePage(q, listLimits)
	if param(err) == "limit" {
		err = wire.Invalidf("limit must be between 1 and %d.", listLimits.Max)
	}
	query := Query{Page: page, Purpose: q.Get("purpose")}
	switch unused := q.Get("unused"); unused {
	case "", "false":
	case "true":
		query.Unused = true
	default:
		return query, wire.InvalidValue("unused", "Invalid 'unused': '%s'. Expected 'true' or 'false'.", wire.Shown(unused))
	}
	return query, err
}

// List is one page of files. It differs from wire.List in its key order only.
type List wire.List

// MarshalJSON writes the list envelope; first_id and last_id are null on an
// empty page.
func (l List) MarshalJSON() ([]byte, error) {
	envelope := struct {
		Object  string            `json:"object"`
		Data    []json.RawMessage `json:"data"`
		HasMore bool              `json:"has_more"`
		FirstID *string           `json:"first_id"`
		LastID  *string           `json:"last_id"`
	}{Object: "list", Data: make([]json.RawMessage, len(l.Items)), HasMore: l.HasMore}
	for i, item := range l.Items {
		envelope.Data[i] = item.JSON
	}
	if n := len(l.Items); n > 0 {
		envelope.FirstID, envelope.LastID = &l.Items[0].ID, &l.Items[n-1].ID
	}
	return wire.Marshal(envelope)
}

// orNoCursor turns an unknown cursor into the 404 this list answers, where
// every other list answers a 400.
func orNoCursor(err error) error {
	if cursor := param(err); cursor == "after" || cursor == "before" {
		return &wire.Error{Kind: wire.NotFound, Message: "Resource not found.", Param: cursor}
	}
	return err
}

// param names the parameter an API error is about, "" for any other error.
func param(err error) string {
	var apiErr *wire.Error
	if errors.As(err, &apiErr) {
		return apiErr.Param
	}
	return ""
}
