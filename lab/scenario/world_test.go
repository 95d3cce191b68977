package scenario

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/lab"
	"parley/node"
	"parley/sys/bus"
	"parley/sys/link"
	"parley/web"
	"parley/wire/proto"
)

// world is one site on a simulated internet: the web infrastructure on host "meet.test", zones with a
// controller and routers on hosts of their own, and people. Everything ends with the test.
type world struct {
	*testing.T
	net    *lab.Net
	bus    *bus.Bus
	dir    string
	roots  *x509.CertPool
	office *http.Client // of the administrator

	site       *node.Node
	siteHost   *lab.Host
	siteConfig node.Config
	zones      []*zoneHosts
	people     []*person
	closers    []func() // by hand: strangers and sockets, before the parts

	tunnelHosts []*lab.Host
	tunnelDelay []time.Duration // one way, from those who reach tunnels only

	seats sync.Map // proto.ParticipantID by name of who has joined

	stops map[string]func() // by host
	ctx   context.Context
	stop  context.CancelFunc
	parts sync.WaitGroup
}

// place says what zone to make.
type place struct {
	name    string
	delay   time.Duration // one way, to everybody who does not say otherwise
	routers int
	// controllers of the zone: 0 is one.
	controllers int
	shards      int    // of each router: 0 is one
	dscp        string // profile of its routers: "" is the standard one
}

// zoneHosts is one zone: its controllers and its routers, each on a host.
type zoneHosts struct {
	place
	hosts   []*lab.Host // the controllers', then the routers'
	routers map[string]*node.Node
}

const (
	siteURL  = "https://meet.test"
	apiToken = "token-of-the-scenarios"
	// steady is how long a site needs until every announcement has gone round.
	steady = 1500 * time.Millisecond
)

// threeZones are the zones of most stories.
func threeZones(routers int) []place {
	return []place{
		{name: "oslo", delay: 10 * time.Millisecond, routers: routers},
		{name: "paris", delay: 80 * time.Millisecond, routers: routers},
		{name: "tokyo", delay: 200 * time.Millisecond, routers: routers},
	}
}

// inWorld runs f in a bubble with a site of these zones.
func inWorld(t *testing.T, places []place, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: lab.NewNet(1), dir: t.TempDir(), stops: map[string]func(){}}
		w.open(places)
		f(t, w)
	})
}

func (w *world) open(places []place) {
	w.Helper()
	ctx, stop := context.WithCancel(context.Background())
	w.ctx, w.stop = ctx, stop
	w.Cleanup(w.close)
	w.net.Default(lab.Link{Delay: 10 * time.Millisecond})
	w.watchSealing()
	var err error
	if w.bus, err = bus.Start(bus.Config{}); err != nil {
		w.Fatal(err)
	}
	w.siteHost = w.net.Host("meet.test", lab.HostOpts{})
	var order []string
	for _, p := range places {
		order = append(order, p.name)
	}
	w.siteConfig = node.Config{Data: filepath.Join(w.dir, "site"), Site: siteURL, Web: &node.Web{Zones: order}}
	w.site = w.node(ctx, w.siteHost, w.siteConfig)
	w.roots = w.site.Site().CA().Pool()
	if _, err := web.EnsureAdmin(ctx, w.site.Store(), "admin@meet.test", time.Now()); err != nil {
		w.Fatal(err)
	}
	for _, p := range places {
		w.zone(ctx, p)
	}
	w.office = link.HTTPClient(w.net.Host("office", lab.HostOpts{}), w.tls())
	time.Sleep(steady)
}

func (w *world) tls() *tls.Config { return &tls.Config{RootCAs: w.roots, MinVersion: tls.VersionTLS12} }

// zone makes a zone: each controller and each router is a node of its own.
func (w *world) zone(ctx context.Context, p place) {
	w.Helper()
	z := &zoneHosts{place: p, routers: map[string]*node.Node{}}
	w.zones = append(w.zones, z)
	add := func(name string, cfg node.Config) *node.Node {
		h := w.net.Host(name, lab.HostOpts{})
		z.hosts = append(z.hosts, h)
		cfg.Site = siteURL
		cfg.TLS = w.certificate(name)
		if cfg.Router != nil {
			cfg.Router.Media = []string{netip.AddrPortFrom(h.Addr(), 8801).String()}
		}
		return w.node(ctx, h, cfg)
	}
	for i := range max(p.controllers, 1) {
		zc := p.name + "-zc" // and "-zc2", …
		if i > 0 {
			zc += strconv.Itoa(i + 1)
		}
		add(zc, node.Config{Zone: &node.Zone{ID: p.name, Name: p.name, Server: zc, URL: "https://" + zc}})
	}
	for i := range p.routers {
		id := p.name + "-" + strconv.Itoa(i+1)
		z.routers[id] = add(id, node.Config{Router: &node.Router{ID: id, Zone: p.name, URL: "https://" + id, Shards: p.shards, Together: 1, DSCP: p.dscp}})
	}
}

// node makes a node on a host and runs it.
func (w *world) node(ctx context.Context, h *lab.Host, cfg node.Config) *node.Node {
	w.Helper()
	cfg.Listen.HTTPS = netip.AddrPortFrom(h.Addr(), 443).String()
	deps := node.Deps{Host: h, Bus: w.bus, Log: logger(w.T, h.Name())}
	if cfg.Web != nil {
		deps.APIToken = apiToken
	}
	n, err := node.New(ctx, cfg, deps)
	if err != nil {
		w.Fatalf("node on %s: %v", h.Name(), err)
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	w.stops[h.Name()] = func() {
		stop()
		<-ended
	}
	w.parts.Go(func() {
		defer close(ended)
		if err := n.Run(ctx); err != nil {
			w.Errorf("node on %s ended: %v", h.Name(), err)
		}
	})
	return n
}

// Stop ends the parts on a host in an orderly way, as an operator does, and waits for it.
func (w *world) Stop(host string) { w.stops[host]() }

// certificate has the site's CA make one, as enrolment would.
func (w *world) certificate(name string) node.TLS {
	w.Helper()
	cert, err := w.site.Site().CA().Issue([]string{name}, nil, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		w.Fatal(err)
	}
	var chain bytes.Buffer
	for _, der := range cert.Certificate {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	t := node.TLS{Cert: filepath.Join(w.dir, name+".pem"), Key: filepath.Join(w.dir, name+".key")}
	for path, b := range map[string][]byte{t.Cert: chain.Bytes(), t.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			w.Fatal(err)
		}
	}
	return t
}

// close ends people, strangers, parts, bus and net, in this order, and lets what was under way arrive.
func (w *world) close() {
	for _, p := range w.people {
		p.Leave()
	}
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	if w.office != nil {
		w.office.CloseIdleConnections()
	}
	w.stop()
	w.parts.Wait()
	if w.bus != nil {
		w.bus.Close()
	}
	w.net.Quiet()
	w.net.Close()
	time.Sleep(time.Second)
}

// onClose undoes something before the parts end.
func (w *world) onClose(f func()) { w.closers = append(w.closers, f) }

// host makes a machine whose way to each zone has the zone's own delay, or the one given for it.
func (w *world) host(name string, delays map[string]time.Duration) *lab.Host {
	h := w.net.Host(name, lab.HostOpts{})
	for _, z := range w.zones {
		d := z.delay
		if own, ok := delays[z.name]; ok {
			d = own
		}
		for _, server := range z.hosts {
			w.net.Link(h, server, lab.Link{Delay: d})
		}
	}
	return h
}

// Zone is a zone by name.
func (w *world) Zone(name string) *zoneHosts {
	for _, z := range w.zones {
		if z.name == name {
			return z
		}
	}
	w.Fatalf("no zone %q", name)
	return nil
}

// Silence cuts a whole zone off: nothing of it answers any more.
func (z *zoneHosts) Silence() {
	for _, h := range z.hosts {
		h.Down()
	}
}

// Router is a router by id, with the host it runs on.
func (w *world) Router(id string) (*node.Node, *lab.Host) {
	for _, z := range w.zones {
		if n := z.routers[id]; n != nil {
			for _, h := range z.hosts {
				if h.Name() == id {
					return n, h
				}
			}
		}
	}
	w.Fatalf("no router %q", id)
	return nil, nil
}

// Homes are the routers that host a meeting now, by what they announce.
func (w *world) Homes(id proto.MeetingID) (homes []string) {
	for _, z := range w.zones {
		for name, n := range z.routers {
			for _, r := range n.Routers() {
				for _, m := range r.Announcement().Meetings {
					if m.ID == id {
						homes = append(homes, name)
					}
				}
			}
		}
	}
	return homes
}

// Drops sums a drop reason over all media planes.
func (w *world) Drops(reason string) (n uint64) {
	for _, z := range w.zones {
		for _, r := range z.routers {
			n += r.Plane().Drops()[reason]
		}
	}
	return n
}

// drops is every reason of every plane, for a failed test to show.
func (w *world) drops() map[string]uint64 {
	all := map[string]uint64{}
	for _, z := range w.zones {
		for _, r := range z.routers {
			for reason, n := range r.Plane().Drops() {
				all[reason] += n
			}
		}
	}
	return all
}

// meetingInfo is a meeting as its planner sees it.
type meetingInfo struct {
	ID       proto.MeetingID `json:"uuid"`
	Number   int64           `json:"id"`
	Passcode string          `json:"password"`
	JoinURL  string          `json:"join_url"`
}

func (m meetingInfo) number() string { return strconv.FormatInt(m.Number, 10) }

// Meeting plans a meeting by REST (S2, S38). Without other settings people may come before the host.
func (w *world) Meeting(settings map[string]any) meetingInfo {
	w.Helper()
	all := map[string]any{"join_before_host": true, "waiting_room": false}
	for k, v := range settings {
		all[k] = v
	}
	var m meetingInfo
	w.rest("POST", "/v2/users/me/meetings", map[string]any{"topic": "A story", "type": 3, "settings": all}, http.StatusCreated, &m)
	return m
}

// End ends a meeting by REST.
func (w *world) End(m meetingInfo) {
	w.Helper()
	w.rest("PUT", "/v2/meetings/"+m.number()+"/status", map[string]any{"action": "end"}, http.StatusNoContent, nil)
}

func (w *world) rest(method, path string, in any, want int, out any) {
	w.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		w.Fatal(err)
	}
	req, err := http.NewRequest(method, siteURL+path, bytes.NewReader(b))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apiToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.office.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	body.ReadFrom(resp.Body)
	if resp.StatusCode != want {
		w.Fatalf("%s %s = %d %s, want %d", method, path, resp.StatusCode, body.Bytes(), want)
	}
	if out != nil {
		if err := json.Unmarshal(body.Bytes(), out); err != nil {
			w.Fatal(err)
		}
	}
}

// until waits for something, at most limit, and fails the test where it does not come.
func (w *world) until(limit time.Duration, what string, ok func() bool) time.Duration {
	w.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) >= limit {
			w.Fatalf("after %v still not: %s\ndrops %v", limit, what, w.drops())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// pass lets time go by, and everything that is due in it happen.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
