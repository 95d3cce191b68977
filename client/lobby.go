package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"parley/core/join"
	"parley/wire/proto"
)

// Wait is what a client makes ready while its person has not decided yet.
type Wait string

const (
	// WaitSite keeps a connection to the site open: Enter saves its two round trips.
	WaitSite Wait = "site"
	// WaitLobby looks the meeting up, opens the control channel and the media transports, and says nothing: Enter
	// costs half a round trip. What is not used within a minute is released; then Enter begins anew.
	WaitLobby Wait = "lobby"
)

const (
	lobbyFor  = time.Minute      // less than routers keep what nobody has claimed
	siteEvery = 30 * time.Second // less than servers keep an idle connection
)

// lobby is the state of the wait. Owned by the loop, but for entered.
type lobby struct {
	waits    bool          // Enter has not been called
	entered  chan struct{} // closed by Enter
	until    time.Time     // what is ready is released then; zero: nothing is
	released bool
	ready    bool      // told
	shift    int       // milliseconds from the start of the process to Enter
	beganAt  time.Time // of the process
}

// await starts the process, or what is to be ready when Enter comes.
func (c *Client) await(now time.Time) {
	l := &c.lobby
	l.beganAt = now
	switch c.cfg.Wait {
	case WaitSite:
		l.waits = true
		c.wg.Go(c.keepSite)
	case WaitLobby:
		l.waits, l.until = true, now.Add(lobbyFor)
		c.mind.Handle(now, join.Start{})
	default:
		close(l.entered)
		c.mind.Handle(now, join.Start{})
	}
}

// Enter joins, for a client that waits for it. Only the first call counts.
func (c *Client) Enter() { c.do(c.enter) }

func (c *Client) enter(now time.Time) {
	l := &c.lobby
	if !l.waits || c.over != nil {
		return
	}
	l.waits, l.until, c.media.startedAt = false, time.Time{}, now
	close(l.entered)
	if c.mind.State() == join.Idle {
		l.beganAt = now
		c.mind.Handle(now, join.Start{})
		return
	}
	l.shift = int(now.Sub(l.beganAt).Milliseconds())
}

// sinceClick makes the process's milliseconds those since Enter; what was done before keeps its own.
func (c *Client) sinceClick(ms int) int {
	if c.lobby.waits || ms < c.lobby.shift {
		return ms
	}
	return ms - c.lobby.shift
}

// tickLobby releases what has been ready for too long, and tells when it is ready.
func (c *Client) tickLobby(now time.Time) {
	l := &c.lobby
	if !l.waits {
		return
	}
	if l.until.IsZero() || now.Before(l.until) {
		if ch := c.control.ch; !l.ready && ch != nil && ch.stands && c.media.active[proto.GroupAudio] != nil {
			l.ready = true
			c.emit(Ready{})
		}
		return
	}
	l.released, l.until = true, time.Time{}
	c.mind.Handle(now, join.Leave{})
}

// startOver forgets the process: Enter starts another.
func (c *Client) startOver() {
	c.hands.stop("lookup")
	c.lobby.released, c.lobby.until = false, time.Time{}
	c.mind = c.newMind()
}

// keepSite keeps a connection to the site open until Enter, and for the request that follows.
func (c *Client) keepSite() {
	told := false
	for {
		ctx, cancel := context.WithTimeout(c.ctx, requestTimeout)
		ok := c.touchSite(ctx)
		cancel()
		if ok && !told {
			told = true
			c.post(func(time.Time) { c.emit(Ready{}) })
		}
		t := time.NewTimer(siteEvery)
		select {
		case <-t.C:
		case <-c.lobby.entered:
			t.Stop()
			return
		case <-c.ctx.Done():
			t.Stop()
			return
		}
	}
}

// touchSite makes a request of no consequence.
func (c *Client) touchSite(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.site.String(), "/")+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := c.requests.do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}
