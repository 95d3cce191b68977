package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"parley/core/join"
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
}

func (h *hands) init() { h.pingers, h.routing = map[string]chan int{}, map[string]int{} }

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
	}
}

// measuring is the context of pings and probes.
func (c *Client) measuring() context.Context {
	if c.hands.measure == nil {
		c.hands.ctx, c.hands.measure = context.WithCancel(c.ctx)
	}
	return c.hands.ctx
}

// lookup is phase one (S7).
func (c *Client) lookup(a join.Lookup) {
	c.hands.stop("lookup")
	ctx, cancel := context.WithTimeout(c.ctx, requestTimeout)
	c.hands.lookup = cancel
	req := proto.LookupRequest{
		V: proto.Version, Build: c.cfg.Build, Number: c.cfg.Number, Passcode: c.cfg.Passcode, Pwd: c.cfg.Pwd,
		Name: c.cfg.Name, Key: c.identity.Key(), Fingerprint: rtc.Fingerprint(c.cert), Client: "native",
		Network: proto.Network{LastZone: a.LastZone, LastRung: a.LastRung},
	}
	c.wg.Go(func() {
		defer cancel()
		var answer proto.LookupAnswer
		rtt, err := c.request(ctx, "POST", c.site.JoinPath("lookup").String(), c.cfg.Bearer, req, &answer)
		if ctx.Err() == context.Canceled {
			return
		}
		if err != nil {
			code, text := blame(err)
			c.tell(join.LookupFailed{Code: code, Text: text})
			return
		}
		c.post(func(now time.Time) { c.lookedUp(now, answer, rtt) })
	})
}

// lookedUp keeps the token, reads the grants and makes addresses absolute. Grants that nobody known
// has signed are left out.
func (c *Client) lookedUp(now time.Time, answer proto.LookupAnswer, rtt time.Duration) {
	keys, err := trust.NewVerifier(answer.Keys)
	if err != nil {
		c.mind.Handle(now, join.LookupFailed{Text: "the site's answer has unusable keys"})
		return
	}
	c.hands.keys, c.hands.token = keys, answer.Token
	for i := range answer.Zones {
		for j, u := range answer.Zones[i].Controllers {
			answer.Zones[i].Controllers[j] = c.absolute(u)
		}
	}
	done := join.LookupDone{Answer: answer, RTT: float64(rtt) / float64(time.Millisecond)}
	for _, g := range answer.Grants {
		if grant, ok := c.grant(g); ok {
			done.Grants = append(done.Grants, grant)
		}
	}
	c.room.self = answer.Participant
	c.mind.Handle(now, done)
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
func (c *Client) absolute(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	base := *c.site
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	return strings.TrimSuffix(base.ResolveReference(u).String(), "/")
}

// ping is part of phase two (S9). All pings of one controller run one after the other on one
// connection: the second must not open another while the first still shakes hands.
func (c *Client) ping(a join.Ping) {
	ctx := c.measuring()
	queue := c.hands.pingers[a.Controller]
	if queue == nil {
		queue = make(chan int, 16)
		c.hands.pingers[a.Controller] = queue
		c.wg.Go(func() {
			for {
				select {
				case seq := <-queue:
					c.pingOnce(ctx, a.Controller, seq)
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

func (c *Client) pingOnce(ctx context.Context, controller string, seq int) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var answer proto.PingAnswer
	rtt, err := c.request(ctx, "GET", controller+"/ping", "", nil, &answer)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
	case err != nil:
		_, text := blame(err)
		c.tell(join.PingFailed{Controller: controller, Seq: seq, Text: text})
	default:
		c.tell(join.PingDone{Controller: controller, Seq: seq, RTT: float64(rtt) / float64(time.Millisecond), Load: answer.Load})
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
	if c.hands.routing[a.Controller] > 0 {
		c.requests.renew() // the last one got no answer: its connection may be dead without knowing
	}
	c.hands.routing[a.Controller]++
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, requestTimeout)
		defer cancel()
		var answer proto.RouteAnswer
		_, err := c.request(ctx, "POST", a.Controller+"/route", "", req, &answer)
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
				err = proto.NewError("", "its answer is not signed by anyone known")
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

// blame puts an error into code and words; addresses are left to the caller, who knows the name.
func blame(err error) (proto.Code, string) {
	var refusal *proto.Error
	if errors.As(err, &refusal) {
		return refusal.Code, refusal.Text
	}
	var dns *net.DNSError
	var wrapped *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "", "no answer in time"
	case errors.As(err, &dns):
		return "", "the name " + dns.Name + " is not known"
	case errors.As(err, &wrapped):
		return "", wrapped.Err.Error()
	}
	return "", err.Error()
}
