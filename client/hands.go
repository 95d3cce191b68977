package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"parley/core/join"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
)

// Upper bounds of single requests; the mind has shorter ones of its own where it races.
const (
	requestTimeout = 10 * time.Second
	probeTimeout   = 2 * time.Second
	maxAnswerLen   = 1 << 20 // bytes of an answer's body
)

// hands is what is under way for phases one to three. Owned by the loop.
type hands struct {
	lookup  context.CancelFunc
	measure context.CancelFunc
	ctx     context.Context // of the measurement
	pingers map[string]chan int
	routing map[string]int // requests for a route that have not ended, by controller
	token   string
	keys    *trust.Verifier
	tunnels context.CancelFunc // of the race between tunnels
	racing  context.Context
	// patience ends a lookup that takes too long; a person who is asked something stops it.
	patience *time.Timer
	servers  map[string]server // the controllers as tunnels know them, by base URL

	ahead     map[string]ahead // what is open ahead of the choice of a zone, by router
	inspected bool             // somebody opens TLS on the way
}

// server is what tunnels know a server by.
type server struct{ zone, id string }

func (h *hands) init() {
	h.pingers, h.routing, h.servers = map[string]chan int{}, map[string]int{}, map[string]server{}
	h.ahead = map[string]ahead{}
}

// stop ends what the mind no longer wants.
func (h *hands) stop(what string) {
	switch what {
	case "lookup":
		if h.lookup != nil {
			h.lookup()
			h.lookup = nil
		}
	case "measure":
		if h.measure != nil {
			h.measure()
			h.measure = nil
			clear(h.pingers)
		}
	case "tunnels":
		if h.tunnels != nil {
			h.tunnels()
			h.tunnels = nil
		}
	}
}

// measuring is the context of pings and probes.
func (c *Client) measuring() context.Context {
	if c.hands.measure == nil {
		c.hands.ctx, c.hands.measure = context.WithCancel(c.ctx)
	}
	return c.hands.ctx
}

// grant verifies a signed grant.
func (c *Client) grant(g proto.SignedGrant) (proto.Grant, bool) {
	if g == "" || c.hands.keys == nil {
		return proto.Grant{}, false
	}
	grant, err := c.hands.keys.Grant(g)
	if err != nil {
		c.log.Warn("a grant is not signed by anyone known", "err", err)
		return proto.Grant{}, false
	}
	grant.URL = c.absolute(grant.URL)
	return grant, true
}

// absolute resolves an address that may be relative to the site.
func (c *Client) absolute(s string) string { return absolute(c.site, s) }

// ping is part of phase two (S9). All pings of one controller run one after the other on one
// connection: the second must not open another while the first still shakes hands.
func (c *Client) ping(a join.Ping) {
	ctx := c.measuring()
	key := a.Via + " " + a.Controller
	queue := c.hands.pingers[key]
	if queue == nil {
		queue = make(chan int, 16)
		c.hands.pingers[key] = queue
		over := c.requestsTo(a.Via, c.hands.servers[a.Controller])
		c.wg.Go(func() {
			for {
				select {
				case seq := <-queue:
					c.pingOnce(ctx, over, a, seq)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	select {
	case queue <- a.Seq:
	default: // sixteen are waiting already: this controller is not one to choose
	}
}

func (c *Client) pingOnce(ctx context.Context, over *requests, a join.Ping, seq int) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var answer proto.PingAnswer
	r, err := over.ask(ctx, "GET", a.Controller+"/ping", "", nil, &answer)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
	case err != nil:
		_, text := blame(err)
		c.tell(join.PingFailed{Controller: a.Controller, Seq: seq, Text: text, Via: a.Via})
	default:
		c.tell(join.PingDone{Controller: a.Controller, Seq: seq, RTT: r.ms(), Load: answer.Load, Via: a.Via})
	}
}

// probe sees whether UDP passes, and packets of full size.
func (c *Client) probe(a join.Probe) {
	ctx := c.measuring()
	c.wg.Go(func() {
		addr, err := netip.ParseAddrPort(a.Addr)
		if err != nil {
			c.tell(join.ProbeFailed{Addr: a.Addr, Text: "not an address"})
			return
		}
		if addr.Addr().Is6() && !link.Source(c.cfg.Host, addr).IsValid() { // no way out over IPv6, which is no silence
			c.tell(join.ProbeFailed{Addr: a.Addr, Text: "this machine can't send to it"})
			return
		}
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		rtt, _, err := rtc.Probe(ctx, c.cfg.Host, addr, a.Padded)
		switch {
		case err == nil:
			c.tell(join.ProbeDone{Addr: a.Addr, Seq: a.Seq, RTT: float64(rtt) / float64(time.Millisecond), Padded: a.Padded})
		case ctx.Err() == nil:
			c.tell(join.ProbeFailed{Addr: a.Addr, Text: "this machine can't send to it"})
		}
	})
}

// route is phase three (S10).
func (c *Client) route(a join.Route) {
	req := proto.RouteRequest{V: proto.Version, Token: c.hands.token, Lost: a.Lost}
	over := c.requestsTo(a.Via, c.hands.servers[a.Controller])
	if c.hands.routing[a.Controller] > 0 {
		over.renew() // the last one got no answer: its connection may be dead without knowing
	}
	c.hands.routing[a.Controller]++
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, requestTimeout)
		defer cancel()
		var answer proto.RouteAnswer
		_, err := over.ask(ctx, "POST", a.Controller+"/route", "", req, &answer)
		c.post(func(now time.Time) {
			if c.hands.routing[a.Controller]--; c.hands.routing[a.Controller] <= 0 {
				delete(c.hands.routing, a.Controller)
			}
			failed := join.RouteFailed{Controller: a.Controller}
			if err == nil {
				if grant, ok := c.grant(answer.Grant); ok {
					c.mind.Handle(now, join.RouteDone{Controller: a.Controller, Grant: grant})
					return
				}
				c.readAgain(a, answer.Grant)
				return
			}
			failed.Code, failed.Text = blame(err)
			var refusal *proto.Error
			if errors.As(err, &refusal) {
				if grant, ok := c.grant(refusal.Grant); ok {
					failed.Grant = &grant
				}
			}
			c.mind.Handle(now, failed)
		})
	})
}

// readAgain reads a controller's grant with the keys that the site tells now: a controller signs with a key that is as
// old as its process, and this one may have started since the lookup.
func (c *Client) readAgain(a join.Route, signed proto.SignedGrant) {
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, requestTimeout)
		defer cancel()
		f, err := c.find(ctx, c.lookupRequest(proto.Network{}))
		c.post(func(now time.Time) {
			if keys, bad := trust.NewVerifier(f.answer.Keys); err == nil && bad == nil {
				c.hands.keys = keys
			}
			if grant, ok := c.grant(signed); ok {
				c.mind.Handle(now, join.RouteDone{Controller: a.Controller, Grant: grant})
				return
			}
			c.mind.Handle(now, join.RouteFailed{Controller: a.Controller, Text: "its answer is not signed by anyone known"})
		})
	})
}

// blame puts an error into code and words; addresses are left to the caller, who knows the name.
func blame(err error) (proto.Code, string) {
	var refusal *proto.Error
	if errors.As(err, &refusal) {
		return refusal.Code, refusal.Text
	}
	var dns *net.DNSError
	var wrapped *url.Error
	var slow net.Error
	switch {
	case errors.As(err, &dns) && dns.IsTimeout:
		return "", "no name server answers for " + dns.Name
	case errors.As(err, &dns):
		return "", "the name " + dns.Name + " is not known"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "", "no answer in time"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "", "the connection was cut on the way"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "", "the connection was refused"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "", "this computer has no way there"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "", "the connection was closed without an answer"
	case errors.As(err, &wrapped):
		return "", wrapped.Err.Error()
	}
	return "", err.Error()
}
