package trust

import (
	"crypto/sha256"
	"sync"
	"time"

	"parley/wire/proto"
)

// Replay remembers the hellos a router has taken, so that none is taken twice. A hello's signature
// covers token, router, time and nonce; the guard keys on token and nonce for as long as the time
// could pass CheckHello. Safe for concurrent use.
type Replay struct {
	limit int

	mu    sync.Mutex
	seen  map[[32]byte]struct{}
	byKey map[[32]byte]int // hellos remembered per client key
	queue []remembered     // oldest first from head on
	head  int
}

type remembered struct {
	id    [32]byte
	key   [32]byte
	until time.Time
}

const (
	// replayWindow is the longest a hello can pass CheckHello: one made for HelloWindow ahead.
	replayWindow = 2 * HelloWindow
	// replayPerKey bounds what one client can make the guard remember, so that nobody fills it for
	// the others. A client on a bad network reconnects a dozen times in two minutes.
	replayPerKey = 64
	// replayLimit is the default total: 2,000 participants reconnecting 32 times; 10 MB when full.
	replayLimit = 1 << 16
)

// NewReplay makes a guard for at most limit hellos in two minutes; 0 means 65,536.
func NewReplay(limit int) *Replay {
	if limit <= 0 {
		limit = replayLimit
	}
	return &Replay{limit: limit, seen: make(map[[32]byte]struct{}), byKey: make(map[[32]byte]int)}
}

// Check takes a hello that CheckHello has passed. The error is a *proto.Error: replayed if it was
// taken before, slow_down if the client, or all clients together, made too many.
func (r *Replay) Check(now time.Time, h proto.Hello) error {
	token := sha256.Sum256([]byte(h.Token))
	id := sha256.Sum256(append(token[:], h.Nonce...))
	key := sha256.Sum256([]byte(h.Key))

	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked(now)
	if _, ok := r.seen[id]; ok {
		return proto.NewError(proto.CodeReplayed, "this hello was seen before")
	}
	if len(r.seen) >= r.limit || r.byKey[key] >= replayPerKey {
		e := proto.NewError(proto.CodeSlowDown, "too many connections at once; try again")
		e.RetryAfter = 10
		return e
	}
	r.seen[id] = struct{}{}
	r.byKey[key]++
	r.queue = append(r.queue, remembered{id: id, key: key, until: now.Add(replayWindow)})
	return nil
}

func (r *Replay) forgetLocked(now time.Time) {
	for r.head < len(r.queue) && now.After(r.queue[r.head].until) {
		old := r.queue[r.head]
		delete(r.seen, old.id)
		if r.byKey[old.key]--; r.byKey[old.key] <= 0 {
			delete(r.byKey, old.key)
		}
		r.head++
	}
	if r.head > len(r.queue)/2 {
		n := copy(r.queue, r.queue[r.head:])
		r.queue, r.head = r.queue[:n], 0
	}
}
