package join

import (
	"slices"
	"time"

	"parley/wire/proto"
)

// Datagrams of full size. Where the way to the router is too narrow for them and nothing says so, sound and
// checks pass over UDP and key frames never do, though few packets are lost. So where short probes are answered
// and no long one is, a few pairs of both are sent once there is a router, which delays nothing; and where that
// stays so, pictures rather run over connections, which cut what they carry to length. UDP is still the last
// resort of pictures, and stays the first of sound. It is asked again once in a while: what was in the way may go.

const (
	longTries = 3                      // pairs
	longEvery = 150 * time.Millisecond // between them
	longWait  = 600 * time.Millisecond // after the last, and two round trips: each is repeated meanwhile
	longSeq   = 4                      // of the first: measuring uses those below
	longAgain = 45 * time.Second       // after the last answer or silence, where long ones got lost
)

// narrowLadder is the ladder of pictures where long datagrams get lost.
var narrowLadder = [...]proto.Rung{proto.TCP8801, proto.TLS443, proto.UDP8801}

// long is the question whether datagrams of full size pass.
type long struct {
	zone   string // that it is asked of
	addr   string // empty: not asked yet
	sent   int
	short  int // short ones answered
	nextAt time.Time
	over   bool
	again  bool // not for the first time
}

// Short reports whether long datagrams get lost on the way to the router, which is worth remembering of a network.
func (m *Mind) Short() bool { return m.short }

// narrow reports whether the path to the router is too narrow for a group.
func (m *Mind) narrow(g proto.Group) bool { return m.short && g != proto.GroupAudio }

// ladder is the order of rungs for a group, best first.
func (m *Mind) ladder(g proto.Group) []proto.Rung {
	if m.narrow(g) {
		return narrowLadder[:]
	}
	return ladder[:]
}

// rank is a rung's place in the group's ladder.
func (m *Mind) rank(g proto.Group, r proto.Rung) int {
	if i := slices.Index(m.ladder(g), r); i >= 0 {
		return i
	}
	return len(ladder)
}

// whole reports whether a long probe has come back.
func (z *zone) whole() bool {
	return slices.ContainsFunc(z.probes, func(p probe) bool { return p.padded })
}

// heardLong takes from a probe's answer what it tells of length.
func (m *Mind) heardLong(now time.Time, z *zone, p *probe, e ProbeDone) {
	l := &m.zones.long
	if !e.Padded {
		if e.Seq >= longSeq && e.Addr == l.addr && !l.over {
			l.short++
		}
		return
	}
	p.padded = true
	if m.grant.Router == "" || z.ID == m.grant.Zone {
		m.setShort(now, false)
	}
}

// longZone is the zone whose router is in use, if length may be asked about now.
func (m *Mind) longZone() *zone {
	if m.zones.open || m.state < Connecting {
		return nil
	}
	return m.zoneByID(m.grant.Zone)
}

func (m *Mind) wakeLong(w *waker) {
	if z := m.longZone(); z != nil && z.ID == m.zones.long.zone {
		w.add(m.zones.long.nextAt, ReasonProbe)
	}
}

// advanceLong asks, where nobody knows.
func (m *Mind) advanceLong(now time.Time) {
	z, l := m.longZone(), &m.zones.long
	if z == nil {
		return
	}
	if l.zone != z.ID {
		*l = long{zone: z.ID}
	} else if l.over && due(now, l.nextAt) {
		*l = long{zone: z.ID, again: true}
	}
	if l.over || z.udpRTT() < 0 {
		return
	}
	if z.whole() {
		l.over, l.nextAt = true, time.Time{}
		m.setShort(now, false)
		return
	}
	if l.addr == "" {
		i := slices.IndexFunc(z.probes, func(p probe) bool { return p.rtt >= 0 })
		l.addr, l.nextAt = z.probes[i].addr, now
	}
	switch {
	case !due(now, l.nextAt):
	case l.sent < longTries:
		seq := longSeq + 2*l.sent
		m.do(Probe{Zone: z.ID, Addr: l.addr, Seq: seq, Padded: true})
		m.do(Probe{Zone: z.ID, Addr: l.addr, Seq: seq + 1})
		l.sent++
		l.nextAt = now.Add(longEvery)
		if l.sent == longTries {
			l.nextAt = now.Add(longWait + millis(2*z.udpRTT()))
		}
	default:
		l.over, l.nextAt = true, time.Time{}
		if l.short >= 2 {
			if !l.again {
				m.note(now, "probe", z.label()+", UDP "+l.addr, Lost, "UDP is open, but a datagram of 1200 bytes did not come back")
			}
			m.setShort(now, true)
		}
		if m.short {
			l.nextAt = now.Add(longAgain)
		}
	}
}

// setShort changes the ladder of pictures, which look for a better rung on it. What is in use stays until one is up.
func (m *Mind) setShort(now time.Time, short bool) {
	if m.short == short {
		return
	}
	m.short = short
	for _, g := range [...]proto.Group{proto.GroupVideo, proto.GroupContent} {
		l := &m.lanes[g]
		l.descent = descent{} // of the other ladder
		if l.inUse == nil {
			continue
		}
		m.dropTries(now, g, func(t *rungTry) bool { return m.rank(g, t.rung) > m.rank(g, l.inUse.rung) }, "a better path is up")
		l.probeAt = now
	}
	if short {
		m.progress(now, "media", "large datagrams get lost over UDP")
	}
}

// forgetLong asks again: the network is another.
func (m *Mind) forgetLong() {
	for i := range m.zones.list {
		for j := range m.zones.list[i].probes {
			m.zones.list[i].probes[j].padded = false
		}
	}
	m.zones.long, m.short = long{}, false
}

// soundOnUDP reports whether sound runs over UDP, so that only length keeps pictures off it.
func (m *Mind) soundOnUDP() bool {
	l := m.lanes[proto.GroupAudio].inUse
	return l != nil && l.rung == proto.UDP8801
}
