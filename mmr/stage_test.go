package mmr

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"parley/sys/link"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// stage is whole shards, transports, forwarding and the way out, without their goroutines and their sockets:
// the test is the clock and the network, actors are its participants, and what leaves is compared with
// the reference. Owned by the test's goroutine.
type stage struct {
	t      *testing.T
	where  string // of the moment, for failures
	failed bool
	lax    bool // what leaves is held against its keys alone
	saw    func(*link.Message)
	aside  map[*shard][]parcel // sound that is set aside; nil: it comes with everything else
	rnd    *rand.Rand
	now    time.Time
	plane  *Plane
	s      *shard // the first
	wake   chan struct{}
	conn   *stageConn
	room   *room
	key    trust.ZoneKey
	nonce  uint32
	cert   tls.Certificate

	actors  []*actor
	at      map[netip.AddrPort]*actorTransport
	hello   chan arrived // DTLS from clients
	queue   []parcel     // on the way to the router
	ref     *reference
	due     map[uint32][]expected // by slot SSRC
	resent  map[uint32]rtp.Seq    // next number by RTX SSRC
	asked   map[uint32]map[rtp.Seq]bool
	owed    map[uint32]map[rtp.Seq]bool // retransmissions that must come
	media   int                         // packets compared
	repairs int
	runs    int // messages of several packets
	longest time.Duration
}

// expected is a packet that must come next on its SSRC.
type expected struct {
	refArrival
	at   time.Time // came in
	end  bool
	hold time.Duration // it may wait
}

type arrived struct {
	from netip.AddrPort
	data []byte
}

type stageConn struct{ st *stage }

var stageAddr = netip.MustParseAddrPort("192.0.2.1:8801")

func (c *stageConn) ReadBatch([]link.Message) (int, error) { return 0, net.ErrClosed }
func (c *stageConn) LocalAddr() netip.AddrPort             { return stageAddr }
func (c *stageConn) SetReadDeadline(time.Time) error       { return nil }
func (c *stageConn) Close() error                          { return nil }
func (c *stageConn) WriteBatch(ms []link.Message) (int, error) {
	for i := range ms {
		c.st.take(&ms[i])
		if c.st.saw != nil {
			c.st.saw(&ms[i])
		}
	}
	return len(ms), nil
}

type stageHost struct{ conn *stageConn }

func (h stageHost) ListenPacket(netip.AddrPort) (link.PacketConn, error) { return h.conn, nil }
func (h stageHost) Listen(netip.AddrPort) (net.Listener, error)          { return nil, net.ErrClosed }
func (h stageHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, net.ErrClosed
}

func newStage(t *testing.T, seed uint64, cfg PlaneConfig) *stage {
	t.Helper()
	now := time.Now()
	st := &stage{
		t: t, rnd: rand.New(rand.NewPCG(seed, 2)), now: now, hello: make(chan arrived, 1024), ref: newReference(now),
		at: map[netip.AddrPort]*actorTransport{}, due: map[uint32][]expected{}, resent: map[uint32]rtp.Seq{},
		asked: map[uint32]map[rtp.Seq]bool{}, owed: map[uint32]map[rtp.Seq]bool{},
	}
	st.conn = &stageConn{st}
	var err error
	if st.cert, err = rtc.NewCertificate(now); err != nil {
		t.Fatal(err)
	}
	cfg.Host, cfg.Listen, cfg.Certificate, cfg.NoTCP = stageHost{st.conn}, []netip.AddrPort{stageAddr}, st.cert, true
	if st.plane, err = NewPlane(cfg); err != nil {
		t.Fatal(err)
	}
	st.s, st.wake = st.plane.shards[0], make(chan struct{}, 1)
	st.key = trust.ZoneKey{1, 2, 3}
	if _, err := st.plane.attach("r-1", st.key); err != nil {
		t.Fatal(err)
	}
	st.room = newRoom(&Server{cfg: Config{ID: "r-1", Plane: st.plane}}, proto.Claims{Meeting: proto.MeetingID(fmt.Sprintf("meeting %d", seed))})
	for _, s := range st.plane.shards {
		s.cmds.wake = st.wake
		s.fwd.Sweep(now) // its epoch
		s.openRoom(st.room)
		t.Cleanup(func() { s.mux.Close(st.now) })
	}
	return st
}

func (st *stage) fail(format string, args ...any) {
	st.t.Helper()
	if !st.failed {
		st.t.Errorf("%s: %s", st.where, fmt.Sprintf(format, args...))
		for _, s := range st.plane.shards {
			st.t.Logf("shard %d dropped: %v, %v, %+v", s.index, s.drops, s.fwd.Drops(), s.mux.Counters())
		}
	}
	st.failed = true
}

// turn does what the shards' loops do after each thing that happens, until nothing is left to do.
func (st *stage) turn() {
	for more := true; more; {
		more = false
		for _, s := range st.plane.shards {
			if s.asides && (!s.busy(st.now) || !st.now.Before(s.asideAt)) {
				s.readAside(st.now)
			}
			s.runCommands(st.now)
			s.turn(st.now)
		}
		for _, s := range st.plane.shards {
			more = more || !s.resting(restIdle) || s.commanded()
		}
	}
	st.room.news.take()
	for len(st.room.events) > 0 {
		if _, ok := (<-st.room.events).(heard); ok {
			st.room.levels.take()
		}
	}
}

// wait lets time pass, with a turn whenever the shard asks for one.
func (st *stage) wait(d time.Duration) {
	until := st.now.Add(d)
	for {
		w := st.firstWake()
		if w.After(until) || st.failed {
			break
		}
		if w.After(st.now) {
			st.now = w
		}
		st.turn()
		if again := st.firstWake(); !again.After(st.now) {
			st.now = st.now.Add(time.Microsecond) // a wake that may be early
		}
	}
	if st.now.Before(until) {
		st.now = until
	}
}

// commanded reports whether commands wait.
func (s *shard) commanded() bool {
	s.cmds.Lock()
	defer s.cmds.Unlock()
	return len(s.cmds.queue) > 0
}

// firstWake is when the first shard asks for a turn.
func (st *stage) firstWake() time.Time {
	w := st.s.wake(st.now)
	for _, s := range st.plane.shards[1:] {
		if at := s.wake(st.now); at.Before(w) {
			w = at
		}
	}
	return w
}

// of is the shard that owns a participant.
func (st *stage) of(key peerKey) *shard { return st.plane.shardOf(key) }

// receive gives datagrams to a shard as one batch; to several in turn, by the port they come from.
func (st *stage) receive(ps ...arrived) {
	var ms []link.Message
	for i, p := range ps {
		ms = append(ms, link.Message{Buf: slices.Clone(p.data), N: len(p.data), Addr: p.from, Local: stageAddr.Addr()})
		to := int(p.from.Port()) % len(st.plane.shards)
		if i+1 < len(ps) && int(ps[i+1].from.Port())%len(st.plane.shards) == to {
			continue
		}
		st.plane.shards[to].receive(st.now, st.conn, ms)
		st.turn()
		ms = nil
	}
}

// deliver gives parcels to the reference and to the shard, as one batch.
func (st *stage) deliver(ps []parcel) {
	var in []arrived
	for _, p := range ps {
		if st.aside != nil && p.data[1]&0x7f == proto.PTOpus {
			s := st.plane.shards[int(p.from.Port())%len(st.plane.shards)]
			st.aside[s] = append(st.aside[s], p)
			continue
		}
		if !p.a.gone {
			st.foresee(p)
		}
		in = append(in, arrived{p.from, p.data})
	}
	st.receive(in...)
	for ssrc, list := range st.due {
		for _, e := range list {
			if e.end || !st.s.holding {
				st.fail("on %x %v should have come at once", ssrc, e.refArrival)
			}
		}
	}
	for ssrc, list := range st.owed {
		for seq := range list {
			st.fail("on %x number %d was asked for and did not come", ssrc, seq)
		}
	}
}

// setAside has sound come as where the kernel sets it aside.
func (st *stage) setAside() {
	st.aside = map[*shard][]parcel{}
	for _, s := range st.plane.shards {
		s.asides, s.batches = true, []*batch{{via: st.conn, ms: make([]link.Message, 4)}}
		s.clock = func() time.Time { return st.now }
		s.tryAside = func(_ link.PacketConn, ms []link.Message) (n int, err error) {
			for ; n < len(ms) && len(st.aside[s]) > 0; n++ {
				p := st.aside[s][0]
				st.aside[s] = st.aside[s][1:]
				if !p.a.gone {
					st.foresee(p)
				}
				ms[n] = link.Message{Buf: slices.Clone(p.data), N: len(p.data), Addr: p.from, Local: stageAddr.Addr()}
			}
			return n, nil
		}
	}
}

func (st *stage) foresee(p parcel) {
	source := uint32(0)
	if s := st.ref.streams[p.ssrc]; s != nil {
		source = s.source
	}
	for leg, numbers := range st.ref.arrive(st.now, p.ssrc, p.p) {
		for _, n := range numbers {
			q := st.ref.streams[n.stream].seen[n.ext]
			e := expected{refArrival: n.as(q, source), at: st.now, end: q.end, hold: st.plane.cfg.HoldVideo}
			if !q.video && len(q.payload) > 0 {
				e.hold = st.plane.cfg.HoldAudio
			}
			e.end = e.end || e.hold < 0
			st.due[leg] = append(st.due[leg], e)
		}
	}
}
