package rtc

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
	"parley/wire/proto"
)

// ErrNotReleased says that a transport has no keys yet, or that Release was not called.
var ErrNotReleased = errors.New("rtc: transport is not released")

// Transport is the server's end of one ICE, DTLS and SRTP transport. Owned by the goroutine of its Mux.
//
//	checked ──ClientHello──▶ keying ──Finished──▶ up ──Release──▶ released
//	   │  ▲─────── failed ─────┘ │                │                 │
//	   └─────────────────────────┴── Close, lost ─┴─────────────────┴──▶ down
type Transport struct {
	// Tag is Admission.Tag; the owner may change it.
	Tag any

	mux      *Mux
	seat     any
	ufrag    string
	password string
	agent    string // the ufrag of the peer's own: another for each of its peer connections
	madeAt   time.Time
	gone     bool

	heir, elder *Transport // see heirOf

	paths     []*path    // in order of their first check
	sendPath  *path      // proven, or nil
	rung      proto.Rung // of the last sendPath
	dtlsPath  *path      // the last DTLS datagram came here; its answers go here
	finPath   *path      // the last datagram with an encrypted DTLS record came here
	checkedAt time.Time
	mediaAt   time.Time // last authenticated packet

	hs       *handshake // while DTLS state is kept
	tries    int
	upAt     time.Time
	in, out  *srtp.Context // nil before the keys
	released bool
	reports  allowance
	peer     string // fingerprint
}

// path is one address of a transport's peer.
type path struct {
	key       pathKey
	local     netip.Addr // answer from here
	t         *Transport
	checkedAt time.Time
	mediaAt   time.Time
	priority  uint32
	nominated bool
	// proven: an authenticated record has arrived from here. A check alone proves nothing about who sent
	// it: it may be replayed from anywhere.
	proven         bool
	received, sent int // bytes without media, for the bound on unproven paths
}

func (m *Mux) newTransport(now time.Time, ufrag, agent string, adm Admission) *Transport {
	t := &Transport{Tag: adm.Tag, mux: m, seat: adm.Seat, ufrag: ufrag, agent: agent, password: adm.Password, madeAt: now, checkedAt: now}
	m.wakeBy(now.Add(checksLost))
	return t
}

func (t *Transport) addPath(now time.Time, key pathKey) *path {
	if len(t.paths) >= maxPaths {
		var worst *path
		for _, p := range t.paths {
			if p != t.sendPath && p != t.dtlsPath && (worst == nil || p.checkedAt.Before(worst.checkedAt)) {
				worst = p
			}
		}
		t.mux.unbind(now, worst)
	}
	p := &path{key: key, t: t}
	t.paths = append(t.paths, p)
	t.mux.paths[key] = p
	if t.mux.cfg.Path != nil {
		t.mux.cfg.Path(key.via, key.addr, true)
	}
	return p
}

// unbind forgets a path. A transport that sent there goes on over its best other path.
func (m *Mux) unbind(now time.Time, p *path) {
	t := p.t
	delete(m.paths, p.key)
	if m.cfg.Path != nil {
		m.cfg.Path(p.key.via, p.key.addr, false)
	}
	if recent := &m.recent[recentOf(p.key.addr)]; *recent == p {
		*recent = nil
	}
	if i := slices.Index(t.paths, p); i >= 0 {
		t.paths = slices.Delete(t.paths, i, i+1)
	}
	if t.dtlsPath == p {
		t.dtlsPath = nil
	}
	if t.finPath == p {
		t.finPath = nil
	}
	if t.sendPath == p {
		m.settle(now, t, t.best(now))
	}
}

// proved takes note of an authenticated record on a path, and sends there from now on: the peer's
// controlling agent sends where it wants to be sent to.
func (t *Transport) proved(now time.Time, p *path) {
	p.proven = true
	if t.sendPath == p {
		return
	}
	if t.sendPath != nil {
		t.mux.counters.Moves++
	}
	t.mux.settle(now, t, p)
}

// confirm answers a report that has moved the path, at once: the peer may be trying whether anything but checks
// gets through, and its media on another path takes ours back in a moment.
func (t *Transport) confirm(p *path) {
	b, err := t.out.SealRTCP(nil, hello())
	if err != nil {
		return
	}
	m := link.Message{Buf: b, N: len(b), Addr: p.key.addr, Local: p.local}
	if mark := t.mux.cfg.Mark; mark != nil {
		m.DSCP = mark(t)
	}
	t.mux.cfg.Send(p.key.via, m)
}

// fresh reports whether consent for the path stands.
func (p *path) fresh(now time.Time) bool {
	return now.Sub(p.checkedAt) < checksLost || now.Sub(p.mediaAt) < mediaLost
}

// best chooses among the fresh proven paths when the one in use is lost: a nominated one, then the higher
// priority. Nomination alone decides nothing while media flows: Firefox nominates every pair it checks.
func (t *Transport) best(now time.Time) *path {
	var best *path
	for _, p := range t.paths {
		switch {
		case !p.proven || !p.fresh(now):
		case best == nil, p.nominated && !best.nominated, p.nominated == best.nominated && p.priority > best.priority:
			best = p
		}
	}
	return best
}

// tick drops what is stale and returns when to look again; zero once the transport is down.
func (t *Transport) tick(now time.Time) time.Time {
	for i := len(t.paths) - 1; i >= 0; i-- {
		if p := t.paths[i]; !p.fresh(now) && p != t.sendPath {
			t.mux.unbind(now, p)
		}
	}
	if s := t.sendPath; s != nil && !s.fresh(now) {
		if b := t.best(now); b != nil {
			t.proved(now, b)
		}
	}
	lost := later(t.checkedAt.Add(checksLost), t.mediaAt.Add(mediaLost))
	switch {
	case !now.Before(lost):
		t.down(now, ReasonLost)
		return time.Time{}
	case t.in == nil && !now.Before(t.madeAt.Add(setupLost)):
		t.down(now, ReasonHandshake)
		return time.Time{}
	}
	next := lost
	if t.in == nil {
		next = earlier(next, t.madeAt.Add(setupLost))
	} else if t.hs != nil {
		kept := t.upAt.Add(dtlsKept)
		if !now.Before(kept) {
			t.hs.drop()
			t.hs = nil
		} else {
			next = earlier(next, kept)
		}
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// down ends the transport and tells its owner, once.
func (t *Transport) down(now time.Time, why Reason) {
	if t.gone {
		return
	}
	t.gone, t.released = true, false
	for len(t.paths) > 0 {
		p := t.paths[len(t.paths)-1]
		p.proven = false
		t.mux.unbind(now, p)
	}
	t.bequeath(now, why)
	if t.hs != nil {
		t.hs.drop()
		t.hs = nil
	}
	if t.mux.cfg.Down != nil {
		t.mux.cfg.Down(now, t, why)
	}
}

// Close ends the transport without a word to the peer; Down is called with ReasonClosed.
func (t *Transport) Close(now time.Time) { t.down(now, ReasonClosed) }

// Release lets media through, both ways: the peer's fingerprint is the right one.
func (t *Transport) Release() { t.released = t.in != nil && !t.gone }

// Released reports whether media may flow.
func (t *Transport) Released() bool { return t.released }

// SealRTP appends the sealed packet to dst; see srtp.Context.SealRTP.
func (t *Transport) SealRTP(dst, packet []byte) ([]byte, error) {
	if !t.released {
		return dst, ErrNotReleased
	}
	t.reports.sent++
	return t.out.SealRTP(dst, packet)
}

// SealRTCP appends the sealed compound packet to dst; see srtp.Context.SealRTCP.
func (t *Transport) SealRTCP(dst, packet []byte) ([]byte, error) {
	if !t.released {
		return dst, ErrNotReleased
	}
	return t.out.SealRTCP(dst, packet)
}

// Path is where media goes: the link, the peer's address and the address to send from. There is none
// before the DTLS handshake has proved one.
func (t *Transport) Path() (via link.PacketConn, to netip.AddrPort, from netip.Addr, ok bool) {
	p := t.sendPath
	if p == nil {
		return nil, netip.AddrPort{}, netip.Addr{}, false
	}
	return p.key.via, p.key.addr, p.local, true
}

// LocalUfrag is the user name fragment the transport is known by.
func (t *Transport) LocalUfrag() string { return t.ufrag }

// Fingerprint is that of the peer's certificate, empty before the keys.
func (t *Transport) Fingerprint() string { return t.peer }

// Profile is the SRTP profile in use, 0 before the keys.
func (t *Transport) Profile() srtp.Profile {
	if t.in == nil {
		return 0
	}
	return t.in.Profile()
}

// HeardAt is when the peer last proved to be there: by a check or by an authenticated packet.
func (t *Transport) HeardAt() time.Time { return later(t.checkedAt, t.mediaAt) }

// MediaAt is when something authentic last came, keys included.
func (t *Transport) MediaAt() time.Time { return t.mediaAt }

// Rung is the step of the ladder media goes over (S11), empty while there is no path. A link that is not
// UDP says so by a method Rung.
func (t *Transport) Rung() proto.Rung {
	if t.sendPath == nil {
		return ""
	}
	return rungOf(t.sendPath.key.via)
}

func rungOf(via link.PacketConn) proto.Rung {
	if r, ok := via.(interface{ Rung() proto.Rung }); ok {
		return r.Rung()
	}
	return proto.UDP8801
}
