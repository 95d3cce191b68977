package mmr

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"parley/sys/link"
	"parley/wire/stun"
)

// Whose a datagram is: what comes to one shard's socket may be for a participant of another.

const (
	// guessFor and maxGuesses bound what checks nobody has verified make a shard remember.
	guessFor   = time.Second
	maxGuesses = 4096
)

// sort hands datagrams of other shards' participants on, and returns those of its own.
func (x *exchange) sort(now time.Time, via link.PacketConn, ms []link.Message) []link.Message {
	if !now.Before(x.guessAt) || len(x.guesses) >= maxGuesses {
		clear(x.guesses)
		x.guessAt = now.Add(guessFor)
	}
	listen := slices.Index(x.s.conns, via)
	x.mine = x.mine[:0]
	for i := range ms {
		m := &ms[i]
		to, ok := x.routes[m.Addr]
		if ok && to.shard == x.s.index && !isSTUN(m.Buf[:m.N]) {
			x.mine = append(x.mine, *m)
			continue
		}
		size := m.N
		if m.Segment > 0 {
			size = m.Segment
		}
		for b := m.Buf[:m.N]; len(b) > 0; {
			n := min(size, len(b))
			x.sortOne(now, listen, m, b[:n:n])
			b = b[n:]
		}
	}
	return x.mine
}

func isSTUN(b []byte) bool { return len(b) > 0 && b[0] < 4 }

// sortOne finds out whose one datagram is.
func (x *exchange) sortOne(now time.Time, listen int, m *link.Message, b []byte) {
	route, known := x.routes[m.Addr]
	to := route.shard
	if isSTUN(b) {
		// A check's user name says whose it is, whoever has the address now.
		to = x.s.index // of the zone's probes, and of names that nobody has
		if s, ok := x.s.plane.shardFor(now, userOf(b)); ok {
			if to = s.index; !known {
				x.guesses[m.Addr] = to
			}
		}
	} else if !known {
		var guessed bool
		if to, guessed = x.guesses[m.Addr]; !guessed {
			to = x.s.index
			if len(b) > 0 && b[0] >= 128 {
				x.strayed(listen, m, b)
			}
		}
	}
	if to == x.s.index {
		x.mine = append(x.mine, link.Message{Buf: b, N: len(b), Addr: m.Addr, Local: m.Local, Mark: m.Mark})
		return
	}
	x.hand(to, listen, m, b)
}

// strayed gives media from an unknown address to all who have paths from the same host: its NAT may have
// changed the port, which only the keys can tell (see rtc.Mux).
func (x *exchange) strayed(listen int, m *link.Message, b []byte) {
	for i := range x.out {
		if i != x.s.index && x.hosts[hostOf{m.Addr.Addr(), i}] > 0 {
			x.hand(i, listen, m, b)
		}
	}
}

func (x *exchange) hand(to, listen int, m *link.Message, b []byte) {
	l := x.out[to]
	var d *handed
	if len(b) <= maxDatagram { // what has been put can't be taken back
		d = l.datagrams.put()
	}
	if d == nil {
		x.s.drops[DropLane]++
		return
	}
	d.via, d.addr, d.local, d.n = listen, m.Addr, m.Local, copy(d.buf[:], b)
	l.urgent = l.urgent || !canWait(b)
}

// canWait is what is not worth waking a busy shard for: as patient has it.
func canWait(b []byte) bool {
	if len(b) < 2 {
		return true
	}
	for _, p := range patient {
		if p.First[0] <= b[0] && b[0] <= p.First[1] && p.Second[0] <= b[1] && b[1] <= p.Second[1] {
			return true
		}
	}
	return false
}

// userOf is the ticket a check bears, unverified; nil for what is no check of anybody's.
func userOf(b []byte) []byte {
	req, err := stun.Parse(b)
	if err != nil || req.Type() != stun.BindingRequest {
		return nil
	}
	user, _ := req.Username()
	ufrag, _, _ := bytes.Cut(user, []byte(":"))
	return ufrag
}

// pathChanged is the mux's news of an address: others are to hand on what comes from there.
func (s *shard) pathChanged(via link.PacketConn, addr netip.AddrPort, on bool) {
	x := s.exchange
	if x == nil || !slices.Contains(s.conns, via) {
		return
	}
	x.learn(s.index, addr, on)
	for _, l := range x.out {
		if l != nil {
			l.tell(event{kind: eventPath, addr: addr, on: on})
		}
	}
}

// learn notes that a shard has, or no longer has, a path from an address.
func (x *exchange) learn(shard int, addr netip.AddrPort, on bool) {
	h := hostOf{addr.Addr(), shard}
	r := x.routes[addr]
	if on {
		if r.shard != shard {
			r = route{shard: shard}
		}
		r.paths++
		x.routes[addr] = r
		delete(x.guesses, addr)
		x.hosts[h]++
		return
	}
	if r.shard == shard {
		if r.paths--; r.paths > 0 {
			x.routes[addr] = r
		} else {
			delete(x.routes, addr)
		}
	}
	if x.hosts[h]--; x.hosts[h] <= 0 {
		delete(x.hosts, h)
	}
}
