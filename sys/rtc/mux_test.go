package rtc

import (
	"bytes"
	"crypto/sha256"
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
	return tr, b.key(tr)
}

// key gives a transport keys of its own, releases it and returns its peer's sealing end.
func (b *bare) key(tr *Transport) *srtp.Context {
	b.t.Helper()
	of := sha256.Sum256([]byte(tr.ufrag))
	key, salt := of[:16], of[16:28]
	var ends [3]*srtp.Context
	for i := range ends {
		var err error
		if ends[i], err = srtp.New(srtp.GCM128, key, salt); err != nil {
			b.t.Fatal(err)
		}
	}
	tr.keyed(b.now, &keyed{in: ends[0], out: ends[1], fingerprint: "sha-256 00"})
	tr.Release()
	return ends[2]
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
