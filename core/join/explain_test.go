package join

import (
	"slices"
	"strings"
	"testing"

	"parley/wire/proto"
)

// TestThePortIsNamed: a rung has its name of its usual port, and a report says the one that media goes to.
func TestThePortIsNamed(t *testing.T) {
	w := newWorld(t, Config{Rungs: []proto.Rung{proto.UDP8801, proto.TCP8801}}, zoneOf("a", 0, 0))
	w.media = func(s StartTransport) (Event, float64) {
		switch {
		case s.Rung == proto.UDP8801 && s.Group == proto.GroupAudio:
			return TransportUp{Attempt: s.Attempt, Port: 3478}, 60
		case s.Rung == proto.UDP8801 && s.Group == proto.GroupVideo:
			return TransportUp{Attempt: s.Attempt, Port: 8801}, 60
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.run(5000)
	w.wantWhy("Audio runs over UDP 3478.")
	w.wantWhy("Video runs over UDP 8801.")
	w.wantWhy("Content runs over UDP 8801.")
	audio := proto.GroupAudio
	id := w.m.lanes[audio].inUse.id
	w.handle(PathMoved{Attempt: id, Rung: proto.TCP8801, Port: 8801})
	w.wantWhy("Audio runs over TCP 8801.")
	w.handle(PathMoved{Attempt: id, Rung: proto.UDP8801, Port: 443})
	w.wantWhy("Audio runs over UDP 443.")
	w.record("other-port")
}

// TestAProxyThatIsNotUsedIsTold: who set one would look for the fault elsewhere.
func TestAProxyThatIsNotUsedIsTold(t *testing.T) {
	zones := []proto.Zone{zoneOf("a", 0, 0)}
	w := newWorld(t, Config{}, zones...)
	w.lookup = func(int) (Event, float64) {
		done := w.answer(zones)
		done.Unused = "The proxy script could not be used: its server answers 404"
		return done, 360
	}
	w.run(5000)
	w.wantWhy("The proxy script could not be used: its server answers 404; servers are reached directly.")
	w.record("proxy-unused")
}

// TestIPv6ThatLeadsNowhereIsTold: and nothing is said of it where it answers, where there is none, and where nobody
// has waited for it.
func TestIPv6ThatLeadsNowhereIsTold(t *testing.T) {
	const told = "IPv6 does not answer"
	for _, tt := range []struct {
		name string
		udp  float64 // of the address over IPv6, ms; negative: silent
		ping float64
		none bool // this computer has no IPv6
		want bool
	}{
		{"ipv6-silent", -1, 60, false, true},
		{"ipv6-answers", 25, 60, false, false},
		{"ipv6-not-waited-for", -1, 20, false, false},
		{"ipv6-none", -1, 60, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			zones := []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0)}
			for i, at := range []string{"[2001:db8::1]:8801", "[2001:db8::2]:8801"} {
				zones[i].Probes = append(zones[i].Probes, at)
			}
			w := newWorld(t, Config{}, zones...)
			for _, z := range zones {
				w.rtt[z.Controllers[0]] = tt.ping
				if tt.udp < 0 {
					delete(w.udp, z.Probes[1])
				} else {
					w.udp[z.Probes[1]] = tt.udp
				}
				if tt.none {
					w.at(61, ProbeFailed{Addr: z.Probes[1], Text: "network unreachable"})
				}
			}
			w.run(5000)
			if got := strings.Contains(w.lines(), told); got != tt.want {
				t.Errorf("told %v, want %v:\n%s", got, tt.want, w.lines())
			}
			family := map[string]Family{"ipv6-silent": FamilySilent, "ipv6-answers": FamilyAnswers}[tt.name]
			if got := w.m.IPv6(); got != family {
				t.Errorf("IPv6 %v, want %v", got, family)
			}
			w.record(tt.name)
		})
	}
}

// A firewall that knows STUN alone lets probes through and no handshake. That the router is there, connections show.
func TestUDPThatLetsSTUNAloneThroughIsTold(t *testing.T) {
	for _, tt := range []struct {
		name    string
		media   func(s StartTransport) (Event, float64) // nil: as ever
		probes  bool
		told    bool
		blocked bool
	}{
		{"stun-only", func(s StartTransport) (Event, float64) {
			if s.Rung == proto.UDP8801 {
				return TransportFailed{Attempt: s.Attempt, Text: "no answer to the handshake"}, 2000
			}
			return TransportUp{Attempt: s.Attempt}, 60
		}, true, true, false},
		{"stun-only-blocked", func(s StartTransport) (Event, float64) {
			if s.Rung == proto.UDP8801 {
				return TransportFailed{Attempt: s.Attempt, Text: "no answer"}, 2000
			}
			return TransportUp{Attempt: s.Attempt}, 60
		}, false, false, true},
		{"stun-only-router-down", func(s StartTransport) (Event, float64) {
			return TransportFailed{Attempt: s.Attempt, Text: "no answer"}, 2000
		}, true, false, false},
		{"stun-only-not-yet", func(s StartTransport) (Event, float64) {
			if s.Rung == proto.UDP8801 {
				return nil, 0
			}
			return TransportUp{Attempt: s.Attempt}, 60
		}, true, false, false},
	} {
		w := granted(t, Config{Rungs: allRungs}, []proto.Zone{zoneOf("a", 0, 0)}, "a")
		if !tt.probes {
			clear(w.udp)
		}
		w.media = tt.media
		w.run(4000)
		sum := w.m.Explain().Summary
		if told, blocked := slices.Contains(sum, SaySTUNOnly()), strings.Contains(strings.Join(sum, " "), "blocked"); told != tt.told || blocked != tt.blocked {
			t.Errorf("%s: told %v, blocked %v; want %v, %v: %q", tt.name, told, blocked, tt.told, tt.blocked, sum)
		}
		w.record(tt.name)
	}
}

// Where nothing but a tunnel gets through, UDP's port is not to blame.
func TestANetworkThatLetsATunnelAloneThroughIsTold(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
	clear(w.rtt)
	clear(w.udp)
	w.lookup = func(int) (Event, float64) {
		e := w.answer([]proto.Zone{zoneOf("a", 0, 0)})
		e.Answer.Tunnels = []string{"https://t1"}
		return e, 60
	}
	w.tunnels["https://t1"] = 50
	w.media = func(s StartTransport) (Event, float64) {
		if s.Via == "" {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.run(9000)
	w.wantState(In)
	w.wantWhy("Without the tunnel nothing answers, neither over UDP nor over HTTPS.")
	for _, s := range w.m.Explain().Summary {
		if strings.Contains(s, "blocked") {
			t.Errorf("the report says %q", s)
		}
	}
	w.record("tunnel-alone")
}
