package netns

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/lab/netns/wire"
	"parley/wire/proto"
)

// scenario is one network, and what must become of a join in it.
type scenario struct {
	number   string // in the list of networks; letters tell variants apart
	name     string
	later    string // why it is not asked for yet; it runs if it can, and is shown red
	world    InternetConfig
	alone    bool   // needs servers of its own, since it breaks them
	quiet    bool   // what a browser makes of its path is measured: it runs when all others are through
	needs    string // a program besides what all need; without it the row is left out
	nat      NAT
	ipv6     bool
	link     wire.Link // of the access, both ways; 30 ms by default
	friend   bool      // somebody is in the meeting already, so media flows both ways and the meeting has its home
	browser  string    // set by withBrowsers
	offered  int       // kbit/s of the pictures that are sent; 60 by default
	prepare  func(r *run)
	audio    []proto.Rung // any of these, as the router sees it; empty: not looked at
	video    []proto.Rung // likewise
	within   time.Duration
	browsers []string              // also in these
	page     func(s *scenario)     // what is otherwise there
	noPage   string                // why no page can be in this network
	pageOnly bool                  // a native client is asked elsewhere
	fails    bool                  // no path exists, or none that may be taken: the client must end, and say why, within this
	says     []string              // regular expressions of what the user must be told
	pageSays []string              // and in a page's words
	never    []string              // what nobody must be told
	cause    client.Cause          // what parley doctor must say of the network; "" nothing
	doctor   []string              // regular expressions of what it must tell: summary, rules as "UDP 8801 to ADDRESS", advice
	forbid   []func(f Flow) string // of what the machine tries to send: why it must not have
	silent   time.Duration         // a page gets in and has no media: after so long it must have said why
	pageForb []func(f Flow) string // likewise of a page, of which less can be said
	udpOnly  bool                  // UDP is open all the time: no connection for media may be tried
	fast     bool                  // also runs with all other tests, where times are not judged
	before   func(r *run)          // what has to happen before it can be in; the bound counts from r.freeAt
	after    func(r *run)          // in the meeting
	then     func(r *run)          // when it has left
}

// run is one scenario under way.
type run struct {
	*testing.T
	in      *Internet
	turn    *turn
	access  *Access
	machine *Machine
	meeting Meeting
	friend  *Person
	heard   *Access // the friend's
	client  *Person
	args    []string
	env     []string
	noCA    bool
	proxy   string // for browsers, who are told in their own way
	secret  string // what the proxy asks ProxyUser for
	trust   string // PEM file of an authority that is not trusted yet
	pac     string
	link    string // what a browser opens; "" the meeting's link
	browser string // "" for the native client
	notes   []string
	doctor  map[string]proto.Rung // what the doctor says that each medium would run over
	fast    bool                  // times are not judged
	joining chan struct{}         // closed when the client has been started
	stalls  stalls
	began   map[*Process]waits // how long each server and the client had been kept waiting at the click, or when something was done to its network
	heardAt time.Time          // when it was in
	lost    time.Duration      // until then: how long this machine had kept it waiting
	steady  time.Time          // from when on nothing of the beginning is left; zero: not looked at
	freeAt  time.Time          // set by scenario.before: the way is open
}

func (r *run) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *run) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// forward sets the gateway's firewall.
func (r *run) forward(rules ...string) { r.Helper(); r.must(r.access.Forward(rules...)) }

// wires sets the links of the access's wire.
func (r *run) wires(classes ...wire.Class) { r.access.Wire.Set(classes...) }

// servers are the addresses of the servers whose names begin so, for rules.
func (r *run) servers(prefixes ...string) string {
	var out []string
	r.in.mu.Lock()
	defer r.in.mu.Unlock()
	for _, s := range r.in.servers {
		for _, p := range prefixes {
			if strings.HasPrefix(s.Name, p) {
				out = append(out, s.Addr.String())
			}
		}
	}
	return "{ " + strings.Join(out, ", ") + " }"
}

const (
	udpRung = proto.UDP8801
	tcpRung = proto.TCP8801
	tlsRung = proto.TLS443
)

func only(r ...proto.Rung) []proto.Rung { return r }

// Round trips of the default link, and how late a process may be on a machine whose two processors run
// everything at once.
const (
	rtt   = 60 * time.Millisecond
	slack = 150 * time.Millisecond
	// A page's handshakes wait for its scripts, its camera and a process of their own.
	browserSlack = 750 * time.Millisecond
	firefoxSlack = 500 * time.Millisecond // further: its processes start later
)

// withBrowsers adds the runs in browsers. A page has no lobby here: it is opened and Join is clicked at once, so its
// bound is that of a cold join, two round trips more than a native client has.
func withBrowsers(list []scenario) []scenario {
	var out []scenario
	for _, s := range list {
		if !s.pageOnly {
			out = append(out, s)
		}
		if s.noPage != "" {
			out = append(out, scenario{number: s.number + "-chromium", name: s.name + ", chromium", browser: "chromium", noPage: s.noPage})
		}
		for _, b := range s.browsers {
			in := s
			trip := max(rtt, 2*s.link.Delay)
			in.browser, in.says, in.forbid = b, s.pageSays, append(slices.Clone(s.pageForb), otherPagePorts)
			in.within += 2*trip + browserSlack
			if b == "firefox" {
				in.within += firefoxSlack
			}
			if s.page != nil {
				s.page(&in)
			}
			in.number += "-" + b
			in.name += ", " + b
			out = append(out, in)
		}
	}
	return out
}

// shared is the internet of all scenarios that leave the servers alone.
type shared struct {
	once sync.Once
	in   *Internet
	err  error
	logs logSearch
}

// TestScenario runs every network of the list, several at once: with PARLEY_LAB=all all, and writes the matrix; with
// "fast" or "required" those that are marked fast, natively, and judges no times.
func TestScenario(t *testing.T) {
	needLab(t)
	var b built
	binary := b.get(t)
	fast := fastLab()
	var path string
	if os.Getenv("PARLEY_LAB") == "all" {
		path = "../../tests/out/lab.md"
	}
	m := newMatrix(path, flag.Lookup("test.run").Value.String() == "")
	began := time.Now()
	common := &shared{}
	dir := t.TempDir()
	t.Cleanup(func() {
		if common.in != nil {
			common.in.Close()
			for _, found := range common.logs.search(common.in, true) {
				t.Error(found)
			}
		}
		t.Log(m.total(time.Since(began)))
	})
	all := newTurns(flag.Lookup("test.parallel").Value.(flag.Getter).Get().(int))
	last := newTurns(1)
	var rows sync.WaitGroup
	var quiet []func()
	for i, s := range withBrowsers(scenarios()) {
		if fast && (!s.fast || s.browser != "") {
			continue
		}
		one := func(t *testing.T, mine *turn) {
			res := row{number: s.number, name: s.name, result: "🔴", bound: fmt.Sprintf("%d ms", s.within.Milliseconds())}
			opened := time.Now()
			defer func() {
				res.took = time.Since(opened)
				t.Logf("%s; first sound after %s, bound %s; audio %s, video %s; told: %s", res.result, res.first, res.bound, res.audio, res.video, res.told)
				if err := m.add(res); err != nil {
					t.Error(err)
				}
			}()
			if _, err := exec.LookPath(s.needs); s.needs != "" && err != nil {
				res.result, res.told = "–", s.needs+" is not installed"
				t.Skip(res.told)
			}
			var in *Internet
			logs := &common.logs
			if s.alone {
				cfg := s.world
				cfg.Binary, cfg.Dir, cfg.Seed = binary, t.TempDir(), uint64(i)
				own, err := NewInternet(cfg)
				if err != nil {
					t.Fatal(err)
				}
				in, logs = own, &logSearch{}
				defer own.Close()
			} else {
				common.once.Do(func() { common.in, common.err = NewInternet(InternetConfig{Binary: binary, Dir: dir}) })
				if common.err != nil {
					t.Fatal(common.err)
				}
				in = common.in
			}
			defer func() {
				for _, found := range logs.search(in, false) {
					t.Error(found)
				}
			}()
			play(&run{T: t, in: in, turn: mine, browser: s.browser, fast: fast, joining: make(chan struct{})}, s, b.clip(t, s.offered), &res)
		}
		row := func(mine *turn) {
			defer mine.end()
			t.Run(fmt.Sprintf("%s %s", padded(s.number), s.name), func(t *testing.T) { one(t, mine) })
		}
		if s.quiet && s.browser != "" {
			quiet = append(quiet, func() { row(last.take()) })
			continue
		}
		mine := all.take()
		rows.Go(func() { row(mine) })
	}
	rows.Wait()
	for _, row := range quiet {
		row()
	}
}

// padded is a number of two digits, so that -run 'Scenario/07' finds one, and those in browsers.
func padded(n string) string {
	if len(n) == 1 || n[0] >= '0' && n[0] <= '9' && (n[1] < '0' || n[1] > '9') {
		return "0" + n
	}
	return n
}

// modules is where the browsers' driver finds its library.
func modules(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../ui/node_modules")
	if err == nil {
		_, err = os.Stat(path + "/puppeteer-core")
	}
	if err != nil {
		t.Skipf("no library to drive browsers with: %v", err)
	}
	return path
}

// goodMachine makes a machine with a good connection to everything.
func (r *run) goodMachine() (*Machine, *Access) {
	r.Helper()
	a, err := r.in.NewAccess(NATHome, wire.Both(wire.Link{Delay: 5 * time.Millisecond}))
	r.must(err)
	m, err := r.in.NewMachine(a, false)
	r.must(err)
	return m, a
}
