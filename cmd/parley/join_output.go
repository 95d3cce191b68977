package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"parley/client"
	"parley/core/join"
	"parley/wire/proto"
)

// joinOutput shows what happens in a meeting: one JSON event per line, or lines for people. On a
// terminal the line of the running phase is rewritten in place until the phase is done.
type joinOutput struct {
	w    io.Writer
	json bool
	tty  bool

	mu    sync.Mutex
	names map[proto.ParticipantID]string
	ended client.Ended
	open  bool // the last line is a running phase's and has no end yet
}

func newJoinOutput(e *env, asJSON bool) *joinOutput {
	return &joinOutput{w: e.stdout, json: asJSON, tty: e.tty, names: make(map[proto.ParticipantID]string)}
}

// event is called by the client's loop.
func (o *joinOutput) event(ev client.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json {
		fmt.Fprintf(o.w, "%s\n", client.EncodeEvent(ev, time.Now()))
		return
	}
	switch ev := ev.(type) {
	case client.Phase:
		o.phase(ev)
	case client.Candidate:
		if ev.Error != "" {
			o.line("           zone %s: %s", ev.Zone, ev.Error)
		}
	case client.Ready:
		o.line("Everything is ready. Enter joins.")
	case client.Waiting:
		o.line("Waiting for a host to let you in …")
	case client.Joined:
		verb := "In the meeting"
		if ev.Resumed {
			verb = "Back in the meeting"
		}
		o.line("%s after %d ms: zone %s, router %s. Ctrl-C leaves.", verb, ev.MS, ev.Zone, ev.Router)
	case client.RosterChange:
		o.roster(ev)
	case client.ChatLine:
		to := ""
		if ev.To != 0 {
			to = " (to you alone)"
		}
		o.line("%s%s: %s", ev.Name, to, ev.Text)
	case client.Stats:
		o.stats(ev)
	case client.UnmuteAsked:
		o.line("A host asks you to unmute your %s.", ev.Kind)
	case client.Denied:
		o.line("Refused: %s", ev.Text)
	case client.Trouble:
		o.line("%s", ev.Text)
	case client.Ended:
		o.ended = ev
	}
}

// close says how a participation ended that ended well; what went wrong is said on standard error.
func (o *joinOutput) close(well bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json {
		return
	}
	switch {
	case !well:
		if o.open {
			o.line("")
		}
	case o.ended.Reason == string(proto.CodeLeft), o.ended.Text == "":
		o.line("Left the meeting.")
	default:
		o.line("%s", o.ended.Text)
	}
}

// plainWords puts names for people in the place of the protocol's.
func plainWords(s string) string {
	return strings.NewReplacer(string(proto.UDP8801), "UDP 8801", string(proto.TCP8801), "TCP 8801", string(proto.TLS443), "TLS 443").Replace(s)
}

// line writes one line below whatever is there.
func (o *joinOutput) line(format string, args ...any) {
	if o.open {
		fmt.Fprintln(o.w)
		o.open = false
	}
	fmt.Fprintf(o.w, format+"\n", args...)
}

// phase shows how far the connection process is.
func (o *joinOutput) phase(p client.Phase) {
	text := fmt.Sprintf("%6d ms  %-8s %s", p.MS, p.Phase, plainWords(p.Detail))
	if !o.tty {
		o.line("%s", strings.TrimRight(text, " "))
		return
	}
	if o.open {
		fmt.Fprint(o.w, "\r\x1b[K")
	}
	fmt.Fprint(o.w, strings.TrimRight(text, " "))
	fmt.Fprintln(o.w)
	o.open = false
}

// roster says who came and went.
func (o *joinOutput) roster(r client.RosterChange) {
	for _, p := range r.Put {
		if _, known := o.names[p.ID]; !known {
			o.line("+ %s", p.Name)
		}
		o.names[p.ID] = p.Name
	}
	for _, id := range r.Gone {
		if name, known := o.names[id]; known {
			o.line("- %s", name)
			delete(o.names, id)
		}
	}
}

// stats is one line every two seconds; on a terminal it stays in place.
func (o *joinOutput) stats(s client.Stats) {
	parts := make([]string, 0, len(s.Media))
	for _, m := range s.Media {
		arrow := "↓"
		if m.Dir == "up" {
			arrow = "↑"
		}
		parts = append(parts, fmt.Sprintf("%s%s %d packets, %.1f %% lost", arrow, m.Kind, m.Packets, 100*m.Loss))
	}
	if len(parts) == 0 || !o.tty {
		return
	}
	if o.open {
		fmt.Fprint(o.w, "\r\x1b[K")
	}
	fmt.Fprint(o.w, strings.Join(parts, "   "))
	o.open = true
}

// explain prints the record of the joining process.
func (o *joinOutput) explain(r join.Report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json {
		fmt.Fprintf(o.w, "%s\n", client.EncodeEvent(explained{r}, time.Now()))
		return
	}
	o.line("\nHow the connection came to be")
	for _, s := range r.Summary {
		o.line("  %s", s)
	}
	for _, s := range r.Steps {
		o.line("%s", s)
	}
	o.line("")
	for _, a := range r.Attempts {
		o.line("%s", plainWords(a.String()))
	}
}

// explained is the report as an event.
type explained struct {
	join.Report
}

// Event is its name.
func (explained) Event() string { return "explain" }
