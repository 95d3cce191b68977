package mmr

import (
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"parley/core/forward"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// With two and three shards, between which the kernel scatters what arrives, everything is as with one:
// packets of participants of other shards, sources followed across them, key frames asked for, ports that
// move to another shard's socket.
func TestEveryPacketArrivesAcrossShards(t *testing.T) {
	seeds, steps := 3, 120
	if os.Getenv("PARLEY_SOAK") != "" {
		seeds, steps = 50, 400
	}
	for shards := 2; shards <= 3; shards++ {
		media, lent, handed := 0, 0, 0
		for seed := range seeds {
			cfg := PlaneConfig{HoldFrom: []int{-1, 1 << 30}[seed%2], Shards: shards, Together: 1}
			st := performWith(t, uint64(1000*shards+seed), steps, cfg)
			if st.failed {
				return
			}
			media += st.media
			leaveNothing(t, st)
			for _, s := range st.plane.shards {
				for _, l := range s.exchange.out {
					if l != nil {
						lent += int(l.events.next)
						handed += int(l.datagrams.next)
					}
				}
			}
		}
		t.Logf("%d shards: %d packets, %d events between them, %d datagrams handed on", shards, media, lent, handed)
		if media < seeds*steps*20 || lent < media/20 || handed < media/20 {
			t.Errorf("%d shards: %d packets, %d events, %d datagrams handed on: too few to show anything", shards, media, lent, handed)
		}
	}
}

// leaveNothing has everybody leave, and nothing may be left of them.
func leaveNothing(t *testing.T, st *stage) {
	t.Helper()
	for len(st.actors) > 0 {
		st.leave(st.actors[0])
	}
	st.wait(lingerFor + time.Second)
	for _, s := range st.plane.shards {
		nothingLeft(t, st, s)
	}
}

// nothingLeft holds a shard to having let go of everything of others, and they of what it lent.
func nothingLeft(t *testing.T, st *stage, s *shard) {
	t.Helper()
	if n := len(s.topos[st.room].rows); n > 0 {
		t.Errorf("%s, shard %d: %d rows are left", st.where, s.index, n)
	}
	x := s.exchange
	if x == nil {
		return // there is no other
	}
	if n := len(x.mirrors) + len(x.origins) + len(x.lingering) + len(x.asking); n > 0 {
		t.Errorf("%s, shard %d: %d mirrors, %d origins, %d lingering, %d asking are left", st.where, s.index, len(x.mirrors), len(x.origins), len(x.lingering), len(x.asking))
	}
	if n := len(x.routes) + len(x.hosts); n > 0 {
		t.Errorf("%s, shard %d: %d addresses and %d hosts of nobody's", st.where, s.index, len(x.routes), len(x.hosts))
	}
	for _, l := range x.out {
		if l != nil && (l.lent > 0 || len(l.backlog) > 0) {
			t.Errorf("%s, shard %d: %d packets lent, %d events waiting", st.where, s.index, l.lent, len(l.backlog))
		}
	}
}

// What one side puts the other gets, in order and once, however full the ring is.
func TestARingCarriesInOrder(t *testing.T) {
	const n = 100_000
	r := newRing[int](8)
	go func() {
		for i := 0; i < n; {
			if at := r.put(); at != nil {
				*at = i
				i++
			}
			if i%3 == 0 {
				r.flush()
			}
		}
		r.flush()
	}()
	for want := 0; want < n; {
		for v := r.get(); v != nil; v = r.get() {
			if *v != want {
				t.Fatalf("got %d, want %d", *v, want)
			}
			want++
		}
		r.release()
		runtime.Gosched()
	}
	if r.waiting() {
		t.Error("something is left")
	}
}

// An event that must not be lost waits behind a full ring, and what may be lost does not overtake it.
func TestToldEventsAreNeverLost(t *testing.T) {
	a, b := &shard{}, &shard{index: 1}
	connectShards([]*shard{a, b})
	l := a.exchange.out[1]
	for i := range laneEvents + 10 {
		l.tell(event{kind: eventPath, ext: int64(i)})
	}
	if l.lend(&forward.Loan{}) {
		t.Error("a packet overtook events")
	}
	got := int64(0)
	for range 3 {
		l.flush()
		for e := l.events.get(); e != nil; e = l.events.get() {
			if e.ext != got {
				t.Fatalf("event %d, want %d", e.ext, got)
			}
			got++
		}
		l.events.release()
	}
	if got != laneEvents+10 {
		t.Errorf("%d events came", got)
	}
	if !l.lend(&forward.Loan{}) || l.lent != 1 {
		t.Error("a packet was not lent though there is room")
	}
}

// A shard that does not look at its lanes costs another a bounded memory, and what is lost is counted.
func TestAShardThatIsStuckCostsTheOthersLittle(t *testing.T) {
	a, b := &shard{fwd: forward.New(forward.Config{})}, &shard{index: 1}
	b.cmds.wake = make(chan struct{}, 1)
	connectShards([]*shard{a, b})
	l := a.exchange.out[1]
	const told = laneEvents + maxLaneBacklog + 1000
	for range told {
		l.tell(event{kind: eventPath})
	}
	for _, k := range []eventKind{eventWant, eventReport} {
		l.tell(event{kind: k})
	}
	a.exchange.give()
	if n := len(l.backlog); n != maxLaneBacklog {
		t.Errorf("%d events wait, want %d", n, maxLaneBacklog)
	}
	if n := a.drops[DropLane]; n != 1002 {
		t.Errorf("%d are counted as lost, want 1002", n)
	}
	got := 0
	for range 2 + maxLaneBacklog/laneEvents {
		for e := l.events.get(); e != nil; e = l.events.get() {
			got++
		}
		l.events.release()
		a.exchange.give()
	}
	if want := laneEvents + maxLaneBacklog; got != want || l.backlog != nil || a.drops[DropLane] != 1002 {
		t.Errorf("%d events came, want %d; %d wait, %d lost", got, want, len(l.backlog), a.drops[DropLane])
	}
	l.tell(event{kind: eventWant})
	if l.events.flush(); !l.waiting() {
		t.Error("a wish is not told though there is room")
	}
}

// Whoever sends checks with made-up names from made-up addresses costs a shard a bounded memory, and turns
// nobody's media away.
func TestChecksOfStrangersRouteNobodysMedia(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{Shards: 2, Together: 1})
	far := func() rtp.Seq { return 1000 }
	a := st.join(1, false, far, far)
	addr := a.all[0].addr
	owner := st.of(a.key)
	reader := st.plane.shards[1-owner.index]
	key := peerKey{router: a.key.router, meeting: a.key.meeting}
	for key.id = 2; st.plane.seat(st.now, key) == owner; key.id++ {
	}
	check := func(from netip.AddrPort) {
		c := rtc.NewBare(rtc.DialConfig{Credentials: trust.ZoneKey{9}.Credentials(trust.Ticket{
			Router: key.router, Meeting: key.meeting, Participant: key.id, Expires: st.now.Add(time.Minute),
		}), Certificate: st.cert}, nil).AppendCheck(nil)
		reader.receive(st.now, st.conn, []link.Message{{Buf: c, N: len(c), Addr: from}})
	}
	check(addr)
	if to := reader.exchange.routes[addr].shard; to != owner.index {
		t.Errorf("media from the participant's address goes to shard %d, want %d", to, owner.index)
	}
	if _, guessed := reader.exchange.guesses[addr]; guessed {
		t.Error("a stranger's check says whose a participant's address is")
	}
	for i := range 3 * maxGuesses {
		check(netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 9))
	}
	if n := len(reader.exchange.guesses); n > maxGuesses+1 {
		t.Errorf("%d guesses are kept", n)
	}
	st.turn()
}

// A NAT that forgets gives a participant another port, from which media comes to another shard's socket
// before any check does: it is followed all the same.
func TestAPortThatMovesToAnotherShardsSocketIsFollowed(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{Shards: 2, Together: 1})
	far := func() rtp.Seq { return 1000 }
	a, b := st.join(1, false, far, far), st.join(2, false, far, far)
	for range 2 {
		st.wire()
	}
	for range 20 {
		for _, who := range []*actor{a, b} {
			st.speak(who)
			st.show(who)
		}
		st.deliver(st.queue)
		st.queue = nil
		st.wait(20 * time.Millisecond)
	}
	tr := a.all[1]
	for range 3 {
		st.place(tr)
		for int(tr.addr.Port())%2 == st.of(a.key).index {
			st.place(tr)
		}
		for range 3 {
			st.show(a)
			st.deliver(st.queue)
			st.queue = nil
			st.wait(40 * time.Millisecond)
		}
		if got := st.of(a.key).exchange.routes[tr.addr].shard; got != st.of(a.key).index {
			t.Errorf("what comes from the new port is shard %d's, want %d's", got, st.of(a.key).index)
		}
		st.wait(time.Second)
		if tr.lastTo != tr.addr {
			t.Errorf("sent to %v, though media comes from %v", tr.lastTo, tr.addr)
		}
	}
}

// Who sends no media is followed by its reports, whichever socket they come to, though all its transports report as one.
func TestAReceiversPortThatMovesIsFollowedByItsReports(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{Shards: 2, Together: 1})
	far := func() rtp.Seq { return 1000 }
	a := st.join(1, false, far, far)
	report := func(tr *actorTransport) {
		b, err := tr.out.SealRTCP(nil, rtp.AppendRR(nil, a.rtcp))
		if err != nil {
			t.Fatal(err)
		}
		st.receive(arrived{tr.addr, b})
		st.wait(20 * time.Millisecond)
	}
	for _, tr := range a.all {
		report(tr)
	}
	for i := range 3 * 2 * len(a.all) {
		tr := a.all[i%len(a.all)]
		st.place(tr)
		for int(tr.addr.Port())%2 != i/len(a.all)%2 {
			st.place(tr)
		}
		report(tr)
		if tr.lastTo != tr.addr {
			t.Errorf("group %d is sent to at %v, though its reports come from %v", tr.group, tr.lastTo, tr.addr)
		}
		for _, s := range st.plane.shards {
			if got, want := s.exchange.routes[tr.addr].shard, st.of(a.key).index; got != want {
				t.Errorf("to shard %d what comes from the new port is shard %d's, want %d's", s.index, got, want)
			}
		}
	}
}

// FuzzHandingOn gives any bytes from any address to one of two shards' sockets: all of it is dropped or
// handed on, and the other takes what it is handed.
func FuzzHandingOn(f *testing.F) {
	ticket := trust.Ticket{Meeting: 5, Participant: 3, Expires: time.Unix(2e9, 0)}
	for id := range proto.ParticipantID(4) {
		ticket.Participant = id + 1
		cred := trust.ZoneKey{1, 2, 3}.Credentials(ticket)
		f.Add(rtc.NewBare(rtc.DialConfig{Credentials: cred}, nil).AppendCheck(nil), uint16(id), uint16(0))
	}
	f.Add([]byte{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3}, uint16(1), uint16(5))
	f.Add([]byte{22, 254, 253, 0}, uint16(2), uint16(1))
	cert, err := rtc.NewCertificate(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	conn := &deafConn{}
	p, err := NewPlane(PlaneConfig{Host: deafHost{conn: conn}, Listen: []netip.AddrPort{stageAddr}, Certificate: cert, NoTCP: true, Shards: 2, Together: 1})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := p.attach("r-1", trust.ZoneKey{1, 2, 3}); err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	f.Cleanup(func() {
		for _, s := range p.shards {
			s.mux.Close(now)
		}
	})
	host := netip.MustParseAddr("198.51.100.7")
	for _, s := range p.shards {
		s.pathChanged(conn, netip.AddrPortFrom(host, 7+uint16(s.index)), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, port, segment uint16) {
		for _, s := range p.shards {
			b := append([]byte(nil), data...)
			m := link.Message{Buf: b, N: len(b), Addr: netip.AddrPortFrom(host, port), Local: stageAddr.Addr()}
			if int(segment) < len(b) {
				m.Segment = int(segment)
			}
			s.receive(now, conn, []link.Message{m})
			for range 3 {
				for _, s := range p.shards {
					s.turn(now)
				}
			}
			if n := len(s.exchange.guesses); n > maxGuesses+1 {
				t.Fatalf("%d guesses are kept", n)
			}
			for _, l := range s.exchange.out {
				if l != nil && (l.waiting() || l.lent > 0) {
					t.Fatal("something handed on was not taken")
				}
			}
		}
		now = now.Add(time.Millisecond)
	})
}

// deafHost's socket sends nothing.
type deafHost struct {
	stageHost
	conn *deafConn
}

func (h deafHost) ListenPacket(netip.AddrPort) (link.PacketConn, error) { return h.conn, nil }

type deafConn struct{ stageConn }

func (*deafConn) WriteBatch(ms []link.Message) (int, error) { return len(ms), nil }
