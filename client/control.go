package client

import (
	"context"
	"sync/atomic"
	"time"

	"parley/core/join"
	"parley/sys/link"
	"parley/sys/trust"
	"parley/wire/proto"
)

// The heartbeat of the control channel: with a ping every two seconds a lost router is noticed within
// five.
const (
	pingEvery    = 2 * time.Second
	silenceLimit = 4500 * time.Millisecond
	helloLimit   = 1500 * time.Millisecond // for the first word to a hello sent with the upgrade; less than pingEvery
	writeTimeout = 5 * time.Second
	byeTimeout   = 500 * time.Millisecond
	queueLen     = 256 // messages waiting to be written
)

// control is the control channel. Owned by the loop.
type control struct {
	ch       *channel
	leaving  *channel // said goodbye last
	heardAt  time.Time
	pingAt   time.Time
	pings    int64
	pingedAt map[int64]time.Time
	rtt      time.Duration
}

// channel is one WebSocket with its two goroutines.
type channel struct {
	attempt int
	out     chan []byte
	cancel  context.CancelFunc
	said    chan struct{} // closed when the writer has ended: the goodbye is out
	stands  bool          // the hello waits for Enter
	up      bool          // it stands, hello sent
	in      bool          // welcomed
	heard   bool          // the router has said something

	eager   bool     // the hello left with the upgrade request
	opening [][]byte // what was said right behind the hello; nil: it is to be said again
}

// openControl dials the router and says hello, and right behind it what this client sends: so sound is let
// through half a round trip later. Where nobody reads HTTP on the way the hello leaves with the upgrade request.
func (c *Client) openControl(a join.OpenControl, now time.Time) {
	ctx, cancel := context.WithCancel(c.ctx)
	ch := &channel{attempt: a.Attempt, out: make(chan []byte, queueLen), said: make(chan struct{}), cancel: cancel}
	c.control = control{ch: ch, pingedAt: map[int64]time.Time{}, heardAt: now, rtt: c.control.rtt}
	c.media.greeted = false
	ch.eager = !c.patient && !c.hands.inspected && !c.lobby.waits
	for _, m := range c.announcement() {
		ch.opening = append(ch.opening, proto.Encode(m))
	}
	greeting := greeting{hello: c.newHello(a.Grant.Router, now), opening: ch.opening, eager: ch.eager}
	waits := c.lobby.waits
	conn, drop := c.controlAhead(a)
	dial := link.WSDial{
		Host: c.hostTo(a.Via, server{a.Grant.Zone, a.Grant.Router}), URL: a.Grant.URL + "/control",
		TLS: c.cfg.TLS, MaxMessage: proto.MaxServerMessageLen, Ahead: conn,
	}
	c.wg.Go(func() {
		defer cancel()
		defer drop()
		ws, said, err := c.dialControl(ctx, ch, dial, greeting)
		if err != nil {
			_, text := blame(err)
			c.tell(join.ControlLost{Attempt: a.Attempt, Text: text})
			return
		}
		defer ws.CloseNow()
		read := func() {
			c.wg.Go(func() {
				defer cancel()
				c.read(ctx, ws, ch)
			})
		}
		if waits {
			read() // nothing comes yet, but the end may
			if !c.waitForEnter(ctx, ch) {
				return
			}
		}
		c.post(func(now time.Time) { // before anything that the router says
			if c.control.ch == ch {
				ch.up = true
				c.control.heardAt, c.control.pingAt = now, now.Add(pingEvery)
			}
			c.mind.Handle(now, join.ControlUp{Attempt: a.Attempt})
		})
		if !said {
			for _, b := range greeting.messages() {
				if ws.Write(ctx, b) != nil {
					c.tell(join.ControlLost{Attempt: a.Attempt, Text: "the connection broke"})
					return
				}
			}
			c.post(func(now time.Time) { c.greeted(now, ch) })
		}
		if !waits {
			read()
		}
		write(ctx, ws, ch)
	})
}

// greeting is what opens a control channel.
type greeting struct {
	hello   func() []byte // a new one each time
	opening [][]byte      // right behind it
	eager   bool          // it leaves with the upgrade request
}

func (g *greeting) messages() [][]byte { return append([][]byte{g.hello()}, g.opening...) }

// dialControl opens the channel; said: the greeting is out already. Where something on the way, or the server,
// wants a client to wait with it, it is dialled again, and from then on the client waits.
func (c *Client) dialControl(ctx context.Context, ch *channel, dial link.WSDial, g greeting) (ws *link.WebSocket, said bool, err error) {
	if !g.eager {
		ws, err = link.DialWebSocket(ctx, dial)
		return ws, false, err
	}
	var out atomic.Bool
	dial.First = func() [][]byte {
		out.Store(true)
		c.post(func(now time.Time) { c.greeted(now, ch) })
		return g.messages()
	}
	if ws, err = link.DialWebSocket(ctx, dial); err == nil || !out.Load() || ctx.Err() != nil {
		return ws, true, err
	}
	c.post(func(time.Time) { c.patient, ch.eager = true, false })
	dial.First, dial.Ahead = nil, nil
	ws, err = link.DialWebSocket(ctx, dial)
	return ws, false, err
}

// waitForEnter holds a hello back; false: ctx has ended first.
func (c *Client) waitForEnter(ctx context.Context, ch *channel) bool {
	c.post(func(now time.Time) {
		ch.stands = true
		c.mind.Handle(now, join.ControlStands{Attempt: ch.attempt})
	})
	select {
	case <-c.lobby.entered:
		return true
	case <-ctx.Done():
		return false
	}
}

// newHello makes hellos for one router, each with the time it is signed at.
func (c *Client) newHello(router string, now time.Time) func() []byte {
	token, at, identity := c.hands.token, c.mind.ServerTime(now), c.identity
	hello := proto.Hello{
		V: proto.Version, Build: c.cfg.Build, Token: token, Key: identity.Key(),
		Caps: proto.Caps{
			Client: "native", Codecs: []string{"VP8", "VP9", "H264", "AV1"},
			VideoSlots: c.cfg.Slots, OneGroup: c.cfg.OneGroup,
		},
	}
	return func() []byte {
		h := hello
		h.Nonce, h.At = trust.NewNonce(), at+time.Since(now).Milliseconds()
		h.Sig = identity.SignHello(token, router, h.At, h.Nonce)
		return proto.Encode(h)
	}
}

// greeted: the hello is on its way, and half a round trip later the router lets sound through.
func (c *Client) greeted(now time.Time, ch *channel) {
	if c.control.ch == ch {
		c.media.greeted = true
		c.startSending(now)
	}
}

// read posts what arrives until the channel ends.
func (c *Client) read(ctx context.Context, ws *link.WebSocket, ch *channel) {
	for {
		b, err := ws.Read(ctx)
		if err != nil {
			c.tell(join.ControlLost{Attempt: ch.attempt, Text: "the connection broke"})
			return
		}
		m, err := proto.Decode(b)
		if err != nil {
			c.log.Warn("a message of the router can't be read", "err", err)
			continue
		}
		c.post(func(now time.Time) {
			if c.control.ch == ch {
				c.control.heardAt, ch.heard = now, true
				c.heard(now, ch, m)
			}
		})
	}
}

// write sends what is queued; a nil message ends the channel in an orderly way.
func write(ctx context.Context, ws *link.WebSocket, ch *channel) {
	defer close(ch.said)
	defer ch.cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-ch.out:
			if b == nil {
				ws.Close(1000, "")
				return
			}
			wctx, cancel := context.WithTimeout(ctx, writeTimeout)
			err := ws.Write(wctx, b)
			cancel()
			if err != nil {
				return
			}
		}
	}
}

// dropControl cuts the channel off. The router keeps the seat for a while.
func (c *Client) dropControl(attempt int) {
	if ch := c.control.ch; ch != nil && ch.attempt == attempt {
		c.control.ch = nil
		ch.cancel()
	}
}

// closeControl says goodbye and drops the channel. Attempt 0 means whichever there is.
func (c *Client) closeControl(attempt int) {
	ch := c.control.ch
	if ch == nil || attempt != 0 && ch.attempt != attempt {
		return
	}
	c.control.ch = nil
	if !ch.up {
		ch.cancel()
		return
	}
	select {
	case ch.out <- proto.Encode(proto.Bye{Code: proto.CodeLeft}):
	default:
	}
	select {
	case ch.out <- nil:
	default:
		ch.cancel()
		return
	}
	// The goodbye must not hold up what comes next; the writer gets a moment and is then cut off.
	time.AfterFunc(byeTimeout, ch.cancel)
	c.control.leaving = ch
}

// finishGoodbye waits for the last goodbye to be out, for half a second at most.
func (c *Client) finishGoodbye() {
	if c.control.leaving != nil {
		<-c.control.leaving.said
	}
}

// send queues a control message. A full queue means a router that does not read: the channel is given
// up rather than messages lost out of the middle.
func (c *Client) send(m proto.Message) {
	ch := c.control.ch
	if ch == nil || !ch.up {
		return
	}
	select {
	case ch.out <- proto.Encode(m):
	default:
		ch.cancel()
	}
}

// tickControl keeps the heartbeat.
func (c *Client) tickControl(now time.Time) {
	ch := c.control.ch
	if ch == nil || !ch.up {
		return
	}
	if now.Sub(c.control.heardAt) >= ch.patience() {
		c.patient = c.patient || ch.eager && !ch.heard
		c.loseControl(now)
		return
	}
	if !now.Before(c.control.pingAt) {
		c.ask(now)
	}
}

// patience is how long the router may be silent. One that took the upgrade and says nothing to a hello sent
// with it has perhaps not been handed that.
func (ch *channel) patience() time.Duration {
	if ch.eager && !ch.heard {
		return helloLimit
	}
	return silenceLimit
}

// ask sends a ping, where there is a channel.
func (c *Client) ask(now time.Time) {
	if c.control.ch == nil || !c.control.ch.up {
		return
	}
	c.control.pings++
	c.control.pingedAt[c.control.pings] = now
	delete(c.control.pingedAt, c.control.pings-4)
	c.control.pingAt = now.Add(pingEvery)
	c.send(proto.Ping{N: c.control.pings})
}

// loseControl gives up a channel that has fallen silent.
func (c *Client) loseControl(now time.Time) bool {
	ch := c.control.ch
	if ch == nil || !ch.up {
		return false
	}
	c.control.ch = nil
	ch.cancel()
	c.requests.renew() // it may have been the network, and then other connections are as dead
	c.tunnels.renew()
	c.mind.Handle(now, join.ControlLost{Attempt: ch.attempt, Text: "the server fell silent"})
	return true
}

// wakeControl is when tickControl has something to do.
func (c *Client) wakeControl() time.Time {
	if c.control.ch == nil || !c.control.ch.up {
		return time.Time{}
	}
	at := c.control.heardAt.Add(c.control.ch.patience())
	if c.control.pingAt.Before(at) {
		at = c.control.pingAt
	}
	return at
}

// heard dispatches one message of the router.
func (c *Client) heard(now time.Time, ch *channel, m proto.Message) {
	switch m := m.(type) {
	case proto.Welcome:
		c.handleWelcome(now, ch, m)
	case proto.Waiting:
		ch.opening, c.media.greeted = nil, false
		c.mind.Handle(now, join.WaitingRoom{Attempt: ch.attempt, Topic: m.Topic})
	case proto.Bye:
		c.handleBye(now, ch, m)
	case proto.Ping:
		c.send(proto.Pong{N: m.N})
	case proto.Pong:
		if at, ok := c.control.pingedAt[m.N]; ok {
			c.control.rtt = now.Sub(at)
			delete(c.control.pingedAt, m.N)
		}
	case proto.Failed:
		c.emit(Denied(m))
	case proto.Slots:
		c.handleSlots(now, m)
	case proto.Roster:
		c.handleRoster(m)
	case proto.State:
		c.room.state = m
		c.publishView()
		c.emit(Switches(m))
	case proto.Speakers:
		c.emit(Speakers(m))
	case proto.Chat:
		c.emit(ChatLine(m))
	case proto.React:
		c.emit(Reaction(m))
	case proto.AskUnmute:
		c.emit(UnmuteAsked{Kind: m.Kind.String(), By: m.By})
	case proto.Wanted:
		c.emit(Wanted{Kind: m.Kind.String(), RIDs: m.RIDs})
	case proto.Unknown:
		c.send(proto.Failed{Code: proto.CodeUnsupported, Text: "unknown message", Re: m.T})
	}
}

func (c *Client) handleBye(now time.Time, ch *channel, m proto.Bye) {
	refused := join.Refused{Attempt: ch.attempt, Code: m.Code, Text: m.Text}
	if grant, ok := c.grant(m.Grant); ok {
		refused.Grant = &grant
	}
	c.control.ch = nil
	ch.cancel()
	c.mind.Handle(now, refused)
}

// keepReport keeps the record of the process readable from outside.
func (c *Client) keepReport() {
	r := c.mind.Explain()
	c.view.mu.Lock()
	c.view.report = r
	c.view.mu.Unlock()
}
