package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Config says which parts run in a process and how they reach each other. It is the file of
// `parley serve --config`; a part runs where its section is present. Zero values are the documented
// defaults, unknown keys are errors. Secrets are files the config names; any text key can come from the
// environment instead (PARLEY_BUS_URL is bus.url).
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
	Tunnel *Tunnel `yaml:"tunnel,omitempty"`
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
	// Proxies are the balancers (CIDRs) before the HTTPS listener that send a PROXY protocol header, which
	// then is believed and demanded. Nobody else's is.
	Proxies []string `yaml:"proxies"`
	// Balancers are those (CIDRs) that speak HTTP and say in X-Forwarded-For whose request it is.
	Balancers []string `yaml:"balancers"`
}

// Bus is how servers coordinate (design §6). Empty: an embedded one inside this process, without a port.
type Bus struct {
	// URL of another process's bus, "nats://host:4222" or "tls://host:4222".
	URL string `yaml:"url"`
	// Listen makes this process's embedded bus reachable for others. Beyond loopback that takes mutual
	// TLS: with ca, cert and key, or, beside a web section, with the site's own CA.
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
	GeoIP string   `yaml:"geoip"` // path of an mmdb file; empty: zones keep their configured order
	Zones []string `yaml:"zones"` // order in which zones are offered where geography says nothing
}

// Zone is this process's zone controller (S4).
type Zone struct {
	ID      string  `yaml:"id"`   // of the zone: letters, digits, dashes
	Name    string  `yaml:"name"` // for people; default the id
	Server  string  `yaml:"server"`
	URL     string  `yaml:"url"` // public base of this controller; beside a web section a path on the site by default
	Lat     float64 `yaml:"lat"`
	Lon     float64 `yaml:"lon"`
	Hosting string  `yaml:"hosting"` // "cloud" by default
}

// Router is this process's multimedia router (S5).
type Router struct {
	ID          string   `yaml:"id"`        // unique in the site; default "<zone>-<host name>"
	Zone        string   `yaml:"zone"`      // default: the zone of this process
	URL         string   `yaml:"url"`       // public base; beside a web section a path on the site by default
	Media       []string `yaml:"media"`     // UDP and TCP, default ":8801" (S11)
	UDPExtra    []string `yaml:"udp_extra"` // further UDP ports, for networks that let only 443 or 3478 out
	NoTCP       bool     `yaml:"no_tcp"`    // no media over TCP on the ports of media
	Advertise   []string `yaml:"advertise"` // addresses clients are told, behind 1:1 NAT
	DSCP        string   `yaml:"dscp"`      // "standard" (46/34/26) or "original" (56/40/40)
	MaxPeople   int      `yaml:"max_people"`
	MaxMeetings int      `yaml:"max_meetings"`
	PerMeeting  int      `yaml:"max_people_per_meeting"`
	// Loudest is how many speakers everybody hears, 3 by default; FloatingAudio how many of them may have
	// no picture in view, as many by default.
	Loudest       int `yaml:"loudest"`
	FloatingAudio int `yaml:"floating_audio"`
	// Shards is how many threads carry media, 1 by default: one serves thousands of receivers.
	Shards int `yaml:"shards"`
	// Together is how many of a meeting share one of several shards before others take some, 50 by default: what
	// goes from shard to shard costs more.
	Together int `yaml:"together"`
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
	if t := c.Tunnel; t != nil {
		def(&t.ID, "tunnel-"+host)
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

// Text is the effective config as YAML, for `parley check`.
func (c Config) Text() string {
	b, err := yaml.Marshal(c)
	if err != nil {
		panic("node: config does not marshal: " + err.Error())
	}
	return string(b)
}
