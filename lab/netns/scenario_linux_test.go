package netns

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/lab/netns/wire"
	"parley/wire/proto"
)

// scenario is one network, and what must become of a join in it.
type scenario struct {
	number   string // in the list of networks; letters tell variants apart
	name     string
	later    string // why it is not asked for yet; it runs if it can, and is shown red
	world    InternetConfig
	alone    bool // needs servers of its own, since it breaks them
	nat      NAT
	ipv6     bool
	link     wire.Link // of the access, both ways; 30 ms by default
	friend   bool      // somebody is in the meeting already, so media flows both ways and the meeting has its home
	browser  string    // set by withBrowsers
	bigVideo bool      // video of 1 Mbit/s
	prepare  func(r *run)
	audio    []proto.Rung // any of these, as the router sees it; empty: not looked at
	video    []proto.Rung // likewise
	within   time.Duration
	browsers []string // also in these
	fails    bool     // no path exists, or none that may be taken: the client must end, and say why, within this
	says     []string // regular expressions of what the user must be told
	never    []string // and must not
	forbid   []func(f Flow) string
	after    func(r *run) // in the meeting
}

// run is one scenario under way.
type run struct {
	*testing.T
	in      *Internet
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
	pac     string
	browser string // "" for the native client
	notes   []string
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
	browserSlack = 600 * time.Millisecond
)

// noMediaOverTCP: where UDP works, no TCP connection may have been opened for media, not even to be left
// unused: one connection to each router is the control channel's.
func noMediaOverTCP(f Flow) string {
	if f.Dir == wire.Up && f.Proto == wire.TCP && f.Far.Port() == 8801 {
		return "a TCP connection for media where UDP works"
	}
	return ""
}

// matrix collects the results for lab.md.
type matrix struct {
	mu   sync.Mutex
	rows []row
}

type row struct {
	number, name, result, audio, video, first, bound, told string

	late bool // all is well but the time
}

func (m *matrix) add(r row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, r)
}

const letters = "abcdefghijklmnopqrstuvwxyz"

// order sorts by number, then letters; extras ("x…") last.
func order(a, b row) int {
	key := func(n string) string {
		return fmt.Sprintf("%8s%s", strings.TrimRight(n, letters), n)
	}
	extra := func(n string) bool { return strings.HasPrefix(n, "x") }
	if extra(a.number) != extra(b.number) {
		if extra(b.number) {
			return -1
		}
		return 1
	}
	return strings.Compare(key(a.number), key(b.number))
}

// write makes the connection matrix as Markdown.
func (m *matrix) write(path string) error {
	slices.SortFunc(m.rows, order)
	var b strings.Builder
	b.WriteString("| | network | | audio | video | first audio | bound | what the user is told |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range m.rows {
		told := strings.NewReplacer("|", "\\|", "\n", " ").Replace(r.told)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", r.number, r.name, r.result, r.audio, r.video, r.first, r.bound, told)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// withBrowsers adds the runs in browsers. What the page says is in its own words, which its own tests check.
func withBrowsers(list []scenario) []scenario {
	var out []scenario
	for _, s := range list {
		out = append(out, s)
		for _, b := range s.browsers {
			in := s
			in.browser, in.says, in.never, in.forbid = b, nil, nil, nil
			in.within += 2*rtt + browserSlack
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
}

// TestScenario runs every network of the list, several at once.
func TestScenario(t *testing.T) {
	needLab(t)
	var b built
	var m matrix
	binary := b.get(t)
	dir := t.TempDir()
	common := &shared{}
	t.Cleanup(func() {
		if common.in != nil {
			common.in.Close()
			searchLogs(t, common.in)
		}
		if os.Getenv("PARLEY_LAB") != "" {
			if err := m.write("../../tests/out/lab.md"); err != nil {
				t.Error(err)
			}
		}
	})
	for i, s := range withBrowsers(scenarios()) {
		t.Run(fmt.Sprintf("%s %s", padded(s.number), s.name), func(t *testing.T) {
			t.Parallel()
			var in *Internet
			if s.alone {
				cfg := s.world
				cfg.Binary, cfg.Dir, cfg.Seed = binary, t.TempDir(), uint64(i)
				own, err := NewInternet(cfg)
				if err != nil {
					t.Fatal(err)
				}
				in = own
				t.Cleanup(func() {
					own.Close()
					searchLogs(t, own)
				})
			} else {
				common.once.Do(func() { common.in, common.err = NewInternet(InternetConfig{Binary: binary, Dir: dir}) })
				if common.err != nil {
					t.Fatal(common.err)
				}
				in = common.in
			}
			m.add(play(t, in, s, b.clip(t, s.bigVideo)))
		})
	}
}

// padded is a number of two digits, so that -run 'Scenario/07' finds one, and those in browsers.
func padded(n string) string {
	if len(n) == 1 || n[0] >= '0' && n[0] <= '9' && (n[1] < '0' || n[1] > '9') {
		return "0" + n
	}
	return n
}

// play runs one scenario and says what became of it.
func play(t *testing.T, in *Internet, s scenario, clip string) row {
	res := row{number: s.number, name: s.name, bound: fmt.Sprintf("%d ms", s.within.Milliseconds())}
	if s.later != "" && s.audio == nil && !s.fails {
		res.result, res.told = "later", s.later
		return res
	}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	link := s.link
	if link == (wire.Link{}) {
		link.Delay = rtt / 2
	}
	a, err := in.NewAccess(s.nat, wire.Both(link))
	if err != nil {
		t.Fatal(err)
	}
	machine, err := in.NewMachine(a, s.ipv6)
	if err != nil {
		t.Fatal(err)
	}
	meeting, err := in.NewMeeting(s.name)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{T: t, in: in, access: a, machine: machine, meeting: meeting, browser: s.browser}
	if s.friend {
		var home *Machine
		home, r.heard = r.goodMachine()
		r.friend, err = in.JoinNative(home.Namespace, meeting, NativeConfig{Name: "Friend", Clip: clip})
		r.must(err)
		_, err = r.friend.WaitJoined(10 * time.Second)
		r.must(err)
		defer r.friend.Kill()
	}
	if s.prepare != nil {
		s.prepare(r)
	}
	a.Forget()
	started := time.Now()
	if s.browser != "" {
		cfg := BrowserConfig{Browser: s.browser, Name: "Ann Client", Proxy: r.proxy, PAC: r.pac, Script: "browser.mjs", Modules: modules(t), Patience: s.within + 10*time.Second}
		if r.friend != nil {
			cfg.Others = []*Person{r.friend}
		}
		r.client, err = in.JoinBrowser(machine.Namespace, meeting, cfg)
		r.must(err)
	} else {
		r.client, err = in.JoinNative(machine.Namespace, meeting, NativeConfig{Name: "Ann Client", Clip: clip, Args: r.args, Env: r.env, NoCA: r.noCA})
	}
	r.must(err)
	defer r.client.Kill()
	if s.fails {
		select {
		case <-r.client.Done():
			took := time.Since(started)
			res.first = fmt.Sprintf("ends after %d ms", took.Milliseconds())
			if took > s.within {
				fault("it ended after %v, the bound is %v", took, s.within)
			}
			if code := r.client.ExitCode(); code == 0 {
				fault("it ended as if all were well")
			}
		case <-time.After(s.within + 20*time.Second):
			fault("it did not end within %v", s.within+20*time.Second)
		}
	} else {
		if r.watch(s, &res, fault) && s.after != nil {
			s.after(r)
			// The router moves with a client's first packet, half a round trip before the client is sure of it.
			time.Sleep(500 * time.Millisecond)
		}
	}
	record, known := r.client.Seat()
	r.client.Leave()
	select {
	case <-r.client.Done():
	case <-time.After(12 * time.Second):
		fault("the client does not leave")
	}
	for _, g := range []proto.Group{proto.GroupAudio, proto.GroupVideo} {
		if said := r.client.Says(g); known && said != record.Rungs[g] {
			fault("it says that %s runs over %q, the router's record has %q", g, said, record.Rungs[g])
		}
	}
	told := r.client.Told()
	res.told = strings.Join(strings.Fields(firstWords(told)), " ")
	for _, want := range s.says {
		if !regexp.MustCompile(want).MatchString(told) {
			fault("the user was not told %q", want)
		}
	}
	for _, bad := range s.never {
		if regexp.MustCompile(bad).MatchString(told) {
			fault("the user was told %q", bad)
		}
	}
	for _, f := range a.Flows(func(Flow) bool { return true }) {
		for _, forbidden := range s.forbid {
			if why := forbidden(f); why != "" {
				fault("%s: %v", why, f)
			}
		}
	}
	if len(r.notes) > 0 {
		res.told += " (" + strings.Join(r.notes, "; ") + ")"
	}
	switch {
	case len(faults) == 0 && !t.Failed() && res.late:
		res.result = "🟠 late"
		t.Errorf("first sound after %s, the bound is %s", res.first, res.bound)
	case len(faults) == 0 && !t.Failed():
		res.result = "✅"
		if s.later != "" {
			res.result = "✅ (asked for later)"
		}
	case s.later != "":
		res.result = "🔴 later"
		t.Logf("later (%s):\n%s", s.later, strings.Join(faults, "\n"))
	default:
		res.result = "🔴"
		for _, f := range faults {
			t.Error(f)
		}
	}
	if t.Failed() {
		for _, at := range r.client.Attempts() {
			t.Log(at.String())
		}
		t.Logf("told:\n%s", told)
	}
	return res
}

// firstWords leaves the list of attempts out.
func firstWords(told string) string {
	var out []string
	for l := range strings.Lines(told) {
		if !strings.HasPrefix(l, "  ") {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}

// watch sees a client into the meeting and compares the router's record with what is wanted. It reports
// whether the client is in, with media as wanted.
func (r *run) watch(s scenario, res *row, fault func(string, ...any)) bool {
	if _, err := r.client.WaitJoined(s.within + 12*time.Second); err != nil {
		fault("not joined: %v", err)
		return false
	}
	seat, err := r.client.WaitSeat(s.within+5*time.Second, "sound", func(seat Seat) bool { return !seat.HeardAt.IsZero() })
	if err != nil {
		fault("%v", err)
	} else {
		took := seat.HeardAt.Sub(r.client.Click())
		res.first = fmt.Sprintf("%d ms", took.Milliseconds())
		res.late = took > s.within
	}
	settled := func(seat Seat) bool {
		return (len(s.audio) == 0 || slices.Contains(s.audio, seat.Rungs[0])) && (len(s.video) == 0 || slices.Contains(s.video, seat.Rungs[1]))
	}
	seat, err = r.client.WaitSeat(3*time.Second, fmt.Sprintf("audio over %v and video over %v", s.audio, s.video), settled)
	if err != nil {
		fault("%v", err)
	}
	res.audio, res.video = string(seat.Rungs[0]), string(seat.Rungs[1])
	return err == nil
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

// searchLogs looks through what all processes wrote to standard error for what must not be there:
// passwords, tokens, and clients' addresses. A user may see her own.
func searchLogs(t *testing.T, in *Internet) {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range in.logs {
		secrets := in.secrets
		if in.isServer(p) {
			secrets = slices.Concat(secrets, in.shown)
		} else if p.Name == "squid" {
			continue // is not ours
		}
		text := p.Output(true)
		slices.Sort(secrets)
		for _, s := range slices.Compact(secrets) {
			if at := indexWhole(text, s); at >= 0 {
				line := text[strings.LastIndexByte(text[:at], '\n')+1:]
				line, _, _ = strings.Cut(line, "\n")
				t.Errorf("%s logs a secret: %s", p.Name, strings.ReplaceAll(line, s, "<"+s[:min(3, len(s))]+"…>"))
			}
		}
	}
}

// isServer reports whether a process is one of the site's. in.mu is held.
func (in *Internet) isServer(p *Process) bool {
	return slices.ContainsFunc(in.servers, func(s *Server) bool { return s.Process == p })
}

// indexWhole finds s where it does not go on with a digit, as an address within a longer one would.
func indexWhole(text, s string) int {
	for i := 0; s != ""; {
		j := strings.Index(text[i:], s)
		if j < 0 {
			return -1
		}
		at := i + j
		if i = at + len(s); i >= len(text) || text[i] < '0' || text[i] > '9' {
			return at
		}
	}
	return -1
}
