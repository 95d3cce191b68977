package mmr

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"parley/sys/link"
	"parley/sys/trust"
	"parley/wire/proto"
)

const (
	// outQueue is how many messages may wait for one slow client; one that falls further behind is
	// cut off and resumes with a fresh state, which is cheaper for everybody than feeding it history.
	outQueue = 512
	// maxSaid is how many of a client's messages may wait in its meeting's queue. Its socket is read no
	// further meanwhile, so that nobody fills the queue for the others.
	maxSaid = 16
	// writeTimeout bounds one message on the way out.
	writeTimeout = 5 * time.Second
	// beatGrid is what the heartbeats of all channels are aligned to: a wake-up of the process for each would
	// cost more than the ping.
	beatGrid = 100 * time.Millisecond
	// closeNormal is the WebSocket close code after a Bye (RFC 6455 section 7.4.1): the reason is in it.
	closeNormal = 1000
)

// channel is one control channel: a WebSocket, the goroutine that posts its messages to the room, and what
// is to be said to it. A goroutine writes while there is something to write, and none else: a quiet channel
// is one stack.
type channel struct {
	ws     *link.WebSocket
	claims proto.Claims
	caps   proto.Caps
	said   chan struct{} // holds a token for each message that waits in the room's queue

	began   time.Time    // of the channel, from which the next two are counted: a clock that is set right moves neither
	heardAt atomic.Int64 // when the client last said something, in nanoseconds
	wroteAt atomic.Int64 // when the message on its way out began, 0 for none

	mu      sync.Mutex
	queue   [][]byte    // to be written; guarded by mu
	first   [2][]byte   // room of a short queue: an answer to a heartbeat is to cost no more than itself
	bye     []byte      // last message; the writer closes after it; guarded by mu
	writing bool        // somebody writes, or writing has not begun; guarded by mu
	over    bool        // nothing is written any more; guarded by mu
	beat    *time.Timer // guarded by mu
	writers sync.WaitGroup
	written func() // write, a value made once
}

func newChannel(ws *link.WebSocket, claims proto.Claims, caps proto.Caps) *channel {
	c := &channel{ws: ws, claims: claims, caps: caps, began: time.Now(), said: make(chan struct{}, maxSaid), writing: true}
	c.queue = c.first[:0]
	c.written = func() {
		defer c.writers.Done()
		c.write()
	}
	return c
}

// send queues an encoded message. A full queue ends the channel: false.
func (c *channel) send(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.bye != nil {
		return true
	}
	if len(c.queue) >= outQueue {
		c.over = true
		c.writers.Go(func() { c.ws.CloseNow() }) // which may wait for the writer
		return false
	}
	c.queue = append(c.queue, b)
	c.writeLocked()
	return true
}

// close ends the channel with a last message.
func (c *channel) close(bye proto.Bye) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.bye != nil {
		return
	}
	c.bye = proto.Encode(bye)
	c.writeLocked()
}

// writeLocked sees to it that somebody writes.
func (c *channel) writeLocked() {
	if !c.writing {
		c.writing = true
		c.writers.Add(1)
		go c.written()
	}
}

// write empties the queue, and ends the channel after a goodbye or an error.
func (c *channel) write() {
	for {
		c.mu.Lock()
		var b []byte
		last := false
		switch {
		case c.over:
			c.mu.Unlock()
			return
		case len(c.queue) > 0:
			b, c.queue[0] = c.queue[0], nil
			c.queue = c.queue[1:]
		case c.bye != nil:
			b, last = c.bye, true
		default:
			c.writing, c.queue = false, c.first[:0]
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.wroteAt.Store(max(c.since(time.Now()), 1))
		err := c.ws.Write(context.Background(), b)
		c.wroteAt.Store(0)
		if err == nil && last {
			err = c.ws.Close(closeNormal, "")
		}
		if err != nil || last {
			c.end()
			return
		}
	}
}

// end cuts the connection: its reader returns, and nothing is written any more.
func (c *channel) end() {
	c.mu.Lock()
	c.over, c.queue = true, nil
	if c.beat != nil {
		c.beat.Stop()
	}
	c.mu.Unlock()
	c.ws.CloseNow()
}

func (c *channel) since(t time.Time) int64 { return int64(t.Sub(c.began)) }

// hear notes that the client has said something.
func (c *channel) hear(now time.Time) { c.heardAt.Store(c.since(now)) }

// watch looks after the channel from now on: it pings a client that has not been heard for a heartbeat (one
// that pings by itself, as they all should, needs none of ours), and cuts off one that has not been heard for
// three, or takes too long to take a message.
func (c *channel) watch(heartbeat time.Duration, ended <-chan struct{}) {
	now := time.Now()
	c.hear(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	var pings int64
	due := now.Add(heartbeat)
	c.beat = time.AfterFunc(heartbeat, func() {
		now := time.Now()
		next, ping := c.judge(now, due, heartbeat)
		select {
		case <-ended:
			// Nothing happens to a channel that has its goodbye; one that came too late to be seen gets it now.
			c.close(proto.Bye{Code: proto.CodeShutdown, Text: "The meeting is closing. Join again."})
		default:
		}
		if next <= 0 {
			c.end()
			return
		}
		if ping {
			pings++
			c.send(proto.Encode(proto.Ping{N: pings}))
		}
		next += beatGrid - time.Duration(now.Add(next).UnixNano())%beatGrid
		due = now.Add(next)
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.over {
			c.beat.Reset(next)
		}
	})
}

// judge is what a heartbeat that was due then finds: when to look again, 0 or less if the channel is to be cut off,
// and whether to ping. For how long the beat is late this process stood still, or had no time: what clients have said
// meanwhile is still to be read, and to cut off everybody at once for it would make the worst of it.
func (c *channel) judge(now, due time.Time, heartbeat time.Duration) (next time.Duration, ping bool) {
	late := int64(max(now.Sub(due), 0))
	quiet := time.Duration(c.since(now) - c.heardAt.Add(late))
	next = min(heartbeat, 3*heartbeat-quiet)
	if at := c.wroteAt.Load(); at != 0 {
		if c.wroteAt.CompareAndSwap(at, at+late) {
			at += late
		}
		next = min(next, writeTimeout-time.Duration(c.since(now)-at))
	}
	return next, quiet >= heartbeat
}

// anyPage lets pages of every origin in: a control channel is opened by the signed hello inside it,
// never by a cookie, and a zone's routers have origins of their own (S22).
var anyPage = []string{"*"}

// serveControl is the life of one control channel.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(s.open, s.cfg.HelloTimeout)
	defer cancel()
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	waits := s.pending.enter(clientAddr(r), cancel)
	s.tasks.Add(1)
	s.mu.Unlock()
	defer s.tasks.Done()
	helloDone := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pending.leave(waits)
	}
	defer helloDone()

	ws, err := link.AcceptWebSocket(w, r, link.WSAccept{Origins: anyPage})
	if err != nil {
		return // AcceptWebSocket has answered
	}
	c, rm, err := s.hello(ctx, ws)
	helloDone()
	if err != nil {
		s.refuse(ws, err)
		ws.CloseNow()
		return
	}
	// On a goroutine of its own: what the handshake and the request needed of stack and buffers goes with this one.
	s.tasks.Go(func() { s.serve(c, rm) })
}

// hello reads and checks the first message and finds the meeting's room.
func (s *Server) hello(ctx context.Context, ws *link.WebSocket) (*channel, *room, error) {
	data, err := ws.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	msg, err := proto.Decode(data)
	if err != nil {
		return nil, nil, err
	}
	h, ok := msg.(proto.Hello)
	if !ok {
		return nil, nil, proto.NewError(proto.CodeBadRequest, "The first message must be a hello.")
	}
	if !proto.Compatible(h.V) {
		return nil, nil, proto.NewError(proto.CodeTooOld, "This client is too old for this server. Update it.")
	}
	now := time.Now()
	claims, err := s.cfg.Verifier.Claims(h.Token, now, "zone:"+s.cfg.Zone)
	if err != nil {
		return nil, nil, err
	}
	if err := trust.CheckHello(h, claims, s.cfg.ID, now); err != nil {
		if pe, ok := errors.AsType[*proto.Error](err); ok && pe.Code == proto.CodeTokenExpired {
			s.clock.look(s.log, now, h, claims)
		}
		return nil, nil, err
	}
	if code := s.isRevoked(claims, now); code != "" {
		text := map[proto.Code]string{
			proto.CodeEnded:   "This meeting has ended.",
			proto.CodeEjected: "A host has removed you from this meeting.",
		}[code]
		return nil, nil, proto.NewError(code, text)
	}
	if err := s.replay.Check(now, h); err != nil {
		return nil, nil, err
	}
	if name, ok := proto.CleanName(h.Name); ok && claims.User == "" {
		claims.Name = name // typed after the lookup
	}
	rm, err := s.room(claims)
	if err != nil {
		return nil, nil, err
	}
	return newChannel(ws, claims, h.Caps), rm, nil
}

// refuse says why and closes. Errors that are not for the client's eyes become "internal".
func (s *Server) refuse(ws *link.WebSocket, err error) {
	var pe *proto.Error
	if !errors.As(err, &pe) {
		return // the peer went away or timed out: nobody to tell
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if ws.Write(ctx, proto.Encode(proto.Bye{Code: pe.Code, Text: pe.Text, Grant: pe.Grant})) == nil {
		ws.Close(closeNormal, string(pe.Code))
	}
}

// serve runs an accepted channel until either side ends it.
func (s *Server) serve(c *channel, rm *room) {
	defer c.writers.Wait()
	defer c.end()
	// Coming and going are never dropped: a join would be refused for nothing, a seat never given up. The
	// room takes them as soon as it can, or has ended.
	if !rm.postWait(context.Background(), joined{c}) {
		s.refuse(c.ws, proto.NewError(proto.CodeShutdown, "The meeting is closing. Join again."))
		return
	}
	c.watch(s.cfg.Heartbeat, rm.ended)
	c.writers.Go(c.write) // what the room has had to say already
	why := s.read(c, rm)
	rm.postWait(context.Background(), gone{c, why})
}

// read posts the client's messages to the room until the channel ends, and says why it ended. Each message is
// decoded on a stack that goes with it: decoding takes twice what waiting for the next one takes, and a stack
// that has grown for it would hardly shrink again (4 KiB a participant, bench/load TestAReceiverIsLight).
func (s *Server) read(c *channel, rm *room) (why proto.Code) {
	ctx := context.Background() // end is what interrupts
	taken := make(chan struct{})
	var data []byte
	take := func() { // a value made once
		why = c.take(ctx, data, rm)
		taken <- struct{}{}
	}
	for why == "" {
		var err error
		if data, err = c.ws.Read(ctx); err != nil {
			return proto.CodeLost
		}
		c.hear(time.Now())
		go take()
		<-taken
	}
	return why
}

// take is what is done with one message; it returns why the channel ends, if it does.
func (c *channel) take(ctx context.Context, data []byte, rm *room) (why proto.Code) {
	msg, err := proto.Decode(data)
	if err != nil {
		var pe *proto.Error
		errors.As(err, &pe)
		c.send(proto.Encode(proto.Failed{Code: pe.Code, Text: pe.Text}))
		return ""
	}
	switch m := msg.(type) {
	case proto.Ping:
		c.send(proto.Encode(proto.Pong{N: m.N}))
	case proto.Pong:
	case proto.Unknown:
		c.send(proto.Encode(proto.Failed{Code: proto.CodeUnsupported, Text: "unknown message type", Re: m.T}))
	case proto.Bye:
		return proto.CodeLeft
	default:
		if !rm.say(ctx, c, msg) {
			return proto.CodeLost
		}
	}
	return ""
}
