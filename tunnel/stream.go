package tunnel

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
)

// refusal is why a stream is not opened, for the counter and for the client.
type refusal struct {
	why Reason
	err *proto.Error
}

func refuse(why Reason, code proto.Code, text string) *refusal {
	return &refusal{why, proto.NewError(code, text)}
}

// closePolicy is the close code for who is refused (RFC 6455 §7.4.1).
const closePolicy = 1008

// opened is a stream that may begin.
type opened struct {
	ws      *link.WebSocket
	claims  proto.TunnelClaims
	target  target
	mark    uint8 // of datagrams to it
	use     *use
	release func()
}

// open takes a WebSocket up to the point where its server is to be reached. ok is false where it has been
// refused, told and counted. The stream counts until release.
func (s *Server) open(w http.ResponseWriter, r *http.Request, limit int, of kind) (o opened, ok bool) {
	proven, ok := s.limits.arrive(addrOf(r))
	if !ok {
		render(w, http.StatusTooManyRequests, proto.NewError(proto.CodeSlowDown, "Too many connections from this address."))
		return o, false
	}
	defer proven()
	ws, err := link.AcceptWebSocket(w, r, link.WSAccept{MaxMessage: limit})
	if err != nil {
		return o, false // it has answered
	}
	ctx, cancel := context.WithTimeout(r.Context(), openFor)
	defer cancel()
	var m proto.TunnelOpen
	b, err := ws.Read(ctx)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		s.limits.count(ReasonSilent)
		ws.CloseNow()
		return o, false
	}
	o, no := s.admit(m, of)
	if no != nil {
		s.turnAway(ctx, ws, no)
		return o, false
	}
	o.ws = ws
	return o, true
}

// turnAway tells a client why, and counts it.
func (s *Server) turnAway(ctx context.Context, ws *link.WebSocket, no *refusal) {
	s.limits.count(no.why)
	if b, err := json.Marshal(no.err); err == nil && ws.Write(ctx, b) == nil {
		ws.Close(closePolicy, no.why.String())
	}
	ws.CloseNow()
}

// kind is what a server must be.
type kind uint8

const (
	anyServer kind = iota
	aController
	aRouter
)

// admit decides about a first message.
func (s *Server) admit(m proto.TunnelOpen, of kind) (o opened, no *refusal) {
	now := time.Now()
	c, err := s.cfg.Verifier.Tunnel(m.Token, now)
	if err != nil {
		pe, ok := errors.AsType[*proto.Error](err)
		if ok && pe.Code == proto.CodeTokenExpired {
			return o, &refusal{ReasonOld, pe}
		}
		return o, refuse(ReasonToken, proto.CodeTokenInvalid, "this token opens no tunnel")
	}
	n := name{m.Zone, m.Server}
	t, ok := s.registry.find(now, n)
	// One answer for servers that do not exist and those that are not this client's.
	if !ok || !slices.Contains(c.Zones, n.zone) || of == aRouter && !t.router || of == aController && t.router {
		return o, refuse(ReasonTarget, proto.CodeForbidden, "no server of this name for this meeting")
	}
	if t.router && !s.registry.hosts(now, n, t, c.Meeting, c.Zones) {
		return o, refuse(ReasonMeeting, proto.CodeForbidden, "no server of this name for this meeting")
	}
	u, release, why, ok := s.limits.take(c)
	if !ok {
		return o, refuse(why, proto.CodeSlowDown, "too much through this tunnel")
	}
	return opened{claims: c, target: t, mark: t.grants(m.Mark), use: u, release: release}, nil
}

// begin says that the server answers.
func begin(ctx context.Context, ws *link.WebSocket) error {
	b, err := json.Marshal(proto.TunnelOpened{V: proto.Version})
	if err != nil {
		return err
	}
	return ws.Write(ctx, b)
}

// stream carries bytes between a client and a controller or router. What is in them is between those two.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	o, ok := s.open(w, r, link.MaxTunnelMessage, anyServer)
	if !ok {
		return
	}
	defer o.release()
	defer o.ws.CloseNow()
	ctx, cancel := context.WithTimeout(r.Context(), dialFor)
	defer cancel()
	there, err := s.dial(ctx, o.target)
	if err != nil {
		no := refuse(ReasonDown, proto.CodeInternal, "the server does not answer")
		if errors.Is(err, errForbidden) {
			no = refuse(ReasonAddress, proto.CodeForbidden, "no server of this name for this meeting")
		}
		s.turnAway(ctx, o.ws, no)
		return
	}
	defer there.Close()
	if begin(ctx, o.ws) != nil {
		return
	}
	here := o.ws.Bytes()
	p := &pipe{s: s, use: o.use, ends: [2]net.Conn{here, there}}
	if !s.enter(p) {
		return
	}
	defer s.exit(p)
	life := time.AfterFunc(s.limits.Life, func() { s.limits.count(ReasonLife); p.Close() })
	defer life.Stop()
	p.run()
}

// pipe is a stream under way.
type pipe struct {
	s    *Server
	use  *use
	ends [2]net.Conn
	once sync.Once
}

// Close cuts both ends.
func (p *pipe) Close() error {
	p.once.Do(func() {
		for _, c := range p.ends {
			c.Close()
		}
	})
	return nil
}

func (p *pipe) run() {
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(p.ends[1], p.ends[0]) })
	p.copy(p.ends[0], p.ends[1])
	wg.Wait()
}

// copyLen is one read of a stream: TLS records of 16 KiB.
const copyLen = 16 << 10

func (p *pipe) copy(to, from net.Conn) {
	defer p.Close()
	buf := make([]byte, copyLen)
	idle := time.AfterFunc(p.s.limits.Idle, func() { p.Close() })
	defer idle.Stop()
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if p.use.bytes.Add(int64(n)) > p.s.limits.Bytes {
				p.s.limits.count(ReasonBytes)
				return
			}
			idle.Reset(p.s.limits.Idle)
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// media carries datagrams between a client and a router's UDP 8801.
func (s *Server) media(w http.ResponseWriter, r *http.Request) {
	o, ok := s.open(w, r, link.MaxStreamPacket, aRouter)
	if !ok {
		return
	}
	defer o.release()
	ctx, cancel := context.WithTimeout(r.Context(), dialFor)
	defer cancel()
	remote, ok := s.mediaOf(o.target)
	if !ok {
		s.turnAway(ctx, o.ws, refuse(ReasonAddress, proto.CodeForbidden, "no server of this name for this meeting"))
		return
	}
	socket, err := s.socketTo(remote)
	if err != nil {
		s.turnAway(ctx, o.ws, refuse(ReasonFull, proto.CodeInternal, "the tunnel is full"))
		return
	}
	if begin(ctx, o.ws) != nil {
		socket.Close()
		o.ws.CloseNow()
		return
	}
	s.carry(o.use, o.ws.Stream(proto.TLS443, netip.AddrPort{}), socket, remote, o.mark, nil)
}

// socketTo is a socket for one tunnelled transport.
func (s *Server) socketTo(remote netip.AddrPort) (link.PacketConn, error) {
	from := netip.IPv6Unspecified()
	if remote.Addr().Is4() {
		from = netip.IPv4Unspecified()
	}
	socket, err := s.cfg.Host.ListenPacket(netip.AddrPortFrom(from, 0))
	if err != nil {
		s.log.Error("no socket for a tunnelled transport", "err", err)
	}
	return socket, err
}

// carry carries datagrams until one of both sides ends, or their time is over; of a page its router's marks come with them.
func (s *Server) carry(u *use, client *link.Stream, socket link.PacketConn, remote netip.AddrPort, mark uint8, page *target) {
	f := &flow{s: s, use: u, client: client, socket: socket, remote: remote, page: page, wake: make(chan struct{}, 1)}
	f.mark.Store(uint32(mark))
	if !s.enter(f) {
		f.Close()
		return
	}
	defer s.exit(f)
	life := time.AfterFunc(s.limits.Life, func() { s.limits.count(ReasonLife); f.Close() })
	defer life.Stop()
	f.run()
}
