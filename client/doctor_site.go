package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"parley/sys/link"
	"parley/sys/proxy"
	"parley/wire/proto"
)

// examineSite is phase one (S7): the name, TLS, what stands in the way, and where the zones are.
func (d *doctor) examineSite(ctx context.Context) {
	s := &d.seen
	began := time.Now()
	addrs, err := link.Resolve(ctx, d.cfg.Host, d.site.Hostname())
	s.dnsTook = time.Since(began)
	for _, a := range addrs {
		s.addrs = append(s.addrs, a.String())
	}
	if err != nil || len(addrs) == 0 {
		s.dnsErr = "this computer can't find the name " + d.site.Hostname()
	}
	ctx, cancel := context.WithTimeout(ctx, siteTimeout)
	defer cancel()
	asked := time.Now()
	r, err := d.ask(ctx)
	took := time.Since(asked)
	for n := 0; n < settles && err == nil && s.best() == nil && pause(ctx, settleEvery); n++ {
		asked = time.Now()
		r, err = d.ask(ctx)
		took = time.Since(asked)
	}
	if err == nil && s.answer.V == 0 {
		err = errors.New("something else than a Parley site answers")
	}
	s.unused = d.host.Unused()
	if err != nil {
		s.siteErr = err
		_, s.siteText = blame(err)
		return
	}
	s.siteRTT, s.proxy, s.siteAddr, s.classical = r.rtt, r.proxy, s.answer.YourAddr, d.host.Classical()
	// The answer was made half a round trip ago.
	s.skew = asked.Add(took - r.rtt/2).Sub(time.UnixMilli(s.answer.ServerTime))
	if r.tls != nil {
		s.tlsName = tls.VersionName(r.tls.Version)
		if len(r.tls.PeerCertificates) > 0 {
			s.issuer = proxy.Issuer(r.tls.PeerCertificates[0])
		}
	}
	s.inspected = inspected(r, proto.LookupAnswer{Binding: s.answer.Binding})
	if s.proxy != "" {
		s.proxyFrom = d.proxyFrom()
		s.direct = d.directly(ctx)
	}
}

// A site that has just started hears of its servers within a second or two.
const (
	settles     = 3
	settleEvery = time.Second
)

// ask asks the site for its zones.
func (d *doctor) ask(ctx context.Context) (reply, error) {
	s := &d.seen
	s.answer, s.zones = proto.NetworkAnswer{}, nil
	r, err := d.over.ask(ctx, "GET", strings.TrimSuffix(d.site.String(), "/")+"/network", "", nil, &s.answer)
	for _, z := range s.answer.Zones {
		s.zones = append(s.zones, seenZone{NetworkZone: z})
	}
	return r, err
}

// proxyFrom says who named the proxy.
func (d *doctor) proxyFrom() string {
	switch c := d.cfg.Proxy; {
	case c.URL != "":
		return "named by --proxy"
	case c.PAC != "":
		return "chosen by the proxy script (PAC)"
	}
	return "named by HTTPS_PROXY in the environment"
}

// directly reports whether the site answers without the proxy.
func (d *doctor) directly(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, portalTimeout)
	defer cancel()
	h, err := proxy.New(proxy.Config{Host: d.cfg.Host, URL: "direct"})
	if err != nil {
		return false
	}
	defer h.Close()
	c, err := h.DialTLS(ctx, "tcp", withPort(d.site, "443"), d.tlsFor("http/1.1"))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// tlsFor is the TLS configuration for a connection of the doctor's own; no protocol offers none.
func (d *doctor) tlsFor(protocols ...string) *tls.Config {
	conf := d.cfg.TLS
	if conf == nil {
		conf = link.ClientTLS(nil)
	}
	conf = conf.Clone()
	conf.NextProtos = protocols
	return conf
}

// withPort is host and port of an address.
func withPort(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// examineSilence looks for what keeps the site from answering: tunnels known from before, and whether somebody
// else answers in its name.
func (d *doctor) examineSilence(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	d.seen.tunnels = make([]seenServer, len(d.memory.Tunnels))
	for i, u := range d.memory.Tunnels {
		wg.Go(func() { d.seen.tunnels[i] = d.pingServer(ctx, u, tunnelTimeout, tunnelAnswer) })
	}
	wg.Go(func() { d.seen.portal = d.portal(ctx) })
}

// portal asks the site's name over plain HTTP: networks that want one to sign in answer that themselves, and
// send to a page of theirs. "" where nobody does.
func (d *doctor) portal(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, portalTimeout)
	defer cancel()
	tr := &http.Transport{DialContext: d.cfg.Host.Dial, DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	u := fmt.Sprintf("http://%s/", net.JoinHostPort(d.site.Hostname(), "80"))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return ""
	}
	resp, err := tr.RoundTrip(req) // follows nothing
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswerLen))
	to, err := resp.Location()
	switch {
	case err == nil && to.Hostname() != d.site.Hostname():
		return to.Hostname()
	case resp.StatusCode == http.StatusNetworkAuthenticationRequired:
		return d.site.Hostname()
	}
	return ""
}
