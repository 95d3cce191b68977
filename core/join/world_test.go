package join

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

var update = flag.Bool("update", false, "rewrite the recorded traces")

const traceDir = "../../wire/proto/testdata/join"

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world is a network that answers a Mind's actions. What it does not know stays silent.
type world struct {
	t   *testing.T
	cfg Config
	m   *Mind
	now time.Time
	seq int
	due []pending

	rtt     map[string]float64 // controller -> ms; cold pings take three
	refuse  map[string]bool    // controllers that refuse connections at once
	udp     map[string]float64 // probe address -> ms
	short   map[string]bool    // probe addresses that long datagrams do not reach
	tunnels map[string]float64 // url -> ms
	deaf    map[string]bool    // tunnels that answer, and lead nowhere
	lookup  func(try int) (Event, float64)
	route   func(r Route) (Event, float64)           // nil event: silence
	control func(o OpenControl) ([]Event, []float64) // what happens to a channel, and when
	media   func(s StartTransport) (Event, float64)

	steps []step
	log   []timed
	busy  int
}

type pending struct {
	at  time.Time
	seq int
	e   Event
}

type timed struct {
	ms float64
	a  Action
}

// step is one entry of a recorded trace.
type step struct {
	AtMS    float64           `json:"at_ms"`
	Event   json.RawMessage   `json:"event"`
	Actions []json.RawMessage `json:"actions,omitempty"`
}

type trace struct {
	Name    string `json:"name"`
	Config  Config `json:"config"`
	Steps   []step `json:"steps"`
	Explain Report `json:"explain"`
}

func zoneOf(id string, bias, floor int) proto.Zone {
	return proto.Zone{ID: id, Name: strings.ToUpper(id), Controllers: []string{"https://" + id + "/a"},
		Probes: []string{id + ":8801"}, Bias: bias, Floor: floor}
}

func grantOf(zone, router string, home bool) proto.Grant {
	return proto.Grant{Router: router, Zone: zone, Meeting: "m", Participant: 7, URL: "https://" + router,
		Candidates:  []proto.Candidate{{Rung: proto.UDP8801, Addr: "192.0.2.1:8801"}, {Rung: proto.TCP8801, Addr: "192.0.2.1:8801"}, {Rung: proto.TLS443, Addr: "192.0.2.1:443"}},
		Fingerprint: "sha-256 AB", Expires: 1_010_000, Home: home,
		Groups: []proto.Credentials{{Group: 0, Ufrag: "a", Password: "pa"}, {Group: 1, Ufrag: "v", Password: "pv"}, {Group: 2, Ufrag: "c", Password: "pc"}}}
}

// newWorld has the given zones, all 20 ms away with open UDP, a site 20 ms away, and routers that admit.
func newWorld(t *testing.T, cfg Config, zones ...proto.Zone) *world {
	w := &world{t: t, cfg: cfg, m: New(cfg), now: t0, rtt: map[string]float64{}, udp: map[string]float64{},
		refuse: map[string]bool{}, tunnels: map[string]float64{}}
	for _, z := range zones {
		for _, c := range z.Controllers {
			w.rtt[c] = 20
		}
		for _, p := range z.Probes {
			w.udp[p] = 20
		}
	}
	w.lookup = func(int) (Event, float64) { return w.answer(zones), 60 }
	w.route = func(r Route) (Event, float64) {
		return RouteDone{Controller: r.Controller, Grant: grantOf(r.Zone, r.Zone+"-1", false)}, 20
	}
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlUp{o.Attempt}, Welcomed{Attempt: o.Attempt, Resumed: w.m.control.everIn}}, []float64{60, 80}
	}
	w.media = func(s StartTransport) (Event, float64) { return TransportUp{Attempt: s.Attempt}, 60 }
	return w
}

func (w *world) answer(zones []proto.Zone, grants ...proto.Grant) LookupDone {
	return LookupDone{Answer: proto.LookupAnswer{V: 1, Meeting: proto.MeetingInfo{ID: "m", Topic: "Weekly"}, Participant: 7,
		ServerTime: 1_000_000, Zones: zones, WebURL: "https://site/j/1"}, Grants: grants}
}

func (w *world) after(ms float64, e Event) {
	w.seq++
	w.due = append(w.due, pending{w.now.Add(millis(ms)), w.seq, e})
}

// at schedules an event at a time of the process.
func (w *world) at(ms float64, e Event) {
	w.seq++
	w.due = append(w.due, pending{t0.Add(millis(ms)), w.seq, e})
}

func (w *world) handle(e Event) {
	w.t.Helper()
	raw, err := EncodeEvent(e)
	if err != nil {
		w.t.Fatal(err)
	}
	s := step{AtMS: w.ms(), Event: raw}
	w.m.Handle(w.now, e)
	for {
		a, ok := w.m.Next()
		if !ok {
			break
		}
		raw, err := EncodeAction(a)
		if err != nil {
			w.t.Fatal(err)
		}
		s.Actions = append(s.Actions, raw)
		w.log = append(w.log, timed{w.ms(), a})
		w.respond(a)
	}
	w.steps = append(w.steps, s)
}

func (w *world) ms() float64 { return toMillis(w.now.Sub(t0)) }

func (w *world) respond(a Action) {
	switch a := a.(type) {
	case Lookup:
		if e, ms := w.lookup(a.Try); e != nil {
			w.after(ms, e)
		}
	case Ping:
		rtt, ok := w.rtt[a.Controller]
		switch {
		case a.Via != "" && w.deaf[a.Via]:
		case w.refuse[a.Controller] && a.Via == "":
			w.after(max(rtt, 20), PingFailed{Controller: a.Controller, Seq: a.Seq, Text: "connection refused"})
		case !ok && a.Via == "":
		case a.Seq == 0:
			w.after(3*max(rtt, 20), PingDone{Controller: a.Controller, RTT: max(rtt, 20), Via: a.Via})
		default:
			w.after(max(rtt, 20), PingDone{Controller: a.Controller, Seq: a.Seq, RTT: max(rtt, 20), Via: a.Via})
		}
	case Probe:
		if rtt, ok := w.udp[a.Addr]; ok && !(a.Padded && w.short[a.Addr]) {
			w.after(rtt, ProbeDone{Addr: a.Addr, Seq: a.Seq, RTT: rtt, Padded: a.Padded})
		}
	case DialTunnel:
		if ms, ok := w.tunnels[a.URL]; ok {
			w.after(ms, TunnelUp{URL: a.URL})
		}
	case Route:
		if e, ms := w.route(a); e != nil {
			w.after(ms, e)
		}
	case OpenControl:
		events, at := w.control(a)
		for i, e := range events {
			w.after(at[i], e)
		}
	case StartTransport:
		if e, ms := w.media(a); e != nil {
			w.after(ms, e)
		}
	}
}

// run starts the process, if that has not been done, and lets it go on until a time.
func (w *world) run(untilMS float64) {
	w.t.Helper()
	until := t0.Add(millis(untilMS))
	if len(w.steps) == 0 {
		w.handle(Start{})
	}
	for {
		slices.SortStableFunc(w.due, func(a, b pending) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return a.seq - b.seq
		})
		wake, why := w.m.Wake()
		if len(w.due) > 0 && (wake.IsZero() || !w.due[0].at.After(wake)) {
			if w.due[0].at.After(until) {
				break
			}
			p := w.due[0]
			w.due = w.due[1:]
			w.now = p.at
			w.busy = 0
			w.handle(p.e)
			continue
		}
		if wake.IsZero() || wake.After(until) {
			break
		}
		if !wake.After(w.now) {
			if w.busy++; w.busy > 3 {
				w.t.Fatalf("at %v ms Wake keeps asking for the past (%v, %v)", w.ms(), wake, why)
			}
		} else {
			w.now, w.busy = wake, 0
		}
		w.handle(Tick{})
	}
	w.now = until
}

// record compares with the recorded trace of this test, or rewrites it.
func (w *world) record(name string) {
	w.t.Helper()
	tr := trace{Name: name, Config: w.cfg, Steps: w.steps, Explain: w.m.Explain()}
	got := writeTrace(w.t, tr)
	path := filepath.Join(traceDir, name+".json")
	if *update {
		if err := os.MkdirAll(traceDir, 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatalf("%v (run with -update to record)", err)
	}
	if !bytes.Equal(got, want) {
		w.t.Errorf("trace %s differs from the recorded one; run with -update and review the difference", name)
	}
}

// writeTrace puts one step on a line: small files that can be read and compared.
func writeTrace(t *testing.T, tr trace) []byte {
	t.Helper()
	var b bytes.Buffer
	line := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	fmt.Fprintf(&b, "{\"name\": %s,\n\"config\": %s,\n\"steps\": [\n", line(tr.Name), line(tr.Config))
	for i, s := range tr.Steps {
		sep := ","
		if i == len(tr.Steps)-1 {
			sep = ""
		}
		fmt.Fprintf(&b, "%s%s\n", line(s), sep)
	}
	fmt.Fprintf(&b, "],\n\"explain\": %s}\n", line(tr.Explain))
	return b.Bytes()
}

// find lists the actions of one type with their times.
func find[A Action](w *world) (out []A, at []float64) {
	for _, x := range w.log {
		if a, ok := x.a.(A); ok {
			out, at = append(out, a), append(at, x.ms)
		}
	}
	return out, at
}

// first is the first action of a type; the test fails without one.
func first[A Action](w *world) (A, float64) {
	w.t.Helper()
	all, at := find[A](w)
	if len(all) == 0 {
		var a A
		w.t.Fatalf("no %s; state %v; report:\n%s", a.Name(), w.m.State(), w.lines())
	}
	return all[0], at[0]
}

func last[A Action](w *world) (A, float64) {
	w.t.Helper()
	first[A](w)
	all, at := find[A](w)
	return all[len(all)-1], at[len(at)-1]
}

func (w *world) lines() string {
	var b strings.Builder
	r := w.m.Explain()
	for _, s := range r.Summary {
		fmt.Fprintln(&b, s)
	}
	for _, a := range r.Attempts {
		fmt.Fprintln(&b, a)
	}
	return b.String()
}

func (w *world) wantState(want State) {
	w.t.Helper()
	if got := w.m.State(); got != want {
		w.t.Errorf("state %v, want %v; report:\n%s", got, want, w.lines())
	}
}

// wantWhy looks for a line of the report.
func (w *world) wantWhy(parts ...string) {
	w.t.Helper()
	for _, l := range strings.Split(w.lines(), "\n") {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(l, p) }) {
			return
		}
	}
	w.t.Errorf("no line with %q in the report:\n%s", parts, w.lines())
}
