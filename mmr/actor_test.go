package mmr

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"parley/core/forward"
	"parley/core/meeting"
	"parley/sys/rtc"
	"parley/sys/rtc/srtp"
	"parley/sys/trust"
	"parley/wire/proto"
	"parley/wire/rtp"
)

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
	deaf    bool // nothing that is sent to it arrives
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

// join makes an actor with transports, streams that begin at seq, and slots that begin at out.
func (st *stage) join(id proto.ParticipantID, one bool, seq, out func() rtp.Seq) *actor {
	st.t.Helper()
	a := &actor{id: id, key: st.room.key(id), one: one, rtcp: uint32(id) << 8}
	st.connect(a)

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

// connect makes the transports of a peer connection, in place of those the actor may have.
func (st *stage) connect(a *actor) {
	st.t.Helper()
	st.nonce++
	a.all = nil
	groups := []proto.Group{proto.GroupAudio, proto.GroupVideo}
	if a.one {
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
				Router: a.key.router, Meeting: a.key.meeting, Participant: a.id, Group: g,
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
}

// reconnect gives an actor another peer connection, with keys of its own, and has it used.
func (st *stage) reconnect(a *actor) {
	st.t.Helper()
	st.connect(a)
	for _, tr := range a.all {
		b, err := tr.out.SealRTCP(nil, rtp.AppendRR(nil, a.rtcp))
		if err != nil {
			st.t.Fatal(err)
		}
		st.receive(arrived{tr.addr, b})
	}
	st.turn()
	a.any = false // transport-wide numbers begin anew
	for _, sl := range a.slots {
		st.ref.rekey(sl.SSRC)
		if st.resent[sl.RTX] >= 0x8000 {
			st.resent[sl.RTX] = 0
		}
	}
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
	if st.aside != nil {
		st.wait(asideEvery) // what is set aside is read before
	}
	st.plane.wire(st.room, wires)
	st.turn()
	st.wait(tableEvery + time.Millisecond)
	for _, c := range changes {
		st.ref.wire(c.leg, c.source, int(c.layer))
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
