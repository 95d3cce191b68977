// Package node composes parts into one process: it reads what shall run where, gives each part its
// keys, its bus and its place under the HTTP front, starts them in order and drains them in reverse.
//
// One front carries all parts, each an http.Handler under its own base URL: the web infrastructure at /,
// controllers at /zone/<zone>/<id>, routers at /mmr/<id>. Base URLs are relative to the site where a part
// shares its origin, so the same process is reached as https://meet.example.org and http://localhost:8080.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley/core/meeting"
	"parley/mmr"
	"parley/sys/bus"
	"parley/sys/geo"
	"parley/sys/link"
	"parley/sys/monitor"
	"parley/sys/rtc"
	"parley/sys/store"
	"parley/sys/trust"
	"parley/tunnel"
	"parley/web"
	"parley/zone"
)

// Deps are what a node may be given instead of making it: by tests, by `parley up`, by the laboratory.
type Deps struct {
	Host     link.Host // nil: the kernel's
	Bus      *bus.Bus  // nil: one of the node's own, by Config.Bus
	UI       fs.FS     // the web client
	APIToken string    // web.Config.APIToken
	Build    string
	Log      *slog.Logger
	// Plane adjusts the media plane before it is made: tests and benches only.
	Plane func(*mmr.PlaneConfig)
}

// Node is one process's parts, bound and ready to run.
type Node struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	site  *trust.Site
	store *store.Store
	geo   *geo.DB
	bus   *bus.Bus
	keys  *keyring

	web     *web.Server
	zones   []*zone.Server
	routers []*mmr.Server
	plane   *mmr.Plane
	tunnel  *tunnel.Server
	metrics *monitor.Metrics

	https, http, admin net.Listener
	demux              *link.Demux    // on https, while running
	unread             link.Unread    // requests to the listeners that reached no part
	proxies            []netip.Prefix // balancers that say whom they speak for before TLS
	balancers          link.Balancers // and in HTTP
	cert               *keeper
	mux                *http.ServeMux

	close []func() // what New opened, undone in reverse
}

// ConfigError says that a config makes no sense; it holds every fault, one per line.
type ConfigError struct{ err error }

func (e *ConfigError) Error() string { return e.err.Error() }

// Unwrap is the faults, joined.
func (e *ConfigError) Unwrap() error { return e.err }

// New opens and binds everything the config asks for. A returned error names what could not be had, and
// nothing stays open.
func New(ctx context.Context, cfg Config, deps Deps) (*Node, error) {
	cfg.fill()
	if faults := cfg.check(); len(faults) > 0 {
		return nil, &ConfigError{errors.Join(faults...)}
	}
	if deps.Host == nil {
		deps.Host = link.Real()
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	deps.Build = cmp.Or(deps.Build, "dev")
	n := &Node{cfg: cfg, deps: deps, log: deps.Log, mux: http.NewServeMux(), metrics: monitor.NewMetrics()}
	// What others may have taken comes first: nothing is made on disk for a process that can't run.
	steps := []func(context.Context) error{n.readProxies, n.listen, n.openPlane, n.openSite, n.openBus, n.openKeys, n.openWeb, n.openZones, n.openRouters, n.openTunnel, n.openFront}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			n.Close()
			return nil, err
		}
	}
	return n, nil
}

// Close releases what New opened, for a node that was never run. Run does it by itself.
func (n *Node) Close() {
	for i := len(n.close) - 1; i >= 0; i-- {
		n.close[i]()
	}
	n.close = nil
}

func (n *Node) onClose(f func()) { n.close = append(n.close, f) }

// listen binds the HTTP front.
func (n *Node) listen(context.Context) error {
	bind := func(l *net.Listener, addr string) error {
		if addr == "" {
			return nil
		}
		a, err := bindAddr(addr)
		if err != nil {
			return err
		}
		got, err := n.deps.Host.Listen(a)
		if err != nil {
			return err
		}
		*l = got
		n.onClose(func() { got.Close() })
		return nil
	}
	if err := bind(&n.https, n.cfg.Listen.HTTPS); err != nil {
		return fmt.Errorf("HTTPS: %w", err)
	}
	if err := bind(&n.http, n.cfg.Listen.HTTP); err != nil {
		return fmt.Errorf("HTTP: %w", err)
	}
	if err := bind(&n.admin, n.cfg.Admin.Listen); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

// readProxies reads who is believed about whom they speak for.
func (n *Node) readProxies(context.Context) (err error) {
	if n.proxies, err = networks(n.cfg.Listen.Proxies); err != nil {
		return fmt.Errorf("listen.proxies: %w", err)
	}
	if n.balancers, err = networks(n.cfg.Listen.Balancers); err != nil {
		return fmt.Errorf("listen.balancers: %w", err)
	}
	return nil
}

func networks(texts []string) (all []netip.Prefix, err error) {
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// openPlane binds the media sockets, if routers run here.
func (n *Node) openPlane(context.Context) error {
	r := n.cfg.Router
	if r == nil {
		return nil
	}
	cert, err := rtc.NewCertificate(time.Now())
	if err != nil {
		return err
	}
	pc := mmr.PlaneConfig{
		Host: n.deps.Host, Certificate: cert, DSCP: mmr.DSCPStandard, NoTCP: r.NoTCP, Shards: r.Shards, Together: r.Together, Log: n.log,
		TURNUser: func(name string) (rtc.TURNUser, bool) {
			if n.tunnel == nil {
				return rtc.TURNUser{}, false
			}
			return n.tunnel.TURNUser(name) // one port 443 for both
		},
	}
	if r.DSCP == "original" {
		pc.DSCP = mmr.DSCPOriginal
	}
	for _, m := range r.Media {
		a, err := bindAddr(m)
		if err != nil {
			return fmt.Errorf("mmr.media: %w", err)
		}
		pc.Listen = append(pc.Listen, a)
	}
	for _, m := range r.UDPExtra {
		a, err := bindAddr(m)
		if err != nil {
			return fmt.Errorf("mmr.udp_extra: %w", err)
		}
		pc.Extra = append(pc.Extra, a)
	}
	for _, s := range r.Advertise {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("mmr.advertise: %w", err)
		}
		pc.Advertise = append(pc.Advertise, a)
	}
	if len(pc.Advertise) == 0 {
		for _, a := range slices.Concat(pc.Listen, pc.Extra) {
			if a.Addr().IsUnspecified() {
				pc.Advertise = link.Addresses()
				break
			}
		}
	}
	if n.deps.Plane != nil {
		n.deps.Plane(&pc)
	}
	n.plane, err = mmr.NewPlane(pc)
	if err != nil {
		return err
	}
	n.onClose(func() { n.plane.Close() })
	return nil
}

// openSite opens the site's secrets and database, where the web infrastructure runs.
func (n *Node) openSite(ctx context.Context) (err error) {
	if n.cfg.Web == nil {
		return nil
	}
	if err := os.MkdirAll(n.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if n.site, err = trust.OpenSite(filepath.Join(n.cfg.Data, "site"), time.Now()); err != nil {
		return err
	}
	if n.store, err = store.Open(ctx, store.Config{Path: filepath.Join(n.cfg.Data, "parley.db")}); err != nil {
		return err
	}
	n.onClose(func() { n.store.Close() })
	if n.cfg.Web.GeoIP != "" {
		if n.geo, err = geo.Open(n.cfg.Web.GeoIP); err != nil {
			return fmt.Errorf("web.geoip: %w", err)
		}
		n.onClose(func() { n.geo.Close() })
	}
	return nil
}

// openBus starts or reaches the bus.
func (n *Node) openBus(context.Context) (err error) {
	if n.deps.Bus != nil {
		n.bus = n.deps.Bus
		return nil
	}
	bc := bus.Config{URL: n.cfg.Bus.URL, Permit: permit, Name: "parley", Log: n.log}
	if n.cfg.Bus.Listen != "" {
		if bc.Listen, err = bindAddr(n.cfg.Bus.Listen); err != nil {
			return fmt.Errorf("bus.listen: %w", err)
		}
	}
	if bc.TLS, err = n.busTLS(); err != nil {
		return err
	}
	if n.bus, err = bus.Start(bc); err != nil {
		return err
	}
	n.onClose(func() { n.bus.Close() })
	return nil
}

// openKeys gets what tokens are verified and tickets made with: from the site in this process, or from
// the web infrastructure over the bus.
func (n *Node) openKeys(ctx context.Context) (err error) {
	zones := n.cfg.Zones
	if n.cfg.Zone != nil {
		zones = []string{n.cfg.Zone.ID}
	} else if n.cfg.Router != nil && len(zones) == 0 {
		zones = []string{n.cfg.Router.Zone}
	}
	if len(zones) == 0 {
		return nil
	}
	if n.site != nil {
		n.keys, err = siteKeys(n.site, zones)
		return err
	}
	n.keys, err = askKeys(ctx, n.bus, zones, n.log)
	return err
}

func (n *Node) openWeb(context.Context) (err error) {
	if n.cfg.Web == nil {
		return nil
	}
	wc := web.Config{
		URL: n.cfg.Site, Site: n.site, Store: n.store, Bus: n.bus, Geo: n.geo,
		ZoneOrder: n.cfg.Web.Zones, Balancers: n.balancers, UI: n.deps.UI, APIToken: n.deps.APIToken, Build: n.deps.Build, Log: n.log,
	}
	if len(wc.ZoneOrder) == 0 {
		wc.ZoneOrder = n.cfg.Zones
	}
	if n.web, err = web.New(wc); err != nil {
		return err
	}
	n.mux.Handle("/", n.web.Handler())
	return nil
}

func (n *Node) openZones(context.Context) error {
	add := func(z Zone) error {
		signer, err := trust.NewGrantSigner(z.Server)
		if err != nil {
			return err
		}
		at := base(z.URL, "/zone/"+z.ID+"/"+z.Server)
		srv, err := zone.New(zone.Config{
			Zone: z.ID, ID: z.Server, Name: z.Name, URL: at, Hosting: z.Hosting, Lat: z.Lat, Lon: z.Lon,
			Build: n.deps.Build, Bus: n.bus, Verifier: n.keys.verifier, ZoneKey: n.keys.zones[z.ID],
			Signer: signer, Metrics: n.metrics, Log: n.log,
		})
		if err != nil {
			return err
		}
		n.zones = append(n.zones, srv)
		return n.mount(at, srv.Handler())
	}
	if n.cfg.Zone != nil {
		return add(*n.cfg.Zone)
	}
	for _, id := range n.cfg.Zones {
		if err := add(Zone{ID: id, Name: id, Server: id + "-zc", Hosting: "cloud"}); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) openRouters(context.Context) error {
	add := func(r Router) error {
		at := base(r.URL, "/mmr/"+r.ID)
		srv, err := mmr.New(mmr.Config{
			ID: r.ID, Zone: r.Zone, URL: at, TLS: n.tlsAddr(at), Build: n.deps.Build, Plane: n.plane, Bus: n.bus,
			Verifier: n.keys.verifier, ZoneKey: n.keys.zones[r.Zone],
			MaxPeople: r.MaxPeople, MaxMeetings: r.MaxMeetings,
			Meeting: meeting.Config{
				MaxPeople: r.PerMeeting, Loudest: r.Loudest, FloatingAudio: cmp.Or(r.FloatingAudio, r.Loudest),
			},
			Log: n.log,
		})
		if err != nil {
			return err
		}
		n.routers = append(n.routers, srv)
		return n.mount(at, srv.Handler())
	}
	if n.cfg.Router == nil {
		return nil
	}
	if len(n.cfg.Zones) == 0 {
		return add(*n.cfg.Router)
	}
	for _, id := range n.cfg.Zones {
		r := *n.cfg.Router
		r.Zone, r.ID, r.URL = id, id+"-1", ""
		if err := add(r); err != nil {
			return err
		}
	}
	return nil
}

// base is the URL a part is reached at: the configured one, else a path on the site whose origin it
// shares (check demands one of the two).
func base(configured, path string) string {
	if configured != "" {
		return strings.TrimSuffix(configured, "/")
	}
	return path
}

// tlsAddr is where media over TLS 443 of a router with this base URL goes: its own host and port, or the
// site's; with neither named, ":port" of the HTTPS listener, which a client reads as the host it uses.
func (n *Node) tlsAddr(base string) string {
	for _, s := range []string{base, n.cfg.Site} {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			continue
		}
		if u.Scheme != "https" {
			return ""
		}
		return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443"))
	}
	if https, _, _ := n.Addrs(); https.IsValid() {
		return fmt.Sprintf(":%d", https.Port())
	}
	return ""
}

// mount puts a part under the path of its base URL. It finds in RemoteAddr whom balancers speak for.
func (n *Node) mount(base string, h http.Handler) error {
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("base URL %q: %w", base, err)
	}
	h = n.balancers.Behind(h)
	if u.Path == "" || u.Path == "/" {
		n.mux.Handle("/", h)
		return nil
	}
	n.mux.Handle(u.Path+"/", http.StripPrefix(u.Path, h))
	return nil
}

// Routers are the node's routers, for the laboratory's look at their own record of paths.
func (n *Node) Routers() []*mmr.Server { return n.routers }

// Plane is the node's media plane, nil without routers.
func (n *Node) Plane() *mmr.Plane { return n.plane }

// Store is the node's database, nil without the web infrastructure.
func (n *Node) Store() *store.Store { return n.store }

// Site is the node's secrets, nil without the web infrastructure.
func (n *Node) Site() *trust.Site { return n.site }

// Addrs are the addresses the front is bound to; the zero value where there is no such listener.
func (n *Node) Addrs() (https, http, media netip.AddrPort) {
	of := func(l net.Listener) (a netip.AddrPort) {
		if l != nil {
			a, _ = netip.ParseAddrPort(l.Addr().String())
		}
		return a
	}
	if n.plane != nil {
		media = n.plane.Addr()
	}
	return of(n.https), of(n.http), media
}
