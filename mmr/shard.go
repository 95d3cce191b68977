package mmr

import (
	"sync"
	"time"

	"parley/core/forward"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// shard is a small MMR: one goroutine that owns its transports, the peers behind them and the
// forwarding state (design §5). Everything below is owned by that goroutine except where said.
//
// A packet's way through it:
//
//	reader -> in -> mux.Receive (STUN, DTLS, SRTP opened in place)
//	  RTCP -> feedback.go
//	  RTP  -> media (whose stream, may it pass) -> forward.Admit -> descriptors
//	       -> the receiver's outbox -> release: runs of equal size, transport-wide numbers, header, seal
//	       -> WriteBatch, one kernel entry for each run (outbox.go)
type shard struct {
	plane *Plane
	index int               // in plane.shards
	conns []link.PacketConn // it sends on, and reads where it reads itself; one for each of the plane's addresses
	in    chan arrival
	mux   *rtc.Mux
	fwd   *forward.Shard

	peers  map[peerKey]*peer
	byRecv []*peer // by receiver index, the number descriptors carry
	free   []uint32
	topos  map[*room]*topology
	dirty  []*topology // with changes not yet published

	timers     wheel     // of peers, by receiver index: see tickPeer
	sweepAt    time.Time // of those who are not admitted, and of packets nobody needs
	untidy     bool      // there are packets, or was need of their memory
	asideAt    time.Time // when what is set aside is read, while busy
	tryAside   func(link.PacketConn, []link.Message) (int, error)
	clock      func() time.Time // for where a turn takes long
	batches    []*batch         // of the sockets it reads itself
	listening  bool             // sound is being looked for
	tellAt     time.Time        // when a busy shard's counts are next copied out
	pacedAt    time.Time        // where things come thick: no hold ends before
	read       int              // datagrams of this turn, a merged one as one
	soundUntil time.Time        // when sound that came lately is forgotten
	nextTopo   uint32
	owners     map[forward.StreamID]*peer // who sends a stream, for audio levels

	// Scratch of one batch.
	inbound []rtc.Inbound
	packets []forward.Packet
	out     forward.Out
	arena   []byte
	sends   []sendQueue
	one     [1]link.Message // that goes by itself
	seqs    []rtp.Seq
	rtcp    []byte
	unwrap  []byte

	// The way out, see outbox.go.
	ripe, ripeSound      []ripeBox // sound goes first, and between others
	heldVideo, heldAudio holdQueue
	holding              bool // enough goes out for holds to pay
	asides               bool // the kernel sets aside what can wait, and wakes nobody for it
	judgeAt              time.Time
	judged               uint64
	largest              []keySize
	spare                [][]forward.Desc // room of outboxes that hold nothing
	sent                 struct{ packets, sends uint64 }

	drops   [nDrops]uint64
	publish counters // copied out for others, see turn

	exchange *exchange // with the plane's other shards; nil where there are none

	cmds struct {
		sync.Mutex
		queue  []func(now time.Time)
		wake   chan struct{} // holds one token while queue is not empty
		poller *link.Poller  // woken instead, where the shard reads its sockets itself
		ended  bool
	}
}

// peerKey names one seat on one router.
type peerKey struct {
	router  uint32
	meeting uint64
	id      proto.ParticipantID
}

func newShard(p *Plane, index int, conns []link.PacketConn) *shard {
	s := &shard{
		plane:  p,
		index:  index,
		conns:  conns,
		in:     make(chan arrival, 4),
		fwd:    forward.New(forward.Config{Memory: &p.memory}),
		peers:  make(map[peerKey]*peer),
		topos:  make(map[*room]*topology),
		owners: make(map[forward.StreamID]*peer),
		timers: wheel{tick: p.cfg.Tick},

		tryAside: link.TryReadAside, clock: time.Now,
	}
	s.cmds.wake = make(chan struct{}, 1)
	s.mux = rtc.NewMux(rtc.MuxConfig{
		Certificate: p.cfg.Certificate,
		Admit:       s.admit,
		Post:        s.do,
		Send:        s.send,
		Mark:        func(t *rtc.Transport) uint8 { return p.cfg.DSCP[t.Tag.(*association).group] },
		Marks:       p.cfg.DSCP[:],
		Up:          s.transportUp,
		Moved:       s.transportMoved,
		Path:        s.pathChanged,
		Down:        s.transportDown,
		Log:         p.cfg.Log,
	})
	return s
}

// do runs f on the shard's goroutine, soon. Safe from any goroutine; dropped once the shard has ended.
func (s *shard) do(f func(now time.Time)) {
	s.cmds.Lock()
	defer s.cmds.Unlock()
	if s.cmds.ended {
		return
	}
	s.cmds.queue = append(s.cmds.queue, f)
	if s.cmds.poller != nil {
		if len(s.cmds.queue) == 1 {
			s.cmds.poller.Wake()
		}
		return
	}
	select {
	case s.cmds.wake <- struct{}{}:
	default:
	}
}

func (s *shard) runCommands(now time.Time) {
	s.cmds.Lock()
	queue := s.cmds.queue
	s.cmds.queue = nil
	s.cmds.Unlock()
	for _, f := range queue {
		f(now)
	}
}

// close ends every transport. Commands queued later are dropped.
func (s *shard) close() {
	now := time.Now()
	s.cmds.Lock()
	s.cmds.ended = true
	s.cmds.Unlock()
	s.runCommands(now)
	s.mux.Close(now)
}

// receive takes one batch of datagrams of a socket through to descriptors; what is another shard's
// participant's is handed on.
func (s *shard) receive(now time.Time, via link.PacketConn, ms []link.Message) {
	s.read += len(ms)
	if s.exchange != nil {
		ms = s.exchange.sort(now, via, ms)
	}
	s.take(now, via, ms)
}

// expect is how many datagrams are looked at ahead.
const expect = 16

// take is receive for what is this shard's.
func (s *shard) take(now time.Time, via link.PacketConn, ms []link.Message) {
	s.inbound, s.unwrap = s.inbound[:0], s.unwrap[:0]
	for i := range ms {
		if i%expect == 0 {
			s.mux.Expect(ms[i:min(i+expect, len(ms))])
		}
		if s.plane.cfg.ReceiveLoss != nil && s.plane.cfg.ReceiveLoss() {
			continue
		}
		s.inbound = s.mux.Receive(now, via, &ms[i], s.inbound)
	}
	s.packets = s.packets[:0]
	for i := range s.inbound {
		in := &s.inbound[i]
		c := connOf(in.T)
		if c == nil || !c.peer.admitted {
			s.drops[DropNotAdmitted]++
			continue
		}
		s.succeed(now, in.T)
		if in.RTCP {
			s.feedback(now, c, in.Data)
			continue
		}
		s.packets = s.media(now, c, in.T, in.Data, s.packets)
	}
	if len(s.packets) > 0 {
		s.fwd.Admit(now, s.packets, &s.out)
	}
	s.emit(now)
}

// emit queues the descriptors of s.out for their receivers, hands on the notes, and empties both.
func (s *shard) emit(now time.Time) {
	for i := range s.out.Descs {
		s.enqueue(now, &s.out.Descs[i])
	}
	s.out.Descs = s.out.Descs[:0]
	for i := range s.out.Loans {
		s.exchange.lend(&s.out.Loans[i])
	}
	clear(s.out.Loans)
	s.out.Loans = s.out.Loans[:0]
	s.notes(now)
}

// sendRTCP seals a compound packet for one transport; it leaves with the next flush.
func (s *shard) sendRTCP(now time.Time, p *peer, group proto.Group, t *rtc.Transport, packet []byte) {
	via, to, from, ok := t.Path()
	if !ok {
		s.drops[DropNoPath]++
		return
	}
	if len(s.arena)+len(packet)+64 > cap(s.arena) {
		s.flush()
	}
	start := len(s.arena)
	sealed, err := t.SealRTCP(s.arena, packet)
	if err != nil {
		s.drops[DropSeal]++
		return
	}
	s.arena = sealed
	p.sentAt[group] = now
	buf := s.arena[start:len(s.arena):len(s.arena)]
	s.queueMessage(via, link.Message{Buf: buf, N: len(buf), Addr: to, Local: from, DSCP: s.plane.cfg.DSCP[group]})
}

// send is the mux's way out: STUN and DTLS. Small and rare, so it goes at once.
func (s *shard) send(via link.PacketConn, m link.Message) {
	s.one[0] = m
	if _, err := via.WriteBatch(s.one[:]); err != nil {
		s.drops[DropWrite]++
	}
}

// admit answers the mux's question whose ufrag this is. Stateless but for what already stands: expiry
// bounds only the first check of a group, unless the participant's control channel is up (design §3).
func (s *shard) admit(now time.Time, ufrag string) (rtc.Admission, bool) {
	seat, ok := trust.PeekTicket([]byte(ufrag))
	if !ok {
		return rtc.Admission{}, false
	}
	tn := (*s.plane.tenants.Load())[seat.Router]
	if tn == nil {
		return rtc.Admission{}, false
	}
	ticket, password, ok := tn.key.Open(ufrag)
	if !ok {
		return rtc.Admission{}, false
	}
	key := peerKey{ticket.Router, ticket.Meeting, ticket.Participant}
	if s.plane.shardOf(key) != s {
		return rtc.Admission{}, false
	}
	p := s.peers[key]
	if p != nil && p.banned {
		return rtc.Admission{}, false
	}
	attached := p != nil && p.room != nil
	if !attached && len(s.peers) >= maxPeers {
		return rtc.Admission{}, false
	}
	return rtc.Admission{
		Password: password,
		Expired:  !attached && now.After(ticket.Expires),
		Tag:      &association{key: key, group: ticket.Group, nonce: ticket.Nonce},
		Seat:     key,
	}, true
}

// association is the tag of one transport: which seat, group and peer connection it belongs to.
type association struct {
	key   peerKey
	group proto.Group
	nonce uint32
	// Set once the transport is up.
	fingerprint string
	conn        *conn
	leftAt      time.Time // when another took over from it
}

// connOf is the peer connection of a transport, nil before it is up.
func connOf(t *rtc.Transport) *conn {
	a, _ := t.Tag.(*association)
	if a == nil {
		return nil
	}
	return a.conn
}

// receiver is the peer a descriptor's receiver index names, nil when it has left.
func (s *shard) receiver(i uint32) *peer {
	if int(i) >= len(s.byRecv) {
		return nil
	}
	return s.byRecv[i]
}
