package tunnel

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
)

// relayPrefix begins the user names of relays. No ICE user fragment holds a dot, so that they can't be taken for a
// router's tickets where both share a port.
const relayPrefix = "tunnel."

// relayFor is how long allocations may be made with what pageRelay gave. Its token was good a moment ago: pages keep
// it for a while, however old the token is.
const relayFor = 15 * time.Minute

// pageRelay gives a page what it needs for TURN: a user name that says which holder may send to which router, and
// until when an allocation may be made, and the password that is nobody else's to make. Nothing is kept for it.
func (s *Server) pageRelay(w http.ResponseWriter, r *http.Request) {
	_, o, ok := s.request(w, r, aRouter)
	if !ok {
		return
	}
	defer o.release()
	peer, ok := s.mediaOf(o.target)
	if !ok {
		s.refuse(w, ReasonAddress, http.StatusForbidden, proto.NewError(proto.CodeForbidden, "no server of this name for this meeting"))
		return
	}
	user := fmt.Sprintf("%s%d.%d.%s.%s.%s", relayPrefix, time.Now().Add(relayFor).Unix(), o.claims.Participant, o.claims.Meeting, r.PathValue("zone"), r.PathValue("server"))
	render(w, http.StatusOK, proto.TunnelRelay{V: proto.Version, Username: user, Credential: s.relayPassword(user), Peer: peer.String()})
}

func (s *Server) relayPassword(user string) string {
	mac := hmac.New(sha256.New, s.relayKey[:])
	mac.Write([]byte(user))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// relayUser reads a user name. That it is one of ours shows when its password fits.
func relayUser(user string) (c proto.TunnelClaims, n name, ok bool) {
	rest, ok := strings.CutPrefix(user, relayPrefix)
	f := strings.Split(rest, ".")
	if !ok || len(f) != 5 {
		return c, n, false
	}
	expires, err := strconv.ParseInt(f[0], 10, 64)
	seat, err2 := strconv.ParseUint(f[1], 10, 32)
	if err != nil || err2 != nil {
		return c, n, false
	}
	n = name{f[3], f[4]}
	return proto.TunnelClaims{Meeting: proto.MeetingID(f[2]), Participant: proto.ParticipantID(seat), Zones: []string{n.zone}, Expires: expires}, n, true
}

// TURNUser is who a user name of ServeTURN belongs to; false where it is none of this tunnel's.
func (s *Server) TURNUser(user string) (rtc.TURNUser, bool) {
	now := time.Now()
	c, n, ok := relayUser(user)
	if !ok {
		s.limits.count(ReasonToken)
		return rtc.TURNUser{}, false
	}
	if now.After(time.Unix(c.Expires, 0)) {
		s.limits.count(ReasonOld)
		return rtc.TURNUser{}, false
	}
	t, ok := s.registry.find(now, n)
	if !ok || !t.router || !s.registry.hosts(now, n, t, c.Meeting, c.Zones) {
		s.limits.count(ReasonTarget)
		return rtc.TURNUser{}, false
	}
	peer, ok := s.mediaOf(t)
	if !ok {
		s.limits.count(ReasonAddress)
		return rtc.TURNUser{}, false
	}
	return rtc.TURNUser{
		Password: s.relayPassword(user), Peers: []netip.AddrPort{peer},
		Serve: func(st *link.Stream) { s.relay(c, t, peer, st) },
	}, true
}

// relay carries datagrams between an allocation and the router, within the limits of any other transport.
func (s *Server) relay(c proto.TunnelClaims, router target, peer netip.AddrPort, st *link.Stream) {
	defer st.Close()
	u, release, why, ok := s.limits.take(c)
	if !ok {
		s.limits.count(why)
		return
	}
	defer release()
	if socket, err := s.socketTo(peer); err == nil {
		s.carry(u, st, socket, peer, 0, &router)
	}
}

// ServeTURN serves a page's media: conn is its TLS connection, on which it speaks TURN with the credentials of
// pageRelay. It returns when the connection has ended, and closes it. Called from any goroutine of its own.
func (s *Server) ServeTURN(conn net.Conn) {
	defer conn.Close()
	var addr netip.Addr
	if t, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		addr = t.AddrPort().Addr().Unmap()
	}
	proven, ok := s.limits.arrive(addr)
	if !ok {
		return
	}
	defer proven()
	if !s.enter(conn) {
		return
	}
	defer s.exit(conn)
	err := rtc.ServeTURN(conn, rtc.TURNConfig{
		Refused: &s.limits.counts[ReasonTarget],
		User: func(name string) (rtc.TURNUser, bool) {
			u, ok := s.TURNUser(name)
			serve := u.Serve
			u.Serve = func(st *link.Stream) {
				proven() // only who knows the password gets here
				serve(st)
			}
			return u, ok
		},
	})
	if err != nil {
		s.log.Error("no TURN server for a connection", "err", err)
	}
}
