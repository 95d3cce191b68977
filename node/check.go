package node

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// check lists every fault, each with the key it is about.
func (c *Config) check() (faults []error) {
	bad := func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.Web == nil && c.Zone == nil && c.Router == nil && c.Tunnel == nil && len(c.Zones) == 0 {
		bad("config", "no part to run: give a web, zone, mmr or tunnel section")
	}
	if c.Data == "" && c.Web != nil {
		bad("data", "the web infrastructure needs a directory for its database and keys")
	}
	baseURL := func(key, v string, required bool) {
		if v == "" {
			if required {
				bad(key, "required here: the public base URL, such as https://meet.example.org")
			}
			return
		}
		u, err := url.Parse(v)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			bad(key, "%q is not a base URL such as https://meet.example.org", v)
		}
	}
	separate := c.Web == nil
	baseURL("site", c.Site, false)
	listenAddr := func(key, v string) {
		if v == "" {
			return
		}
		if _, err := bindAddr(v); err != nil {
			bad(key, "%v", err)
		}
	}
	listenAddr("listen.https", c.Listen.HTTPS)
	for key, networks := range map[string][]string{"listen.proxies": c.Listen.Proxies, "listen.balancers": c.Listen.Balancers} {
		for i, p := range networks {
			if _, err := netip.ParsePrefix(p); err != nil {
				bad(fmt.Sprintf("%s[%d]", key, i), "%q is not a network such as 10.0.0.0/8", p)
			}
		}
	}
	loopback := func(key, v string) {
		listenAddr(key, v)
		if a, err := bindAddr(v); v != "" && err == nil && !a.Addr().IsLoopback() {
			bad(key, "%q leaves this machine; it must be a loopback address", v)
		}
	}
	loopback("listen.http", c.Listen.HTTP)
	loopback("admin.listen", c.Admin.Listen)
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		bad("log.level", "%q is none of debug, info, warn, error", c.Log.Level)
	}
	c.checkBus(bad)
	pair := func(key, cert, k string) {
		if (cert == "") != (k == "") {
			bad(key, "cert and key go together")
		}
	}
	pair("tls", c.TLS.Cert, c.TLS.Key)
	id := func(key, v string) {
		if v == "" {
			bad(key, "required")
		} else if v != idOf(v) {
			bad(key, "%q: only lower-case letters, digits and dashes", v)
		}
	}
	seen := make(map[string]bool)
	for i, z := range c.Zones {
		id(fmt.Sprintf("zones[%d]", i), z)
		if seen[z] {
			bad(fmt.Sprintf("zones[%d]", i), "%q is there twice", z)
		}
		seen[z] = true
	}
	if len(c.Zones) > 0 && (c.Zone != nil || c.Router == nil) {
		bad("zones", "goes with an mmr section and without a zone section")
	}
	if z := c.Zone; z != nil {
		id("zone.id", z.ID)
		id("zone.server", z.Server)
		baseURL("zone.url", z.URL, separate)
		if z.Hosting != "cloud" && !strings.HasPrefix(z.Hosting, "connector:") {
			bad("zone.hosting", "%q is neither cloud nor connector:<id>", z.Hosting)
		}
		if z.Lat < -90 || z.Lat > 90 || z.Lon < -180 || z.Lon > 180 {
			bad("zone.lat", "%v, %v is no place on Earth", z.Lat, z.Lon)
		}
	}
	if r := c.Router; r != nil {
		if len(c.Zones) == 0 {
			id("mmr.zone", r.Zone)
			id("mmr.id", r.ID)
		}
		baseURL("mmr.url", r.URL, separate)
		for i, m := range r.Media {
			listenAddr(fmt.Sprintf("mmr.media[%d]", i), m)
		}
		for i, m := range r.UDPExtra {
			listenAddr(fmt.Sprintf("mmr.udp_extra[%d]", i), m)
		}
		for i, a := range r.Advertise {
			if _, err := netip.ParseAddr(a); err != nil {
				bad(fmt.Sprintf("mmr.advertise[%d]", i), "%q is not an IP address", a)
			}
		}
		if r.DSCP != "standard" && r.DSCP != "original" {
			bad("mmr.dscp", "%q is neither standard nor original", r.DSCP)
		}
		for key, n := range map[string]int{"max_people": r.MaxPeople, "max_meetings": r.MaxMeetings, "max_people_per_meeting": r.PerMeeting,
			"loudest": r.Loudest, "floating_audio": r.FloatingAudio, "shards": r.Shards, "together": r.Together} {
			if n < 0 {
				bad("mmr."+key, "%d is negative", n)
			}
		}
	}
	if t := c.Tunnel; t != nil {
		id("tunnel.id", t.ID)
		baseURL("tunnel.url", t.URL, separate)
		if separate && c.Site == "" {
			bad("site", "required beside a tunnel section: the public base URL lookups are passed on to")
		}
		if t.Streams < 0 {
			bad("tunnel.streams", "%d is negative", t.Streams)
		}
	}
	c.checkPlaces(bad)
	return faults
}

// checkPlaces refuses two parts at one place of the front.
func (c *Config) checkPlaces(bad func(key, format string, args ...any)) {
	taken := make(map[string]string)
	if c.Web != nil {
		taken[""] = "the web infrastructure"
	}
	place := func(key, base string) {
		u, err := url.Parse(base)
		if base == "" || err != nil {
			return
		}
		path := strings.TrimSuffix(u.Path, "/")
		if who, ok := taken[path]; ok {
			bad(key, "%q is where %s is already; give each a path of its own, such as /%s", base, who, strings.TrimSuffix(key, ".url"))
			return
		}
		taken[path] = key
	}
	place("zone.url", zoneURL(c.Zone))
	place("mmr.url", routerURL(c.Router))
	place("tunnel.url", tunnelURL(c.Tunnel))
}

// checkBus refuses a bus that leaves loopback without mutual TLS (design §6).
func (c *Config) checkBus(bad func(key, format string, args ...any)) {
	b := c.Bus
	full := b.CA != "" && b.Cert != "" && b.Key != ""
	if !full && (b.CA != "" || b.Cert != "" || b.Key != "") {
		bad("bus", "ca, cert and key go together")
	}
	if b.URL != "" && b.Listen != "" {
		bad("bus", "url and listen exclude each other: either use another process's bus or offer one")
	}
	for _, one := range strings.FieldsFunc(b.URL, func(r rune) bool { return r == ',' }) {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			bad("bus.url", "%q is not a URL such as tls://bus.example.org:4222", one)
		} else if !isLoopback(u.Hostname()) && !full {
			bad("bus.url", "%s leaves this machine: mutual TLS is required (ca, cert, key; see parley enroll)", one)
		}
	}
	if b.Listen != "" {
		host, _, err := net.SplitHostPort(b.Listen)
		if err != nil {
			bad("bus.listen", "%q is not an address such as 127.0.0.1:4222", b.Listen)
		} else if !isLoopback(host) && !full && c.Web == nil {
			bad("bus.listen", "%s leaves this machine: mutual TLS is required (ca, cert, key; see parley enroll)", b.Listen)
		}
	}
}

// isLoopbackAddr is isLoopback of host:port.
func isLoopbackAddr(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// bindAddr reads ":8443", "localhost:8080", "127.0.0.1:0" or "[::1]:443". An empty host is the wildcard.
func bindAddr(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address such as :8443 or 127.0.0.1:8443", s)
	}
	switch host {
	case "":
		host = "::"
	case "localhost":
		host = "127.0.0.1"
	}
	a, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address such as :8443 or 127.0.0.1:8443", s)
	}
	return a, nil
}
