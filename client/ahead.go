package client

import (
	"context"
	"slices"

	"parley/core/join"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
)

// ahead is what is open to one router while it is not known yet whether it is the one: the connection that its
// control channel will use, on which nothing is said, and the audio transport over UDP, with its credentials
// shown and its keys under way. Owned by the loop.
type ahead struct {
	control *link.Ahead // nil once taken
	cancel  context.CancelFunc
	ufrag   string   // of the audio transport
	way     *rtc.Way // nil where there is none, or once taken
}

// prepare opens both.
func (c *Client) prepare(a join.Prepare) {
	g := a.Grant
	if _, ok := c.hands.ahead[g.Router]; ok {
		return
	}
	ctx, cancel := context.WithCancel(c.ctx)
	h := ahead{cancel: cancel, control: link.NewAhead(link.WSDial{Host: c.host, URL: g.URL + "/control", TLS: c.cfg.TLS})}
	c.wg.Go(func() {
		defer cancel()
		if err := h.control.Open(ctx); err != nil {
			c.log.Debug("nothing opened ahead", "router", g.Router)
		}
	})
	udp := func(x proto.Candidate) bool { return x.Rung == proto.UDP8801 }
	audio := slices.IndexFunc(g.Groups, func(x proto.Credentials) bool { return x.Group == proto.GroupAudio })
	if audio >= 0 && slices.Contains(c.cfg.Rungs, proto.UDP8801) && slices.ContainsFunc(g.Candidates, udp) {
		start := join.StartTransport{
			Group: proto.GroupAudio, Rung: proto.UDP8801, Router: g.Router,
			Candidates: g.Candidates, Credentials: g.Groups[audio], Fingerprint: g.Fingerprint,
		}
		h.ufrag = start.Credentials.Ufrag
		h.way = c.carrierFor(start, g).rtc.Try(start.Rung, start.Candidates)
	}
	c.hands.ahead[g.Router] = h
}

// controlAhead takes what was opened ahead for a control channel, and what gives it up; nil where nothing was.
func (c *Client) controlAhead(a join.OpenControl) (*link.Ahead, context.CancelFunc) {
	h, ok := c.hands.ahead[a.Grant.Router]
	if !ok || a.Via != "" || h.control == nil {
		return nil, func() {}
	}
	conn := h.control
	h.control = nil
	c.hands.ahead[a.Grant.Router] = h
	return conn, h.cancel
}

// wayAhead takes the way on which a transport is tried already, nil where there is none.
func (c *Client) wayAhead(a join.StartTransport) *rtc.Way {
	h, ok := c.hands.ahead[a.Router]
	if !ok || h.way == nil || h.ufrag != a.Credentials.Ufrag || a.Rung != proto.UDP8801 {
		return nil
	}
	way := h.way
	h.way = nil
	c.hands.ahead[a.Router] = h
	return way
}

// dropAhead closes what has not been taken.
func (c *Client) dropAhead() {
	for _, h := range c.hands.ahead {
		if h.control != nil {
			h.cancel()
		}
		if h.way != nil {
			if cr := c.media.carriers[h.ufrag]; cr != nil && cr.lanes == 0 {
				delete(c.media.carriers, h.ufrag)
			}
			c.wg.Go(h.way.Close)
		}
	}
	clear(c.hands.ahead)
}
