package link

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parley/wire/proto"
)

// The bounds of one stream's queue. A path that can't keep up has its packets dropped by whoever made
// them, who knows what they are worth; a stream only says how much room there is.
const (
	// maxRoom is what a stream takes ahead of the system, bytes: a wake-up for each 8 KiB is 40 a second at
	// 2.5 Mbit/s.
	maxRoom = 8 << 10
	// firstAhead is what both take while nothing is known of the stream's speed.
	firstAhead = 4 << 10
	// minRoom holds one packet of full size, framed.
	minRoom = 1500
	// maxUnsent and minUnsent bound what the system may hold that TCP has not sent (TCP_NOTSENT_LOWAT).
	maxUnsent = 16 << 10
	minUnsent = 1500
	// aheadFor is how much time each of these may be worth once the stream's speed is known. There are four
	// in a row: unsent and just added to it, being written, waiting.
	aheadFor = 20 * time.Millisecond
	// measureFor is the window the speed is measured in.
	measureFor = 100 * time.Millisecond
	// idleAfter is how long nothing must have waited for the stream to count as keeping up: whoever was told
	// that there is room needs a moment.
	idleAfter = 5 * time.Millisecond
	// maxQueued is where a stream refuses, whoever asks: checks, handshakes and sound do not ask for room.
	maxQueued = 64 << 10
	// keepBuf is the largest buffer kept by a stream with nothing to send.
	keepBuf = 32 << 10
	// SoundLate is how long a path may be stuck for sound to be queued all the same: twice what pictures may
	// wait. A segment that was lost holds everything up for about as long, and a gap is worse than that.
	SoundLate = 300 * time.Millisecond
	// MaxStreamPacket is the longest packet a stream carries, bytes.
	MaxStreamPacket = 2048
	frameHeader     = 2
)

// ErrStreamPacket says that a peer announced a packet longer than MaxStreamPacket, or sent what is none.
var ErrStreamPacket = errors.New("link: not a packet stream")

// StreamPipe moves packets over something that can make its writer wait: one goroutine reads, another
// writes.
type StreamPipe interface {
	// ReadPacket waits for a packet, and says whether the next one is there in full already.
	ReadPacket(b []byte) (n int, more bool, err error)
	// WriteFrames sends packets, each behind its length in two bytes (RFC 4571), and returns once the
	// system has them.
	WriteFrames(frames []byte) error
	SetReadDeadline(t time.Time) error
	// Limit bounds what the system holds unsent, bytes. Best effort.
	Limit(unsent int)
	// Mark sets the DSCP code point. Best effort.
	Mark(dscp uint8)
	// Conn is the connection under it all; nil where unknown.
	Conn() net.Conn
	Close() error
}

// StreamConfig describes a stream.
type StreamConfig struct {
	Rung          proto.Rung     // what Rung answers
	Local, Remote netip.AddrPort // what ReadBatch gives as addresses
}

// Stream is a PacketConn of one peer over TCP, TLS or whatever else queues. WriteBatch never waits and
// never queues for long: Room says how much may be written now, and Notify when there is room again.
//
//	WriteBatch ──► pend ──(writer takes it all)──► busy ──► the system's buffer ──► the network
//	               └────── Room counts both ──────────┘      Limit bounds this
type Stream struct {
	cfg  StreamConfig
	pipe StreamPipe
	done chan struct{} // closed when the writer has ended

	refused atomic.Uint64

	mu     sync.Mutex
	cond   sync.Cond
	pend   []byte
	busy   []byte // being written
	busyAt time.Time
	room   int
	ahead  int    // what the system may hold unsent
	want   func() // called once there is room
	err    error
	dscp   uint8
	window window
	flight flight
	timer  *time.Timer // looks whether there is room, for want
}

// window is the measurement of a stream's speed. Guarded by Stream.mu.
type window struct {
	at    time.Time
	bytes int
	idle  bool // at some time in it nothing waited
}

// NewStream begins to write for a pipe, which Close closes.
func NewStream(pipe StreamPipe, cfg StreamConfig) *Stream {
	s := &Stream{cfg: cfg, pipe: pipe, room: firstAhead, ahead: firstAhead, done: make(chan struct{})}
	s.cond.L = &s.mu
	pipe.Limit(firstAhead)
	s.flight = flight{look: lookOf(pipe.Conn()), window: firstWindow}
	s.timer = time.AfterFunc(time.Hour, s.again)
	s.timer.Stop()
	go s.write()
	return s
}

// Rung is the step of the ladder the stream belongs to.
func (s *Stream) Rung() proto.Rung { return s.cfg.Rung }

// LocalAddr implements PacketConn.
func (s *Stream) LocalAddr() netip.AddrPort { return s.cfg.Local }

// RemoteAddr is the peer, which every packet comes from.
func (s *Stream) RemoteAddr() netip.AddrPort { return s.cfg.Remote }

// SetReadDeadline implements PacketConn.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.pipe.SetReadDeadline(t) }

// Refused counts the packets WriteBatch had no room for.
func (s *Stream) Refused() uint64 { return s.refused.Load() }

// ReadBatch implements PacketConn.
func (s *Stream) ReadBatch(ms []Message) (int, error) {
	n := 0
	for more := true; more && n < len(ms); n++ {
		m := &ms[n]
		var err error
		if m.N, more, err = s.pipe.ReadPacket(m.Buf); err != nil {
			if n > 0 {
				return n, nil // the same again next time
			}
			return 0, err
		}
		m.Addr, m.Local, m.Segment, m.Mark = s.cfg.Remote, s.cfg.Local.Addr(), 0, 0
	}
	return n, nil
}

// WriteBatch implements PacketConn: it takes what fits and drops the rest, as a full socket does.
func (s *Stream) WriteBatch(ms []Message) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	for i := range ms {
		m := &ms[i]
		if m.DSCP != 0 && m.DSCP != s.dscp {
			s.dscp = m.DSCP
			s.pipe.Mark(m.DSCP)
		}
		step := m.N
		if m.Segment > 0 {
			step = m.Segment
		}
		for off := 0; off < m.N; off += step {
			s.queue(m.Buf[off:min(off+step, m.N)])
		}
	}
	s.cond.Signal()
	return len(ms), nil
}

func (s *Stream) queue(b []byte) {
	if len(s.pend)+len(s.busy)+len(b)+frameHeader > maxQueued || len(b) > MaxStreamPacket {
		s.refused.Add(1)
		return
	}
	s.pend = binary.BigEndian.AppendUint16(s.pend, uint16(len(b)))
	s.pend = append(s.pend, b...)
}

// Room is how many bytes of packets may be written now without waiting for long, here or on the way. It can be
// negative; a path with nothing under way has room for one packet of any size.
func (s *Stream) Room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight.see(time.Now(), lookAfter)
	room := s.roomLocked()
	if room < minRoom {
		s.flight.limited = true // whoever asks looks again, as well as waits
	}
	return room
}

func (s *Stream) roomLocked() int {
	queued := len(s.pend) + len(s.busy)
	room := min(s.room, s.flight.room()) - queued
	if queued == 0 && s.flight.under() == 0 {
		return max(room, MaxStreamPacket)
	}
	return room
}

// Stuck is how long the path has taken nothing though there is something to take: not the system, or not the peer, whose
// answers are later than usual. Sound that is queued behind that comes as much later.
func (s *Stream) Stuck(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight.see(now, lookAfter)
	stuck := s.flight.stuck(now)
	if len(s.busy) > 0 {
		stuck = max(stuck, now.Sub(s.busyAt))
	}
	return stuck
}

// Notify calls f once, from a goroutine of the stream's, when there is room again; at once if there is.
func (s *Stream) Notify(f func()) {
	s.mu.Lock()
	switch {
	case s.err != nil:
	case len(s.pend)+len(s.busy) > 0:
		s.want = f
		f = nil
	case s.flight.look != nil && s.flight.under() > 0:
		s.want = f
		f = nil
	}
	if s.want != nil && s.flight.look != nil {
		s.flight.limited = true
		s.timer.Reset(lookEvery)
	}
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

// again looks whether there is room for a packet by now.
func (s *Stream) again() {
	s.mu.Lock()
	want := s.want
	if want != nil {
		s.flight.see(time.Now(), 0)
		if s.roomLocked() < minRoom && s.flight.under()+len(s.pend)+len(s.busy) > 0 {
			s.flight.limited = true
			s.timer.Reset(lookEvery)
			want = nil
		} else {
			s.want = nil
		}
	}
	s.mu.Unlock()
	if want != nil {
		want()
	}
}

// Close ends the stream and waits for its writer. What is queued is dropped.
func (s *Stream) Close() error {
	err := s.fail(net.ErrClosed)
	<-s.done
	return err
}

func (s *Stream) fail(why error) error {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = why
	}
	want := s.want
	s.want, s.pend = nil, nil
	s.timer.Stop()
	s.cond.Signal()
	s.mu.Unlock()
	if !first {
		return nil
	}
	err := s.pipe.Close()
	if want != nil {
		want()
	}
	return err
}

// write is the goroutine that waits for the system.
func (s *Stream) write() {
	defer close(s.done)
	s.mu.Lock()
	s.window.at = time.Now()
	for {
		waitedAt := time.Time{}
		for len(s.pend) == 0 && s.err == nil {
			waitedAt = time.Now()
			if cap(s.pend)+cap(s.busy) > keepBuf {
				s.pend, s.busy = nil, nil
			}
			s.cond.Wait()
		}
		if s.err != nil {
			s.mu.Unlock()
			return
		}
		s.pend, s.busy, s.busyAt = s.busy[:0], s.pend, time.Now()
		s.window.idle = s.window.idle || !waitedAt.IsZero() && s.busyAt.Sub(waitedAt) > idleAfter
		s.mu.Unlock()
		err := s.pipe.WriteFrames(s.busy)
		if err != nil {
			s.fail(plain(err))
			return
		}
		now := time.Now()
		s.mu.Lock()
		s.measure(now)
		s.busy = s.busy[:0]
		s.flight.wrote(now)
		if want := s.want; want != nil && len(s.pend) <= s.room/2 && (s.flight.look == nil || s.flight.room() >= s.flight.window/2) {
			s.want = nil
			s.mu.Unlock()
			want()
			s.mu.Lock()
		}
	}
}

// measure learns how fast the stream takes bytes while there are more than it takes, and bounds by it
// what is written ahead.
func (s *Stream) measure(now time.Time) {
	w := &s.window
	w.bytes += len(s.busy)
	d := now.Sub(w.at)
	if d < measureFor {
		return
	}
	was := s.ahead
	perSpan := func(bytes int) int { return int(float64(bytes) * float64(aheadFor) / float64(d)) }
	if w.idle {
		s.ahead = max(s.ahead, perSpan(w.bytes-s.ahead)) // all but what the system may still hold was quick enough
	} else {
		s.ahead = perSpan(w.bytes)
	}
	s.ahead = min(max(s.ahead, minUnsent), maxUnsent)
	if s.ahead != was {
		s.room = max(min(s.ahead, maxRoom), minRoom)
		s.pipe.Limit(s.ahead)
	}
	*w = window{at: now}
}
