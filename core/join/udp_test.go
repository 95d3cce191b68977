package join

import (
	"slices"
	"strings"
	"testing"

	"parley/wire/proto"
)

// overUDP answers transports over UDP as told, and all others.
func overUDP(answer func(s StartTransport) (Event, float64)) func(StartTransport) (Event, float64) {
	return func(s StartTransport) (Event, float64) {
		if s.Rung == proto.UDP8801 {
			return answer(s)
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
}

// inUse is the attempt that carries a medium.
func (w *world) inUse(g proto.Group) *rungTry {
	w.t.Helper()
	l := w.m.lanes[g].inUse
	if l == nil {
		w.t.Fatalf("nothing carries %v:\n%s", g, w.lines())
	}
	return l
}

// sentences are the report's about the network: not those of the zone and of what each medium runs over.
func (w *world) sentences() []string {
	return slices.DeleteFunc(w.m.Explain().Summary, func(s string) bool {
		return strings.HasPrefix(s, "The best") || strings.Contains(s, " runs over ") && !strings.HasPrefix(s, "Zone") || strings.HasSuffix(s, "is being connected.")
	})
}

// What a report says of UDP is true of the whole meeting: what failed, and whether it has mended.
func TestWhatBecameOfUDPIsTold(t *testing.T) {
	page := Config{Rungs: allRungs, NoProbes: true, FreshWays: true}
	silent := overUDP(func(StartTransport) (Event, float64) { return nil, 0 })
	spare := func(w *world) {
		w.control = func(o OpenControl) ([]Event, []float64) {
			return []Event{ControlUp{o.Attempt}, Welcomed{Attempt: o.Attempt, Resumed: w.m.control.everIn, Groups: grantOf("a", "a-1", false).Groups}}, []float64{60, 80}
		}
	}
	for _, tt := range []struct {
		name  string
		cfg   Config
		story func(w *world)
		want  []string
	}{
		{"udp-not-yet", page, func(w *world) { w.media = silent; w.run(1000) }, []string{SayUDPWaiting()}},
		{"udp-silent-page", page, func(w *world) { w.media = silent; w.run(9000) }, []string{SayUDPBlocked("3 transports")}},
		{"only-tls", page, func(w *world) {
			w.media = func(s StartTransport) (Event, float64) {
				if s.Rung == proto.TLS443 {
					return TransportUp{Attempt: s.Attempt}, 60
				}
				return nil, 0
			}
			w.run(9000)
		}, []string{SayUDPBlocked("3 transports"), SayTCPBlocked()}},
		{"checks-only", page, func(w *world) {
			w.media = overUDP(func(s StartTransport) (Event, float64) { return PathAnswers{s.Attempt}, 700 })
			w.run(9000)
		}, []string{SayChecksOnly()}},
		{"checks-and-keys", page, func(w *world) {
			w.media = overUDP(func(s StartTransport) (Event, float64) {
				w.after(800, TransportUp{Attempt: s.Attempt})
				return PathAnswers{s.Attempt}, 700
			})
			w.run(9000)
		}, nil},
		// The browser moves media by itself when UDP opens.
		{"udp-opened-moved", page, func(w *world) {
			w.media = silent
			w.run(9000)
			for g := range w.m.lanes {
				w.handle(PathMoved{Attempt: w.inUse(proto.Group(g)).id, Rung: proto.UDP8801, Port: 3478})
			}
		}, []string{SayUDPOpened()}},
		{"udp-opened", Config{Rungs: allRungs}, func(w *world) {
			clear(w.udp)
			w.media = silent
			w.run(9000)
			w.media = func(s StartTransport) (Event, float64) { return TransportUp{Attempt: s.Attempt}, 60 }
			w.run(90_000)
		}, []string{SayUDPOpened()}},
		{"udp-back", Config{Rungs: allRungs}, func(w *world) {
			w.run(5000)
			w.media = silent
			for g := range w.m.lanes {
				w.handle(PathSilent{w.inUse(proto.Group(g)).id})
			}
			w.run(9000)
			w.wantWhy(SayUDPStopped())
			w.media = func(s StartTransport) (Event, float64) { return TransportUp{Attempt: s.Attempt}, 60 }
			w.run(90_000)
		}, []string{SayUDPBack()}},
		{"udp-better", Config{Rungs: allRungs}, func(w *world) {
			for at := 5000.0; at < 17_000; at += 1000 {
				w.at(at, PathLoss{Group: proto.GroupVideo, Loss: 0.4})
			}
			w.run(18_000)
			w.wantWhy(SayUDPLossy())
			w.run(120_000)
		}, []string{SayUDPBetter()}},
		// A page makes all transports anew: that sound is up again takes nothing back of what the pictures lost.
		{"udp-lossy-page", page, func(w *world) {
			spare(w)
			for at := 5000.0; at < 17_000; at += 1000 {
				w.at(at, PathLoss{Group: proto.GroupVideo, Loss: 0.4})
			}
			w.run(20_000)
		}, []string{SayUDPLossy()}},
		{"udp-pictures-silent", Config{Rungs: allRungs}, func(w *world) {
			w.run(5000)
			w.handle(PathSilent{w.inUse(proto.GroupVideo).id})
			w.run(9000)
		}, []string{SayUDPPartly()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := granted(t, tt.cfg, []proto.Zone{zoneOf("a", 0, 0)}, "a")
			tt.story(w)
			if got := w.sentences(); !slices.Equal(got, tt.want) {
				t.Errorf("told %q, want %q\n%s", got, tt.want, w.lines())
			}
			w.record(tt.name)
		})
	}
}

// Where another port answers than the usual one, it is said.
func TestAPortThatAnswersNothingIsTold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		silent string // port
		used   uint16
		want   []string
	}{
		{"port-silent", "8801", 3478, []string{"UDP 8801 does not answer, UDP 3478 does."}},
		{"port-second-silent", "3478", 8801, nil}, // nobody needs it,
		{"ports-answer", "", 3478, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			z := zoneOf("a", 0, 0)
			z.Probes = []string{"192.0.2.1:8801", "192.0.2.1:3478"}
			w := granted(t, Config{Rungs: allRungs}, []proto.Zone{z, zoneOf("b", 200, 0)}, "a")
			w.udp["192.0.2.1:8801"], w.udp["192.0.2.1:3478"], w.rtt[z.Controllers[0]], w.rtt["https://b/a"] = 20, 20, 100, 100
			delete(w.udp, "192.0.2.1:"+tt.silent)
			delete(w.udp, "b:8801")
			w.media = func(s StartTransport) (Event, float64) { return TransportUp{Attempt: s.Attempt, Port: tt.used}, 60 }
			w.run(5000)
			got := slices.DeleteFunc(w.sentences(), func(s string) bool { return strings.HasPrefix(s, "Zone") })
			if !slices.Equal(got, tt.want) {
				t.Errorf("told %q, want %q\n%s", got, tt.want, w.lines())
			}
			w.record(tt.name)
		})
	}
}

// Why a zone is not used that might be thought nearer.
func TestWhyAZoneIsNotUsedIsTold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *world, a, b *proto.Zone)
		want   []string
	}{
		{"zone-silent", func(w *world, a, _ *proto.Zone) {
			delete(w.udp, a.Probes[0])
			delete(w.rtt, a.Controllers[0])
		}, []string{"Zone A does not answer."}},
		{"zone-far", func(w *world, a, _ *proto.Zone) { // nobody can tell so early
			a.Floor = 110
			delete(w.udp, a.Probes[0])
			delete(w.rtt, a.Controllers[0])
		}, nil},
		{"zone-deaf", func(w *world, a, _ *proto.Zone) { delete(w.udp, a.Probes[0]) }, []string{"Zone A does not answer over UDP, but over HTTPS."}},
		{"zone-busy", func(w *world, a, b *proto.Zone) {
			a.Bias = 200
			w.udp[b.Probes[0]], w.rtt[b.Controllers[0]] = 60, 60
		}, []string{"Zone A is nearer, 20 ms away, but the site prefers others: it is busy, or meant for other people."}},
		{"zone-deaf-and-busy", func(w *world, a, _ *proto.Zone) {
			a.Bias = 200
			w.rtt[a.Controllers[0]] = 10
			delete(w.udp, a.Probes[0])
		}, []string{"Zone A does not answer over UDP, but over HTTPS."}},
		{"zone-nearest", func(w *world, _, b *proto.Zone) { b.Bias = 200 }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			zones := []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0)}
			w := newWorld(t, Config{}, zones...)
			w.rtt[zones[0].Controllers[0]], w.rtt[zones[1].Controllers[0]] = 100, 100
			tt.change(w, &zones[0], &zones[1])
			w.run(5000)
			if got := w.sentences(); !slices.Equal(got, tt.want) {
				t.Errorf("told %q, want %q\n%s", got, tt.want, w.lines())
			}
			w.record(tt.name)
		})
	}
}

// A firewall that drops what takes two packets slows the lookup down, and is told of.
func TestATLSHandshakeThatIsTooLongIsTold(t *testing.T) {
	zones := []proto.Zone{zoneOf("a", 0, 0)}
	w := newWorld(t, Config{}, zones...)
	w.lookup = func(int) (Event, float64) {
		done := w.answer(zones)
		done.Classical = true
		return done, 360
	}
	w.run(5000)
	w.wantWhy(SayLongHello())
	w.record("long-hello")
}
