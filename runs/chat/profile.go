package chat

import "sync"

// emptyContent is how an assistant turn without text is written.
type emptyContent int

const (
	emptyAsNull emptyContent = iota
	emptyAsString
	emptyAsBlank
)

// profile is what is known of one model at one upstream: first from its
// configuration, then learnt from what it refuses.
type profile struct {
	stream              bool
	streamTurned        bool // streaming was turned once, and is not turned back
	noStreamOptions     bool
	maxCompletionTokens bool // the limit goes by its new name
	limitRenamed        bool // the name was changed once, and is not changed back
	noParallel          bool
	noStrict            bool
	noTemperature       bool
	noTopP              bool
	noEffort            bool
	noToolChoice        bool
	declareTools        bool
	plainSchemas        bool
	json                jsonMode

	mergeRoles         bool
	noSystem           bool
	assistantAfterTool bool
	emptyContent       emptyContent
	shortIDs           bool
	noReasoning        bool
	fillReasoning      bool
	noExtras           bool
	unsigned           bool // calls without a thought signature say that they have none
	keepThink          bool // a leading <think> block is text
}

// firstProfile is what is known before the first call: what holds for the
// upstream's kind, and over it what its configuration says.
func firstProfile(u *Upstream) profile {
	var p profile
	for _, k := range kinds {
		if k.name == u.Kind {
			p = k.first
		}
	}
	p.stream = u.Stream != StreamNever
	for name, on := range u.Profile {
		switches[name](&p, on)
	}
	return p
}

// profiles remembers what was learnt, per upstream and model.
type profiles struct {
	mu    sync.Mutex
	known map[Target]profile
}

func (k *profiles) of(t Target, u *Upstream) profile {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.known[t]; ok {
		return p
	}
	return firstProfile(u)
}

func (k *profiles) remember(t Target, p profile) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		k.known = map[Target]profile{}
	}
	k.known[t] = p
}
