package rtc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
	"parley/wire/proto"
	"parley/wire/stun"
)

const (
	maxQueued = 512 // packets waiting for Read; more are dropped and counted
	maxEarly  = 64  // SRTP packets that overtake the end of the handshake
	readBatch = 16
	readLen   = 1600
	nChecks   = 128 // checks remembered while their answers are out: six routes over two seconds, see checkPace
	// ownUfrag is longer than ICE asks for, in random bytes: a router answers an unproven address with at
	// most three times what came from it, and its first flight, 616 bytes, is to fit well.
	ownUfrag = 48
)

// route is one pair: a socket and an address of the router.
type route struct {
	pc       link.PacketConn
	remote   netip.AddrPort
	way      *Way
	answered bool          // guarded by Conn.mu
	works    chan struct{} // closed with the first answer
	sentAt   time.Time     // of the last check; guarded by Conn.mu
	nSent    int           // checks so far; guarded by Conn.mu
	doubtAt  time.Time     // no answer to a check since then counts; guarded by Conn.mu
	// repeatedAt is when a flight of DTLS was last sent over it that had begun elsewhere; guarded by Conn.wmu.
	repeatedAt time.Time
}

func newRoute(pc link.PacketConn, remote netip.AddrPort, way *Way) *route {
	return &route{pc: pc, remote: remote, way: way, works: make(chan struct{})}
}

// sentCheck is a check whose answer is awaited.
type sentCheck struct {
	id    stun.TxID
	at    time.Time
	route *route
}

// Conn is the client's end of one transport. All methods are safe for concurrent use.
type Conn struct {
	cfg    DialConfig
	user   string // USERNAME of checks
	tie    uint64
	ctx    context.Context // ends, with a cause, when the transport does
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	pipe   *pipe
	cur    atomic.Pointer[route] // where packets go; nil before there is a route
	stands chan struct{}         // closed once keys stand

	mu      sync.Mutex
	cond    sync.Cond // queue or err changed
	ways    []*Way
	routes  []*route
	sockets []link.PacketConn
	retired []retired
	checks  [nChecks]sentCheck
	nChecks int
	rtt     time.Duration
	heardAt time.Time
	mapped  netip.AddrPort
	err     error // why the transport has ended
	in      *srtp.Context
	early   [][]byte
	queue   []packet
	free    [][]byte
	dropped uint64
	kick    chan struct{} // wakes keepChecking

	wmu     sync.Mutex // sending
	out     *srtp.Context
	flight  [][]byte  // DTLS sent since DTLS was last heard
	since   time.Time // of the flight's beginning
	scratch []byte
	msg     [1]link.Message
}

// packet is a plaintext packet waiting for Read.
type packet struct {
	b    []byte
	rtcp bool
}

// retired is a socket that Rebind has left.
type retired struct {
	pc link.PacketConn
	at time.Time
}

func newConn(cfg DialConfig) *Conn {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{
		cfg:     cfg,
		user:    cfg.Credentials.Ufrag + ":" + randomText(ownUfrag),
		tie:     randomUint64(),
		heardAt: time.Now(),
		kick:    make(chan struct{}, 1),
		stands:  make(chan struct{}),
	}
	c.cond.L = &c.mu
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.pipe = newPipe(netip.AddrPortFrom(netip.IPv4Unspecified(), 0), c.sendDTLS)
	return c
}

// keyed takes the keys, and what has come in since the router had them.
func (c *Conn) keyed(k keyed) {
	c.wmu.Lock()
	c.out = k.out
	c.wmu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = k.in
	close(c.stands)
	for _, b := range c.early {
		c.openLocked(b, time.Now())
	}
	c.early = nil
}

// fail ends the transport with a reason; the first one stays.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	sockets := c.sockets
	c.sockets = nil
	c.cond.Broadcast()
	c.mu.Unlock()
	c.cfg.Log.Debug("media transport ended", "closed", errors.Is(err, ErrClosed), "lost", errors.Is(err, ErrLost))
	c.cancel(err)
	for _, pc := range sockets {
		pc.Close()
	}
	c.pipe.mute()
}

// Close ends the transport and waits for its goroutines. Nothing is said to the router: the control
// channel does that.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.wg.Wait()
	return nil
}

// read is the goroutine of one socket.
func (c *Conn) read(pc link.PacketConn) {
	ms := make([]link.Message, readBatch)
	room := make([]byte, readBatch*readLen)
	for i := range ms {
		ms[i].Buf = room[i*readLen : (i+1)*readLen]
	}
	for {
		n, err := pc.ReadBatch(ms)
		if err != nil {
			c.lose(pc, err)
			return
		}
		now := time.Now()
		for i := range ms[:n] {
			m := &ms[i]
			c.receive(now, pc, m.Addr, m.Buf[:m.N])
		}
	}
}

func (c *Conn) receive(now time.Time, pc link.PacketConn, from netip.AddrPort, b []byte) {
	if len(b) < 2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.routes, func(r *route) bool { return r.pc == pc && r.remote == from })
	if at < 0 || c.err != nil {
		return
	}
	switch first := b[0]; {
	case first < 4:
		c.answeredLocked(now, pc, from, b)
	case first >= 20 && first < 64:
		c.wmu.Lock()
		c.flight = nil
		if c.out == nil {
			c.cur.Store(c.routes[at]) // what the one way swallows, this one carries
		}
		c.wmu.Unlock()
		c.routes[at].way.carried()
		c.pipe.push(b)
	case first >= 128 && first < 192:
		if c.in != nil {
			if c.openLocked(b, now) {
				way := c.routes[at].way
				way.heardAt = now
				way.carried()
			}
		} else if len(c.early) < maxEarly {
			c.early = append(c.early, slices.Clone(b))
		}
	}
}

// openLocked takes an encrypted packet in; false: it is not authentic.
func (c *Conn) openLocked(b []byte, now time.Time) bool {
	var plain []byte
	var err error
	rtcp := isRTCP(b)
	if rtcp {
		plain, _, err = c.in.OpenRTCP(b)
	} else {
		plain, _, err = c.in.OpenRTP(b)
	}
	if err != nil {
		c.dropped++
		return false
	}
	c.heardAt = now
	if rtcp && bytes.Equal(plain, hello()) {
		return true // the router's answer to one of ours; it says nothing else
	}
	if len(c.queue) >= maxQueued {
		c.dropped++
		return true
	}
	var keep []byte
	if n := len(c.free); n > 0 {
		keep, c.free = c.free[n-1], c.free[:n-1]
	}
	c.queue = append(c.queue, packet{append(keep[:0], plain...), rtcp})
	c.cond.Signal()
	return true
}

// Read waits for the next plaintext packet and copies it to buf, cut to its length. It ends with the
// reason the transport ended for: ErrClosed, ErrLost or the socket's error.
func (c *Conn) Read(buf []byte) (n int, rtcp bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		if c.err != nil {
			return 0, false, c.err
		}
		c.cond.Wait()
	}
	p := c.queue[0]
	c.queue[0] = packet{}
	c.queue = c.queue[1:]
	c.free = append(c.free, p.b)
	return copy(buf, p.b), p.rtcp, nil
}

// WriteRTP seals and sends a packet; the plaintext is kept as it is. Sending the same SSRC and sequence
// number twice is refused (srtp.ErrUsed).
func (c *Conn) WriteRTP(pkt []byte) error { return c.write(pkt, (*srtp.Context).SealRTP) }

// WriteRTCP seals and sends a compound packet.
func (c *Conn) WriteRTCP(pkt []byte) error { return c.write(pkt, (*srtp.Context).SealRTCP) }

func (c *Conn) write(pkt []byte, seal func(*srtp.Context, []byte, []byte) ([]byte, error)) error {
	return c.writeOn(nil, pkt, seal)
}

// writeOn sends over a route of one's choice; nil is the one in use.
func (c *Conn) writeOn(r *route, pkt []byte, seal func(*srtp.Context, []byte, []byte) ([]byte, error)) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.out == nil {
		return ErrNotReleased
	}
	b, err := seal(c.out, c.scratch[:0], pkt)
	if err != nil {
		return err
	}
	c.scratch = b
	if r == nil {
		r = c.cur.Load()
	}
	return c.sendLocked(r, b)
}

// sendLocked sends one datagram; wmu is held. Where there is no route yet it is lost.
func (c *Conn) sendLocked(r *route, b []byte) error {
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	if r == nil {
		return ErrNoCandidate
	}
	c.msg[0] = link.Message{Buf: b, N: len(b), Addr: r.remote, DSCP: c.cfg.DSCP}
	_, err := r.pc.WriteBatch(c.msg[:])
	return err
}

// sendDTLS is the pipe's writer. What is lost is repeated by DTLS; and what is repeated goes over every way
// that answers checks, since some firewalls let those through and nothing else.
func (c *Conn) sendDTLS(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wmu.Lock()
	defer c.wmu.Unlock()
	now := time.Now()
	if len(c.flight) == 0 {
		c.since = now
	}
	if len(c.flight) < pipeLen {
		c.flight = append(c.flight, slices.Clone(b))
	}
	cur := c.cur.Load()
	c.sendLocked(cur, b)
	if now.Sub(c.since) < flightInterval {
		return
	}
	for _, r := range c.routes {
		if r != cur && r.answered && r.way != cur.way && r.way.ctx.Err() == nil {
			c.sendLocked(r, b)
		}
	}
}

// turnLocked goes on over another route, the flight under way first: DTLS itself would wait for its
// timer. mu is held, which is always taken before wmu.
func (c *Conn) turnLocked(r *route) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.cur.Store(r)
	c.repeatLocked(time.Now(), r)
}

// besideLocked tries the flight under way over a further route too, where it has been waiting for longer than DTLS
// does before it repeats: the way it took may be blocked, or let checks through and nothing else. mu is held.
func (c *Conn) besideLocked(now time.Time, r *route) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.out == nil && now.Sub(c.since) >= flightInterval {
		c.repeatLocked(now, r)
	}
}

// repeatLocked sends the flight under way over a route, unless that was done just now. wmu is held.
func (c *Conn) repeatLocked(now time.Time, r *route) {
	if now.Sub(r.repeatedAt) < flightInterval {
		return
	}
	for _, b := range c.flight {
		c.sendLocked(r, b)
		r.repeatedAt = now
	}
}

// RTT is the round trip measured by the latest answered check, 0 before the first.
func (c *Conn) RTT() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rtt
}

// HeardAt is when the router was last heard: an answer to a check or an authentic packet.
func (c *Conn) HeardAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heardAt
}

// MappedAddr is this end's address as the router sees it, zero before the first answer.
func (c *Conn) MappedAddr() netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mapped
}

// Dropped is the number of packets that were forged, replayed or found no room.
func (c *Conn) Dropped() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}

// Rung is the step of the ladder media goes over (S11), empty before there is one.
func (c *Conn) Rung() proto.Rung {
	if r := c.cur.Load(); r != nil {
		return r.way.rung
	}
	return ""
}

// LocalAddr is the address of the socket in use.
func (c *Conn) LocalAddr() netip.AddrPort {
	if r := c.cur.Load(); r != nil {
		return r.pc.LocalAddr()
	}
	return netip.AddrPort{}
}

// RemoteAddr is the router's address in use.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if r := c.cur.Load(); r != nil {
		return r.remote
	}
	return netip.AddrPort{}
}

// Room is how many bytes may be written now without queueing for long. A path over UDP has always room.
func (c *Conn) Room() int {
	if r := c.cur.Load(); r != nil {
		if s, ok := r.pc.(*link.Stream); ok {
			return s.Room()
		}
	}
	return math.MaxInt
}

// Stuck reports whether what was written waits in this machine for too long already, even for sound: never
// over UDP.
func (c *Conn) Stuck() bool {
	if r := c.cur.Load(); r != nil {
		if s, ok := r.pc.(*link.Stream); ok {
			return s.Stuck(time.Now()) > link.SoundLate
		}
	}
	return false
}

// Profile is the SRTP profile in use.
func (c *Conn) Profile() srtp.Profile {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.out.Profile()
}

// hello is an empty receiver report: an authentic packet for a router to move its path by.
func hello() []byte {
	b := []byte{0x80, 201, 0, 1}
	return binary.BigEndian.AppendUint32(b, 1) // the SSRC of a receiver that sends nothing
}
