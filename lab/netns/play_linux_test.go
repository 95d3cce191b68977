package netns

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/lab/netns/wire"
	"parley/wire/proto"
)

// patience is how much longer than its bound something may take before it counts as not having happened at all. On a
// machine that does much else nothing is said about times.
func (r *run) patience() time.Duration {
	if r.fast {
		return 30 * time.Second
	}
	return 12 * time.Second
}

// play runs one scenario and fills in what became of it.
func play(r *run, s scenario, clip string, res *row) {
	if s.later != "" {
		res.result, res.bound, res.told = "🔴 later", "", s.later
		return
	}
	if s.noPage != "" && s.browser != "" {
		res.result, res.bound, res.told = "–", "", "no page: "+s.noPage
		return
	}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	end := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { r.stalls.watch(end) })
	defer watching.Wait()
	defer close(end)
	r.open(s, clip)
	if r.friend != nil {
		defer r.friend.Kill()
	}
	if s.browser == "" && !r.fast {
		r.examine(s, res, fault)
	}
	r.access.Forget()
	started := time.Now()
	r.join(s, clip)
	defer r.client.Kill()
	close(r.joining)
	if s.silent > 0 {
		r.watchSilence(s, res, fault)
	} else if s.fails {
		r.watchFailure(s, started, res, fault)
	} else if r.watch(s, res, fault) && s.after != nil {
		s.after(r)
		// The router moves with a client's first packet, half a round trip before the client is sure of it.
		time.Sleep(500 * time.Millisecond)
	} else if s.browser != "" && s.udpOnly {
		r.steady = time.Now().Add(2 * time.Second)
		r.pause(4 * time.Second)
	}
	r.agree()
	record, known := r.client.Seat()
	r.client.Leave()
	select {
	case <-r.client.Done():
	case <-time.After(r.patience()):
		fault("the client does not leave")
	}
	if !known && !s.fails && s.silent == 0 && r.client.joined != nil {
		fault("no router knows of the client when it leaves")
	}
	if s.after == nil && known && s.silent == 0 && !s.settled(record) {
		fault("it ends with audio over %q, video over %q and content over %q", record.Rungs[0], record.Rungs[1], record.Rungs[2])
	}
	for _, g := range []proto.Group{proto.GroupAudio, proto.GroupVideo, proto.GroupContent} {
		// Content's turn comes two seconds after the others': perhaps just when the client is asked.
		later := g == proto.GroupContent && record.Rungs[g] == ""
		if said := r.client.Says(g); known && s.silent == 0 && !later && said != record.Rungs[g] {
			fault("it says that %s runs over %q, the router's record has %q", g, said, record.Rungs[g])
		}
	}
	r.foretold(s, res, record, fault)
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
	r.forbidden(s, fault)
	if s.then != nil {
		s.then(r)
	}
	if len(r.notes) > 0 {
		res.told += " (" + strings.Join(r.notes, "; ") + ")"
	}
	for _, f := range faults {
		r.Error(f)
	}
	if !r.Failed() && res.late && !r.fast {
		res.result = "🟠 late"
		r.Errorf("first sound after %s, the bound is %s", res.first, res.bound)
	} else if !r.Failed() {
		res.result = "✅"
	}
	if r.Failed() {
		for _, at := range r.client.Attempts() {
			r.Log(at.String())
		}
		r.Logf("told:\n%s", told)
	}
}

// open makes the network, the meeting and who is there already.
func (r *run) open(s scenario, clip string) {
	r.Helper()
	link := s.link
	if link == (wire.Link{}) {
		link.Delay = rtt / 2
	}
	var err error
	r.access, err = r.in.NewAccess(s.nat, wire.Both(link))
	r.must(err)
	r.machine, err = r.in.NewMachine(r.access, s.ipv6)
	r.must(err)
	r.meeting, err = r.in.NewMeeting(s.name)
	r.must(err)
	if s.friend {
		var home *Machine
		home, r.heard = r.goodMachine()
		r.friend, err = r.in.JoinNative(home.Namespace, r.meeting, NativeConfig{Name: "Friend", Clip: clip})
		r.must(err)
		_, err = r.friend.WaitJoined(r.patience())
		r.must(err)
	}
	if s.prepare != nil {
		s.prepare(r)
	}
}

// examine asks parley doctor about the network, from the same machine.
func (r *run) examine(s scenario, res *row, fault func(string, ...any)) {
	d, code, err := r.in.Doctor(r.machine.Namespace, r.noCA, r.env, r.args...)
	if err != nil {
		fault("the doctor: %v", err)
		return
	}
	res.doctor, r.doctor = string(d.Cause), d.Rungs
	if d.Cause != s.cause || code != int(d.Grade) {
		fault("the doctor says %q of %q, grade %d, exit code %d; want %q\n%+v", d.Cause, d.Causes, d.Grade, code, s.cause, d.Findings)
	}
	told := strings.Join(Told(d), "\n")
	for _, want := range s.doctor {
		if !regexp.MustCompile(want).MatchString(told) {
			fault("the doctor does not tell %q:\n%s", want, told)
		}
	}
}

// foretold compares what the doctor says that media would run over with the router's record, at first or at the end.
// Pictures that a path does not take whole, or not fast enough, are elsewhere in between.
func (r *run) foretold(s scenario, res *row, end Seat, fault func(string, ...any)) {
	between := s.cause == client.CauseUDPThrottled || strings.HasPrefix(string(s.cause), string(client.CauseMTU))
	for kind, seen := range map[string][]string{"audio": {res.audio, string(end.Rungs[0])}, "video": {res.video, string(end.Rungs[1])}} {
		would := string(r.doctor[kind])
		if would == "" || kind == "video" && between || seen[1] == "" {
			continue
		}
		if !slices.Contains(seen, would) {
			fault("the doctor says that %s would run over %q, the router's record has %q", kind, would, seen)
		}
	}
}

// join starts the client.
func (r *run) join(s scenario, clip string) {
	r.Helper()
	var err error
	if s.browser == "" {
		r.client, err = r.in.JoinNative(r.machine.Namespace, r.meeting, NativeConfig{Name: "Ann Client", Clip: clip, Args: r.args, Env: r.env, NoCA: r.noCA})
		r.must(err)
		return
	}
	cfg := BrowserConfig{Browser: s.browser, Name: "Ann Client", Proxy: r.proxy, PAC: r.pac, Link: r.link, Listen: s.pageOnly, Script: "browser.mjs", Modules: modules(r.T), Patience: s.within + 10*time.Second}
	if r.secret != "" {
		cfg.ProxyUser, cfg.ProxyPassword = ProxyUser, r.secret
	}
	if r.friend != nil {
		cfg.Others = []*Person{r.friend}
	}
	r.client, err = r.in.JoinBrowser(r.machine.Namespace, r.meeting, cfg)
	r.must(err)
}

// watchFailure sees the client end, where there is no way in.
func (r *run) watchFailure(s scenario, started time.Time, res *row, fault func(string, ...any)) {
	select {
	case <-r.client.Done():
		took := time.Since(started)
		res.first = fmt.Sprintf("ends after %d ms", took.Milliseconds())
		if took > s.within && !r.fast && !r.excused(took, s.within, r.stalls.longest(started)) {
			fault("it ended after %v, the bound is %v", took, s.within)
		}
		if code := r.client.ExitCode(); code == 0 {
			fault("it ended as if all were well")
		}
	case <-time.After(s.within + r.patience()):
		fault("it did not end within %v", s.within+r.patience())
	}
}

// settled tells whether the router's record is what is wanted. Content goes where video goes, once its turn has come.
func (s *scenario) settled(seat Seat) bool {
	return (len(s.audio) == 0 || slices.Contains(s.audio, seat.Rungs[0])) &&
		(len(s.video) == 0 || slices.Contains(s.video, seat.Rungs[1]) && together(seat))
}

// watchSilence sees a page into a meeting to which no media leads.
func (r *run) watchSilence(s scenario, res *row, fault func(string, ...any)) {
	if _, err := r.client.WaitJoined(s.within + r.patience()); err != nil {
		fault("not joined: %v", err)
		return
	}
	select {
	case <-r.client.Done():
	case <-time.After(s.silent):
	}
	if seat, ok := r.client.Seat(); ok && !seat.HeardAt.IsZero() {
		fault("there is sound, over %q", seat.Rungs[0])
	}
	res.first, res.bound = "none", ""
}

// watch sees a client into the meeting and compares the router's record with what is wanted. It reports
// whether the client is in, with media as wanted.
func (r *run) watch(s scenario, res *row, fault func(string, ...any)) bool {
	if s.before != nil {
		s.before(r)
		r.began = r.starving(r.client)
	} else {
		r.fromClick(r.client)
	}
	if _, err := r.client.WaitJoined(s.within + r.patience()); err != nil {
		fault("not joined: %v", err)
		return false
	}
	seat, err := r.client.WaitSeat(s.within+r.patience(), "sound", func(seat Seat) bool { return !seat.HeardAt.IsZero() })
	if err != nil {
		fault("%v", err)
	} else {
		from := r.client.Click()
		if s.before != nil {
			from = r.freeAt
		}
		took := seat.HeardAt.Sub(from)
		res.first = fmt.Sprintf("%d ms", took.Milliseconds())
		r.heardAt, r.lost = time.Now(), r.kept(r.client, from)
		res.late = took > s.within && !r.excused(took, s.within, r.lost)
	}
	settle := 3 * time.Second
	if r.fast {
		settle = r.patience()
	}
	seat, err = r.client.WaitSeat(settle, fmt.Sprintf("audio over %v and video over %v", s.audio, s.video), s.settled)
	if err != nil {
		fault("%v", err)
	}
	res.audio, res.video = string(seat.Rungs[0]), string(seat.Rungs[1])
	return err == nil
}

// agree waits until the client has what the router has seen it begin: the router is sure of a path half a round trip
// earlier. What they don't agree on shows when it has left.
func (r *run) agree() {
	if r.client.browser {
		r.rest(time.Second)
		return
	}
	for deadline := time.Now().Add(r.patience()); time.Now().Before(deadline); time.Sleep(20 * ms) {
		record, known := r.client.Seat()
		said := map[string]proto.Rung{}
		for _, e := range r.client.Events() {
			if e.Event == "media" {
				said[e.Kind] = e.Path
			}
		}
		differ := false
		for g, kind := range [...]string{"audio", "video", "content"} {
			// Through a tunnel the router sees UDP, from the tunnel on.
			differ = differ || said[kind] != record.Rungs[g] && said[kind] != tlsRung
		}
		if !known || !differ {
			return
		}
	}
}

// rest waits until the router's record has been the same for so long: a browser moves one medium after the other, and
// says what it knows when it leaves.
func (r *run) rest(long time.Duration) {
	last, _ := r.client.Seat()
	since := time.Now()
	for deadline := since.Add(r.patience()); time.Since(since) < long && time.Now().Before(deadline); time.Sleep(50 * ms) {
		if now, _ := r.client.Seat(); now.Rungs != last.Rungs {
			last, since = now, time.Now()
		}
	}
}

// forbidden counts what the machine tried to send and must not have.
func (r *run) forbidden(s scenario, fault func(string, ...any)) {
	rules := s.forbid
	if s.browser == "" {
		rules = append([]func(Flow) string{otherPorts}, rules...)
	}
	rules = append([]func(Flow) string{flood}, rules...)
	if s.udpOnly && !r.fast && (s.browser == "" || !r.steady.IsZero()) {
		rules = append(rules, r.noMediaOverTCP)
	}
	for _, f := range r.access.Tried() {
		for _, forbidden := range rules {
			if why := forbidden(f); why != "" {
				fault("%s: %v", why, f)
			}
		}
	}
}

// noMediaOverTCP: where UDP works, no TCP connection may be opened for media, not even to be left unused. A page that
// is slow may have begun with one, and has let it go soon, later by what this machine has kept it waiting. A client that
// was kept waiting for as long as UDP's head start is longer than what UDP needs to show that it works (a round trip or,
// where the first address is silent, two) may begin one too, but not before the head start is over.
func (r *run) noMediaOverTCP(f Flow) string {
	if f.Proto != wire.TCP || f.Far.Port() != 8801 || !f.Last.After(r.steady) {
		return ""
	}
	if r.browser != "" {
		if kept := r.kept(r.client, r.heardAt); !f.Last.After(r.steady.Add(kept)) {
			r.note("a TCP connection for media: the machine kept it waiting for %d ms", kept.Milliseconds())
			return ""
		}
		return "a TCP connection for media where UDP works"
	}
	began, udp := f.First, time.Now()
	for _, other := range r.access.Tried() {
		switch {
		case other.Proto == wire.TCP && other.Near == f.Near && other.Far == f.Far && other.First.Before(began):
			began = other.First // of its first packet, not of this kind
		case other.Proto == wire.UDP && other.Far.Port() == 8801 && other.First.Before(udp):
			udp = other.First
		}
	}
	kept := r.stalls.between(began.Add(-time.Second), began)
	if began.Before(r.heardAt) {
		kept = max(kept, r.lost)
	}
	if !explained(began.Sub(udp), kept) {
		return "a TCP connection for media where UDP works"
	}
	r.note("a TCP connection for media: the machine kept it waiting for %d ms", kept.Milliseconds())
	return ""
}

// explained tells whether it is for the machine's sake that a client began with TCP so much after UDP: UDP had its head
// start, but for what its first packet may itself have been late, and what it lost of that is why it showed nothing.
func explained(after, kept time.Duration) bool {
	const headStart, late, needs = 250 * ms, 50 * ms, 2 * rtt
	return after >= headStart-late && kept >= headStart-needs
}

// A client that begins with TCP at once does so on a busy machine too.
func TestTCPAtOnceIsNotTheMachinesDoing(t *testing.T) {
	for _, tc := range []struct {
		after, kept time.Duration
		want        bool
	}{
		{0, 5 * time.Second, false},
		{100 * ms, time.Second, false},
		{260 * ms, 0, false},
		{260 * ms, 60 * ms, false},
		{260 * ms, 200 * ms, true},
		{240 * ms, 200 * ms, true},
	} {
		if got := explained(tc.after, tc.kept); got != tc.want {
			t.Errorf("TCP %v after UDP, kept waiting for %v: explained %v, want %v", tc.after, tc.kept, got, tc.want)
		}
	}
}

// otherPorts: a firewall's administrator has been told of these, and sees nothing else. Port 80 is asked once, when
// the site does not answer.
func otherPorts(f Flow) string {
	switch p := f.Far.Port(); {
	case f.Proto == wire.ICMP || f.Proto == wire.ICMPv6:
	case f.Proto == wire.TCP && (p == 443 || p == 8801 || p == 80), f.Proto == wire.UDP && (p == 443 || p == 3478 || p == 8801):
	default:
		return "nobody has asked for this"
	}
	return ""
}

// flood: what is not answered is not asked for ever.
func flood(f Flow) string {
	if f.Kind == "stun" && f.N > 300 || f.Kind == "dtls" && f.N > 100 || f.Kind == "syn" && f.N > 20 {
		return "too often"
	}
	return ""
}

// otherPagePorts is otherPorts for a page, whose browser looks names up and, where TURN is asked, also asks for what is
// relayed there directly (PROTOCOL.md: port 49153).
func otherPagePorts(f Flow) string {
	if p := f.Far.Port(); f.Proto == wire.UDP && (p == 53 || p == 49153) {
		return ""
	}
	return otherPorts(f)
}

// pastPageProxy: a browser with a proxy opens no connection past it, for media either. Its UDP knows no proxy, by design.
func pastPageProxy(f Flow) string {
	if f.Proto == wire.TCP {
		return "a connection past the browser's proxy"
	}
	return ""
}

// pastProxy: what the proxy carries does not go past it. Media may look for ways of its own beside it, and the lookup
// for a direct one where a proxy named by the environment is slow: it may be left over from elsewhere.
func pastProxy(f Flow) string {
	if f.Proto == wire.TCP && f.Far.Port() == 443 && (f.Kind != "syn" || f.Far.Addr() != siteAddr()) {
		return "HTTPS past the proxy"
	}
	return ""
}

// siteAddr is where the site is in every internet.
func siteAddr() netip.Addr { return (&Internet{}).addrOf("site", 0) }

// pastThisProxy: with a proxy named by its user no connection at all goes past it.
func pastThisProxy(f Flow) string {
	if f.Proto == wire.TCP {
		return "a connection past the proxy"
	}
	return ""
}

// fewDirect: a proxy that lets nobody through may be left over from elsewhere, so the direct way is tried, and not
// again and again.
func fewDirect(f Flow) string {
	if f.Proto == wire.TCP && f.Kind == "syn" && f.N > 3 || f.Proto == wire.UDP {
		return "nothing has said that this could lead anywhere"
	}
	return ""
}

// firstWords leaves the list of attempts out, what else a page's panel says below its summary, and what a browser
// tells its developers.
func firstWords(told string) string {
	var out []string
	for l := range strings.Lines(told) {
		if what := strings.TrimSpace(l); what == "How you got in" || what == "What was tried" {
			break
		}
		if !strings.HasPrefix(l, "  ") && !strings.HasPrefix(l, "page: ") && strings.TrimSpace(l) != "Connection" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}
