package rtc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
	"parley/wire/stun"
)

// bare is a Mux without a loop, for what needs no handshake.
type bare struct {
	*Mux
	t    testing.TB
	now  time.Time
	via  link.PacketConn
	sent []link.Message
	down []Reason
}

func newBare(t testing.TB, change func(*MuxConfig)) *bare {
	t.Helper()
	now := time.Unix(1_000_000_000, 0)
	cert, err := NewCertificate(now)
	if err != nil {
		t.Fatal(err)
	}
	b := &bare{t: t, now: now, via: &memConn{}}
	cfg := MuxConfig{
		Certificate: cert,
		Admit: func(_ time.Time, ufrag string) (Admission, bool) {
			return Admission{Password: password, Expired: ufrag[:4] == "late"}, ufrag[:4] == "user" || ufrag[:4] == "late"
		},
		Post: func(func(time.Time)) {},
		Send: func(_ link.PacketConn, m link.Message) {
			m.Buf = bytes.Clone(m.Buf[:m.N])
			b.sent = append(b.sent, m)
		},
		Down: func(_ time.Time, _ *Transport, why Reason) { b.down = append(b.down, why) },
	}
	if change != nil {
		change(&cfg)
	}
	b.Mux = NewMux(cfg)
	t.Cleanup(func() { b.Close(b.now) })
	return b
}

func (b *bare) take(from string, data []byte) []Inbound {
	return b.Receive(b.now, b.via, &link.Message{Buf: data, N: len(data), Addr: netip.MustParseAddrPort(from)}, nil)
}

func checkOf(user, pwd string) []byte {
	m := stun.Build(nil, stun.BindingRequest, stun.TxID{1})
	m.Username(user)
	m.Priority(1)
	m.Controlling(1)
	m.Integrity([]byte(pwd))
	m.Fingerprint()
	return m.Bytes()
}

func TestUnknownUsersLeaveNothing(t *testing.T) {
	b := newBare(t, nil)
	for i := range 10_000 {
		from := fmt.Sprintf("198.51.%d.%d:5000", i/250, i%250)
		b.take(from, checkOf(fmt.Sprintf("nobody%d:x", i), password))
		b.take(from, checkOf(fmt.Sprintf("user%d:x", i), "a guess"))
		b.take(from, checkOf(fmt.Sprintf("late%d:x", i), password))
	}
	if len(b.sent) != 0 {
		t.Errorf("%d answers, want silence", len(b.sent))
	}
	if len(b.transports)+len(b.paths)+len(b.held) != 0 || !b.Wake().IsZero() {
		t.Errorf("kept %d transports, %d paths, %d held", len(b.transports), len(b.paths), len(b.held))
	}
	c := b.Counters()
	if c.DroppedFor(ReasonUnknownUser) != 20_000 || c.DroppedFor(ReasonIntegrity) != 10_000 {
		t.Errorf("dropped %v", c.Dropped)
	}
}

func TestAValidCheckMakesATransport(t *testing.T) {
	b := newBare(t, nil)
	b.take("198.51.100.1:5000", checkOf("user1:x", password))
	if len(b.sent) != 1 || len(b.transports) != 1 {
		t.Fatalf("%d answers, %d transports", len(b.sent), len(b.transports))
	}
	m, err := stun.Parse(b.sent[0].Buf)
	if err != nil || m.Type() != stun.BindingSuccess || !m.CheckIntegrity([]byte(password)) {
		t.Errorf("answer %v %v", m.Type(), err)
	}
	if a, _ := m.XORMappedAddress(); a.String() != "198.51.100.1:5000" {
		t.Errorf("mapped %v", a)
	}
	if m.Has(stun.AttrSoftware) {
		t.Error("the answer names the software")
	}
	if _, _, _, ok := b.Transport("user1").Path(); ok {
		t.Error("a check alone made a path to send media on")
	}
	for range 20 {
		b.now = b.now.Add(time.Second)
		b.Tick(b.now)
	}
	if len(b.transports)+len(b.paths) != 0 || len(b.down) != 1 || b.down[0] != ReasonLost || !b.Wake().IsZero() {
		t.Errorf("down %v, %d transports", b.down, len(b.transports))
	}
}

func TestATransportThatIsNeverKeyedEnds(t *testing.T) {
	b := newBare(t, nil)
	for range 40 {
		if len(b.down) == 0 {
			b.take("198.51.100.1:5000", checkOf("user1:x", password))
		}
		b.now = b.now.Add(time.Second)
		b.Tick(b.now)
	}
	if len(b.down) != 1 || b.down[0] != ReasonHandshake {
		t.Errorf("down %v", b.down)
	}
}

func TestPathsAreBounded(t *testing.T) {
	b := newBare(t, nil)
	for i := range 100 {
		b.now = b.now.Add(time.Millisecond)
		b.take(fmt.Sprintf("198.51.100.%d:5000", i+1), checkOf("user1:x", password))
	}
	if len(b.paths) != maxPaths || len(b.Transport("user1").paths) != maxPaths {
		t.Errorf("%d paths", len(b.paths))
	}
	for key := range b.paths {
		left := len(b.paths) - 1
		b.Unlink(b.now, b.via, key.addr)
		if b.Linked(b.via, key.addr) || len(b.paths) != left || len(b.transports) != 1 {
			t.Errorf("%d paths, %d transports after one of %d ways went", len(b.paths), len(b.transports), left+1)
		}
		b.Unlink(b.now, b.via, key.addr) // twice is as good as once
	}
	if len(b.Transport("user1").paths) != 0 {
		t.Errorf("%d paths are kept", len(b.Transport("user1").paths))
	}
}

func TestChecksThatCannotBeServed(t *testing.T) {
	b := newBare(t, nil)
	m := stun.Build(nil, stun.BindingRequest, stun.TxID{2})
	m.Username("user1:x")
	m.Controlled(1)
	m.Integrity([]byte(password))
	b.take("198.51.100.1:5000", m.Bytes())
	m = stun.Build(nil, stun.BindingRequest, stun.TxID{2})
	m.Username("user1:x")
	m.Attr(0x7001, nil)
	m.Integrity([]byte(password))
	b.take("198.51.100.1:5000", m.Bytes())
	if len(b.sent) != 2 || len(b.transports) != 0 {
		t.Fatalf("%d answers, %d transports", len(b.sent), len(b.transports))
	}
	for i, want := range []int{487, 420} {
		m, err := stun.Parse(b.sent[i].Buf)
		if err != nil {
			t.Fatal(err)
		}
		if code, _, _ := m.ErrorCode(); code != want || !m.CheckIntegrity([]byte(password)) {
			t.Errorf("answer %d: error %d, want %d", i, code, want)
		}
	}
}

func TestGarbageIsHarmless(t *testing.T) {
	b := newBare(t, nil)
	b.take("198.51.100.1:5000", checkOf("user1:x", password))
	b.sent = nil
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 50_000 {
		data := make([]byte, rng.IntN(200))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		if len(data) > 24 {
			switch i % 4 {
			case 0:
				data[0], data[1] = 0, 1
				binary.BigEndian.PutUint16(data[2:], uint16(len(data)-20))
				binary.BigEndian.PutUint32(data[4:], stun.Cookie)
			case 1: // handshake records of an epoch to come
				data[0], data[3], data[4] = 22, 0, 1
			case 2:
				data[0] = 0x80
			}
		}
		from := "198.51.100.1:5000"
		if i%3 == 0 {
			from = fmt.Sprintf("192.0.2.%d:%d", i%256, 1+i%60000)
		}
		if in := b.take(from, data); len(in) != 0 {
			t.Fatal("garbage was handed up")
		}
	}
	if len(b.sent) != 0 || len(b.paths) != 1 || len(b.held) > maxHeld {
		t.Errorf("%d answers, %d paths, %d held", len(b.sent), len(b.paths), len(b.held))
	}
	c := b.Counters()
	var sum uint64
	for _, n := range c.Dropped {
		sum += n
	}
	if sum != 50_000 {
		t.Errorf("%d drops counted, want 50000: %v", sum, c.Dropped)
	}
}

// helloOf is a datagram that looks like a ClientHello.
func helloOf(n int) []byte {
	b := make([]byte, n)
	b[0], b[1], b[2] = typeHandshake, 254, 253
	binary.BigEndian.PutUint16(b[11:], uint16(n-recordLen))
	b[recordLen] = clientHello
	return b
}

func TestDTLSFromUncheckedAddressesIsHeldBrieflyAndBounded(t *testing.T) {
	b := newBare(t, nil)
	for i := range 1000 {
		for range 3 {
			b.take(fmt.Sprintf("192.0.2.%d:%d", i%250+1, 1000+i), helloOf(400))
		}
	}
	if len(b.held) != maxHeld {
		t.Errorf("%d held", len(b.held))
	}
	c := b.Counters()
	if c.Handshakes != 0 || len(b.sent) != 0 {
		t.Errorf("%d handshakes, %d answers", c.Handshakes, len(b.sent))
	}
	if got, want := b.Wake(), b.now.Add(heldFor); got != want {
		t.Errorf("wake at %v, want %v", got, want)
	}
	b.now = b.now.Add(heldFor)
	b.Tick(b.now)
	if c := b.Counters(); len(b.held) != 0 || c.DroppedFor(ReasonHeldExpired) != maxHeld*heldPerAddr {
		t.Errorf("%d still held, %d expired", len(b.held), c.DroppedFor(ReasonHeldExpired))
	}
}

func TestProbesGiveNothingAway(t *testing.T) {
	probe := func(n int) []byte {
		m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
		if n > stun.HeaderLen {
			m.Padding(n - stun.HeaderLen - 4)
		}
		return m.Bytes()
	}
	for _, c := range []struct {
		from string
		size int
		want int // bytes of the answer, 0 for silence
	}{
		{"192.0.2.1:1", 20, 0}, // shorter than any answer
		{"192.0.2.1:1", 28, 0},
		{"192.0.2.1:1", 32, 32},
		{"192.0.2.1:1", 64, 64},
		{"192.0.2.1:1", 1200, 1200},
		{"[2001:db8::1]:1", 40, 0},
		{"[2001:db8::1]:1", 44, 44},
		{"[2001:db8::1]:1", 1280, 1280},
	} {
		b := newBare(t, nil)
		b.take(c.from, probe(c.size))
		got := 0
		for _, m := range b.sent {
			got += m.N
		}
		if got != c.want {
			t.Errorf("%s, %d bytes: answered with %d, want %d", c.from, c.size, got, c.want)
		}
	}
	// Unpadded requests of other stacks carry SOFTWARE and get the plain answer.
	b := newBare(t, nil)
	m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
	m.Attr(stun.AttrSoftware, []byte("some other stack"))
	m.Fingerprint()
	b.take("192.0.2.1:1", m.Bytes())
	if len(b.sent) != 1 || b.sent[0].N != 32 {
		t.Errorf("answers %v", b.sent)
	}
}

// TestProbesTellTheirMark: what a probe arrived with, and the answer with the mark wished for, if media has it here.
func TestProbesTellTheirMark(t *testing.T) {
	for _, c := range []struct {
		name       string
		mark, wish uint8 // as link.Message.Mark; and the request's
		told, sent uint8
	}{
		{"as sent", 47, 46, 46, 46},
		{"cleared on the way", 1, 46, 0, 46},
		{"remarked", 11, 34, 10, 34},
		{"a system that does not tell", 0, 46, stun.MarkUnknown, 46},
		{"no mark wished for", 47, 0, 46, 0},
		{"a mark that media has not", 47, 48, 46, 0},
	} {
		b := newBare(t, func(cfg *MuxConfig) { cfg.Marks = []uint8{46, 34, 26} })
		m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
		m.Mark(c.wish, 0)
		m.Padding(64 - m.Len() - 4)
		b.Receive(b.now, b.via, &link.Message{Buf: m.Bytes(), N: m.Len(), Addr: netip.MustParseAddrPort("192.0.2.1:1"), Mark: c.mark}, nil)
		if len(b.sent) != 1 {
			t.Fatalf("%s: %d answers", c.name, len(b.sent))
		}
		res, err := stun.Parse(b.sent[0].Buf[:b.sent[0].N])
		if err != nil {
			t.Fatal(err)
		}
		if told, sent, ok := res.Mark(); !ok || told != c.told || sent != c.sent || b.sent[0].DSCP != c.sent || res.Len() != 64 {
			t.Errorf("%s: told %d, sent %d (really %d), %d bytes; want %d, %d, 64", c.name, told, sent, b.sent[0].DSCP, res.Len(), c.told, c.sent)
		}
	}
	// No room for it, no MARK.
	b := newBare(t, nil)
	m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
	m.Mark(46, 0)
	m.Attr(stun.AttrSoftware, nil)
	b.take("192.0.2.1:1", m.Bytes())
	if len(b.sent) != 1 || b.sent[0].N > m.Len() {
		t.Errorf("answers %v", b.sent)
	}
}

// TestProbesDressedAsMediaAreAnsweredAsMedia: never with more bytes, and checks are not taken from a dress.
func TestProbesDressedAsMediaAreAnsweredAsMedia(t *testing.T) {
	for _, c := range []struct {
		name string
		size int // of what is inside
		user string
		want bool
	}{
		{"a probe", 64, "", true}, {"of full size", 1200, "", true}, {"shorter than its answer", 28, "", false}, {"a check", 64, "a:b", false},
	} {
		b := newBare(t, nil)
		m := stun.Build(stun.AppendDress(nil), stun.BindingRequest, stun.TxID{3})
		if c.user != "" {
			m.Username(c.user)
		}
		m.Padding(c.size - m.Len() - 4)
		if in := b.take("192.0.2.1:1", m.Bytes()); len(in) != 0 || len(b.sent) != map[bool]int{true: 1}[c.want] {
			t.Errorf("%s: %d answers, %d media packets", c.name, len(b.sent), len(in))
			continue
		}
		if !c.want {
			continue
		}
		inner, ok := stun.Undress(b.sent[0].Buf[:b.sent[0].N])
		res, err := stun.Parse(inner)
		if !ok || err != nil || res.TxID() != (stun.TxID{3}) || b.sent[0].N != len(m.Bytes()) {
			t.Errorf("%s: %d bytes for %d, dressed %v, %v", c.name, b.sent[0].N, len(m.Bytes()), ok, err)
		}
	}
}

func TestProbesAreLimitedByNetwork(t *testing.T) {
	b := newBare(t, func(c *MuxConfig) { c.ProbesPerSecond = 10 })
	for { // until the hash gives each network a bucket of its own
		seen := map[*bucket]bool{}
		for _, a := range []string{"192.0.2.1", "192.0.3.1", "2001:db8::1", "2001:db8:0:1::1"} {
			seen[b.probes.bucket(netip.MustParseAddr(a))] = true
		}
		if len(seen) == 4 {
			break
		}
		b.probes = newLimiter(10)
	}
	m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
	m.Padding(40)
	flood := func(format string) int {
		before := b.Counters().Probes
		for i := range 200 {
			b.take(fmt.Sprintf(format, i+1), m.Bytes())
		}
		return int(b.Counters().Probes - before)
	}
	for _, c := range []struct {
		format string
		want   int
	}{
		{"192.0.2.%d:1", 40}, // a burst of four seconds' worth
		{"192.0.2.%d:2", 0},
		{"192.0.3.%d:1", 40}, // another /24
		{"[2001:db8::%x]:1", 40},
		{"[2001:db8::1:%x]:1", 0},
		{"[2001:db8:0:1::%x]:1", 40}, // another /64
		{"[::ffff:192.0.2.%d]:1", 0}, // the first again
	} {
		if got := flood(c.format); got != c.want {
			t.Errorf("%s: %d answered, want %d", c.format, got, c.want)
		}
	}
	b.now = b.now.Add(time.Second)
	if got := flood("192.0.2.%d:1"); got != 10 {
		t.Errorf("a second later %d, want 10", got)
	}
	if b.Counters().DroppedFor(ReasonProbeLimit) == 0 {
		t.Error("not counted")
	}
}

func TestEveryReasonHasAName(t *testing.T) {
	seen := map[string]bool{}
	for r := range nReasons {
		s := r.String()
		if s == "" || s == "unknown" || seen[s] {
			t.Errorf("reason %d is called %q", r, s)
		}
		seen[s] = true
	}
	if nReasons.String() != "unknown" {
		t.Error("a reason that is none has a name")
	}
}

// keyedTransport is a released transport without a handshake, and the peer's sealing end.
func (b *bare) keyedTransport(from string) (*Transport, *srtp.Context) {
	b.t.Helper()
	b.take(from, checkOf("user1:x", password))
	tr := b.Transport("user1")
	key, salt := make([]byte, 16), make([]byte, 12)
	var ends [3]*srtp.Context
	for i := range ends {
		var err error
		if ends[i], err = srtp.New(srtp.GCM128, key, salt); err != nil {
			b.t.Fatal(err)
		}
	}
	tr.keyed(b.now, &keyed{in: ends[0], out: ends[1], fingerprint: "sha-256 00"})
	tr.Release()
	return tr, ends[2]
}

func TestThePacketPathAllocatesNothing(t *testing.T) {
	b := newBare(t, nil)
	tr, peer := b.keyedTransport("198.51.100.1:5000")
	plain, buf, out := make([]byte, 1100), make([]byte, 0, 1500), make([]byte, 0, 1500)
	copy(plain, rtpPacket(1, 0))
	msg := link.Message{Addr: netip.MustParseAddrPort("198.51.100.1:5000")}
	in := make([]Inbound, 0, 8)
	seq := uint16(0)
	got := testing.AllocsPerRun(1000, func() {
		seq++
		binary.BigEndian.PutUint16(plain[2:], seq)
		msg.Buf, _ = peer.SealRTP(buf, plain)
		msg.N = len(msg.Buf)
		in = b.Receive(b.now, b.via, &msg, in[:0])
		if len(in) != 1 {
			t.Fatal("not handed up")
		}
		if _, err := tr.SealRTP(out, in[0].Data); err != nil {
			t.Fatal(err)
		}
		if _, _, _, ok := tr.Path(); !ok {
			t.Fatal("no path")
		}
	})
	if got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

func BenchmarkReceive(b *testing.B) {
	m := newBare(b, nil)
	_, peer := m.keyedTransport("198.51.100.1:5000")
	plain := make([]byte, 1100)
	copy(plain, rtpPacket(1, 0))
	msg := link.Message{Addr: netip.MustParseAddrPort("198.51.100.1:5000"), Buf: make([]byte, 1500)}
	sealed := make([][]byte, 4096)
	in := make([]Inbound, 0, 8)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n%len(sealed) == 0 {
			b.StopTimer()
			for i := range sealed {
				binary.BigEndian.PutUint16(plain[2:], uint16(n+i))
				sealed[i], _ = peer.SealRTP(sealed[i][:0], plain)
			}
			b.StartTimer()
		}
		msg.N = copy(msg.Buf, sealed[n%len(sealed)])
		n++
		if in = m.Receive(m.now, m.via, &msg, in[:0]); len(in) != 1 {
			b.Fatal("not handed up")
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(checkOf("user1:x", password), 0)
	f.Add(helloOf(200), 90)
	f.Add([]byte{0x80, 200, 0, 0, 0, 0, 0, 1}, 4)
	cert, err := NewCertificate(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, segment int) {
		m := NewMux(MuxConfig{
			Certificate: cert,
			Admit:       func(time.Time, string) (Admission, bool) { return Admission{Password: password}, true },
			Post:        func(func(time.Time)) {},
			Send:        func(link.PacketConn, link.Message) {},
		})
		now := time.Unix(1, 0)
		via := &memConn{}
		from := netip.MustParseAddrPort("192.0.2.1:1")
		in := m.Receive(now, via, &link.Message{Buf: data, N: len(data), Addr: from, Segment: segment}, nil)
		if len(in) != 0 {
			t.Fatal("handed up without keys")
		}
		m.Close(now)
	})
}

// Whoever begins a handshake and is heard of no more keeps a shard neither from its rest nor at looking at everybody.
func TestAHandshakeThatIsLeftCostsTheOthersNothing(t *testing.T) {
	b := newBare(t, nil)
	const from = "198.51.100.1:5000"
	b.take(from, checkOf("user1:x", password))
	b.take(from, helloOf(200))
	if !b.Handshaking(b.now) || b.inFlight != 1 {
		t.Fatalf("%d handshakes under way, want one", b.inFlight)
	}
	scans := 0
	for range 20 {
		if b.now = b.Wake(); b.inFlight != 1 {
			t.Fatal("the handshake has ended: there is nothing to see")
		}
		if !b.now.Before(b.wakeAt) {
			scans++
		}
		b.Tick(b.now)
	}
	if scans > 1 {
		t.Errorf("all transports were looked at %d times in 2 s", scans)
	}
	if b.Handshaking(b.now) {
		t.Error("somebody is still about to get keys after 2 s")
	}
}

// One participant, with however many tickets, has a few handshakes under way at once: the newest. They keep nobody
// else out.
func TestHandshakesUnderWayAreFewForEachSeat(t *testing.T) {
	b := newBare(t, func(c *MuxConfig) {
		c.MaxHandshakes = 2 * seatHandshakes
		admit := c.Admit
		c.Admit = func(now time.Time, ufrag string) (Admission, bool) {
			adm, ok := admit(now, ufrag)
			if adm.Seat = ufrag[4]; adm.Seat == byte('-') {
				adm.Seat = nil
			}
			return adm, ok
		}
	})
	begin := func(user string, port int) {
		from := fmt.Sprint("198.51.100.1:", port)
		b.take(from, checkOf(user+":x", password))
		b.take(from, helloOf(200))
	}
	underWay := func(user string) bool { return b.Transport(user) != nil && b.Transport(user).hs != nil }
	for i := range 80 {
		begin(fmt.Sprint("userA", i), 5000+i)
	}
	if b.inFlight != seatHandshakes || !underWay("userA79") || underWay(fmt.Sprint("userA", 79-seatHandshakes)) {
		t.Errorf("of one seat %d are under way, want the newest %d", b.inFlight, seatHandshakes)
	}
	if n := b.Counters().DroppedFor(ReasonSeat); n != 80-seatHandshakes {
		t.Errorf("%d are counted as replaced, want %d", n, 80-seatHandshakes)
	}
	begin("userA0", 5000) // may try again
	if !underWay("userA0") || underWay(fmt.Sprint("userA", 80-seatHandshakes)) {
		t.Error("one that was replaced may not try again")
	}
	begin("userB0", 6000)
	if b.inFlight != seatHandshakes+1 || !underWay("userB0") {
		t.Error("another's handshake does not begin")
	}
	for i := range seatHandshakes {
		b.Transport(fmt.Sprint("userA", 79-i)).down(b.now, ReasonClosed)
	}
	b.Transport("userA0").down(b.now, ReasonClosed)
	b.Transport("userB0").down(b.now, ReasonClosed)
	if b.inFlight != 0 || len(b.seats) != 0 {
		t.Errorf("%d handshakes and %d seats are left", b.inFlight, len(b.seats))
	}
	for i := range 2*seatHandshakes + 3 { // of nobody's seat: as many as there may be in all
		begin(fmt.Sprint("user-", i), 7000+i)
	}
	if b.inFlight != 2*seatHandshakes || len(b.seats) != 0 {
		t.Errorf("%d handshakes of no seat are under way, want %d", b.inFlight, 2*seatHandshakes)
	}
}
