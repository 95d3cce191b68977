package mmr

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"parley/core/forward"
	"parley/core/meeting"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/sys/rtc/srtp"
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

// actor is one participant: a microphone, a camera of three layers, and slots.
type actor struct {
	id    proto.ParticipantID
	key   peerKey
	one   bool // all on one transport
	gone  bool
	all   []*actorTransport
	slots []proto.Slot
	mic   *actorStream
	cam   []*actorStream
	twcc  uint16 // next transport-wide number to come
	any   bool
	rtcp  uint32
}

type actorTransport struct {
	a       *actor
	group   proto.Group
	addr    netip.AddrPort
	lastTo  netip.AddrPort
	bare    *rtc.Bare
	in, out *srtp.Context
	sealed  map[uint32]*usedIndices
}

// usedIndices remembers every index a key was used with on one SSRC.
type usedIndices struct {
	order rtp.Unwrapper
	rtp   map[int64]bool
	rtcp  map[uint32]bool
}

// actorStream is one RTP stream as its sender makes it.
type actorStream struct {
	ssrc, rtx uint32
	kind      proto.Kind
	layer     int
	seq       rtp.Seq
	again     rtp.Seq // next number of retransmissions
	ext       int64
	time      rtp.Time
	pic, dd   uint16
	tl0       uint8
	wantKey   bool
	n         uint32
	kept      map[rtp.Seq]parcel // lately sent
}

// parcel is one datagram on its way to the router.
type parcel struct {
	a     *actor
	from  netip.AddrPort
	data  []byte // sealed
	ssrc  uint32
	plain []byte
	p     *refPacket
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
		t: t, rnd: rand.New(rand.NewPCG(seed, 2)), now: now, hello: make(chan arrived, 1024), ref: newReference(),
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
			s.runCommands(st.now)
			s.turn(st.now)
		}
		for _, s := range st.plane.shards {
			more = more || !s.resting(restIdle) || s.commanded()
		}
	}
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

// join makes an actor with transports, streams that begin at seq, and slots that begin at out.
func (st *stage) join(id proto.ParticipantID, one bool, seq, out func() rtp.Seq) *actor {
	st.t.Helper()
	st.nonce++
	a := &actor{id: id, key: st.room.key(id), one: one, rtcp: uint32(id) << 8}
	groups := []proto.Group{proto.GroupAudio, proto.GroupVideo}
	if one {
		groups = groups[:1]
	}
	type result struct {
		tr      *actorTransport
		in, out *srtp.Context
		err     error
	}
	done := make(chan result, len(groups))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, g := range groups {
		tr := &actorTransport{a: a, group: g, sealed: map[uint32]*usedIndices{}}
		st.place(tr)
		a.all = append(a.all, tr)
		tr.bare = rtc.NewBare(rtc.DialConfig{
			Credentials: st.key.Credentials(trust.Ticket{
				Router: a.key.router, Meeting: a.key.meeting, Participant: id, Group: g,
				Expires: st.now.Add(time.Minute).Truncate(time.Second), Nonce: st.nonce,
			}),
			Fingerprint: st.plane.Fingerprint(), Certificate: st.cert,
		}, func(b []byte) { st.hello <- arrived{tr.addr, slices.Clone(b)} })
		st.receive(arrived{tr.addr, tr.bare.AppendCheck(nil)})
		go func() {
			in, out, err := tr.bare.Handshake(ctx)
			done <- result{tr, in, out, err}
		}()
	}
	for range groups {
		for more := true; more; {
			select {
			case p := <-st.hello:
				st.receive(p)
			case <-st.wake:
				st.turn()
			case r := <-done:
				if r.err != nil {
					st.t.Fatal(r.err)
				}
				r.tr.in, r.tr.out = r.in, r.out
				more = false
			}
		}
	}
	st.turn()

	ssrc := uint32(st.nonce) << 16
	for i, k := range []proto.Kind{proto.Audio, proto.Audio, proto.Video, proto.Video, proto.Video} {
		sl := proto.Slot{ID: i, Kind: k, SSRC: ssrc | 0x100 | uint32(i)}
		if k == proto.Video {
			sl.RTX = ssrc | 0x200 | uint32(i)
		}
		a.slots = append(a.slots, sl)
	}
	s := st.of(a.key)
	s.attach(st.now, st.room, a.key, rtc.Fingerprint(st.cert))
	s.admitPeer(st.now, a.key, a.slots, one, uint32(id))
	s.takesTWCC(a.key, []proto.Group{proto.GroupVideo})
	p := s.peers[a.key]
	for i, sl := range a.slots { // as needLeg makes them, but for numbers near the wrap
		first, at := out(), rtp.Time(st.rnd.Uint32())
		p.slots[i].leg = s.fwd.AddLeg(forward.LegConfig{
			Receiver: p.recv, Slot: uint16(i), Kind: sl.Kind, SSRC: sl.SSRC, RTX: sl.RTX,
			FirstSeq: first, FirstRTXSeq: first + 50, FirstTime: at, TWCC: p.twcc[sl.Kind.Group()],
		})
		clock := uint32(proto.ClockVideo)
		if sl.Kind.IsAudio() {
			clock = proto.ClockAudio
		}
		st.ref.addLeg(sl.SSRC, first, at, clock)
		st.resent[sl.RTX] = first + 50
		st.asked[sl.SSRC], st.owed[sl.SSRC] = map[rtp.Seq]bool{}, map[rtp.Seq]bool{}
	}
	var streams []proto.Stream
	add := func(k proto.Kind, layer int) *actorStream {
		c := &actorStream{
			ssrc: ssrc | uint32(k)<<4 | uint32(layer) | 1<<12, kind: k, layer: layer, seq: seq(), time: rtp.Time(st.rnd.Uint32()),
			pic: uint16(st.rnd.Uint32()) & 0x7fff, dd: uint16(st.rnd.Uint32()), tl0: uint8(st.rnd.Uint32()), kept: map[rtp.Seq]parcel{},
		}
		c.ext, c.again = int64(c.seq), c.seq
		ps := proto.Stream{Kind: k, SSRC: c.ssrc}
		if k == proto.Video {
			c.rtx = c.ssrc | 1<<13
			ps.RTX, ps.RID = c.rtx, proto.RIDs[layer]
		}
		streams = append(streams, ps)
		st.ref.addStream(c.ssrc, uint32(proto.Source(id, k)), layer, k.IsAudio())
		return c
	}
	a.mic = add(proto.Audio, 0)
	for layer := range 3 {
		a.cam = append(a.cam, add(proto.Video, layer))
	}
	s.gate(st.now, a.key, proto.Audio, true)
	s.gate(st.now, a.key, proto.Video, true)
	s.announce(st.now, a.key, streams)
	st.actors = append(st.actors, a)
	st.wait(tableEvery + time.Millisecond)
	return a
}

// place gives a transport a fresh address.
func (st *stage) place(tr *actorTransport) {
	tr.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(tr.a.id)}), uint16(20000+len(st.at)))
	st.at[tr.addr] = tr
}

// move makes a transport come from another port: a check first, as ICE has it.
func (st *stage) move(tr *actorTransport) {
	st.place(tr)
	st.receive(arrived{tr.addr, tr.bare.AppendCheck(nil)})
}

// leave takes an actor away, whatever is on its way.
func (st *stage) leave(a *actor) {
	st.of(a.key).removePeer(st.now, a.key, time.Time{})
	a.gone = true
	st.actors = slices.DeleteFunc(st.actors, func(b *actor) bool { return a == b })
	st.ref.leave(uint32(proto.Source(a.id, proto.Audio)))
	st.ref.leave(uint32(proto.Source(a.id, proto.Video)))
	for _, sl := range a.slots {
		delete(st.due, sl.SSRC)
		delete(st.owed, sl.SSRC)
		delete(st.ref.legs, sl.SSRC)
	}
	st.turn()
}

// wire points every slot of some actors at another source, or none.
func (st *stage) wire() {
	var wires []meeting.Wire
	type change struct {
		leg, source uint32
		layer       int8
	}
	var changes []change
	for _, a := range st.actors {
		for i, sl := range a.slots {
			if st.rnd.IntN(3) == 0 {
				continue
			}
			w := meeting.Wire{ID: a.id, Slot: i, Layer: int8(st.rnd.IntN(3))}
			if b := st.actors[st.rnd.IntN(len(st.actors))]; b != a {
				w.Source = proto.Source(b.id, sl.Kind)
			}
			wires = append(wires, w)
			changes = append(changes, change{sl.SSRC, uint32(w.Source), w.Layer})
		}
	}
	st.plane.wire(st.room, wires)
	st.turn()
	st.wait(tableEvery + time.Millisecond)
	for _, c := range changes {
		st.ref.wire(c.leg, c.source, int(c.layer))
	}
}

// deliver gives parcels to the reference and to the shard, as one batch.
func (st *stage) deliver(ps []parcel) {
	var in []arrived
	for _, p := range ps {
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

// nack asks for numbers of a slot.
func (st *stage) nack(a *actor, slot int, seqs []rtp.Seq) {
	sl := a.slots[slot]
	l := st.ref.legs[sl.SSRC]
	for _, seq := range seqs {
		n, ok := l.carries[seq]
		if s := st.ref.streams[n.stream]; ok && s != nil && !st.asked[sl.SSRC][seq] {
			q := s.seen[n.ext]
			if q != nil && st.now.Sub(q.at) < 200*time.Millisecond && n.seq > l.top-8 && l.remembers(n) {
				st.owed[sl.SSRC][seq] = true
			}
		}
		st.asked[sl.SSRC][seq] = true
	}
	tr := a.all[len(a.all)-1]
	b, err := tr.out.SealRTCP(nil, rtp.AppendNack(nil, a.rtcp, sl.SSRC, seqs))
	if err != nil {
		st.t.Fatal(err)
	}
	st.receive(arrived{tr.addr, b})
}

// take looks at one message the shard sends.
func (st *stage) take(m *link.Message) {
	b := m.Buf[:m.N]
	tr := st.at[m.Addr]
	if tr == nil {
		st.fail("sent to %v, which is nobody's", m.Addr)
		return
	}
	if b[0] < 128 {
		if b[0] >= 20 && tr.bare != nil && tr.in == nil {
			tr.bare.Push(slices.Clone(b))
		}
		return
	}
	size := m.Segment
	if size <= 0 {
		size = len(b)
	} else if st.runs++; size >= len(b) || len(b) > 65_507 || (len(b)+size-1)/size > 64 {
		st.fail("a message of %d bytes in parts of %d", len(b), size)
	}
	for len(b) > 0 {
		n := min(size, len(b))
		st.datagram(tr, slices.Clone(b[:n]), m)
		b = b[n:]
	}
}

func (st *stage) datagram(tr *actorTransport, b []byte, m *link.Message) {
	a := tr.a
	if a.gone {
		st.fail("sent to %d, who has left", a.id)
		return
	}
	tr.lastTo = m.Addr
	if want := st.plane.cfg.DSCP[tr.group]; m.DSCP != want {
		st.fail("marked %d, want %d", m.DSCP, want)
	}
	if rtp.IsRTCP(b) {
		tr.used(st, binary.BigEndian.Uint32(b[4:])).rtcpIndex(st, b)
		plain, _, err := tr.in.OpenRTCP(b)
		if err != nil {
			st.fail("RTCP does not open: %v", err)
			return
		}
		st.feedback(a, plain)
		return
	}
	tr.used(st, binary.BigEndian.Uint32(b[8:])).rtpIndex(st, rtp.Seq(binary.BigEndian.Uint16(b[2:])))
	plain, _, err := tr.in.OpenRTP(b)
	if err != nil {
		st.fail("a packet does not open: %v", err)
		return
	}
	st.compare(tr, plain)
}

func (tr *actorTransport) used(st *stage, ssrc uint32) *usedIndices {
	u := tr.sealed[ssrc]
	if u == nil {
		u = &usedIndices{rtp: map[int64]bool{}, rtcp: map[uint32]bool{}}
		tr.sealed[ssrc] = u
	}
	return u
}

func (u *usedIndices) rtpIndex(st *stage, seq rtp.Seq) {
	i := u.order.Unwrap(seq)
	if u.rtp[i] {
		st.fail("index %d was sealed twice", i)
	}
	u.rtp[i] = true
}

func (u *usedIndices) rtcpIndex(st *stage, b []byte) {
	i := binary.BigEndian.Uint32(b[len(b)-4:]) // GCM: the index comes last
	if u.rtcp[i] {
		st.fail("RTCP index %x was sealed twice", i)
	}
	u.rtcp[i] = true
}

// compare holds one packet that left against what must come on its SSRC.
func (st *stage) compare(tr *actorTransport, b []byte) {
	a := tr.a
	var h rtp.Header
	if err := rtp.Parse(b, &h); err != nil || h.CSRCCount != 1 || h.PadLen > maxPad {
		st.fail("header %+v: %v", h, err)
		return
	}
	got := refArrival{seq: h.Seq, time: h.Time, source: h.CSRC(b, 0), pt: h.PT, marker: h.Marker, payload: string(h.Payload(b))}
	exts := map[uint8][]byte{}
	for it := h.Exts(b); it.Next(); {
		exts[it.ID] = it.Value
	}
	slot := slices.IndexFunc(a.slots, func(s proto.Slot) bool { return s.SSRC == h.SSRC || s.RTX == h.SSRC })
	if slot < 0 {
		st.fail("SSRC %x is none of %d's slots", h.SSRC, a.id)
		return
	}
	sl := a.slots[slot]
	if g := sl.Kind.Group(); g != tr.group && !a.one {
		st.fail("a packet of %v on the transport of %v", g, tr.group)
	}
	number, has := exts[proto.ExtTransportSeq]
	if has == sl.Kind.IsAudio() {
		st.fail("transport-wide number on %v: %v", sl.Kind, has)
	}
	if has {
		n := binary.BigEndian.Uint16(number)
		if a.any && n != a.twcc {
			st.fail("transport-wide number %d, want %d", n, a.twcc)
		}
		a.any, a.twcc = true, n+1
	}
	delete(exts, proto.ExtTransportSeq)
	got.exts = extText(exts)
	if len(exts) > 3 {
		st.fail("extensions %v", exts)
	}
	if h.SSRC == sl.RTX {
		st.compareRepair(sl, got)
		return
	}
	st.media++
	due := st.due[h.SSRC]
	if len(due) == 0 {
		st.fail("on %x nothing was to come, got %v", h.SSRC, got)
		return
	}
	want := due[0]
	st.due[h.SSRC] = due[1:]
	if got != want.refArrival {
		st.fail("on %x got %v\nwant %v", h.SSRC, got, want.refArrival)
	}
	waited := st.now.Sub(want.at)
	st.longest = max(st.longest, waited)
	if waited > max(want.hold, 0) {
		st.fail("on %x number %d waited %v, at most %v is its hold", h.SSRC, got.seq, waited, want.hold)
	}
}

func (st *stage) compareRepair(sl proto.Slot, got refArrival) {
	st.repairs++
	if got.seq != st.resent[sl.RTX] {
		st.fail("retransmission number %d, want %d", got.seq, st.resent[sl.RTX])
	}
	st.resent[sl.RTX] = got.seq + 1
	if len(got.payload) < 2 {
		st.fail("empty retransmission")
		return
	}
	osn := rtp.Seq(binary.BigEndian.Uint16([]byte(got.payload)))
	n, ok := st.ref.legs[sl.SSRC].carries[osn]
	s := st.ref.streams[n.stream]
	if !ok || s == nil || s.seen[n.ext] == nil || !st.asked[sl.SSRC][osn] {
		st.fail("retransmission of %d, which was not sent or not asked for", osn)
		return
	}
	want := n.as(s.seen[n.ext], s.source)
	want.seq, want.pt, want.payload = got.seq, proto.RTXOf(want.pt), got.payload[:2]+want.payload
	if got != want {
		st.fail("retransmission of %d: got %v\nwant %v", osn, got, want)
	}
	delete(st.owed[sl.SSRC], osn)
}

// feedback does what the router asks of a sender: key frames, and packets again with the next step.
func (st *stage) feedback(a *actor, b []byte) {
	for len(b) > 0 {
		pkt, rest, ok := rtp.NextRTCP(b)
		if !ok {
			st.fail("malformed RTCP from the router")
			return
		}
		b = rest
		for _, c := range a.cam {
			if _, media, ok := pkt.PLI(); ok && media == c.ssrc {
				c.wantKey = true
			}
			if _, media, pairs, ok := pkt.Nack(); ok && media == c.ssrc {
				for _, seq := range pairs.AppendSeqs(nil, 100) {
					if p, ok := c.kept[seq]; ok && st.rnd.IntN(4) > 0 {
						st.repair(p, c)
					}
				}
			}
		}
	}
}
