package scenario

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/link"
	"parley/wire/stun"
)

// quietMeeting is a meeting of two on one router, whose sound and picture flow while somebody attacks.
type quietMeeting struct {
	w         *world
	anna, ben *person
	router    *lab.Host
	media     netip.AddrPort
}

func (w *world) quietMeeting() *quietMeeting {
	w.Helper()
	m := w.Meeting(nil)
	q := &quietMeeting{w: w, anna: w.Join("anna", m, performs), ben: w.Join("ben", m)}
	q.anna.WaitMedia()
	q.ben.WaitMedia()
	_, q.router = w.Router(q.ben.WaitJoined().Router)
	q.media = netip.AddrPortFrom(q.router.Addr(), 8801)
	w.pass(3 * time.Second)
	return q
}

// Undisturbed runs f and fails where it cost the meeting a single frame, a transport or a seat.
func (q *quietMeeting) Undisturbed(what string, f func()) {
	q.w.Helper()
	node, _ := q.w.Router(q.router.Name())
	seats := node.Plane().Peers()
	paths := count[client.Media](q.ben)
	q.ben.Forget()
	began := time.Now()
	f()
	q.w.pass(2 * time.Second)
	took := time.Since(began)
	wantSound, wantPictures := int(took/soundEvery), int(took/pictureEvery)
	if got := q.ben.Hears("anna"); got < wantSound-10 || got > wantSound+10 {
		q.w.Errorf("%s: ben heard %d sounds in %v, want %d", what, got, took, wantSound)
	}
	if got := q.ben.Sees("anna"); got < wantPictures-3 || got > wantPictures+3 {
		q.w.Errorf("%s: ben saw %d pictures in %v, want %d", what, got, took, wantPictures)
	}
	if got := node.Plane().Peers(); got != seats {
		q.w.Errorf("%s: the router holds %d seats, %d before", what, got, seats)
	}
	if got := count[client.Media](q.ben); got != paths {
		q.w.Errorf("%s: ben's transports were set up anew", what)
	}
	for _, p := range []*person{q.anna, q.ben} {
		select {
		case <-p.ended:
			q.w.Errorf("%s: %s was put out: %v", what, p.name, p.err)
		default:
		}
	}
}

// attacker is a host that sends what it likes to the media port and sees what comes back.
type attacker struct {
	w    *world
	host *lab.Host
	conn link.PacketConn
	to   netip.AddrPort

	mu    sync.Mutex
	back  int // datagrams that came back
	bytes int
	sent  int // bytes
	nSent int
}

func (w *world) Attacker(name string, to netip.AddrPort) *attacker {
	w.Helper()
	a := &attacker{w: w, host: w.host(name, nil), to: to}
	var err error
	if a.conn, err = a.host.ListenPacket(netip.AddrPortFrom(a.host.Addr(), 0)); err != nil {
		w.Fatal(err)
	}
	w.onClose(func() { a.conn.Close() })
	w.net.Tap(func(k lab.Packet) {
		if k.Event == lab.Arrived && k.To == name && k.Proto == lab.UDP {
			a.mu.Lock()
			a.back++
			a.bytes += len(k.Data)
			a.mu.Unlock()
		}
	})
	return a
}

// Send sends datagrams, a hundred each millisecond: as fast as the wire, within the socket's buffer.
func (a *attacker) Send(datagrams ...[]byte) {
	a.w.Helper()
	for i, b := range datagrams {
		m := link.Message{Buf: b, N: len(b), Addr: a.to}
		if _, err := a.conn.WriteBatch([]link.Message{m}); err != nil {
			a.w.Fatal(err)
		}
		a.sent += len(b)
		if i%100 == 99 {
			time.Sleep(time.Millisecond)
		}
	}
	a.nSent += len(datagrams)
	a.w.pass(300 * time.Millisecond)
}

// Got is what came back so far.
func (a *attacker) Got() (datagrams, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.back, a.bytes
}

// recorder keeps copies of what a host sends to the media port.
type recorder struct {
	mu   sync.Mutex
	kept [][]byte
}

func (w *world) Record(h *lab.Host) *recorder {
	r := &recorder{}
	w.net.Tap(func(k lab.Packet) {
		if k.Event == lab.Sent && k.From == h.Name() && k.Proto == lab.UDP && k.Dst.Port() == 8801 {
			r.mu.Lock()
			if len(r.kept) < 4000 {
				r.kept = append(r.kept, bytes.Clone(k.Data))
			}
			r.mu.Unlock()
		}
	})
	return r
}

// All is every datagram kept that ok takes.
func (r *recorder) All(ok func(b []byte) bool) (out [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.kept {
		if ok(b) {
			out = append(out, b)
		}
	}
	return out
}

func isCheck(b []byte) bool {
	m, err := stun.Parse(b)
	if err != nil {
		return false
	}
	_, named := m.Username()
	return named && m.Type() == stun.BindingRequest
}

func isHandshake(b []byte) bool { return len(b) > 13 && b[0] == 22 }

func isSRTP(b []byte) bool { return len(b) > 12 && b[0]>>6 == 2 }

// Garbage and packets cut short at every length are counted drops on 8801.
func TestGarbageAndTruncatedPacketsOnTheMediaPortAreCountedDrops(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		q := w.quietMeeting()
		carol := w.Person("carol", w.Meeting(nil), performs)
		heard := w.Record(carol.host) // a whole set-up of checks, handshakes and media
		carol.SetOut()
		carol.WaitMedia()
		if carol.WaitJoined().Router != q.router.Name() {
			t.Fatal("carol is on another router")
		}
		w.pass(2 * time.Second)
		a := w.Attacker("attacker", q.media)
		rnd := rand.New(rand.NewPCG(1, 2))
		var junk [][]byte
		for i := range 3000 {
			b := make([]byte, rnd.IntN(1400))
			for j := range b {
				b[j] = byte(rnd.Uint32())
			}
			if len(b) > 0 {
				b[0] = byte(i) // every demultiplexing class alike (RFC 7983)
			}
			junk = append(junk, b)
		}
		q.Undisturbed("garbage", func() { a.Send(junk...) })

		var cut [][]byte
		kinds := map[string]func([]byte) bool{"check": isCheck, "handshake": isHandshake, "srtp": isSRTP}
		for name, is := range kinds {
			all := heard.All(is)
			if len(all) == 0 {
				t.Fatalf("no %s was recorded", name)
			}
			for _, b := range all[:min(4, len(all))] {
				for n := range len(b) {
					cut = append(cut, b[:n])
				}
			}
		}
		q.Undisturbed("truncated", func() { a.Send(cut...) })

		// The same from the address of a transport that stands: nothing of it is taken for the peer's.
		var forged [][]byte
		for _, b := range heard.All(isSRTP) {
			c := bytes.Clone(b)
			c[len(c)-1] ^= 1
			forged = append(forged, c)
		}
		q.Undisturbed("forged media", func() { a.Send(forged...) })

		total := uint64(0)
		for reason, n := range w.drops() {
			if strings.HasPrefix(reason, "rtc_") {
				total += n
			}
		}
		// Empty datagrams and those that are whole zone probes by chance are no drops.
		if got, _ := a.Got(); total < uint64(a.nSent)*9/10 || got > 0 {
			t.Errorf("%d datagrams sent, %d dropped, %d answered\n%v", a.nSent, total, got, w.drops())
		}
	})
}

// Checks of users nobody knows are met with silence and leave nothing behind.
func TestTenThousandUnknownSTUNUsersAreMetWithSilence(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		q := w.quietMeeting()
		heard := w.Record(q.ben.host)
		w.pass(6 * time.Second) // consent checks
		known := heard.All(isCheck)
		if len(known) == 0 {
			t.Fatal("no check of ben's was recorded")
		}
		m, _ := stun.Parse(known[0])
		real, _ := m.Username()
		ufrag, _, _ := strings.Cut(string(real), ":")

		a := w.Attacker("attacker", q.media)
		var checks [][]byte
		for i := range 10_000 {
			user := fmt.Sprintf("nobody%06d:me", i)
			switch i % 3 {
			case 1: // a real name but for one character: router and meeting right, MAC wrong
				b := []byte(ufrag)
				j := i % len(b)
				if b[j] == 'A' {
					b[j] = 'B'
				} else {
					b[j] = 'A'
				}
				user = string(b) + ":me" + fmt.Sprint(i)
			case 2: // a real name, without its password
				user = ufrag + ":me" + fmt.Sprint(i)
			}
			s := stun.Build(nil, stun.BindingRequest, stun.TxID{1, 2, byte(i), byte(i >> 8)})
			s.Username(user)
			s.Priority(1)
			s.Controlling(7)
			s.UseCandidate()
			s.Integrity([]byte("a password of my own"))
			s.Fingerprint()
			checks = append(checks, s.Bytes())
		}
		before := w.Drops("rtc_unknown_user") + w.Drops("rtc_integrity")
		q.Undisturbed("some unknown users", func() { a.Send(checks[:2000]...) }) // the simulation's own buffers stand
		q.anna.rest()
		q.ben.rest()
		held := w.footprint()
		q.Undisturbed("unknown users", func() { a.Send(checks[2000:]...) })
		q.anna.rest()
		q.ben.rest()
		flat(t, "8000 unknown users", held, w.footprint(), 512<<10)
		if got := w.Drops("rtc_unknown_user") + w.Drops("rtc_integrity") - before; got != 10_000 {
			t.Errorf("%d of 10000 checks were counted\n%v", got, w.drops())
		}
		if got, _ := a.Got(); got > 0 {
			t.Errorf("%d answers", got)
		}
	})
}

// A replayed check from a third address moves nothing (design §4): media goes where it went.
func TestAReplayedCheckFromAThirdAddressMovesNothing(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		q := w.quietMeeting()
		heard := w.Record(q.ben.host)
		w.pass(6 * time.Second)
		checks := heard.All(isCheck)
		if len(checks) == 0 {
			t.Fatal("no check of ben's was recorded")
		}
		a := w.Attacker("attacker", q.media)
		var again [][]byte
		for range 50 {
			again = append(again, checks...)
		}
		q.Undisturbed("replayed checks", func() {
			for _, b := range again {
				a.Send(b)
			}
		})
		// With his media too: what is sealed counts once only.
		media := heard.All(isSRTP)
		replayed := w.Drops("rtc_replay") + w.Drops("rtc_authentication") + w.Drops("rtc_unknown_address")
		q.Undisturbed("replayed media", func() { a.Send(media...) })
		if got := w.Drops("rtc_replay") + w.Drops("rtc_authentication") + w.Drops("rtc_unknown_address") - replayed; got < uint64(len(media)) {
			t.Errorf("%d of %d replayed packets were dropped\n%v", got, len(media), w.drops())
		}
		if _, got := a.Got(); got > 3*a.sent {
			t.Errorf("%d bytes came back for %d sent", got, a.sent)
		}
		_, got := a.Got()
		q.Undisturbed("afterwards", func() { w.pass(5 * time.Second) })
		if _, later := a.Got(); later != got {
			t.Errorf("%d more bytes went to the third address", later-got)
		}
	})
}

// DTLS counts from an address that was checked only.
func TestDTLSFromAnUncheckedAddressIsDropped(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		q := w.quietMeeting()
		carol := w.Person("carol", w.Meeting(nil))
		heard := w.Record(carol.host)
		carol.SetOut()
		carol.WaitMedia()
		hellos := heard.All(isHandshake)
		if len(hellos) == 0 {
			t.Fatal("no handshake of carol's was recorded")
		}
		a := w.Attacker("attacker", q.media)
		var many [][]byte
		for range 500 {
			many = append(many, hellos...)
		}
		dropped := func() uint64 {
			return w.Drops("rtc_unknown_address") + w.Drops("rtc_held_expired") + w.Drops("rtc_held_full") + w.Drops("rtc_bad_dtls")
		}
		before := dropped()
		q.Undisturbed("DTLS", func() { a.Send(many...) })
		if got := dropped() - before; got != uint64(len(many)) {
			t.Errorf("%d of %d datagrams were counted\n%v", got, len(many), w.drops())
		}
		if got, _ := a.Got(); got > 0 {
			t.Errorf("%d answers", got)
		}
	})
}
