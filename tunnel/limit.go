package tunnel

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parley/sys/trust"
	"parley/wire/proto"
)

// Limits of a tunnel. Zero values take the default written at them.
type Limits struct {
	Streams  int           // of one token's holder at once: pings to all zones, control, media; 0: 48
	Opened   int           // of one holder, altogether; 0: 5000
	Bytes    int64         // of one holder, both ways: a day at 6 Mbit/s; 0: 64 GiB
	Life     time.Duration // of a stream; 0: 24 h
	Idle     time.Duration // of a stream on which nothing moves: clients check every 2.5 s; 0: 2 min
	Total    int           // streams of all; 0: 20,000
	Unproven int           // connections of one address that have shown no token yet; 0: 64
	Lookups  int           // of one address each minute: an office looks up from one; 0: 120
}

// Reason is why something was refused or ended.
type Reason uint8

// The reasons.
const (
	ReasonToken    Reason = iota // none, forged, or made for something else
	ReasonOld                    // an expired token
	ReasonTarget                 // no enrolled server of this name, or not of this token's zones
	ReasonMeeting                // another meeting's router
	ReasonAddress                // the server announces an address no tunnel goes to
	ReasonStreams                // too many streams at once
	ReasonOpened                 // too many streams altogether
	ReasonBytes                  // too much carried
	ReasonLife                   // too long
	ReasonFull                   // the tunnel has no room
	ReasonUnproven               // too many connections without a token from one address
	ReasonSilent                 // no first message in time, or it can't be read
	ReasonLookups                // too many lookups from one address
	ReasonHost                   // another host's name in the request
	ReasonPath                   // no such path
	ReasonDown                   // the server does not answer
	ReasonLate                   // datagrams dropped: the client takes them too slowly
	nReasons
)

// String is the metric label.
func (r Reason) String() string {
	names := [nReasons]string{"token", "old_token", "target", "other_meeting", "address", "streams", "opened", "bytes", "life", "full", "unproven",
		"silent", "lookups", "host", "path", "server_down", "late"}
	if r < nReasons {
		return names[r]
	}
	return "unknown"
}

// holder is who has a token: a seat in a meeting. Tokens of one seat share its limits, or asking for another
// token would lift them.
type holder struct {
	meeting proto.MeetingID
	seat    proto.ParticipantID
}

// use is what a holder has used. Guarded by limits.mu, but for bytes.
type use struct {
	streams, opened int
	bytes           atomic.Int64
	until           time.Time // kept at least so long: until the last token opens nothing any more
}

// limits counts what holders and addresses use. Safe for concurrent use.
type limits struct {
	Limits
	counts [nReasons]atomic.Uint64

	mu       sync.Mutex
	uses     map[holder]*use
	total    int
	unproven map[netip.Addr]int
	lookups  map[netip.Addr]int // in the minute that began at minute
	minute   time.Time
}

func newLimits(l Limits) *limits {
	def := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	def(&l.Streams, 48)
	def(&l.Opened, 5000)
	def(&l.Total, 20_000)
	def(&l.Unproven, 64)
	def(&l.Lookups, 120)
	if l.Bytes == 0 {
		l.Bytes = 64 << 30
	}
	if l.Life == 0 {
		l.Life = 24 * time.Hour
	}
	if l.Idle == 0 {
		l.Idle = 2 * time.Minute
	}
	return &limits{Limits: l, uses: map[holder]*use{}, unproven: map[netip.Addr]int{}, lookups: map[netip.Addr]int{}}
}

func (l *limits) count(r Reason) { l.counts[r].Add(1) }

func (l *limits) refused() map[string]uint64 {
	out := map[string]uint64{}
	for i := range l.counts {
		if n := l.counts[i].Load(); n > 0 {
			out[Reason(i).String()] = n
		}
	}
	return out
}

// arrive lets a connection without a token in, for as long as it has none. IPv6 counts by /64.
func (l *limits) arrive(a netip.Addr) (proven func(), ok bool) {
	a = network(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unproven[a] >= l.Unproven || len(l.unproven) >= l.Total {
		l.count(ReasonUnproven)
		return nil, false
	}
	l.unproven[a]++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.unproven[a]--; l.unproven[a] == 0 {
			delete(l.unproven, a)
		}
	}), true
}

func network(a netip.Addr) netip.Addr {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// take lets a holder open a stream; release gives it back.
func (l *limits) take(c proto.TunnelClaims) (u *use, release func(), why Reason, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := holder{c.Meeting, c.Participant}
	u = l.uses[h]
	if u == nil {
		u = &use{}
		l.uses[h] = u
	}
	if end := time.Unix(c.Expires, 0).Add(trust.Leeway); end.After(u.until) {
		u.until = end
	}
	switch {
	case l.total >= l.Total:
		return nil, nil, ReasonFull, false
	case u.streams >= l.Streams:
		return nil, nil, ReasonStreams, false
	case u.opened >= l.Opened:
		return nil, nil, ReasonOpened, false
	case u.bytes.Load() >= l.Bytes:
		return nil, nil, ReasonBytes, false
	}
	u.streams++
	u.opened++
	l.total++
	return u, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		u.streams--
		l.total--
	}, 0, true
}

// lookup counts one, and says whether it may pass.
func (l *limits) lookup(now time.Time, a netip.Addr) bool {
	a = network(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.minute) >= time.Minute {
		l.minute = now
		clear(l.lookups)
	}
	if l.lookups[a] >= l.Lookups || len(l.lookups) >= l.Total {
		l.count(ReasonLookups)
		return false
	}
	l.lookups[a]++
	return true
}

// sweep forgets holders whose tokens are over and who have no stream.
func (l *limits) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h, u := range l.uses {
		if u.streams == 0 && now.After(u.until) {
			delete(l.uses, h)
		}
	}
}

func (l *limits) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}
