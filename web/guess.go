package web

import (
	"container/list"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Guessing a passcode of six digits takes half a million tries on average. What makes that hopeless is
// time: after a few free failures each further one doubles the wait, per address and meeting, per
// address over all meetings, and per meeting over all addresses. The last counts only against
// addresses that never got into the meeting. Links, whose pwd can't be guessed, never wait and never
// count, also behind the address of a guesser: so nobody can lock out the others by guessing wrong.
//
// A refused try is not looked at and does not count. The counters do not ask whether a meeting exists.

// limits says how failures turn into waits.
type limits struct {
	pair, addr, target rule
	keep               int // most counters in memory; the one longest untouched goes first
}

// rule is one schedule: free failures cost nothing, then the wait is first, doubling up to most.
type rule struct {
	free        int
	first, most time.Duration
}

// forgetAfter is how long without a failure clears a counter.
const forgetAfter = time.Hour

var (
	// A person mistypes a passcode a few times; an office of people behind one address somewhat more
	// often. At one try a minute six digits last for a year, and a meeting open to the world for two
	// hours gives all strangers together 500 tries.
	lookupLimits = limits{
		pair:   rule{5, time.Second, time.Minute},
		addr:   rule{40, time.Second, 30 * time.Second},
		target: rule{30, time.Second, 15 * time.Second},
		keep:   1 << 16,
	}
	loginLimits = limits{
		pair:   rule{5, time.Second, 5 * time.Minute},
		addr:   rule{20, time.Second, time.Minute},
		target: rule{50, time.Second, 15 * time.Second},
		keep:   1 << 16,
	}
)

// guesses counts failures. Safe for concurrent use.
type guesses struct {
	limits limits
	mu     sync.Mutex
	byKey  map[string]*list.Element // of *counter; guarded by mu
	order  list.List                // most lately touched first; guarded by mu
}

type counter struct {
	key      string
	failures int
	last     time.Time // last failure
	gotIn    bool      // of a pair: this address has been let in
}

func newGuesses(l limits) *guesses { return &guesses{limits: l, byKey: map[string]*list.Element{}} }

// try runs check unless the address has to wait, and says how long it has to: 0 means check has run
// and ok is its result. check must be quick: it runs under the lock, so that many tries at once count
// one by one. strong says that the secret tried can't be guessed: nobody's failures count against it, nor
// does its own against anybody.
func (g *guesses) try(now time.Time, addr netip.Addr, target string, strong bool, check func() bool) (ok bool, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := bucket(addr)
	keys := [3]string{a + "|" + target, a + "|", "|" + target}
	rules := [3]rule{g.limits.pair, g.limits.addr, g.limits.target}
	known := false
	if c := g.find(keys[0]); c != nil {
		known = c.gotIn
	}
	for i, key := range keys {
		if strong || known && i > 0 {
			continue
		}
		if c := g.find(key); c != nil {
			wait = max(wait, rules[i].wait(c, now))
		}
	}
	if wait > 0 {
		return false, wait
	}
	ok = check()
	if ok {
		c := g.touch(keys[0])
		c.gotIn = true
		if !strong { // a guesser's neighbour must not give them free tries
			c.failures = 0
		}
		return true, 0
	}
	for i, key := range keys {
		if strong || known && i == 2 {
			continue
		}
		c := g.touch(key)
		if now.Sub(c.last) > forgetAfter {
			c.failures = 0
		}
		c.failures++
		c.last = now
	}
	return false, 0
}

// wait is how long the next try has to wait.
func (r rule) wait(c *counter, now time.Time) time.Duration {
	n := c.failures - r.free
	if n < 0 || c.failures == 0 || now.Sub(c.last) > forgetAfter {
		return 0
	}
	d := r.most
	if n < 20 {
		d = min(r.most, r.first<<n)
	}
	return max(0, c.last.Add(d).Sub(now))
}

func (g *guesses) find(key string) *counter {
	if e := g.byKey[key]; e != nil {
		return e.Value.(*counter)
	}
	return nil
}

// touch finds or makes a counter and makes it the last to be forgotten.
func (g *guesses) touch(key string) *counter {
	if e := g.byKey[key]; e != nil {
		g.order.MoveToFront(e)
		return e.Value.(*counter)
	}
	for len(g.byKey) >= g.limits.keep {
		oldest := g.order.Back()
		g.order.Remove(oldest)
		delete(g.byKey, oldest.Value.(*counter).key)
	}
	c := &counter{key: key}
	g.byKey[key] = g.order.PushFront(c)
	return c
}

// bucket is whom an address counts as: an IPv6 customer has a /64 at least.
func bucket(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return strings.TrimSpace(a.String())
}

// forgive takes back a failure that was counted in advance, and remembers that the address got in.
func (g *guesses) forgive(addr netip.Addr, target string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := bucket(addr)
	for _, key := range []string{a + "|", "|" + target} {
		if c := g.find(key); c != nil && c.failures > 0 {
			c.failures--
		}
	}
	c := g.touch(a + "|" + target)
	c.failures, c.gotIn = 0, true
}
