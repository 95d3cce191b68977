package mmr

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
)

// Media over TCP and TLS (S11): each connection is a stream of packets of one peer, read by a goroutine
// that hands what it read to the shard and waits until the shard is done with it. So a peer that sends
// faster than the shard takes fills its own connection, and nobody else's queue.

const (
	// checkBy is how long a connection may be without a transport: no valid check yet, or its transport gone.
	checkBy = 5 * time.Second
	// quietFor ends a connection on which nothing arrives: clients check every 2.5 s.
	quietFor = 15 * time.Second
	// maxStrangers bounds connections without a valid check, and of one address: an office behind one
	// address joins with three connections each.
	maxStrangers     = 2000
	strangersPerAddr = 150
	// maxStreamConns bounds all of them: three for each seat there may be.
	maxStreamConns = 3 * maxPeers
	// streamBatch is how many packets one turn takes from one connection.
	streamBatch = 8
)

// StreamEnd is why a media connection was refused or closed.
type StreamEnd uint8

// The reasons.
const (
	StreamClosed   StreamEnd = iota // by the peer, or its transport broke
	StreamUnproven                  // no valid check came in time, or its transport has gone
	StreamQuiet                     // nothing arrived any more
	StreamFraming                   // not packets
	StreamFull                      // too many connections
	StreamCrowd                     // too many without a check from one address
	StreamShutdown                  // the plane ends
	nStreamEnds
)

// String is the metric label.
func (e StreamEnd) String() string {
	names := [nStreamEnds]string{"stream_closed", "stream_unproven", "stream_quiet", "stream_framing", "stream_full", "stream_crowd", "stream_shutdown"}
	if e < nStreamEnds {
		return names[e]
	}
	return "unknown"
}

// streams are a plane's media connections. Safe for concurrent use.
type streams struct {
	ends    [nStreamEnds]atomic.Uint64
	refused atomic.Uint64 // packets for which a connection had no room
	foreign atomic.Uint64 // what TURN clients wanted relayed to anybody but us
	over    chan struct{} // closed when the shard has ended
	wg      sync.WaitGroup

	mu        sync.Mutex
	closed    bool // no more
	all       map[io.Closer]struct{}
	strangers map[netip.Addr]int // without a valid check, by address
	nStrange  int
}

func newStreams() *streams {
	return &streams{over: make(chan struct{}), all: map[io.Closer]struct{}{}, strangers: map[netip.Addr]int{}}
}

// enter registers a connection, or says why it is refused.
func (s *streams) enter(c io.Closer, addr netip.Addr) (why StreamEnd, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return StreamShutdown, false
	case len(s.all) >= maxStreamConns || s.nStrange >= maxStrangers:
		return StreamFull, false
	case s.strangers[addr] >= strangersPerAddr:
		return StreamCrowd, false
	}
	s.all[c] = struct{}{}
	s.strangers[addr]++
	s.nStrange++
	s.wg.Add(1)
	return 0, true
}

// known says that the one at an address is no stranger any more: it has shown a valid check.
func (s *streams) known(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knownLocked(addr)
}

func (s *streams) knownLocked(addr netip.Addr) {
	if s.strangers[addr]--; s.strangers[addr] <= 0 {
		delete(s.strangers, addr)
	}
	s.nStrange--
}

func (s *streams) leave(c io.Closer, addr netip.Addr, stranger bool, why StreamEnd) {
	s.mu.Lock()
	delete(s.all, c)
	if stranger {
		s.knownLocked(addr)
	}
	s.mu.Unlock()
	s.ends[why].Add(1)
	s.wg.Done()
}

// end closes all and waits until each has been let go.
func (s *streams) end() {
	s.mu.Lock()
	s.closed = true
	all := slices.Collect(maps.Keys(s.all))
	s.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
	s.wg.Wait()
}

// drops adds what was counted to a plane's drops.
func (s *streams) drops(out map[string]uint64) {
	for i := range s.ends {
		if n := s.ends[i].Load(); n > 0 && StreamEnd(i) != StreamClosed && StreamEnd(i) != StreamShutdown {
			out[StreamEnd(i).String()] = n
		}
	}
	if n := s.refused.Load(); n > 0 {
		out["stream_packets"] = n
	}
	if n := s.foreign.Load(); n > 0 {
		out["turn_foreign"] = n
	}
}

// ServeStream carries the media of one connection until it ends, and closes it. Called from any goroutine
// of its own.
func (p *Plane) ServeStream(st *link.Stream) {
	addr := st.RemoteAddr().Addr()
	why, ok := p.streams.enter(st, addr)
	if !ok {
		p.streams.ends[why].Add(1)
		st.Close()
		return
	}
	r := streamReader{p: p, s: p.shards[0], st: st, b: streamBatchOf(st), done: make(chan struct{}, 1), provenAt: time.Now()}
	why = r.run()
	st.Close()
	if r.proven {
		r.s.do(func(now time.Time) { r.s.mux.Unlink(now, st, st.RemoteAddr()) })
	}
	p.streams.refused.Add(st.Refused())
	p.streams.leave(st, addr, !r.proven, why)
}

// streamReader is the reading side of one connection.
type streamReader struct {
	p        *Plane
	s        *shard // whose the peer is: see belongs
	st       *link.Stream
	b        *batch
	done     chan struct{} // the shard is done with b
	proven   bool          // a valid check has come
	linked   bool          // set by the shard: a transport uses this connection
	provenAt time.Time     // when one last did
}

func streamBatchOf(st *link.Stream) *batch {
	b := &batch{via: st, ms: make([]link.Message, streamBatch)}
	arena := make([]byte, streamBatch*maxDatagram)
	for i := range b.ms {
		b.ms[i].Buf = arena[i*maxDatagram : (i+1)*maxDatagram : (i+1)*maxDatagram]
	}
	return b
}

func (r *streamReader) run() StreamEnd {
	deliver := r.deliver // once: a packet must not cost an allocation
	var deadline time.Time
	for {
		// A deadline is moved once a second at most: it costs more than reading does.
		now := time.Now()
		next := r.provenAt.Add(checkBy)
		if r.linked {
			next = now.Add(quietFor)
		}
		if d := next.Sub(deadline); d > time.Second || d < 0 {
			deadline = next
			if r.st.SetReadDeadline(deadline) != nil {
				return r.ended(StreamClosed)
			}
		}
		n, err := r.st.ReadBatch(r.b.ms)
		switch {
		case errors.Is(err, link.ErrStreamPacket):
			return StreamFraming
		case err != nil && !time.Now().Before(deadline) && r.linked:
			return StreamQuiet
		case err != nil && !time.Now().Before(deadline):
			return StreamUnproven
		case err != nil:
			return r.ended(StreamClosed)
		}
		r.b.n = n
		if !r.linked {
			r.belongs(time.Now())
		}
		r.s.do(deliver)
		select {
		case <-r.done:
		case <-r.p.streams.over:
			return StreamShutdown
		}
		now = time.Now()
		switch {
		case r.linked && !r.proven:
			r.proven = true
			r.p.streams.known(r.st.RemoteAddr().Addr())
			fallthrough
		case r.linked:
			r.provenAt = now
		case now.Sub(r.provenAt) >= checkBy:
			return StreamUnproven
		}
	}
}

// ended is why, or the plane's end where that closed the connection.
func (r *streamReader) ended(why StreamEnd) StreamEnd {
	r.p.streams.mu.Lock()
	defer r.p.streams.mu.Unlock()
	if r.p.streams.closed {
		return StreamShutdown
	}
	return why
}

// belongs finds the shard the peer belongs to, by the check a connection begins with.
func (r *streamReader) belongs(now time.Time) {
	for i := range r.b.ms[:r.b.n] {
		if m := &r.b.ms[i]; isSTUN(m.Buf[:m.N]) {
			if s, ok := r.p.shardFor(now, userOf(m.Buf[:m.N])); ok {
				r.s = s
			}
		}
	}
}

// deliver runs on the shard's goroutine.
func (r *streamReader) deliver(now time.Time) {
	s := r.s
	s.take(now, r.st, r.b.ms[:r.b.n])
	r.linked = s.mux.Linked(r.st, r.st.RemoteAddr())
	r.done <- struct{}{}
}

// bind binds one address for UDP and, with tcp, for TCP: that first, exclusively, so that no second
// process shares the UDP port in silence. Port 0 becomes one that is free for both.
func (p *Plane) bind(a netip.AddrPort, tcp bool) error {
	const tries = 16
	for n := 1; ; n++ {
		var ln net.Listener
		at := a
		if tcp {
			var err error
			if ln, err = p.cfg.Host.Listen(a); err != nil {
				return err
			}
			if t, ok := ln.Addr().(*net.TCPAddr); ok {
				at = netip.AddrPortFrom(a.Addr(), uint16(t.Port))
			}
		}
		c, err := p.cfg.Host.ListenPacket(at)
		if err == nil {
			p.conns = append(p.conns, c)
			if ln != nil {
				p.listeners = append(p.listeners, ln)
			}
			return nil
		}
		if ln != nil {
			ln.Close()
		}
		if a.Port() != 0 || n == tries || !errors.Is(err, link.ErrInUse) {
			return err
		}
	}
}

// startStreams accepts media connections until the returned function is called, which ends them all.
// The shard must have ended by then.
func (p *Plane) startStreams(ctx context.Context) (stop func()) {
	var accepting sync.WaitGroup
	for _, ln := range p.listeners {
		accepting.Go(func() { p.accept(ctx, ln) })
	}
	return func() {
		close(p.streams.over)
		for _, ln := range p.listeners {
			ln.Close()
		}
		accepting.Wait()
		p.streams.end()
	}
}

// accept takes connections to TCP 8801 (RFC 6544, passive): browsers and native clients frame alike.
func (p *Plane) accept(ctx context.Context, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
				return
			}
			// Out of descriptors, or a peer that was gone before we looked: a moment later there may be room.
			p.streams.ends[StreamFull].Add(1)
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-ctx.Done():
				return
			}
		}
		go p.ServeStream(link.Framed(conn, proto.TCP8801))
	}
}

// transportMoved is the mux's news that media goes over another rung: the server's record of paths is
// what everybody is shown (S40).
func (s *shard) transportMoved(_ time.Time, t *rtc.Transport) {
	a, _ := t.Tag.(*association)
	if a == nil || a.conn == nil {
		return
	}
	if p := a.conn.peer; p.room != nil && p.active[a.group] == t {
		s.tell(p.room, pathUp{id: p.key.id, group: a.group, rung: t.Rung()})
	}
}

// serveMedia is the media of a native client where only TLS 443 passes: a WebSocket for each medium, one
// binary message a packet. It is opened by the check inside it, like any other path.
func (s *Server) serveMedia(w http.ResponseWriter, r *http.Request) {
	ws, err := link.AcceptWebSocket(w, r, link.WSAccept{MaxMessage: link.MaxStreamPacket})
	if err != nil {
		return // AcceptWebSocket has answered
	}
	s.cfg.Plane.ServeStream(ws.Stream(proto.TLS443, netip.AddrPort{}))
}

// candidates are the addresses clients are told, best rung first.
func (s *Server) candidates() []proto.Candidate {
	out := s.cfg.Plane.Candidates()
	if s.cfg.TLS != "" {
		out = append(out, proto.Candidate{Rung: proto.TLS443, Addr: s.cfg.TLS})
	}
	return out
}
