package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Config says which parts run in a process and how they reach each other. It is the file of
// `parley serve --config`; a part runs where its section is present. Zero values are the documented
// defaults, unknown keys are errors. A key that ends in _file names a file that holds the value.
type Config struct {
	// Data is the directory of everything that must outlive the process: the database, the site's keys.
	Data string `yaml:"data"`
	// Site is the public base URL of the web infrastructure, "https://meet.example.org".
	Site   string  `yaml:"site"`
	Listen Listen  `yaml:"listen"`
	Bus    Bus     `yaml:"bus"`
	TLS    TLS     `yaml:"tls"`
	Web    *Web    `yaml:"web,omitempty"`
	Zone   *Zone   `yaml:"zone,omitempty"`
	Router *Router `yaml:"mmr,omitempty"`
	Admin  Admin   `yaml:"admin"`
	Log    Log     `yaml:"log"`

	// Zones puts several zones into one process, each with a controller and a router; all routers share
	// the sockets of the mmr section. It is what `parley up --zones` sets; a zone section excludes it.
	Zones []string `yaml:"zones,omitempty"`
}

// Listen are the addresses of the HTTP front. Every part of the process is behind it.
type Listen struct {
	HTTPS string `yaml:"https"` // default ":443"
	// HTTP is the plain listener for this machine alone: it binds loopback only and refuses foreign Host
	// names. Empty: none.
	HTTP string `yaml:"http"`
}

// Bus is how servers coordinate (design §6). Empty: an embedded one inside this process, without a port.
type Bus struct {
	// URL of another process's bus, "nats://host:4222" or "tls://host:4222".
	URL string `yaml:"url"`
	// Listen makes this process's embedded bus reachable for others. Anything but loopback needs TLS.
	Listen string `yaml:"listen"`
	// CA, Cert and Key are PEM files for mutual TLS, as `parley enroll` writes them.
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// TLS is the certificate of the HTTPS front. Empty: one of the site's own CA, made under Data, or the
// enrolled one of Bus.
type TLS struct {
	Cert  string   `yaml:"cert"`
	Key   string   `yaml:"key"`
	Names []string `yaml:"names"` // further DNS names and addresses for the own certificate
}

// Web is the web infrastructure (S2).
type Web struct {
	GeoIP     string   `yaml:"geoip"`     // path of an mmdb file; empty: zones keep their configured order
	Zones     []string `yaml:"zones"`     // order in which zones are offered where geography says nothing
	Balancers []string `yaml:"balancers"` // CIDRs whose X-Forwarded-For counts
}

// Zone is this process's zone controller (S4).
type Zone struct {
	ID      string  `yaml:"id"`   // of the zone: letters, digits, dashes
	Name    string  `yaml:"name"` // for people; default the id
	Server  string  `yaml:"server"`
	URL     string  `yaml:"url"` // public base of this controller; default Site's origin
	Lat     float64 `yaml:"lat"`
	Lon     float64 `yaml:"lon"`
	Hosting string  `yaml:"hosting"` // "cloud" by default
}

// Router is this process's multimedia router (S5).
type Router struct {
	ID          string   `yaml:"id"`   // unique in the site; default "<zone>-<host name>"
	Zone        string   `yaml:"zone"` // default: the zone of this process
	URL         string   `yaml:"url"`  // public base; default Site's origin
	Media       []string `yaml:"media"`
	Advertise   []string `yaml:"advertise"` // addresses clients are told, behind 1:1 NAT
	DSCP        string   `yaml:"dscp"`      // "standard" (46/34/26) or "original" (56/40/40)
	MaxPeople   int      `yaml:"max_people"`
	MaxMeetings int      `yaml:"max_meetings"`
	PerMeeting  int      `yaml:"max_people_per_meeting"`
}

// Admin is the loopback listener with metrics, profiles and debug pages. Empty: none.
type Admin struct {
	Listen string `yaml:"listen"`
}

// Log chooses what is logged.
type Log struct {
	Level string `yaml:"level"` // "debug", "info" (default), "warn", "error"
	JSON  bool   `yaml:"json"`
}

// ReadConfig parses a file and fills in defaults. The error holds every fault found, one per line.
func ReadConfig(data []byte, env func(string) (string, bool)) (Config, error) {
	var c Config
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var faults []error
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		var te *yaml.TypeError
		if !errors.As(err, &te) {
			return c, fmt.Errorf("config: %w", err)
		}
		for _, text := range te.Errors {
			faults = append(faults, errors.New(cleanYAML(text)))
		}
	}
	if env != nil {
		overrideFromEnv(&c, env)
	}
	c.fill()
	faults = append(faults, c.check()...)
	return c, errors.Join(faults...)
}

// cleanYAML turns the library's words into an operator's.
func cleanYAML(s string) string {
	s = strings.Replace(s, "field ", "unknown key ", 1)
	if i := strings.Index(s, " not found in type "); i >= 0 {
		s = s[:i]
	}
	return s
}

// overrideFromEnv lets the environment set any text key: PARLEY_BUS_URL sets bus.url, for secrets and
// containers.
func overrideFromEnv(c *Config, env func(string) (string, bool)) {
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			f, t := v.Field(i), v.Type().Field(i)
			name, _, _ := strings.Cut(t.Tag.Get("yaml"), ",")
			if name == "" || !t.IsExported() {
				continue
			}
			key := prefix + "_" + strings.ToUpper(name)
			switch f.Kind() {
			case reflect.Struct:
				walk(f, key)
			case reflect.Pointer:
				if !f.IsNil() {
					walk(f.Elem(), key)
				}
			case reflect.String:
				if val, ok := env(key); ok {
					f.SetString(val)
				}
			}
		}
	}
	walk(reflect.ValueOf(c).Elem(), "PARLEY")
}

// fill sets what the documentation promises for absent keys.
func (c *Config) fill() {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&c.Listen.HTTPS, ":443")
	def(&c.Log.Level, "info")
	host, _ := os.Hostname()
	host = idOf(host)
	if z := c.Zone; z != nil {
		def(&z.Name, z.ID)
		def(&z.Hosting, "cloud")
		def(&z.Server, z.ID+"-zc-"+host)
	}
	if r := c.Router; r != nil {
		if c.Zone != nil {
			def(&r.Zone, c.Zone.ID)
		}
		if len(c.Zones) == 0 {
			def(&r.ID, r.Zone+"-"+host)
		}
		def(&r.DSCP, "standard")
		if len(r.Media) == 0 {
			r.Media = []string{":8801"}
		}
	}
}

// idOf makes a bus-safe id of a name.
func idOf(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s)
	if s == "" {
		return "server"
	}
	return s
}

// check lists every fault, each with the key it is about.
func (c *Config) check() (faults []error) {
	bad := func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.Web == nil && c.Zone == nil && c.Router == nil && len(c.Zones) == 0 {
		bad("config", "no part to run: give a web, zone or mmr section")
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
	baseURL("site", c.Site, separate)
	listenAddr := func(key, v string) {
		if v == "" {
			return
		}
		if _, err := bindAddr(v); err != nil {
			bad(key, "%v", err)
		}
	}
	listenAddr("listen.https", c.Listen.HTTPS)
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
		for i, a := range r.Advertise {
			if _, err := netip.ParseAddr(a); err != nil {
				bad(fmt.Sprintf("mmr.advertise[%d]", i), "%q is not an IP address", a)
			}
		}
		if r.DSCP != "standard" && r.DSCP != "original" {
			bad("mmr.dscp", "%q is neither standard nor original", r.DSCP)
		}
		for key, n := range map[string]int{"max_people": r.MaxPeople, "max_meetings": r.MaxMeetings, "max_people_per_meeting": r.PerMeeting} {
			if n < 0 {
				bad("mmr."+key, "%d is negative", n)
			}
		}
	}
	if w := c.Web; w != nil {
		for i, b := range w.Balancers {
			if _, err := netip.ParsePrefix(b); err != nil {
				bad(fmt.Sprintf("web.balancers[%d]", i), "%q is not a network such as 10.0.0.0/8", b)
			}
		}
	}
	return faults
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
	if b.URL != "" {
		u, err := url.Parse(b.URL)
		if err != nil || u.Host == "" {
			bad("bus.url", "%q is not a URL such as tls://bus.example.org:4222", b.URL)
		} else if !isLoopback(u.Hostname()) && !full {
			bad("bus.url", "%s leaves this machine: mutual TLS is required (ca, cert, key; see parley enroll)", b.URL)
		}
	}
	if b.Listen != "" {
		host, _, err := net.SplitHostPort(b.Listen)
		if err != nil {
			bad("bus.listen", "%q is not an address such as 127.0.0.1:4222", b.Listen)
		} else if !isLoopback(host) && !full {
			bad("bus.listen", "%s leaves this machine: mutual TLS is required (ca, cert, key; see parley enroll)", b.Listen)
		}
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
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

// Text is the effective config as YAML, for `parley check`.
func (c Config) Text() string {
	b, err := yaml.Marshal(c)
	if err != nil {
		panic("node: config does not marshal: " + err.Error())
	}
	return string(b)
}
