package netns

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley/lab/netns/wire"
	"parley/wire/proto"
)

// pause lets the call go on; it fails if the client ends meanwhile.
func (r *run) pause(d time.Duration) {
	r.Helper()
	select {
	case <-r.client.Done():
		r.Fatalf("the client ended: %s", r.client.Told())
	case <-time.After(d):
	}
}

// onPhase does something when the client has got through a phase.
func (r *run) onPhase(phase string, do func()) {
	go func() {
		<-r.joining
		for !slices.ContainsFunc(r.client.Events(), func(e Event) bool { return e.Phase == phase }) {
			time.Sleep(2 * ms)
		}
		do()
	}()
}

// wait waits for the router's record.
func (r *run) wait(d time.Duration, what string, want func(Seat) bool) bool {
	r.Helper()
	t0 := time.Now()
	if _, err := r.client.WaitSeat(d, what, want); err != nil {
		r.Error(err)
		return false
	}
	r.note("%s after %.1f s", what, time.Since(t0).Seconds())
	return true
}

func (r *run) hasRung(medium proto.Group, want proto.Rung) {
	r.Helper()
	seat, _ := r.client.Seat()
	if got := seat.Rungs[medium]; got != want {
		r.Errorf("%s runs over %q, want %q", medium, got, want)
	}
}

// upgraded: the obstacle is gone, a better path is found, and nobody hears it.
func (r *run) upgraded(to proto.Rung, within time.Duration) {
	r.Helper()
	if r.wait(within, "upgraded to "+string(to), func(s Seat) bool { return s.Rungs[0] == to && s.Rungs[1] == to }) {
		r.moved()
	}
}

// freed: the obstacle is gone, but for what the rules say, and media goes back to UDP.
func (r *run) freed(rules ...string) {
	r.Helper()
	r.forward(rules...)
	r.turn.rest()
	r.upgraded(udpRung, 75*time.Second)
}

// moves: the machine's way out is another from one moment to the next. Sound is heard soon, over UDP, of the same
// participant.
func (r *run) moves(what string, move func() error) {
	r.Helper()
	before, _ := r.client.Seat()
	most := time.Second
	if r.browser != "" {
		most = 3 * time.Second
	}
	moved := time.Now()
	r.must(move())
	r.pause(6 * time.Second)
	r.gap(what, most, moved)
	if r.browser == "" {
		r.hasRung(proto.GroupAudio, udpRung)
	} else { // its browser may not have known the new network yet when it came back, and then it looks again soon
		r.wait(6*time.Second, "on UDP", func(s Seat) bool { return s.Rungs[0] == udpRung })
	}
	if seat, ok := r.client.Seat(); !ok || seat.Participant != before.Participant {
		r.Error("the router does not know it as the same participant")
	}
}

// moved: media has gone over from one path to another, and nobody has heard it.
func (r *run) moved() {
	r.Helper()
	r.pause(2 * time.Second) // what comes on the new path
	r.gap("from one path to the other", r.silence(), time.Now().Add(-5*time.Second))
}

// silence is how long sound may be missing where media goes from one path to another. A page's microphone changes its
// encoder on the way.
func (r *run) silence() time.Duration {
	if r.browser != "" {
		return 500 * ms
	}
	return 300 * ms
}

// slack is how late a client may be for reasons of its own.
func (r *run) slack() time.Duration {
	if r.browser != "" {
		return browserSlack
	}
	return slack
}

// picturesElsewhere: UDP carries sound and no pictures, and that lasts. A path that is only being tried shows in the
// record for a moment.
func (r *run) picturesElsewhere(within time.Duration) {
	r.Helper()
	const lasting = time.Second
	var since time.Time
	r.wait(within+lasting, "audio on UDP and video elsewhere", func(s Seat) bool {
		switch elsewhere := s.Rungs[1] == tcpRung || s.Rungs[1] == tlsRung; {
		case s.Rungs[0] != udpRung || !elsewhere || !together(s):
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		return !since.IsZero() && time.Since(since) >= lasting
	})
}

// together: video and content use the same rung, as far as there is content.
func together(s Seat) bool { return s.Rungs[2] == "" || s.Rungs[2] == s.Rungs[1] }

// demoted: the path in use is gone.
func (r *run) demoted(to []proto.Rung, within time.Duration) {
	r.Helper()
	within += r.slack()
	since := time.Now()
	r.began = r.starving(r.client)
	if !r.wait(within+r.patience(), fmt.Sprintf("demoted to %v", to), func(s Seat) bool { return slices.Contains(to, s.Rungs[0]) }) {
		return
	}
	if took := time.Since(since); took > within && !r.excused(took, within, r.kept(r.client, since)) {
		r.Errorf("demoted after %v, the bound is %v", took.Round(ms), within)
	}
}

// again joins a second time from the same machine, which remembers.
func (r *run) again(what string, audio []proto.Rung, within time.Duration) {
	r.Helper()
	if r.browser != "" {
		return // see pageAgain, for rows that ask it
	}
	started := time.Now()
	c, err := r.in.JoinNative(r.machine.Namespace, r.meeting, NativeConfig{Name: "Ann Client", Args: r.args, Env: r.env, NoCA: r.noCA})
	r.must(err)
	defer c.Stop()
	r.fromClick(c)
	e, err := c.WaitJoined(within + r.patience())
	if err != nil {
		r.Error(err)
		return
	}
	seat, err := c.WaitSeat(within+r.patience(), what, func(s Seat) bool { return slices.Contains(audio, s.Rungs[0]) })
	if err != nil {
		r.Error(err)
		return
	}
	l, err := c.WaitLine(r.patience(), func(l Line) bool {
		x, ok := event(l)
		return ok && x.Event == "media" && x.Kind == "audio"
	})
	if err != nil {
		r.Error(err)
		return
	}
	kept := r.kept(c, started)
	x, _ := event(l)
	if took := time.Duration(x.MS) * ms; took > within && !r.fast && !r.excused(took, within, kept) {
		r.Errorf("%s has %s after %v, the bound is %v", what, seat.Rungs[0], took, within)
	}
	r.note("%s has %s after %d ms (joined after %d)", what, seat.Rungs[0], x.MS, e.MS)
}

// pageAgain joins a second time in the same browser, where the first call has ended on something worse than UDP. The
// browser remembers: that is tried when UDP is, whose head start is a quarter of a second otherwise.
func (r *run) pageAgain(what string) {
	r.Helper()
	learnt := map[proto.Rung]string{tcpRung: "TCP 8801", tlsRung: "TLS 443"}[r.client.Says(proto.GroupAudio)]
	c, err := r.in.JoinBrowser(r.machine.Namespace, r.meeting, BrowserConfig{Browser: r.browser, Name: "Ann Client", Script: "browser.mjs", Modules: modules(r.T), Patience: 20 * time.Second, Others: []*Person{r.friend}})
	r.must(err)
	defer c.Kill()
	_, err = c.WaitJoined(20 * time.Second)
	r.must(err)
	if _, err := c.WaitSeat(20*time.Second, what, func(s Seat) bool { return s.Rungs[0] != udpRung && !s.HeardAt.IsZero() }); err != nil {
		r.Error(err)
	}
	c.Leave()
	select {
	case <-c.Done():
	case <-time.After(20 * time.Second):
		r.Error("it does not leave")
	}
	began := c.Began("Sound over ")
	udp, ok := began["UDP 8801"]
	if again, tried := began[learnt]; !ok || !tried || again != udp {
		r.Errorf("%s tries sound at %v, want %q when UDP is", what, began, learnt)
	}
	r.note("%s has %s tried at once", what, learnt)
}

// estimate lets a call go on, and says what a browser then believes it can send a second, the median of its last
// four looks; 0 for the native client.
func (r *run) estimate(after time.Duration) int {
	r.Helper()
	r.pause(after)
	var bits []int
	for _, e := range r.client.Events() {
		if e.Event == "estimate" {
			bits = append(bits, e.Bits)
		}
	}
	if len(bits) < 4 {
		return 0
	}
	last := slices.Sorted(slices.Values(bits[len(bits)-4:]))
	return (last[1] + last[2]) / 2
}

// followLink has the native client fail and its user open the link that it prints, in what the desktop opens links with.
func (r *run) followLink() {
	r.Helper()
	dir := r.TempDir()
	opened := filepath.Join(dir, "opened")
	r.must(os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\necho \"$1\" >"+opened+"\n"), 0o755))
	c, err := r.in.JoinNative(r.machine.Namespace, r.meeting, NativeConfig{Name: "Ann Client", Args: []string{"--open-browser"}, Env: []string{"PATH=" + dir + ":" + os.Getenv("PATH")}})
	r.must(err)
	defer c.Stop()
	select {
	case <-c.Done():
	case <-time.After(30 * time.Second):
		r.Fatal("the native client goes on trying")
	}
	for deadline := time.Now().Add(20 * time.Second); r.link == "" && time.Now().Before(deadline); time.Sleep(20 * ms) {
		link, _ := os.ReadFile(opened) // by a process of its own
		r.link = strings.TrimSpace(string(link))
	}
	if r.link == "" || !strings.Contains(c.Told(), r.link) {
		r.Fatalf("it opens %q and says:\n%s", r.link, c.Told())
	}
}

// young: of the sound that a page has played since, 99 of 100 are no older than so much. The page can tell how much later
// each is than the quickest of the call, which took what the way and the browser take by themselves: less than 150 ms.
func (r *run) young(since time.Time, most time.Duration) {
	r.Helper()
	const itself = 150
	var all, late []float64
	for _, e := range r.client.Events() {
		if e.Event == "played" {
			all = append(all, e.Played...)
			if e.TS > since.UnixMilli()+1000 { // it tells once a second
				late = append(late, e.Played...)
			}
		}
	}
	defer func() {
		if r.Failed() {
			for _, e := range r.client.Events() {
				if e.Event == "played" && len(e.Played) > 0 {
					r.Logf("%5d ms: %d sounds, the latest %.0f ms later than the quickest of all", e.TS-since.UnixMilli(), len(e.Played), slices.Max(e.Played)-slices.Min(all))
				}
			}
		}
	}()
	if len(late) < 1000 {
		r.Errorf("of 30 s the page has played %d sounds of 20 ms", len(late))
		return
	}
	slices.Sort(late)
	quickest := slices.Min(all)
	median, p99 := late[len(late)/2]-quickest, late[len(late)*99/100]-quickest
	r.note("sound: median %.0f ms, 99 of 100 %.0f ms later than the quickest", median, p99)
	stood := r.stalls.longest(since)
	switch bound := float64((most - itself*ms).Milliseconds()); {
	case p99 > bound && p99 <= bound+float64(stood.Milliseconds()):
		r.note("the machine stood still for %d ms", stood.Milliseconds())
	case p99 > bound:
		r.Errorf("one sound in a hundred is %.0f ms later than the quickest, the bound is %d", p99, most.Milliseconds()-itself)
	}
}

// visit joins and leaves: what is learnt then is remembered.
func (r *run) visit() {
	c, err := r.in.JoinNative(r.machine.Namespace, r.meeting, NativeConfig{Name: "Ann Client"})
	r.must(err)
	_, err = c.WaitJoined(10 * time.Second)
	r.must(err)
	c.Stop()
}

// keepalive waits and sees that nothing on UDP was silent for longer than NATs forget.
func (r *run) keepalive(most time.Duration) {
	r.Helper()
	r.pause(most + 5*time.Second)
	type socket struct {
		near uint16
		far  netip.AddrPort
	}
	longest := map[socket]time.Duration{}
	now := time.Now()
	for _, f := range r.access.Flows(func(f Flow) bool { return f.Dir == wire.Up && f.Proto == wire.UDP }) {
		// What is used for media has RTCP. Of the kinds of packets on one socket, the steadiest counts.
		at := socket{f.Near, f.Far}
		pause := max(f.Pause, now.Sub(f.Last))
		if known, ok := longest[at]; ok {
			pause = min(pause, known)
		}
		longest[at] = pause
	}
	media := 0
	for _, f := range r.access.Flows(func(f Flow) bool { return f.Dir == wire.Up && f.Kind == "rtcp" && f.N > 1 }) {
		media++
		if pause := longest[socket{f.Near, f.Far}]; pause > most {
			r.Errorf("the socket of %v is silent for %v, the bound is %v", f, pause.Round(ms), most)
		}
	}
	if media == 0 {
		r.Error("no socket for media has sent RTCP twice")
	}
}

// gapless looks for silence in what the friend hears of the client, since the beginning or the last call.
func (r *run) gapless(most time.Duration) bool {
	r.Helper()
	return r.gap("", most, time.Time{})
}

// gap is gapless from a time on, and notes the longest silence: at other times the machine may have stood still.
func (r *run) gap(what string, most time.Duration, since time.Time) bool {
	r.Helper()
	all := r.heard.Sounds()
	if i := slices.IndexFunc(all, since.Before); i > 0 {
		all = all[i-1:] // silent already is silent too
	}
	var longest, own time.Duration // own without what the machine stood still in it
	silence := func(from, to time.Time) {
		longest = max(longest, to.Sub(from))
		own = max(own, to.Sub(from)-r.stalls.between(from, to))
	}
	for i := 1; i < len(all); i++ {
		silence(all[i-1], all[i])
	}
	if len(all) > 0 {
		silence(all[len(all)-1], time.Now())
	}
	if what != "" {
		r.note("%s: %d ms without sound", what, longest.Milliseconds())
	}
	switch {
	case len(all) == 0:
		r.Error("the friend hears nothing")
	case own > most:
		r.Errorf("the friend hears nothing for %v, the bound is %v", longest.Round(ms), most)
	case longest > most:
		r.note("the machine stood still in %d ms without sound", longest.Milliseconds())
		return true
	default:
		return true
	}
	return false
}
