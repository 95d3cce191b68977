package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/core/join"
	"parley/sys/link"
	"parley/sys/proxy"
	"parley/wire/proto"
)

// DoctorConfig says which site's ways to examine, and how. Zero values are those of Config.
type DoctorConfig struct {
	Site    string // base URL of the web infrastructure
	Host    link.Host
	TLS     *tls.Config
	Proxy   proxy.Config
	State   string // where tunnels are remembered; nothing is written there
	Marking string // DSCP profile (S12); "" is the site's own
	// Progress is told what is being examined, from the goroutine that called Examine; nil: nobody is.
	Progress func(what string)
}

// doctor is one examination. Its fields are set before the goroutines that read them start.
type doctor struct {
	cfg    DoctorConfig
	site   *url.URL
	host   *proxy.Host // cfg.Host through what stands in the way
	over   *requests
	memory memory
	seen   seen
}

// Examine goes through the whole connection process (S7 to S15) without joining a meeting, which takes some
// seconds, and explains what it found. An error means that it can't begin: cfg makes no sense, or ctx has ended.
func Examine(ctx context.Context, cfg DoctorConfig) (*Diagnosis, error) {
	d, err := newDoctor(cfg)
	if err != nil {
		return nil, err
	}
	defer d.close()
	d.seen.site = d.site.String()
	d.progress("the site")
	d.examineSite(ctx)
	if d.seen.siteErr == nil {
		d.progress("meeting zones and tunnels")
		d.examineZones(ctx)
		d.progress("ways for sound and pictures")
		d.examineRungs(ctx)
		if d.seen.udpOpen() {
			d.progress("the quality of UDP")
			d.examineUDP(ctx)
		}
	} else {
		d.progress("why the site does not answer")
		d.examineSilence(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return d.seen.judge(), nil
}

func newDoctor(cfg DoctorConfig) (*doctor, error) {
	site, err := url.Parse(cfg.Site)
	if err != nil || site.Host == "" || site.Scheme != "https" && site.Scheme != "http" {
		return nil, fmt.Errorf("site %q is not an https:// address", cfg.Site)
	}
	if cfg.Host == nil {
		cfg.Host = link.Real()
	}
	d := &doctor{cfg: cfg, site: site, memory: remember(cfg.State, site.String())}
	if _, err = marks(cfg.Marking, nil); err != nil {
		return nil, err
	}
	if d.host, err = proxy.New(d.proxyConfig()); err != nil {
		return nil, err
	}
	d.over = newRequests(d.host, cfg.TLS)
	return d, nil
}

// proxyConfig is the configuration of proxies towards this site. What was remembered of TLS does not count: it
// is what is to be found out.
func (d *doctor) proxyConfig() proxy.Config {
	conf := d.cfg.Proxy
	conf.Host = d.cfg.Host
	if conf.TLS == nil {
		conf.TLS = d.cfg.TLS
	}
	return conf
}

func (d *doctor) close() {
	d.over.close()
	d.host.Close()
}

func (d *doctor) progress(what string) {
	if d.cfg.Progress != nil {
		d.cfg.Progress(what)
	}
}

// Limits of single steps. They are longer than the joining process waits: here it is worth knowing whether
// something is slow or dead.
const (
	siteTimeout   = 10 * time.Second
	zoneTimeout   = 5500 * time.Millisecond // S14
	rungTimeout   = 5 * time.Second
	portalTimeout = 3 * time.Second
)

// examineZones pings every controller and probes every address over UDP, as S9 does, and every tunnel.
func (d *doctor) examineZones(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range d.seen.zones {
		s := &d.seen.zones[i]
		s.controllers = make([]seenServer, len(s.Controllers))
		for j, u := range s.Controllers {
			wg.Go(func() { s.controllers[j] = d.pingServer(ctx, absolute(d.site, u), zoneTimeout, controllerAnswer) })
		}
	}
	wg.Go(func() { d.probeZones(ctx) })
	d.seen.tunnels = make([]seenServer, len(d.seen.answer.Tunnels))
	for i, u := range d.seen.answer.Tunnels {
		wg.Go(func() { d.seen.tunnels[i] = d.pingServer(ctx, absolute(d.site, u), tunnelTimeout, tunnelAnswer) })
	}
}

// answered reports whether an answer to GET /ping is that of the server one asked for.
type answered func(ctx context.Context, over *requests, url string) (reply, bool, error)

func controllerAnswer(ctx context.Context, over *requests, url string) (reply, bool, error) {
	var a proto.PingAnswer
	r, err := over.ask(ctx, "GET", url+"/ping", "", nil, &a)
	return r, a.V != 0, err
}

func tunnelAnswer(ctx context.Context, over *requests, url string) (reply, bool, error) {
	var a proto.TunnelPong
	r, err := over.ask(ctx, "GET", url+"/ping", "", nil, &a)
	return r, a.V != 0, err
}

// pingServer asks a server three times over one connection, which tells its round trip from handshakes.
func (d *doctor) pingServer(ctx context.Context, url string, limit time.Duration, ask answered) seenServer {
	s := seenServer{url: url, rtt: -1}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for range 3 {
		r, ours, err := ask(ctx, d.over, url)
		if err == nil && !ours {
			err = proto.NewError("", "something else answers in its place")
		}
		if err != nil {
			if s.rtt < 0 {
				_, s.err = blame(err)
			}
			return s
		}
		s.proxy = r.proxy
		if s.rtt < 0 || r.rtt < s.rtt {
			s.rtt = r.rtt
		}
	}
	return s
}

// absolute resolves an address that may be relative to the site.
func absolute(site *url.URL, s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	base := *site
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	return strings.TrimSuffix(base.ResolveReference(u).String(), "/")
}

// seen is all that an examination has found out, before it is judged.
type seen struct {
	site    string
	addrs   []string // of the site's name
	dnsErr  string
	dnsTook time.Duration

	siteErr   error
	siteText  string // the same, in words
	siteRTT   time.Duration
	siteAddr  string
	tlsName   string // "TLS 1.3"; "" over plain HTTP
	issuer    string
	inspected string
	classical bool          // a long ClientHello does not pass
	portal    string        // who answers for the site on port 80 instead of it
	skew      time.Duration // this computer's clock against the site's
	proxy     string        // in use
	proxyFrom string        // who named it
	unused    string        // why the configured one is not used, in words
	direct    bool          // the site can be reached without the proxy

	answer  proto.NetworkAnswer
	zones   []seenZone
	tunnels []seenServer
	nat     natKind
	mapped  string               // this network's address as zones see it
	ipv6    bool                 // this computer has a way out over IPv6, or believes so
	marks   [proto.NGroups]uint8 // of what goes to the best zone's router

	rungs []seenRung // one for each medium and way
	turn  *seenRung  // the way of browsers where nothing else passes

	up, both     int // longest datagram (IP packet, bytes) up, and there and back; 0: not measured
	small, large burst
}

// seenServer is an HTTPS server.
type seenServer struct {
	url   string
	rtt   time.Duration // negative: no answer
	err   string
	proxy string
}

// seenZone is a zone with what was found of it.
type seenZone struct {
	proto.NetworkZone
	controllers []seenServer
	probes      []seenProbe
}

// seenProbe is an address that answers probes.
type seenProbe struct {
	addr string
	burst
	mapped string
	local  string
}

// burst is a number of packets that should have come back.
type burst struct {
	sent, back  int
	least, half time.Duration // round trips: the least, and what half of them took at most
}

// lost is the share that did not come back.
func (b burst) lost() float64 {
	if b.sent == 0 {
		return 0
	}
	return float64(b.sent-b.back) / float64(b.sent)
}

// seenRung is one way for one medium.
type seenRung struct {
	group    proto.Group
	rung     proto.Rung
	addr     string
	rtt      time.Duration // negative: no answer
	err      string
	unmarked bool // answered only without the DSCP mark of its medium
	stunOnly bool // checks are answered, and nothing else that looks like media; rtt is negative then
	marked   marked
}

// marked is what became of DSCP marks on one way, up and down. Code points; those that arrived may be
// stun.MarkUnknown.
type marked struct {
	told          bool // the router tells; it answers dressed probes too, then
	sent, arrived uint8
	back, came    uint8
}

// natKind is what a NAT makes of one socket's address.
type natKind string

const (
	natUnknown   natKind = ""
	natNone      natKind = "none"
	natSame      natKind = "endpoint-independent"
	natSymmetric natKind = "symmetric"
)

func (z *seenZone) label() string {
	if z.Name != "" {
		return z.Name
	}
	return z.ID
}

// rtt is the least round trip to any controller, negative where none answered.
func (z *seenZone) rtt() time.Duration {
	best := time.Duration(-1)
	for _, c := range z.controllers {
		if c.rtt >= 0 && (best < 0 || c.rtt < best) {
			best = c.rtt
		}
	}
	return best
}

func (z *seenZone) udp() bool {
	return slices.ContainsFunc(z.probes, func(p seenProbe) bool { return p.back > 0 })
}

// best is the zone a client would choose among those with a router; where none of them answers, the site's
// first. nil: the site has none.
func (s *seen) best() *seenZone {
	var best *seenZone
	somewhere := slices.ContainsFunc(s.zones, func(z seenZone) bool { return z.udp() })
	score := func(z *seenZone) float64 {
		udp := z.udp()
		return join.Score(float64(z.rtt())/float64(time.Millisecond), z.Bias, !udp && somewhere)
	}
	for i := range s.zones {
		z := &s.zones[i]
		switch {
		case len(z.Routers) == 0:
		case best == nil, z.rtt() >= 0 && (best.rtt() < 0 || score(z) < score(best)):
			best = z
		}
	}
	return best
}

// udpOpen reports whether any way over UDP answers.
func (s *seen) udpOpen() bool {
	return slices.ContainsFunc(s.rungs, func(r seenRung) bool { return r.rung == proto.UDP8801 && r.rtt >= 0 })
}
