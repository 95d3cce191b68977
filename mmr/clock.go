package mmr

import (
	"log/slog"
	"sync"
	"time"

	"parley/sys/trust"
	"parley/wire/proto"
)

const (
	fromLookup = 10 * time.Second // a hello that is made so soon after its token comes straight from the lookup
	doubtEvery = time.Minute      // between two warnings
)

// clockDoubt warns of a clock that can't be the site's: hellos that come straight from the lookup look old, or are from
// the future. Nobody can join then. Zero value ready; safe for concurrent use.
type clockDoubt struct {
	mu       sync.Mutex
	warnedAt time.Time // guarded by mu
}

// look takes in a hello that is well signed, with its claims. Its time and the token's are the site's; a client that kept
// it back is believed once a minute.
func (d *clockDoubt) look(log *slog.Logger, now time.Time, h proto.Hello, c proto.Claims) {
	made, issued := time.UnixMilli(h.At), time.Unix(c.Issued, 0)
	off := now.Sub(made)
	// Tokens are dated in whole seconds.
	if off.Abs() <= trust.HelloWindow || made.Before(issued.Add(-time.Second)) || made.After(issued.Add(fromLookup)) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.warnedAt.IsZero() && now.Sub(d.warnedAt) < doubtEvery {
		return
	}
	d.warnedAt = now
	log.Warn("this machine's clock and the site's differ, and clients are refused for it", "ahead_s", int(off.Seconds()))
}
