package join

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"parley/wire/proto"
)

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	Pending Outcome = "pending"
	Won     Outcome = "won"
	Lost    Outcome = "lost"
)

// whyLossy is how the reason ends where a path lost too much.
const whyLossy = " % of its packets are lost"

// whyOver ends what was under way when the client left.
const whyOver = "over"

// Attempt is one line of the record: what was tried, when, how long it took, how it ended and why.
type Attempt struct {
	Phase   string  `json:"phase"` // lookup, zone, probe, tunnel, route, control, media
	What    string  `json:"what"`
	StartMS int     `json:"start_ms"` // since Start
	TookMS  int     `json:"took_ms"`
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"`
}

// String is the line for people.
func (a Attempt) String() string {
	s := fmt.Sprintf("%6d ms  %-7s %s: ", a.StartMS, a.Phase, a.What)
	switch a.Outcome {
	case Won:
		s += fmt.Sprintf("good after %d ms", a.TookMS)
	case Lost:
		s += fmt.Sprintf("not used after %d ms", a.TookMS)
	default:
		s += "under way"
	}
	if a.Why != "" {
		s += " (" + a.Why + ")"
	}
	return s
}

// Report explains a join.
type Report struct {
	State    string    `json:"state"`
	Summary  []string  `json:"summary"` // sentences a person can act on
	Steps    []Step    `json:"steps"`   // where the time of the first join went
	Attempts []Attempt `json:"attempts"`
}

// Step is one part of the first join. Control and media run beside each other.
type Step struct {
	Phase  string  `json:"phase"`  // lookup, zone, route, control, media
	EndMS  int     `json:"end_ms"` // since Start
	TookMS int     `json:"took_ms"`
	Trips  float64 `json:"trips,omitempty"` // about so many round trips of its path, where that is known
	rtt    float64 // of its path in milliseconds; 0: that to the router
}

// String is the line for people.
func (s Step) String() string {
	line := fmt.Sprintf("%6d ms  %-7s took %d ms", s.EndMS, s.Phase, s.TookMS)
	if s.Trips > 0 {
		line += fmt.Sprintf(", about %.1f round trips", s.Trips)
	}
	return line
}

// step notes that a part of the first join is done.
func (m *Mind) step(now time.Time, phase string, since time.Time, rtt float64) {
	if m.control.everIn || slices.ContainsFunc(m.steps, func(s Step) bool { return s.Phase == phase }) {
		return
	}
	m.steps = append(m.steps, Step{Phase: phase, EndMS: m.ms(now), TookMS: m.ms(now) - m.ms(since), rtt: rtt})
}

// measuredSteps are the steps, with what is known of round trips by now.
func (m *Mind) measuredSteps() []Step {
	router := 0.0
	if z := m.zoneByID(m.grant.Zone); z != nil {
		router = z.least()
	}
	out := append([]Step{}, m.steps...)
	for i := range out {
		s := &out[i]
		if s.rtt <= 0 {
			s.rtt = router
		}
		if s.rtt > 0 {
			s.Trips = math.Round(float64(s.TookMS)/s.rtt*10) / 10
		}
	}
	return out
}

// maxRecord bounds the record of a long meeting in a bad network; the oldest half of what is over it
// goes, except the join's own beginning.
const (
	maxRecord  = 400
	keepRecord = 100
)

func (m *Mind) begin(now time.Time, phase, what string) *Attempt {
	if len(m.record) >= maxRecord {
		m.record = slices.Delete(m.record, keepRecord, keepRecord+maxRecord/4)
	}
	a := &Attempt{Phase: phase, What: what, StartMS: m.ms(now), Outcome: Pending}
	m.record = append(m.record, a)
	return a
}

// end closes an attempt; the first end counts.
func (a *Attempt) end(m *Mind, now time.Time, o Outcome, why string) {
	if a == nil || a.Outcome != Pending {
		return
	}
	a.Outcome, a.Why, a.TookMS = o, why, m.ms(now)-a.StartMS
}

// amend says more about an attempt that has ended.
func (a *Attempt) amend(why string) {
	if a != nil {
		a.Why = why
	}
}

// note records what took no time.
func (m *Mind) note(now time.Time, phase, what string, o Outcome, why string) {
	m.begin(now, phase, what).end(m, now, o, why)
}

// Explain is the record so far.
func (m *Mind) Explain() Report {
	r := Report{State: m.state.String(), Summary: m.summary(), Steps: m.measuredSteps(), Attempts: make([]Attempt, len(m.record))}
	for i, a := range m.record {
		r.Attempts[i] = *a
	}
	return r
}

func (m *Mind) summary() []string {
	var out []string
	if m.state == Over && m.failure.Text != "" {
		out = append(out, m.failure.Text)
	}
	if z := m.zoneByID(m.zones.chosen); z != nil {
		out = append(out, SayZone(orText(z.Name, z.ID), z.least()))
	} else if !m.answeredAt.IsZero() && !m.zones.open && m.nAnswered() == 0 && len(m.zones.list) > 0 {
		out = append(out, SayNoZone())
	}
	out = append(out, m.zoneSummary()...)
	if shut := m.shutZones(); len(shut) > 0 {
		out = append(out, SayZonesShut(shut))
	}
	if m.way.proxy != "" {
		out = append(out, SayProxy(m.way.proxy))
	}
	if m.way.unused != "" {
		out = append(out, SayUnused(m.way.unused))
	}
	if m.way.inspected != "" {
		out = append(out, SayInspected(m.way.inspected))
	}
	if m.way.classical {
		out = append(out, SayLongHello())
	}
	if m.zones.via != "" {
		out = append(out, SayTunnel(m.zones.via))
	} else if m.leftTunnel() {
		out = append(out, SayTunnelLeft())
	}
	if m.moved {
		out = append(out, SayMoved())
	} else if m.resumed() {
		out = append(out, SayResumed())
	}
	out = append(out, m.udpSummary()...)
	for g := range m.lanes {
		l := &m.lanes[g]
		switch {
		case l.inUse != nil && m.short && l.inUse.rung != proto.UDP8801 && l.inUse.via == "" && m.soundOnUDP():
			out = append(out, SayRunsSinceShort(proto.Group(g), WayName(l.inUse.rung, l.inUse.port)))
		case l.inUse != nil:
			out = append(out, SayRuns(proto.Group(g), WayName(l.inUse.rung, l.inUse.port), l.inUse.via != ""))
		case l.wanted && m.state == In && l.round == 0 && slices.ContainsFunc(l.tries, func(t *rungTry) bool { return !t.done }):
			out = append(out, SayConnecting(proto.Group(g)))
		case l.wanted && (m.state == In || m.state == Over):
			out = append(out, SayNoPath(proto.Group(g)))
		}
	}
	return out
}

// zoneSummary says why the meeting is not where one might expect it.
func (m *Mind) zoneSummary() []string {
	best := m.zoneByID(m.zones.chosen)
	if best == nil {
		return nil
	}
	var out []string
	if m.grant.Router != "" && m.grant.Zone != best.ID {
		if m.meetsThere() {
			out = append(out, SayHomeZone(m.zoneName(m.grant.Zone)))
		} else {
			out = append(out, SayOtherZone(orText(best.Name, best.ID), m.zoneName(m.grant.Zone)))
		}
	}
	if m.zones.via != "" {
		return out // what can't be reached directly says nothing of the zones
	}
	var silent, deaf []string
	near := best
	for i := range m.zones.list {
		z := &m.zones.list[i]
		switch {
		case z.gone:
			silent = append(silent, orText(z.Name, z.ID))
		case z.rtt() >= 0 && z.deaf() && !z.shut && m.udpOpenSomewhere():
			deaf = append(deaf, orText(z.Name, z.ID))
		}
		if z.least() >= 0 && !z.deaf() && z.least() < near.least()-keepBy && float64(z.Bias-best.Bias) >= best.least()-z.least() {
			near = z
		}
	}
	if len(silent) > 0 {
		out = append(out, SayZonesSilent(silent))
	}
	if len(deaf) > 0 {
		out = append(out, SayZonesDeaf(deaf))
	}
	if near != best && m.grant.Zone != near.ID {
		out = append(out, SayZoneNearer(orText(near.Name, near.ID), near.least()))
	}
	return out
}

// shutZones are the names of those whose controllers answer, and whose routers can't be reached.
func (m *Mind) shutZones() []string {
	var names []string
	for i := range m.zones.list {
		if z := &m.zones.list[i]; z.shut {
			names = append(names, orText(z.Name, z.ID))
		}
	}
	return names
}

// meetsThere reports whether the meeting had its home already.
func (m *Mind) meetsThere() bool {
	return slices.ContainsFunc(m.record, func(a *Attempt) bool {
		return a.Why == whyRuns || a.Why == whyHere || strings.HasPrefix(a.Why, whyLives)
	})
}

// resumed reports whether the control channel was lost in the meeting and has come again.
func (m *Mind) resumed() bool {
	in, lost := false, false
	for _, a := range m.record {
		switch {
		case a.Phase != "control":
		case a.Outcome == Won && in && lost:
			return true
		case a.Outcome == Won:
			in = true
		case a.Outcome == Lost:
			lost = in
		}
	}
	return false
}

// tried lists for the user what did not work, each thing once.
func (m *Mind) tried() []string {
	var out []string
	for _, a := range m.record {
		if a.Outcome == Won || a.Why == whyOver {
			continue
		}
		line := fmt.Sprintf("%s: %s: %s", a.Phase, a.What, orText(a.Why, "no answer"))
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	if len(out) > 24 {
		out = slices.Delete(out, 12, len(out)-12)
	}
	return out
}

func (m *Mind) zoneByID(id string) *zone {
	for i := range m.zones.list {
		if m.zones.list[i].ID == id {
			return &m.zones.list[i]
		}
	}
	return nil
}

func (m *Mind) zoneName(id string) string {
	if z := m.zoneByID(id); z != nil {
		return orText(z.Name, z.ID)
	}
	return id
}
