package rtc

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
	"parley/wire/stun"
)

// MuxConfig is what a Mux needs. Certificate, Admit, Post and Send are required.
type MuxConfig struct {
	// Certificate is ECDSA P-256, one per process; its fingerprint is in every grant.
	Certificate tls.Certificate
	// Admit answers from the user name alone whether a check with it may pass; false is silence. It must
	// keep nothing: the password is checked afterwards. It is asked only for user names of no transport.
	Admit func(now time.Time, ufrag string) (Admission, bool)
	// Post runs a closure on the goroutine that owns the Mux. Called from any goroutine; it must not block,
	// and may drop the closure when it is full or the owner has ended: the next Tick makes up for it.
	Post func(func(now time.Time))
	// Send sends STUN and DTLS; called by the owner's goroutine. m.Buf is valid until it returns.
	Send func(via link.PacketConn, m link.Message)
	// Mark is the DSCP of what a Mux says by itself on a transport that has keys; nil: none.
	Mark func(t *Transport) uint8
	// Up reports that keys stand, with the fingerprint of the peer's certificate: compare it, then Release
	// or Close. Nil: nobody is told.
	Up func(now time.Time, t *Transport, fingerprint string)
	// Moved reports that media goes over another rung of the ladder from now on. Nil: nobody is told.
	Moved func(now time.Time, t *Transport)
	// Path reports an address from which a transport has a path now, or no longer. Nil: nobody is told.
	Path func(via link.PacketConn, addr netip.AddrPort, on bool)
	// Down reports, once, the end of every transport that came into being, Close included. Nil: nobody is told.
	Down func(now time.Time, t *Transport, why Reason)
	// MaxHandshakes bounds the DTLS handshakes under way; ClientHellos beyond it are dropped, and repeated
	// by their clients. Default 256: half a second of one core.
	MaxHandshakes int
	// ProbesPerSecond is how many zone probes one /24 or /64 is answered; bursts may be four times that.
	// Default 50: an office behind one address joining at once. Negative: none.
	ProbesPerSecond int
	// Marks are the DSCP code points that a probe may wish its answer to carry; others are not granted.
	Marks []uint8
	Log   *slog.Logger // nil discards
}

// Admission is what Admit says of a user name.
type Admission struct {
	Password string
	Expired  bool // too late to begin with; refused like an unknown name
	Tag      any  // becomes Transport.Tag
	// Seat is comparable and says whose it is: of one seat's handshakes under way a further one replaces the
	// oldest where there are more than two peer connections can have. Nil: anybody's, not bounded so.
	Seat any
}

// Inbound is one media packet as Receive hands it up.
type Inbound struct {
	T    *Transport
	RTCP bool
	Data []byte // the plaintext packet, inside the message's Buf
}

// pathKey is one way to a peer: the link it uses and its address there.
type pathKey struct {
	via  link.PacketConn // comparable: a pointer
	addr netip.AddrPort
}

// Mux holds the server's end of all transports of one shard. Owned by one goroutine, which calls every
// method; DTLS handshakes run on goroutines of their own and report through Post.
type Mux struct {
	cfg        MuxConfig
	transports map[string]*Transport // by local ufrag
	paths      map[pathKey]*path
	hosts      map[hostKey]*host // see rebound
	recent     [nRecent]*path    // where datagrams came from lately, by recentOf: seldom looked for in paths
	held       map[pathKey]*heldHello
	probes     *limiter
	counters   Counters
	inFlight   int                  // handshakes
	seats      map[any][]*handshake // those by seat, the oldest first
	begunAt    time.Time            // of the newest handshake
	collectAt  time.Time            // when mail is looked for unasked; zero: never
	wakeAt     time.Time            // when transports are looked at; zero: nothing to wait for
	scratch    []byte
	closed     bool

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // handshake goroutines

	mu     sync.Mutex
	mail   []event // from handshake goroutines; guarded by mu
	posted bool    // collect is on its way; guarded by mu
}

// heldHello is DTLS that overtook its check.
type heldHello struct {
	at   time.Time
	data [][]byte
}

// event is what a handshake goroutine has to say.
type event struct {
	h    *handshake
	data []byte // a datagram to send
	keys *keyed // the handshake is complete
	err  error  // it has failed
	end  bool   // the connection is over
}

// NewMux makes an empty Mux. It panics if a required field of cfg is missing.
func NewMux(cfg MuxConfig) *Mux {
	if cfg.Admit == nil || cfg.Post == nil || cfg.Send == nil || len(cfg.Certificate.Certificate) == 0 {
		panic("rtc: MuxConfig lacks Certificate, Admit, Post or Send")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxHandshakes == 0 {
		cfg.MaxHandshakes = 256
	}
	if cfg.ProbesPerSecond == 0 {
		cfg.ProbesPerSecond = 50
	}
	m := &Mux{
		cfg:        cfg,
		transports: make(map[string]*Transport),
		paths:      make(map[pathKey]*path),
		hosts:      make(map[hostKey]*host),
		held:       make(map[pathKey]*heldHello),
		seats:      make(map[any][]*handshake),
		probes:     newLimiter(cfg.ProbesPerSecond),
		scratch:    make([]byte, 0, 2048),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Receive takes one message of a link, a datagram or with Segment a train of them, and appends the media
// packets in it to in. Packets are decrypted in place.
func (m *Mux) Receive(now time.Time, via link.PacketConn, msg *link.Message, in []Inbound) []Inbound {
	b := msg.Buf[:msg.N]
	if msg.Segment <= 0 {
		return m.receive(now, pathKey{via, msg.Addr}, msg.Local, msg.Mark, b, in)
	}
	for len(b) > 0 {
		n := min(msg.Segment, len(b))
		in = m.receive(now, pathKey{via, msg.Addr}, msg.Local, msg.Mark, b[:n:n], in)
		b = b[n:]
	}
	return in
}

// receive sorts a datagram by its first byte (RFC 7983 §7).
func (m *Mux) receive(now time.Time, key pathKey, local netip.Addr, mark uint8, b []byte, in []Inbound) []Inbound {
	m.counters.Datagrams++
	if len(b) < 2 || m.closed {
		m.drop(ReasonMalformed)
		return in
	}
	switch first := b[0]; {
	case first < 4:
		m.handleSTUN(now, key, local, mark, b)
	case first >= 20 && first < 64:
		m.handleDTLS(now, key, b)
	case first >= 128 && first < 192:
		return m.handleSRTP(now, key, local, mark, b, in)
	default:
		m.drop(ReasonMalformed)
	}
	return in
}

// path finds the path a datagram came on, nil for an unknown one.
func (m *Mux) path(key pathKey) *path {
	recent := &m.recent[recentOf(key.addr)]
	if p := *recent; p != nil && p.key == key {
		return p
	}
	p := m.paths[key]
	if p != nil {
		*recent = p
	}
	return p
}

func (m *Mux) handleSRTP(now time.Time, key pathKey, local netip.Addr, mark uint8, b []byte, in []Inbound) []Inbound {
	rtcp, newest := isRTCP(b), true
	var plain []byte
	var why Reason
	p := m.path(key)
	if p != nil {
		plain, newest, why = p.t.open(now, b, rtcp)
	} else if inner, ok := stun.Undress(b); ok {
		m.handleDressed(now, key, local, mark, inner)
		return in
	} else {
		p, plain, why = m.rebound(now, key, b, rtcp)
	}
	if why != ReasonNone {
		m.drop(why)
		return in
	}
	t := p.t
	if p.local != local {
		p.local = local
	}
	t.mediaAt, p.mediaAt = now, now
	if newest {
		// A late packet of a path just left must not move media back.
		moved := t.sendPath != p
		t.proved(now, p)
		if moved && rtcp {
			t.confirm(p)
		}
	}
	if t.hs != nil {
		t.hs.drop() // the peer sends media, so it has our Finished
		t.hs = nil
	}
	if !t.released {
		m.drop(ReasonUnreleased)
		return in
	}
	m.counters.Packets++
	return append(in, Inbound{t, rtcp, plain})
}

// open decrypts a packet in place; see srtp.Context.OpenRTP.
func (t *Transport) open(now time.Time, b []byte, rtcp bool) (plain []byte, newest bool, why Reason) {
	var err error
	switch {
	case t.in == nil:
		return nil, false, ReasonNoKeys
	case !rtcp:
		plain, newest, err = t.in.OpenRTP(b)
	case !t.reports.more(now):
		return nil, false, ReasonReports
	default:
		if plain, newest, err = t.in.OpenRTCP(b); err == nil {
			t.reports.left -= reportCost
		}
	}
	if err != nil {
		return nil, false, reasonOf(err)
	}
	return plain, newest, ReasonNone
}

// isRTCP tells RTCP from RTP on one port (RFC 5761 §4).
func isRTCP(b []byte) bool { return b[1] >= 192 && b[1] <= 223 }

func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, srtp.ErrReplay):
		return ReasonReplay
	case errors.Is(err, srtp.ErrAuth):
		return ReasonAuth
	case errors.Is(err, srtp.ErrStreams):
		return ReasonStreams
	}
	return ReasonMalformed
}

func (m *Mux) drop(why Reason) { m.counters.Dropped[why]++ }

// send sends a datagram that is not media.
func (m *Mux) send(key pathKey, local netip.Addr, b []byte) {
	m.cfg.Send(key.via, link.Message{Buf: b, N: len(b), Addr: key.addr, Local: local})
}

// Unlink forgets the way over a link to an address, whose owner has closed it. The transport stays until its
// consent ends, so that its client can come back another way.
func (m *Mux) Unlink(now time.Time, via link.PacketConn, addr netip.AddrPort) {
	if p := m.paths[pathKey{via, addr}]; p != nil {
		m.unbind(now, p)
	}
}

// Linked reports whether a transport uses the way over a link to an address: a valid check has come on it.
func (m *Mux) Linked(via link.PacketConn, addr netip.AddrPort) bool {
	return m.paths[pathKey{via, addr}] != nil
}

// Wake is when Tick is due next; the zero time is never. It may be early, and only Receive, Tick and a
// posted closure make it earlier.
func (m *Mux) Wake() time.Time {
	if m.collectAt.IsZero() || !m.wakeAt.IsZero() && m.wakeAt.Before(m.collectAt) {
		return m.wakeAt
	}
	return m.collectAt
}

func (m *Mux) wakeBy(at time.Time) {
	if m.wakeAt.IsZero() || at.Before(m.wakeAt) {
		m.wakeAt = at
	}
}

// Tick does what has become due.
func (m *Mux) Tick(now time.Time) {
	if m.closed {
		return
	}
	m.collect(now)
	m.collectAt = time.Time{}
	if m.inFlight > 0 {
		m.collectAt = now.Add(2 * pollEvery) // in case a posted closure was dropped
	}
	if m.wakeAt.IsZero() || now.Before(m.wakeAt) {
		return
	}
	m.wakeAt = time.Time{}
	soonest := now.Add(pollEvery)
	for key, h := range m.held {
		if at := h.at.Add(heldFor); !now.Before(at) {
			m.counters.Dropped[ReasonHeldExpired] += uint64(len(h.data))
			delete(m.held, key)
		} else {
			m.wakeBy(later(at, soonest))
		}
	}
	for _, t := range m.transports {
		for ; t != nil; t = t.heir {
			if at := t.tick(now); !at.IsZero() {
				m.wakeBy(later(at, soonest))
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mailTo leaves word for the owner, who takes it all at once. Called by handshake goroutines.
func (m *Mux) mailTo(events ...event) {
	m.mu.Lock()
	m.mail = append(m.mail, events...)
	post := !m.posted
	m.posted = true
	m.mu.Unlock()
	if post {
		m.cfg.Post(m.collect)
	}
}

// collect handles what handshake goroutines have left.
func (m *Mux) collect(now time.Time) {
	m.mu.Lock()
	mail := m.mail
	m.mail, m.posted = nil, false
	m.mu.Unlock()
	for _, e := range mail {
		m.handleEvent(now, e)
	}
}

// Counters is a copy of the counters.
func (m *Mux) Counters() Counters {
	c := m.counters
	c.Transports = len(m.transports)
	for _, t := range m.transports {
		if t.heir != nil {
			c.Transports++
		}
	}
	return c
}

// Transport finds a transport by its local ufrag, nil for none.
func (m *Mux) Transport(ufrag string) *Transport { return m.transports[ufrag] }

// Handshaking reports whether anybody is about to get keys: of those whose handshake takes longer than usual nobody
// knows whether they are still there.
func (m *Mux) Handshaking(now time.Time) bool {
	return m.inFlight > 0 && now.Sub(m.begunAt) < handshakeSoon
}

// Close ends all transports and waits for the handshake goroutines. Nothing is said to the peers.
func (m *Mux) Close(now time.Time) {
	if m.closed {
		return
	}
	for _, t := range m.transports {
		t.down(now, ReasonShutdown)
	}
	m.closed = true
	m.cancel()
	m.wg.Wait()
	m.wakeAt, m.collectAt = time.Time{}, time.Time{}
	clear(m.held)
}
