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
	// closeNormal is the WebSocket close code after a Bye (RFC 6455 section 7.4.1): the reason is in it.
	closeNormal = 1000
)

// channel is one control channel: a WebSocket, the reader that posts its messages to the room, and the
// writer that empties its queue.
type channel struct {
	ws     *link.WebSocket
	claims proto.Claims
	caps   proto.Caps
	out    chan []byte
	said   chan struct{} // holds a token for each message that waits in the room's queue
	cancel context.CancelFunc

	heardAt atomic.Int64 // when the client last said something, nanoseconds since 1970

	mu  sync.Mutex
	bye []byte // last message; the writer closes after it
}

func newChannel(ws *link.WebSocket, claims proto.Claims, caps proto.Caps) *channel {
	return &channel{ws: ws, claims: claims, caps: caps, out: make(chan []byte, outQueue), said: make(chan struct{}, maxSaid)}
}

// send queues an encoded message. A full queue ends the channel: false.
func (c *channel) send(b []byte) bool {
	select {
	case c.out <- b:
		return true
	default:
		c.cancel()
		return false
	}
}

// close ends the channel with a last message.
func (c *channel) close(bye proto.Bye) {
	c.mu.Lock()
	first := c.bye == nil
	if first {
		c.bye = proto.Encode(bye)
	}
	c.mu.Unlock()
	if first {
		c.send(nil)
	}
}

// anyPage lets pages of every origin in: a control channel is opened by the signed hello inside it,
// never by a cookie, and a zone's routers have origins of their own (S22).
var anyPage = []string{"*"}

// serveControl is the life of one control channel.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closing || s.pending >= maxPending {
		s.mu.Unlock()
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	s.pending++
	s.tasks.Add(1)
	s.mu.Unlock()
	defer s.tasks.Done()
	helloDone := sync.OnceFunc(func() {
		s.mu.Lock()
		s.pending--
		s.mu.Unlock()
	})
	defer helloDone()

	ws, err := link.AcceptWebSocket(w, r, link.WSAccept{Origins: anyPage})
	if err != nil {
		return // AcceptWebSocket has answered
	}
	defer ws.CloseNow()
	ctx, cancel := context.WithTimeout(s.open, s.cfg.HelloTimeout)
	c, rm, err := s.hello(ctx, ws)
	cancel()
	helloDone()
	if err != nil {
		s.refuse(ws, err)
		return
	}
	s.serve(c, rm)
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.cancel = cancel
	// Coming and going are never dropped: a join would be refused for nothing, a seat never given up. The
	// room takes them as soon as it can, or has ended.
	if !rm.postWait(ctx, joined{c}) {
		s.refuse(c.ws, proto.NewError(proto.CodeShutdown, "The meeting is closing. Join again."))
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		defer cancel()
		s.write(ctx, c, rm)
	})
	why := s.read(ctx, c, rm)
	cancel()
	rm.postWait(context.Background(), gone{c, why})
	writer.Wait()
}

// read posts the client's messages to the room until the channel ends, and says why it ended.
func (s *Server) read(ctx context.Context, c *channel, rm *room) proto.Code {
	// One timer for the channel's life, where a context for each message would cost more than the message.
	silence := 3 * s.cfg.Heartbeat
	silent := time.AfterFunc(silence, c.cancel)
	defer silent.Stop()
	for {
		data, err := c.ws.Read(ctx)
		if err != nil {
			return proto.CodeLost
		}
		silent.Reset(silence)
		c.heardAt.Store(time.Now().UnixNano())
		msg, err := proto.Decode(data)
		if err != nil {
			var pe *proto.Error
			errors.As(err, &pe)
			c.send(proto.Encode(proto.Failed{Code: pe.Code, Text: pe.Text}))
			continue
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
	}
}

// write empties the queue. It pings a client that has not been heard for a heartbeat; one that pings by
// itself, as they all should, needs none of ours.
func (s *Server) write(ctx context.Context, c *channel, rm *room) {
	ended := rm.ended
	beat := time.NewTicker(s.cfg.Heartbeat)
	defer beat.Stop()
	late := time.AfterFunc(writeTimeout, c.cancel)
	defer late.Stop()
	var n int64
	for {
		late.Stop()
		var b []byte
		select {
		case b = <-c.out:
		case now := <-beat.C:
			if now.UnixNano()-c.heardAt.Load() < int64(s.cfg.Heartbeat) {
				continue
			}
			n++
			b = proto.Encode(proto.Ping{N: n})
		case <-ended:
			// Nothing happens to a channel that has its goodbye; one that came too late to be seen gets it now.
			c.close(proto.Bye{Code: proto.CodeShutdown, Text: "The meeting is closing. Join again."})
			ended = nil
			continue
		case <-ctx.Done():
			return
		}
		last := b == nil
		if last {
			c.mu.Lock()
			b = c.bye
			c.mu.Unlock()
		}
		late.Reset(writeTimeout)
		if err := c.ws.Write(ctx, b); err != nil || last {
			if last && err == nil {
				c.ws.Close(closeNormal, "")
			}
			return
		}
	}
}
