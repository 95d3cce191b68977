package netns

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"parley/sys/trust"
	"parley/wire/proto"
)

// SiteName is the site's host name. Every server's is <name>.parley.test.
const SiteName = "site.parley.test"

// InternetConfig describes the servers of an Internet. Zero values are the documented defaults.
type InternetConfig struct {
	Binary string   // the built parley
	Dir    string   // for data, configs and logs; must exist
	Zones  []string // ids, "a" and "b" by default; each has a controller and a router, on addresses of their own
	// Tunnels is how many HTTP tunnels there are. Negative: none; 0: two.
	Tunnels int
	// Small zones run controller and router in one process, at one address. They are far away.
	Small []string
	// Mapped are zones whose router is behind a 1:1 NAT: its own address is not the one clients are told.
	Mapped []string
	// Router adds keys to a router's config section, by zone: ", max_meetings: 1".
	Router map[string]string
	// Silent makes the first tunnel one that accepts connections and never answers.
	Silent bool
	// Balanced puts all parts into one process, which is the only server there is, and a balancer before its port 443
	// that works on TCP. UDP and TCP 8801 are the server's own.
	Balanced bool
	// Seed decides all chances of all wires.
	Seed uint64
}

// Internet is a site with its servers, and the network between them and everybody else.
type Internet struct {
	cfg  InternetConfig
	tag  string     // tells this one's machines from another's of the same process
	core *Namespace // the routers of the internet: a bridge for servers, a route for each access

	CA    string // PEM file of the site's CA
	token string // the administrator's session
	http  *http.Client

	secrets  []string     // what must be in no log; guarded by mu
	shown    []string     // what must be in no server's log, though a user sees it; guarded by mu
	hosts    string       // /etc/hosts of every machine
	balancer *Balancer    // nil where there is none
	n        atomic.Int32 // machines so far
	accesses atomic.Int32

	mu      sync.Mutex
	servers []*Server  // guarded by mu
	close   []func()   // guarded by mu; undone in reverse
	logs    []*Process // guarded by mu: of all processes there ever were
}

// Server is one server process and its machine.
type Server struct {
	Name string // "site", "ctl-a", "mmr-a", "tun-1"
	Addr netip.Addr
	*Namespace
	*Process
	config string
	admin  *http.Client
}

// NewInternet makes the network and starts all servers; it returns when every zone is offered to clients.
func NewInternet(cfg InternetConfig) (*Internet, error) {
	if len(cfg.Zones) == 0 && !cfg.Balanced {
		cfg.Zones = []string{"a", "b"}
	}
	if cfg.Tunnels == 0 && !cfg.Balanced {
		cfg.Tunnels = 2
	}
	in := &Internet{cfg: cfg, tag: tagOf(cfg.Dir)}
	if err := in.open(); err != nil {
		for _, p := range in.logs {
			err = fmt.Errorf("%w\n%s: %s", err, p.Name, p.Output(true))
		}
		in.Close()
		return nil, err
	}
	return in, nil
}

// Close ends all processes and removes all machines. Safe to call twice.
func (in *Internet) Close() {
	in.mu.Lock()
	undo := in.close
	in.close = nil
	in.mu.Unlock()
	for _, f := range slices.Backward(undo) {
		f()
	}
}

func (in *Internet) onClose(f func()) {
	in.mu.Lock()
	in.close = append(in.close, f)
	in.mu.Unlock()
}

// tagOf is a short name for a directory: each Internet has its own.
func tagOf(dir string) string {
	h := fnv.New32a()
	h.Write([]byte(dir))
	return fmt.Sprintf("%08x", h.Sum32())
}

// machine makes a namespace that Close removes.
func (in *Internet) machine(role string) (*Namespace, error) {
	n, err := newNamespace(fmt.Sprintf("%s%d-%s-%d-%s", prefix, os.Getpid(), in.tag, in.n.Add(1), role))
	if err != nil {
		return nil, err
	}
	in.onClose(func() { _ = n.close() })
	return n, n.hosts(in.hosts)
}

func (in *Internet) addrOf(kind string, i int) netip.Addr {
	base := map[string]byte{"site": 10, "ctl": 20, "mmr": 40, "tun": 60, "bal": 80}[kind]
	return netip.AddrFrom4([4]byte{203, 0, 113, base + byte(i)})
}

// publicOf is the address a server behind a 1:1 NAT is known by.
func publicOf(a netip.Addr) netip.Addr {
	b := a.As4()
	b[3] += 100
	return netip.AddrFrom4(b)
}

// v6 is the IPv6 address of the server with an IPv4 address.
func v6(a netip.Addr) netip.Addr {
	b := netip.MustParseAddr("2001:db8:113::").As16()
	b[15] = a.As4()[3]
	return netip.AddrFrom16(b)
}

// open builds everything, in order.
func (in *Internet) open() (err error) {
	names := map[string]netip.Addr{"site": in.addrOf("site", 0)}
	for i, z := range in.cfg.Zones {
		names["ctl-"+z], names["mmr-"+z] = in.addrOf("ctl", i), in.addrOf("mmr", i)
	}
	for i, z := range in.cfg.Small {
		names["ctl-"+z] = in.addrOf("ctl", len(in.cfg.Zones)+i)
	}
	for i := range max(0, in.cfg.Tunnels) {
		names[fmt.Sprintf("tun-%d", i+1)] = in.addrOf("tun", i)
	}
	in.hosts = "127.0.0.1 localhost\n"
	for name, a := range names {
		if z, ok := strings.CutPrefix(name, "mmr-"); ok && slices.Contains(in.cfg.Mapped, z) {
			a = publicOf(a)
		}
		if in.cfg.Balanced {
			a = in.addrOf("bal", 0)
		}
		in.hosts += fmt.Sprintf("%s %s.parley.test\n", a, name)
	}
	if in.core, err = in.machine("inet"); err != nil {
		return err
	}
	err = errors.Join(
		in.core.set("net/ipv4/ip_forward", "1"), in.core.set("net/ipv6/conf/all/forwarding", "1"),
		in.core.ip("link add br0 type bridge", "link set br0 up", "addr add 203.0.113.1/24 dev br0", "addr add 2001:db8:113::1/64 dev br0 nodad"),
	)
	if err != nil {
		return err
	}
	for _, z := range in.cfg.Mapped {
		own := names["mmr-"+z]
		err := in.core.nft(fmt.Sprintf("add table ip public\nadd chain ip public in { type nat hook prerouting priority -100; }\nadd rule ip public in ip daddr %s dnat to %s\n", publicOf(own), own))
		if err != nil {
			return err
		}
	}
	if err := in.startSite(names["site"]); err != nil {
		return err
	}
	if in.cfg.Balanced {
		if err := in.startBalancer(in.addrOf("bal", 0), names["site"]); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	errs := make([]error, 2*len(names))
	i := 0
	start := func(name, section string, enrol map[string]any) {
		at := &errs[i]
		i++
		all.Go(func() {
			if err := in.startServer(name, names[name], section, enrol); enrol["role"] != "tunnel" {
				*at = err
			} // whoever needs a tunnel that did not start will say so
		})
	}
	for _, z := range in.cfg.Zones {
		start("ctl-"+z, fmt.Sprintf("zone: { id: %s, name: %q, server: ctl-%s, url: %q }\n", z, strings.ToUpper(z), z, "https://ctl-"+z+".parley.test"),
			map[string]any{"role": "zone", "zone": z})
		addr := names["mmr-"+z]
		if slices.Contains(in.cfg.Mapped, z) {
			addr = publicOf(addr)
		}
		start("mmr-"+z, fmt.Sprintf("mmr: { id: mmr-%s, zone: %s, url: %q, advertise: [%q, %q], udp_extra: [\":3478\", \":443\"]%s }\n", z, z, "https://mmr-"+z+".parley.test", addr, v6(addr), in.cfg.Router[z]),
			map[string]any{"role": "mmr", "zone": z})
	}
	for _, z := range in.cfg.Small {
		base, addr := "https://ctl-"+z+".parley.test", names["ctl-"+z]
		start("ctl-"+z, fmt.Sprintf("zone: { id: %s, server: ctl-%s, url: %q }\nmmr: { id: mmr-%s, zone: %s, url: %q, advertise: [%q, %q] }\n",
			z, z, base+"/zone", z, z, base+"/mmr", addr, v6(addr)), map[string]any{"role": "zone", "zone": z})
	}
	for k := range max(0, in.cfg.Tunnels) {
		name := fmt.Sprintf("tun-%d", k+1)
		if k == 0 && in.cfg.Silent {
			if err := in.startSilent(name, names[name]); err != nil {
				return err
			}
			continue
		}
		start(name, fmt.Sprintf("tunnel: { id: %s, url: %q }\n", name, "https://"+name+".parley.test"), map[string]any{"role": "tunnel"})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return in.waitZones()
}

// attach makes a machine on the servers' side of the internet.
func (in *Internet) attach(name string, addr netip.Addr) (*Namespace, error) {
	n, err := in.machine(name)
	if err != nil {
		return nil, err
	}
	port := "p" + fmt.Sprint(addr.As4()[3])
	return n, errors.Join(
		in.core.ip(fmt.Sprintf("link add %s type veth peer name eth0 netns %s", port, n.Name), fmt.Sprintf("link set %s master br0 up", port)),
		n.ip("link set eth0 up", fmt.Sprintf("addr add %s/24 dev eth0", addr), fmt.Sprintf("addr add %s/64 dev eth0 nodad", v6(addr)),
			"route add default via 203.0.113.1", "route add ::/0 via 2001:db8:113::1"),
	)
}

// startSite starts the web infrastructure and signs in.
func (in *Internet) startSite(addr netip.Addr) error {
	n, err := in.attach("site", addr)
	if err != nil {
		return err
	}
	s := &Server{Name: "site", Addr: addr, Namespace: n}
	data := filepath.Join(in.cfg.Dir, "site")
	s.config = fmt.Sprintf(`data: %q
site: https://%s
listen: { https: ":443" }
bus: { listen: ":4222" }
tls: { names: [%q, %q] }
web: { zones: [%s] }
`, data, SiteName, addr, v6(addr), strings.Join(slices.Concat(in.cfg.Zones, in.cfg.Small), ", "))
	if in.cfg.Balanced {
		s.config = strings.Replace(s.config, `":443"`, fmt.Sprintf(`":443", proxies: ["%s/32"]`, in.addrOf("bal", 0)), 1) +
			fmt.Sprintf("zone: { id: a, name: A, server: ctl-a }\nmmr: { id: mmr-a, advertise: [%q, %q] }\n", addr, v6(addr))
	}
	if err := in.run(s); err != nil {
		return err
	}
	l, err := s.WaitLine(10*time.Second, func(l Line) bool { return strings.Contains(l.Text, "with password ") })
	if err != nil {
		return err
	}
	if err := s.waitServing(); err != nil {
		return err
	}
	in.CA = filepath.Join(data, "site", "ca.pem")
	pem, err := os.ReadFile(in.CA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	in.http = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: SiteName, MinVersion: tls.VersionTLS13},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return in.core.Dial(ctx, network, netip.AddrPortFrom(addr, 443).String())
		},
	}}
	in.onClose(in.http.CloseIdleConnections)
	_, password, _ := strings.Cut(l.Text, "with password ")
	var session struct {
		Token string `json:"token"`
	}
	if err := in.Call("POST", "/api/v1/session", map[string]string{"email": "admin@localhost", "password": password}, &session); err != nil {
		return err
	}
	in.token = session.Token
	in.Secret(password)
	in.Secret(session.Token)
	return nil
}

// startServer enrols a server as an operator would, and starts it.
func (in *Internet) startServer(name string, addr netip.Addr, section string, enrol map[string]any) error {
	n, err := in.attach(name, addr)
	if err != nil {
		return err
	}
	enrol["server"], enrol["names"] = name, []string{name + ".parley.test", addr.String(), v6(addr).String()}
	var answer struct {
		Token string `json:"token"`
	}
	if err := in.Call("POST", "/api/v1/enroll/tokens", enrol, &answer); err != nil {
		return fmt.Errorf("enrolling %s: %w", name, err)
	}
	in.Secret(answer.Token)
	dir := filepath.Join(in.cfg.Dir, name)
	p, err := n.Start("enroll "+name, nil, in.cfg.Binary, "enroll", answer.Token, "--site", "https://"+SiteName, "--ca", in.CA, "--out", dir)
	if err != nil {
		return err
	}
	<-p.Done()
	if p.ExitCode() != 0 {
		return fmt.Errorf("enrolling %s: %s", name, p.Output(true))
	}
	s := &Server{Name: name, Addr: addr, Namespace: n}
	s.config = fmt.Sprintf(`site: "https://%s"
listen: { https: ":443" }
bus: { url: "tls://%s:4222", ca: %q, cert: %q, key: %q }
`, SiteName, SiteName, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")) + section
	if err := in.run(s); err != nil {
		return err
	}
	return s.waitServing()
}

// startSilent puts a server on the network that accepts connections and says nothing.
func (in *Internet) startSilent(name string, addr netip.Addr) error {
	n, err := in.attach(name, addr)
	if err != nil {
		return err
	}
	l, err := n.Listen(addr.String() + ":443")
	if err != nil {
		return err
	}
	in.onClose(func() { l.Close() })
	go func() {
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			c.Close()
		}
	}()
	return nil
}

// run starts a server's process with its config.
func (in *Internet) run(s *Server) (err error) {
	path := filepath.Join(in.cfg.Dir, s.Name+".yaml")
	text := s.config + "admin: { listen: \"127.0.0.1:9000\" }\nlog: { level: debug }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	if s.Process, err = in.start(s.Namespace, s.Name, nil, in.cfg.Binary, "serve", "--config", path); err != nil {
		return err
	}
	s.admin = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return s.Dial(ctx, network, "127.0.0.1:9000")
		},
	}}
	in.onClose(s.admin.CloseIdleConnections)
	in.mu.Lock()
	in.servers = append(in.servers, s)
	in.mu.Unlock()
	return nil
}

// start starts a process that Close ends, and keeps its output for the search for secrets.
func (in *Internet) start(n *Namespace, name string, env []string, args ...string) (*Process, error) {
	p, err := n.Start(name, env, args...)
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	in.logs = append(in.logs, p)
	in.mu.Unlock()
	in.onClose(p.Kill)
	return p, nil
}

// waitServing waits until the process has bound everything.
func (s *Server) waitServing() error {
	_, err := s.WaitLine(30*time.Second, func(l Line) bool { return l.Stderr && strings.Contains(l.Text, "serving") })
	return err
}

// Server finds a server by name; nil where there is none.
func (in *Internet) Server(name string) *Server {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, s := range in.servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// routers are the servers that may host meetings.
func (in *Internet) routers() []*Server {
	in.mu.Lock()
	defer in.mu.Unlock()
	var out []*Server
	for _, s := range in.servers {
		if in.cfg.Balanced || strings.HasPrefix(s.Name, "mmr-") || slices.Contains(in.cfg.Small, strings.TrimPrefix(s.Name, "ctl-")) {
			out = append(out, s)
		}
	}
	return out
}

// Secret names something that must be in no log.
func (in *Internet) Secret(s string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.secrets = append(in.secrets, s)
}

// UserSecret names something that its user may see, and nobody else.
func (in *Internet) UserSecret(s string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.shown = append(in.shown, s)
}

// Call makes a request of the site's API, from inside the internet.
func (in *Internet) Call(method, path string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, "https://"+SiteName+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if in.token != "" {
		req.Header.Set("Authorization", "Bearer "+in.token)
	}
	resp, err := in.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err = io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	return json.Unmarshal(b, answer)
}

// Meeting is a meeting of the site.
type Meeting struct {
	Number   int64  `json:"id"`
	Passcode string `json:"password"`
	Link     string `json:"join_url"`
	ID       string `json:"uuid"`
}

// NewMeeting makes a meeting that anybody may begin.
func (in *Internet) NewMeeting(topic string) (m Meeting, err error) {
	err = in.Call("POST", "/v2/users/me/meetings", map[string]any{"topic": topic, "type": 3}, &m)
	if err == nil {
		in.UserSecret(m.Passcode)
		_, pwd, _ := strings.Cut(m.Link, "pwd=")
		in.UserSecret(pwd)
	}
	return m, err
}

// waitZones waits until a lookup offers every zone, with a router for each.
func (in *Internet) waitZones() error {
	m, err := in.NewMeeting("Is everybody there?")
	if err != nil {
		return err
	}
	id, err := trust.NewIdentity()
	if err != nil {
		return err
	}
	q := proto.LookupRequest{V: proto.Version, Number: fmt.Sprint(m.Number), Passcode: m.Passcode, Name: "Laboratory", Key: id.Key(),
		Fingerprint: "sha-256 " + strings.TrimSuffix(strings.Repeat("00:", 32), ":"), Client: "native"}
	tunnels := max(0, in.cfg.Tunnels)
	for deadline := time.Now().Add(15 * time.Second); ; {
		var a proto.LookupAnswer
		err := in.Call("POST", "/lookup", q, &a)
		zones := len(in.cfg.Zones) + len(in.cfg.Small)
		if in.cfg.Balanced {
			zones = 1
		}
		if err == nil && len(a.Zones) == zones && len(a.Grants) >= min(len(a.Zones), 3) {
			if len(a.Tunnels) >= tunnels || time.Now().After(deadline.Add(-12*time.Second)) {
				return nil // scenarios that need tunnels say so themselves
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the site offers %d zones, %d routers, %d tunnels: %w", len(a.Zones), len(a.Grants), len(a.Tunnels), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Seat is a router's own record of one participant.
type Seat struct {
	Router      string              `json:"router"`
	Zone        string              `json:"zone"`
	Meeting     string              `json:"meeting"`
	Participant proto.ParticipantID `json:"participant"`
	Rungs       [3]proto.Rung       `json:"rungs"`
	HeardAt     time.Time           `json:"heard_at"`
}

// Seats is what a router knows of its participants.
func (s *Server) Seats() ([]Seat, error) {
	resp, err := s.admin.Get("http://localhost/debug/seats")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var seats []Seat
	return seats, json.NewDecoder(resp.Body).Decode(&seats)
}

// Freeze stops a server's process without ending it: it accepts, and answers nothing. Thaw undoes it.
func (s *Server) Freeze() { s.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.Signal(syscall.SIGCONT) }
