package mmr

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/sys/rtc"
	"parley/wire/proto"
)

// askFor bounds how long the shard may take to say whether a ticket is good.
const askFor = 2 * time.Second

// ServeTURN is the media of a browser that only TLS 443 lets out: conn is its TLS connection, on which it
// speaks TURN (RFC 8656) with its ticket as name and password. What it relays goes to the shard in memory,
// over rung TLS 443. It returns when the connection has ended, and closes it. Called from any goroutine of
// its own.
func (p *Plane) ServeTURN(conn net.Conn) {
	var addr netip.Addr
	if t, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		addr = t.AddrPort().Addr().Unmap()
	}
	why, ok := p.streams.enter(conn, addr)
	if !ok {
		p.streams.ends[why].Add(1)
		conn.Close()
		return
	}
	var mu sync.Mutex
	stranger := true
	peers := relayedTo(p.Candidates())
	err := rtc.ServeTURN(conn, rtc.TURNConfig{
		Refused: &p.streams.foreign,
		User: func(name string) (rtc.TURNUser, bool) {
			password, ok := p.password(name)
			u := rtc.TURNUser{Password: password, Peers: peers, Serve: p.ServeStream}
			if !ok && p.cfg.TURNUser != nil {
				u, ok = p.cfg.TURNUser(name)
			}
			mu.Lock()
			defer mu.Unlock()
			if ok && stranger {
				stranger = false
				p.streams.known(addr)
			}
			return u, ok
		},
	})
	why = StreamClosed
	mu.Lock()
	defer mu.Unlock()
	if err != nil || stranger {
		why = StreamUnproven
	}
	p.streams.leave(conn, addr, stranger, why)
}

// relayedTo is where TURN leads: the hosts of the UDP candidates, at the port that stands for nothing else. Were it
// UDP's own, a browser would pair its relay with that as soon as a group is given UDP to try, and be on TLS before its
// turn.
func relayedTo(candidates []proto.Candidate) (out []netip.AddrPort) {
	for _, c := range candidates {
		a, err := netip.ParseAddrPort(c.Addr)
		if err != nil || c.Rung != proto.UDP8801 {
			continue
		}
		if peer := netip.AddrPortFrom(a.Addr(), rtc.TURNOnlyPort); !slices.Contains(out, peer) {
			out = append(out, peer)
		}
	}
	return out
}

// password is that of a ticket as long as a check with it would be accepted. Never called by the shard.
func (p *Plane) password(ufrag string) (string, bool) {
	type answer struct {
		password string
		ok       bool
	}
	s, ok := p.shardFor(time.Now(), []byte(ufrag))
	if !ok {
		return "", false
	}
	c := make(chan answer, 1)
	s.do(func(now time.Time) {
		adm, ok := s.admit(now, ufrag)
		c <- answer{adm.Password, ok && (!adm.Expired || s.mux.Transport(ufrag) != nil)}
	})
	timer := time.NewTimer(askFor)
	defer timer.Stop()
	select {
	case a := <-c:
		return a.password, a.ok
	case <-p.streams.over:
	case <-timer.C:
	}
	return "", false
}
