package node

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"parley/sys/trust"
	"parley/web"
)

// UpConfig is `parley up`: every part in one process, for trying it and for small organisations.
type UpConfig struct {
	Data      string   // directory of the database and the keys
	HTTPS     string   // ":8443" by default
	HTTP      string   // "localhost:8080" by default, "-" for none
	Media     []string // ":8801" by default
	Advertise []string // addresses clients are told; default: those of this machine
	Zones     []string // "main" by default
	Admin     string   // loopback address of metrics and debug pages; none by default
	Site      string   // public base URL; default: whatever name people use

	// Limits of the routers, see Router.
	MaxPeople, MaxMeetings, PerMeeting, Loudest, Shards int
}

// Config is the node config of `parley up`.
func (u UpConfig) Config() Config {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&u.HTTPS, ":8443")
	def(&u.HTTP, "localhost:8080")
	if u.HTTP == "-" {
		u.HTTP = ""
	}
	if len(u.Media) == 0 {
		u.Media = []string{":8801"}
	}
	if len(u.Zones) == 0 {
		u.Zones = []string{"main"}
	}
	return Config{
		Data: u.Data, Site: u.Site, Zones: u.Zones,
		Listen: Listen{HTTPS: u.HTTPS, HTTP: u.HTTP},
		Admin:  Admin{Listen: u.Admin},
		Web:    &Web{},
		Tunnel: &Tunnel{},
		Router: &Router{
			Media: u.Media, Advertise: u.Advertise,
			MaxPeople: u.MaxPeople, MaxMeetings: u.MaxMeetings, PerMeeting: u.PerMeeting, Loudest: u.Loudest, Shards: u.Shards,
		},
	}
}

// Ready is what `parley up` says when it serves; the fields are the keys of its --json line.
type Ready struct {
	Site  string `json:"site"`
	HTTP  string `json:"http"`
	Media string `json:"media"`
	Debug string `json:"debug,omitempty"` // metrics and debug pages, where there are any
	Admin struct {
		Email    string `json:"email"`
		Password string `json:"password,omitempty"` // only when it was just made
	} `json:"admin"`
	Token string `json:"token"`
}

// firstAdmin is the account a new site begins with.
const firstAdmin = "admin@localhost"

// Up makes the node of `parley up`: everything bound, the first administrator made if there is none,
// and an API token that lives as long as the process.
func Up(ctx context.Context, u UpConfig, deps Deps) (*Node, Ready, error) {
	var r Ready
	deps.APIToken = trust.NewAPIToken()
	n, err := New(ctx, u.Config(), deps)
	if err != nil {
		return nil, r, err
	}
	if r.Admin.Email, r.Admin.Password, err = n.FirstAdmin(ctx); err != nil {
		n.Close()
		return nil, r, err
	}
	https, http, media := n.Addrs()
	r.Site, r.Token = n.cfg.Site, deps.APIToken
	if r.Site == "" {
		r.Site = "https://" + local(https)
	}
	if http.IsValid() {
		r.HTTP = "http://" + local(http)
	}
	r.Media = media.String()
	if n.admin != nil {
		r.Debug = "http://" + n.admin.Addr().String()
	}
	return n, r, nil
}

// FirstAdmin makes the first account of a new site. The password is empty where there are accounts
// already; it is kept nowhere, so it is shown now or never.
func (n *Node) FirstAdmin(ctx context.Context) (email, password string, err error) {
	if n.store == nil {
		return "", "", nil
	}
	password, err = web.EnsureAdmin(ctx, n.store, firstAdmin, time.Now())
	if err != nil {
		return "", "", fmt.Errorf("first administrator: %w", err)
	}
	return firstAdmin, password, nil
}

// local is how this machine's own people reach an address.
func local(a netip.AddrPort) string {
	if a.Addr().IsUnspecified() || a.Addr().IsLoopback() {
		return net.JoinHostPort("localhost", strconv.Itoa(int(a.Port())))
	}
	return a.String()
}
