package client

import (
	"context"
	"fmt"
	"io"
	"time"

	"parley/core/join"
	"parley/sys/rtc"
	"parley/wire/proto"
)

// transport is what the media needs of a path: rtc.Conn.
type transport interface {
	WriteRTP(packet []byte) error
	WriteRTCP(packet []byte) error
	Read(buf []byte) (n int, rtcp bool, err error)
	RTT() time.Duration
	io.Closer
}

// lane is one media transport, being set up or up. Owned by the loop.
type lane struct {
	attempt int
	group   proto.Group
	rung    proto.Rung
	cancel  context.CancelFunc
	conn    transport // nil until it is up
	heardAt time.Time // last packet; zero before the first
}

// received is one packet on its way to the loop.
type received struct {
	lane *lane
	rtcp bool
	data []byte
}

// marks are the DSCP code points of audio, video and content (S12).
func marks(profile string) ([proto.NGroups]uint8, error) {
	switch profile {
	case "", "rfc8837":
		return [proto.NGroups]uint8{46, 34, 26}, nil
	case "original":
		return [proto.NGroups]uint8{56, 40, 40}, nil
	case "none":
		return [proto.NGroups]uint8{}, nil
	}
	return [proto.NGroups]uint8{}, fmt.Errorf("unknown DSCP profile %q: use rfc8837, original or none", profile)
}

// startTransport sets up one media transport.
func (c *Client) startTransport(a join.StartTransport, now time.Time) {
	ctx, cancel := context.WithCancel(c.ctx)
	l := &lane{attempt: a.Attempt, group: a.Group, rung: a.Rung, cancel: cancel}
	c.media.lanes[a.Attempt] = l
	dscp, _ := marks(c.cfg.Marking)
	cfg := rtc.DialConfig{
		Host: c.cfg.Host, Remote: a.Candidates, Credentials: a.Credentials, Fingerprint: a.Fingerprint,
		Certificate: c.cert, DSCP: dscp[a.Group], Log: c.cfg.Log,
	}
	c.wg.Go(func() {
		defer cancel()
		conn, err := rtc.Dial(ctx, cfg)
		if err != nil {
			if ctx.Err() == nil {
				_, text := blame(err)
				c.tell(join.TransportFailed{Attempt: a.Attempt, Text: text})
			}
			return
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		defer stop()
		defer conn.Close()
		c.post(func(now time.Time) {
			if c.media.lanes[a.Attempt] == l {
				l.conn = conn
				c.mind.Handle(now, join.TransportUp{Attempt: a.Attempt})
			}
		})
		c.readMedia(ctx, l, conn)
	})
}

// readMedia posts packets until the transport ends.
func (c *Client) readMedia(ctx context.Context, l *lane, conn transport) {
	buf := make([]byte, 2048)
	for {
		n, rtcp, err := conn.Read(buf)
		if err != nil {
			if ctx.Err() == nil {
				c.tell(join.TransportLost{Attempt: l.attempt, Text: "nothing arrives any more"})
			}
			return
		}
		select {
		case c.packets <- received{l, rtcp, append(make([]byte, 0, n), buf[:n]...)}:
		case <-ctx.Done():
			return
		}
	}
}

// useTransport moves a group's media to a transport that is up.
func (c *Client) useTransport(a join.UseTransport, now time.Time) {
	l := c.media.lanes[a.Attempt]
	if l == nil || l.conn == nil {
		return
	}
	c.media.active[a.Group] = l
	l.heardAt = time.Time{}
	c.emit(Media{Kind: a.Group.String(), Path: a.Rung, MS: int(now.Sub(c.media.startedAt).Milliseconds())})
	c.startSending(now)
}

// closeTransport ends a transport, up or not.
func (c *Client) closeTransport(attempt int) {
	l := c.media.lanes[attempt]
	if l == nil {
		return
	}
	delete(c.media.lanes, attempt)
	l.cancel()
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
	return l != nil && l.conn.WriteRTP(packet) == nil
}

func (c *Client) writeRTCP(g proto.Group, packet []byte) bool {
	l := c.laneOf(g)
	return l != nil && l.conn.WriteRTCP(packet) == nil
}
