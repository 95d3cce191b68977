package netns

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parley/core/join"
	"parley/wire/proto"
)

// Person is a running client, native or a browser.
type Person struct {
	*Process
	in      *Internet
	meeting Meeting
	browser bool
	joined  *Event
	others  []proto.ParticipantID // of the meeting, who a browser is not
}

// Event is one line of `parley join --json`, as far as scenarios look at it.
type Event struct {
	Event       string              `json:"event"`
	TS          int64               `json:"ts"`
	MS          int                 `json:"ms"`
	Phase       string              `json:"phase"`
	Detail      string              `json:"detail"`
	Kind        string              `json:"kind"`
	Path        proto.Rung          `json:"path"`
	Participant proto.ParticipantID `json:"participant"`
	Router      string              `json:"router"`
	Zone        string              `json:"zone"`
	Text        string              `json:"text"`
	Bits        int                 `json:"bits"`   // of "estimate": what a browser believes it can send a second
	Played      []float64           `json:"played"` // of "played": how much later than the clock of its sender each sound was, milliseconds
	join.Report
	Media []struct {
		Kind    string     `json:"kind"`
		Dir     string     `json:"dir"`
		Path    proto.Rung `json:"path"`
		Packets uint64     `json:"packets"`
	} `json:"media"`
}

// NativeConfig says how a native client joins.
type NativeConfig struct {
	Name string
	Clip string   // what it sends; "" nothing
	Args []string // further flags
	Env  []string
	NoCA bool // it does not trust the site's CA
}

// JoinNative starts a native client on a machine.
func (in *Internet) JoinNative(on *Namespace, m Meeting, c NativeConfig) (*Person, error) {
	args := []string{in.cfg.Binary, "join", m.Link, "--name", c.Name, "--json", "--explain"}
	if c.Clip != "" {
		args = append(args, "--publish", c.Clip, "--loop")
	}
	if !c.NoCA {
		args = append(args, "--ca", in.CA)
	}
	p, err := in.start(on, c.Name, in.home(on, c.Env), append(args, c.Args...)...)
	if err != nil {
		return nil, err
	}
	return &Person{Process: p, in: in, meeting: m}, nil
}

// home is the environment of a person's programs: what they remember is the machine's own.
func (in *Internet) home(on *Namespace, env []string) []string {
	own := in.cfg.Dir + "/" + on.Name
	return append([]string{"HOME=" + in.cfg.Dir, "XDG_STATE_HOME=" + own, "XDG_CACHE_HOME=" + own}, env...)
}

// Events are all events so far.
func (n *Person) Events() []Event {
	var out []Event
	for _, l := range n.Lines(0) {
		if e, ok := event(l); ok {
			out = append(out, e)
		}
	}
	return out
}

func event(l Line) (e Event, ok bool) {
	return e, !l.Stderr && strings.HasPrefix(l.Text, "{") && json.Unmarshal([]byte(l.Text), &e) == nil
}

// Do has somebody at a page do what its driver knows by that name, and waits until it is done.
func (n *Person) Do(what string, timeout time.Duration) error {
	if err := n.Type(what + "\n"); err != nil {
		return err
	}
	l, err := n.WaitLine(timeout, func(l Line) bool {
		e, ok := event(l)
		return ok && (e.Event == "done" && e.Text == what || e.Event == "undone")
	})
	if e, _ := event(l); err == nil && e.Event == "undone" {
		return errors.New(e.Text)
	}
	return err
}

// WaitReady waits until a client that waits for Enter has made everything ready.
func (n *Person) WaitReady(timeout time.Duration) error {
	_, err := n.WaitLine(timeout, func(l Line) bool {
		e, ok := event(l)
		return ok && e.Event == "ready"
	})
	return err
}

// WaitJoined waits until the client is in the meeting.
func (n *Person) WaitJoined(timeout time.Duration) (Event, error) {
	l, err := n.WaitLine(timeout, func(l Line) bool {
		e, ok := event(l)
		return ok && e.Event == "joined"
	})
	if err != nil {
		return Event{}, err
	}
	e, _ := event(l)
	n.joined = &e
	return e, nil
}

// Click is when the user clicked: the start of the joining process, by the client's own clock, which is
// the servers' too.
func (n *Person) Click() time.Time {
	for _, e := range n.Events() {
		if e.Event == "phase" || e.Event == "joined" {
			return time.UnixMilli(e.TS - int64(e.MS))
		}
	}
	return time.Time{}
}

// Leave asks the client to leave the meeting in order.
func (n *Person) Leave() {
	if n.browser {
		n.CloseInput()
	} else {
		n.Signal(syscall.SIGINT)
	}
}

// Seat is what the routers know of the client; false where none knows it.
func (n *Person) Seat() (Seat, bool) {
	if n.joined == nil {
		return Seat{}, false
	}
	for _, s := range n.in.routers() {
		seats, err := s.Seats()
		if err != nil {
			continue // a router that is down knows nobody
		}
		for _, seat := range seats {
			mine := seat.Participant == n.joined.Participant
			if n.browser {
				mine = !slices.Contains(n.others, seat.Participant)
			}
			if mine && seat.Meeting == n.meeting.ID {
				return seat, true
			}
		}
	}
	return Seat{}, false
}

// WaitSeat waits until the router's record of the client is as wanted.
func (n *Person) WaitSeat(timeout time.Duration, what string, want func(Seat) bool) (Seat, error) {
	deadline := time.Now().Add(timeout)
	for {
		seat, ok := n.Seat()
		if ok && want(seat) {
			return seat, nil
		}
		select {
		case <-n.Done():
			return seat, fmt.Errorf("the client ended while waiting for %s: %s", what, n.Output(true))
		default:
		}
		if time.Now().After(deadline) {
			return seat, fmt.Errorf("no %s within %v: the router has audio %q, video %q, content %q", what, timeout, seat.Rungs[0], seat.Rungs[1], seat.Rungs[2])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Told is everything the user was told: the explanation, if the client has ended, and what went to
// standard error.
func (n *Person) Told() string {
	var b strings.Builder
	for _, e := range n.Events() {
		switch e.Event {
		case "explain":
			b.WriteString(strings.Join(e.Summary, "\n") + "\n")
		case "trouble":
			b.WriteString(e.Text + "\n")
		}
	}
	return b.String() + n.Output(true)
}

// Says is over which rung the client says a medium runs, once it has ended: "" for none.
func (n *Person) Says(g proto.Group) proto.Rung {
	rung := func(words string) proto.Rung {
		way, _, _ := strings.Cut(words, " ") // of several ports the one in use is said
		switch {
		case way == "UDP", words == "TLS 443 through the tunnel": // from the tunnel on, which is what the router sees
			return proto.UDP8801
		case way == "TCP":
			return proto.TCP8801
		case words == "TLS 443":
			return proto.TLS443
		}
		return ""
	}
	names := [...]string{"Audio", "Video", "Content"}
	if n.browser {
		names = [...]string{"Sound", "The picture", "The screen"}
	}
	var said, shown proto.Rung
	for _, e := range n.Events() {
		if e.Event != "explain" {
			continue
		}
		for i, line := range e.Summary {
			if over, ok := strings.CutPrefix(line, names[g]+" runs over "); ok {
				way, _, _ := strings.Cut(strings.TrimSuffix(over, "."), ",") // without the reason
				said = rung(way)
			}
			// A page has it in a table too: its name, and in the next line the rung.
			if n.browser && i > 0 && e.Summary[i-1] == [...]string{"Sound", "Picture", "Screen"}[g] {
				shown = rung(line)
			}
		}
	}
	if n.browser && said != shown {
		return "in words " + said + ", in the table " + shown
	}
	return said
}

// Attempts is the client's record of what it tried, once it has ended.
func (n *Person) Attempts() []join.Attempt {
	for _, e := range n.Events() {
		if e.Event == "explain" {
			return e.Report.Attempts
		}
	}
	return nil
}

// Began is when a page began what its panel lists in detail and names so, by the rest of the name: how long after the
// click, once it has ended.
func (n *Person) Began(prefix string) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, e := range n.Events() {
		for i, line := range e.Summary {
			if _, name, ok := strings.Cut(line, " · "+prefix); ok && i > 0 && e.Event == "explain" {
				if ms, err := strconv.Atoi(strings.TrimSuffix(strings.ReplaceAll(e.Summary[i-1], ",", ""), " ms")); err == nil {
					out[name] = time.Duration(ms) * time.Millisecond
				}
			}
		}
	}
	return out
}
