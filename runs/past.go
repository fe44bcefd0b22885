package runs

import (
	"context"
	"slices"

	"understudy/api/wire"
)

// PastRuns asks for runs of all threads of a project, newest first.
type PastRuns struct {
	Limit    int
	After    string   // a run's id; exclusive
	Model    string   // as the client named it; "" = any
	Statuses []Status // none = any
	// Begun are since when runs are in progress that the store has as queued: they
	// are looked for, and shown, as what they are.
	Begun map[string]int64
}

// Matches reports whether a run is asked for that has this model and is stored in
// this state.
func (q PastRuns) Matches(id, model string, status Status) bool {
	status = (&Run{Status: status}).showBegun(q.Begun[id]).Status
	return (q.Model == "" || model == q.Model) && (len(q.Statuses) == 0 || slices.Contains(q.Statuses, status))
}

// ParseStatuses reads the names of run states.
func ParseStatuses(names []string) ([]Status, error) {
	var known []string
	for _, s := range allStatuses {
		known = append(known, string(s))
	}
	statuses := make([]Status, len(names))
	for i, name := range names {
		if !slices.Contains(known, name) {
			return nil, wire.NotInEnum("status", name, known)
		}
		statuses[i] = Status(name)
	}
	return statuses, nil
}

// Past returns runs of all threads. The hosted API could not tell which runs there
// were.
func (s *Service) Past(ctx context.Context, project string, q PastRuns) (wire.List, error) {
	q.Begun = s.engine.allBegun() // asked before the store, so that a run never seems to go back
	list, err := s.store.PastRuns(ctx, project, q)
	if err != nil {
		return list, err
	}
	for i, item := range list.Items {
		if list.Items[i].JSON, err = asBegun(item.JSON, q.Begun[item.ID]); err != nil {
			return list, err
		}
	}
	return list, nil
}
