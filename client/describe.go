package client

import (
	"fmt"
	"strings"
)

// Describe puts an event into one line for a terminal; "" for events that only programs care for.
func Describe(e Event) string {
	switch e := e.(type) {
	case Phase:
		return fmt.Sprintf("%6d ms  %-8s %s", e.MS, e.Phase, strings.TrimPrefix(e.Detail, ", "))
	case Candidate:
		return "           " + describeCandidate(e)
	case Ready:
		return "Everything is ready."
	case Waiting:
		return "You are in the waiting room; a host will let you in."
	case Joined:
		again := ""
		if e.Resumed {
			again = " again"
		}
		return fmt.Sprintf("%6d ms  joined%s on server %s in zone %s", e.MS, again, e.Router, e.Zone)
	case Stats:
		parts := make([]string, 0, len(e.Media))
		for _, m := range e.Media {
			parts = append(parts, describeMedia(m))
		}
		return strings.Join(parts, " | ")
	case RosterChange:
		return describeRoster(e)
	case ChatLine:
		private := ""
		if e.To != 0 {
			private = " (to you alone)"
		}
		return fmt.Sprintf("%s%s: %s", e.Name, private, e.Text)
	case Reaction:
		return e.Emoji
	case UnmuteAsked:
		return "A host asks you to unmute your " + e.Kind + "."
	case Denied:
		return "Refused: " + e.Text
	case Trouble:
		return "Note: " + e.Text
	case Ended:
		return "Left: " + e.Text
	}
	return ""
}

func describeCandidate(e Candidate) string {
	if e.Error != "" {
		return fmt.Sprintf("zone %s: %s: %s", e.Zone, e.Controller, e.Error)
	}
	udp := ""
	switch e.UDP {
	case "open":
		udp = ", UDP open"
	case "silent":
		udp = ", UDP blocked"
	}
	return fmt.Sprintf("zone %s: %s: %.0f ms%s", e.Zone, e.Controller, e.RTT, udp)
}

func describeMedia(m MediaStats) string {
	arrow := "↓"
	if m.Dir == "up" {
		arrow = "↑"
	}
	s := fmt.Sprintf("%s%s %d packets, %.1f %% lost, jitter %.0f ms, rtt %.0f ms", m.Kind, arrow, m.Packets, 100*m.Loss, m.Jitter, m.RTT)
	if m.Height > 0 {
		s += fmt.Sprintf(", %dx%d at %.0f/s", m.Width, m.Height, m.FPS)
	}
	return s
}

func describeRoster(e RosterChange) string {
	var names []string
	for _, p := range e.Put {
		state := ""
		switch {
		case p.Waiting:
			state = " (waiting)"
		case p.Away:
			state = " (away)"
		case p.Hand != 0:
			state = " (hand up)"
		}
		names = append(names, p.Name+state)
	}
	s := fmt.Sprintf("%d in the meeting", e.People)
	if len(names) > 0 {
		s += ": " + strings.Join(names, ", ")
	}
	if len(e.Gone) > 0 {
		s += fmt.Sprintf("; %d left", len(e.Gone))
	}
	return s
}
