package threads

import (
	"context"
	"regexp"
)

// adoptable are the ids that another server may have given to threads.
var adoptable = regexp.MustCompile(`^` + IDPrefix + `[A-Za-z0-9_-]{1,64}$`)

// Adopt makes an empty thread of an id that no project has or ever had. Any other
// is left as it is, and so is one that no server would have given to a thread.
func (s *Service) Adopt(ctx context.Context, project, id string) error {
	if !adoptable.MatchString(id) {
		return nil
	}
	t, _, _ := Create{}.Build(id, s.now(), nil)
	return s.store.AdoptThread(ctx, project, t)
}
