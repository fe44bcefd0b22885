package chat

import (
	"net/url"
	"strings"
	"sync"
)

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
}

// firstProfile is what can be known before the first call. Only OpenAI's own
// hosts refuse max_tokens; everywhere else the new name may be ignored without
// a word, which is worse than a refusal.
func firstProfile(u *Upstream) profile {
	p := profile{stream: u.Stream != StreamNever}
	if base, err := url.Parse(u.BaseURL); err == nil {
		host := base.Hostname()
		p.maxCompletionTokens = host == "api.openai.com" || strings.HasSuffix(host, ".openai.azure.com")
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
