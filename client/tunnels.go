package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"parley/core/join"
	"parley/sys/link"
	"parley/wire/proto"
)

// tunnelTimeout is how long a tunnel may take to answer: three round trips, each up to a second, and half of one
// for what is slow. Others race it meanwhile, and who waits for its place in the race has waited for less by then.
const tunnelTimeout = 3500 * time.Millisecond

// tunnels are the ways through HTTP tunnels (S14). Safe for concurrent use.
type tunnels struct {
	asking  sync.Mutex  // one request for a token at a time
	patient atomic.Bool // something on the way wants a first message to wait

	mu    sync.Mutex
	token string            // guarded by mu
	known []string          // base URLs; guarded by mu
	over  map[way]*requests // guarded by mu
}

// way is one server through one tunnel.
type way struct {
	tunnel string
	server
}

func (t *tunnels) keep(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = token
}

func (t *tunnels) current() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token
}

// know keeps the addresses of tunnels, for lookups when the site is out of reach.
func (t *tunnels) know(urls []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = urls
}

func (t *tunnels) list() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known
}

func (t *tunnels) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.over {
		r.renew()
	}
}

func (t *tunnels) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.over {
		r.close()
	}
}

// hostTo is what reaches a server: directly, or through a tunnel.
func (c *Client) hostTo(via string, to server) link.Host {
	if via == "" {
		return c.host
	}
	return c.tunnelTo(via, to)
}

func (c *Client) tunnelTo(via string, to server) *link.Tunnel {
	return &link.Tunnel{Host: c.host, URL: via, TLS: c.cfg.TLS, Zone: to.zone, Server: to.id, Token: c.tunnelToken, Patient: &c.tunnels.patient}
}

// requestsTo is what carries requests to a server; all that go the same way share connections.
func (c *Client) requestsTo(via string, to server) *requests {
	if via == "" {
		return c.requests
	}
	t := &c.tunnels
	t.mu.Lock()
	defer t.mu.Unlock()
	w := way{via, to}
	if t.over[w] == nil {
		if t.over == nil {
			t.over = map[way]*requests{}
		}
		t.over[w] = newRequests(c.tunnelTo(via, to), c.cfg.TLS)
	}
	return t.over[w]
}

// dialTunnel asks a tunnel whether it is there: TLS and one answer, which a firewall that merely takes the
// connection does not give.
func (c *Client) dialTunnel(a join.DialTunnel) {
	if c.hands.tunnels == nil {
		c.hands.racing, c.hands.tunnels = context.WithCancel(c.ctx)
	}
	racing := c.hands.racing
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(racing, tunnelTimeout)
		defer cancel()
		var pong proto.TunnelPong
		_, err := c.requests.ask(ctx, "GET", a.URL+"/ping", "", nil, &pong)
		switch {
		case racing.Err() != nil:
		case err != nil:
			_, text := blame(err)
			c.tell(join.TunnelFailed{URL: a.URL, Text: text})
		case pong.V == 0:
			c.tell(join.TunnelFailed{URL: a.URL, Text: "something else than a tunnel answers"})
		default:
			c.tell(join.TunnelUp{URL: a.URL})
		}
	})
}
