package client

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"parley/core/join"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// transport is what the media needs of a path: rtc.Conn.
type transport interface {
	WriteRTP(packet []byte) error
	WriteRTCP(packet []byte) error
	Read(buf []byte) (n int, rtcp bool, err error)
	RTT() time.Duration
	Room() int   // bytes that may be written without queueing for long
	Stuck() bool // what is written has not moved for too long
	io.Closer
}

// carrier is one transport of one set of credentials. The rungs that are tried with these share it, so
// that media goes from one to another with the same keys and numbers. Owned by the loop.
type carrier struct {
	group proto.Group
	conn  transport
	rtc   *rtc.Conn    // conn, to try ways on
	lanes int          // attempts that share it
	left  bool         // media has gone over to another; what is on its way is still taken
	via   atomic.Value // string: the tunnel its next attempt over TLS takes
}

// lane is one attempt on one rung, being set up or up. Owned by the loop.
type lane struct {
	attempt int
	group   proto.Group
	rung    proto.Rung
	cancel  context.CancelFunc
	carrier *carrier
	way     *rtc.Way
	ufrag   string
	up      bool

	heardAt  time.Time // last packet on the carrier; zero before the first
	silentAt time.Time // told to carry nothing then; zero: it is not silent
}

// received is one packet on its way to the loop.
type received struct {
	carrier *carrier
	rtcp    bool
	data    []byte
}

// marks are the DSCP code points of audio, video and content (S12): those of a profile, and if none is wished for those
// that the router said.
func marks(profile string, said []int) (all [proto.NGroups]uint8, err error) {
	switch profile {
	case "":
		if len(said) == proto.NGroups {
			for i, mark := range said {
				all[i] = uint8(mark & 63)
			}
			return all, nil
		}
		return [proto.NGroups]uint8{46, 34, 26}, nil
	case "rfc8837":
		return [proto.NGroups]uint8{46, 34, 26}, nil
	case "original":
		return [proto.NGroups]uint8{56, 40, 40}, nil
	case "none":
		return [proto.NGroups]uint8{}, nil
	}
	return [proto.NGroups]uint8{}, fmt.Errorf("unknown DSCP profile %q: use rfc8837, original or none", profile)
}

// marking is how what goes to a router is marked: as it says itself, if the configuration has no other wish.
func (c *Client) marking(g proto.Grant) [proto.NGroups]uint8 {
	all, _ := marks(c.cfg.Marking, g.Marks)
	return all
}

// startTransport tries one rung for a group.
func (c *Client) startTransport(a join.StartTransport) {
	ctx, cancel := context.WithCancel(c.ctx)
	cr := c.carrierFor(a, c.mind.Grant())
	cr.lanes++
	if a.Rung == proto.TLS443 {
		cr.via.Store(a.Via)
	}
	l := &lane{
		attempt: a.Attempt, group: a.Group, rung: a.Rung, cancel: cancel, carrier: cr, ufrag: a.Credentials.Ufrag,
		way: c.wayAhead(a),
	}
	if l.way == nil {
		l.way = cr.rtc.Try(a.Rung, a.Candidates)
	}
	c.media.lanes[a.Attempt] = l
	c.wg.Go(func() {
		select {
		case <-l.way.Carries():
			c.tell(join.PathCarries{Attempt: a.Attempt})
		case <-ctx.Done():
		}
	})
	c.wg.Go(func() {
		defer cancel()
		if err := l.way.Wait(ctx); err != nil {
			if ctx.Err() == nil {
				_, text := blame(err)
				c.tell(join.TransportFailed{Attempt: a.Attempt, Text: text})
			}
			return
		}
		c.post(func(now time.Time) {
			if c.media.lanes[a.Attempt] == l {
				l.up = true
				c.mind.Handle(now, join.TransportUp{Attempt: a.Attempt, Port: l.way.Port()})
			}
		})
		select {
		case <-l.way.Done():
			if ctx.Err() == nil {
				c.tell(join.TransportLost{Attempt: a.Attempt, Text: "nothing arrives any more"})
			}
		case <-ctx.Done():
		}
	})
}

// carrierFor is the transport of these credentials.
func (c *Client) carrierFor(a join.StartTransport, grant proto.Grant) *carrier {
	cr := c.media.carriers[a.Credentials.Ufrag]
	if cr == nil {
		cr = c.newCarrier(a, grant)
		c.media.carriers[a.Credentials.Ufrag] = cr
	}
	return cr
}

// newCarrier makes a transport without a way yet, and keys it as soon as one answers.
func (c *Client) newCarrier(a join.StartTransport, grant proto.Grant) *carrier {
	cr := &carrier{group: a.Group}
	conn := rtc.Open(rtc.DialConfig{
		Host: c.host, Credentials: a.Credentials, Fingerprint: a.Fingerprint,
		Certificate: c.cert, DSCP: c.marking(grant)[a.Group], Log: c.cfg.Log,
		TLS: func(ctx context.Context) (*link.Stream, error) { return c.dialMedia(ctx, cr, grant) },
	})
	cr.conn, cr.rtc = conn, conn
	c.wg.Go(func() {
		defer conn.Close()
		defer context.AfterFunc(c.ctx, func() { conn.Close() })()
		if conn.Handshake(c.ctx) == nil {
			c.readMedia(cr)
		}
	})
	return cr
}

// readMedia posts packets until the transport ends.
func (c *Client) readMedia(cr *carrier) {
	buf := make([]byte, 2048)
	for {
		n, rtcp, err := cr.conn.Read(buf)
		if err != nil {
			return // its ways tell
		}
		select {
		case c.packets <- received{cr, rtcp, append(make([]byte, 0, n), buf[:n]...)}:
		case <-c.ctx.Done():
			return
		}
	}
}

// dialMedia opens the media WebSocket of rung TLS 443: the router's own, or a tunnel's, which sends UDP to it.
func (c *Client) dialMedia(ctx context.Context, cr *carrier, g proto.Grant) (*link.Stream, error) {
	if via, _ := cr.via.Load().(string); via != "" {
		t := c.tunnelTo(via, server{g.Zone, g.Router})
		t.Mark = c.marking(g)[cr.group]
		return t.Packets(ctx, netip.AddrPort{})
	}
	ws, err := link.DialWebSocket(ctx, link.WSDial{Host: c.host, URL: g.URL + "/media", TLS: c.cfg.TLS, MaxMessage: link.MaxStreamPacket})
	if err != nil {
		return nil, err
	}
	return ws.Stream(proto.TLS443, netip.AddrPort{}), nil
}

// useTransport moves a group's media to a rung that is up.
func (c *Client) useTransport(a join.UseTransport, now time.Time) {
	l := c.media.lanes[a.Attempt]
	if l == nil || !l.up {
		return
	}
	was := c.media.active[a.Group]
	c.media.active[a.Group] = l
	l.heardAt, l.silentAt = time.Time{}, time.Time{}
	if was != nil && !was.heardAt.IsZero() {
		l.heardAt = now // the router was sending: it must be heard here too
	}
	l.way.Use() // a way that broke just now is told by itself
	c.emit(Media{Kind: a.Group.String(), Path: a.Rung, MS: int(now.Sub(c.media.startedAt).Milliseconds())})
	if a.Group == proto.GroupAudio {
		c.keepNetwork(now, a.Rung)
	}
	if was == nil || was.carrier != l.carrier {
		c.startSending(now)
	}
	if was != nil && was.carrier != l.carrier {
		// The router goes over too when something authentic comes, and takes it from where a check came from: that
		// may be another address by now than the one the handshake had.
		l.carrier.rtc.Recheck()
		c.writeRTCP(a.Group, rtp.AppendRR(nil, c.media.reporter))
	}
}

// farewellFor is how long a transport that another has taken over from is still received.
const farewellFor = time.Second

// closeTransport ends an attempt, up or not, and with the last one of a transport the transport.
func (c *Client) closeTransport(attempt int) {
	l := c.media.lanes[attempt]
	if l == nil {
		return
	}
	delete(c.media.lanes, attempt)
	l.cancel()
	if l.carrier.lanes--; l.carrier.lanes == 0 && c.media.carriers[l.ufrag] == l.carrier {
		delete(c.media.carriers, l.ufrag)
	}
	after := time.Duration(0)
	if in := c.media.active[l.group]; l.up && l.carrier.lanes == 0 && in != nil && in.carrier != l.carrier {
		l.carrier.left, after = true, farewellFor
	}
	if l.way != nil {
		c.wg.Go(func() {
			sleep(c.ctx, after)
			l.way.Close() // may wait for a stream's writer
		})
	}
	for g := range c.media.active {
		if c.media.active[g] == l {
			c.media.active[g] = nil
		}
	}
}

// laneOf is the transport that carries a group now, nil where there is none.
func (c *Client) laneOf(g proto.Group) *lane {
	if c.cfg.OneGroup {
		g = proto.GroupAudio
	}
	return c.media.active[g]
}

func (c *Client) writeRTP(g proto.Group, packet []byte) bool {
	l := c.laneOf(g)
	return l != nil && l.carrier.conn.WriteRTP(packet) == nil
}

func (c *Client) writeRTCP(g proto.Group, packet []byte) bool {
	l := c.laneOf(g)
	return l != nil && l.carrier.conn.WriteRTCP(packet) == nil
}
