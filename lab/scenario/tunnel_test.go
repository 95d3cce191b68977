package scenario

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/node"
	"parley/sys/trust"
	"parley/wire/proto"
)

// tunnelAt runs an HTTP tunnel on a host of its own.
func (w *world) tunnelAt(name string, delay time.Duration) *node.Node {
	w.Helper()
	h := w.net.Host(name, lab.HostOpts{})
	w.tunnelHosts = append(w.tunnelHosts, h)
	n := w.node(w.ctx, h, node.Config{Site: siteURL, TLS: w.certificate(name),
		Tunnel: &node.Tunnel{ID: name, URL: "https://" + name, CA: w.caFile()}})
	w.tunnelDelay = append(w.tunnelDelay, delay)
	time.Sleep(steady)
	return n
}

// caFile is the site's own authority as an enrolled server has it.
func (w *world) caFile() string { return filepath.Join(w.siteConfig.Data, "site", "ca.pem") }

// announceTunnel says each second that there is a tunnel.
func (w *world) announceTunnel(id, url string) {
	stop := make(chan struct{})
	w.onClose(func() { close(stop) })
	go func() {
		for {
			w.bus.Publish(fmt.Sprintf(proto.SubjectTunnel, id), proto.TunnelAnnounce{V: proto.Version, ID: id, URL: url})
			select {
			case <-time.After(time.Second):
			case <-stop:
				return
			}
		}
	}()
}

// tunnelOnly is a network that reaches tunnels, and of the rest what the rules pass.
func (w *world) tunnelOnly(pass ...func(lab.Packet) bool) option {
	return func(p *person, c *client.Config) {
		p.host = w.host("host-"+p.name, nil)
		var at []netip.Addr
		for i, h := range w.tunnelHosts {
			at = append(at, h.Addr())
			w.net.Link(p.host, h, lab.Link{Delay: w.tunnelDelay[i]})
		}
		p.host.Block(lab.Rule{Match: func(k lab.Packet) bool {
			return !slices.Contains(at, k.Dst.Addr()) && !slices.ContainsFunc(pass, func(f func(lab.Packet) bool) bool { return f(k) })
		}})
	}
}

// siteOpen lets a network reach the site too.
func (w *world) siteOpen() func(lab.Packet) bool {
	at := w.siteHost.Addr()
	return func(k lab.Packet) bool { return k.Dst.Addr() == at }
}

// S14: once a tunnel stands, the client reaches controllers and routers through it; sound and pictures too.
func TestFromANetworkThatReachesTunnelsOnly(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		tunnel := w.tunnelAt("t1", 15*time.Millisecond)
		m := w.Meeting(nil)
		bob := w.Join("bob", m, performs)
		bob.WaitMedia()
		ann := w.Join("ann", m, performs, w.tunnelOnly(w.siteOpen()))
		if after := ann.WaitRung(proto.TLS443); after > 1500*time.Millisecond {
			t.Errorf("the first medium after %v, want 1.5 s at most", after)
		}
		ann.says("through the tunnel https://t1", "Audio runs over TLS 443 through the tunnel.")
		w.pass(2 * time.Second)
		ann.Forget()
		bob.Forget()
		w.pass(2 * time.Second)
		if ann.Hears("bob") < 90 || ann.Sees("bob") < 15 || bob.Hears("ann") < 90 || bob.Sees("ann") < 15 {
			t.Errorf("in 2 s ann heard %d and saw %d of bob, bob %d and %d of ann", ann.Hears("bob"), ann.Sees("bob"), bob.Hears("ann"), bob.Sees("ann"))
		}
		if got := tunnel.Tunnel().Refused(); len(got) > 0 {
			t.Errorf("the tunnel refused %v", got)
		}
	})
}

// A satellite's round trip to the tunnel: that a connection takes long to stand says nothing of what is on the way.
func TestAFarTunnelIsNotTakenForOneThatDropsWhatComesEarly(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		w.tunnelAt("t1", 300*time.Millisecond)
		ann := w.Join("ann", w.Meeting(nil), performs, w.tunnelOnly(w.siteOpen()))
		if after := ann.WaitRung(proto.TLS443); after > 6*time.Second {
			t.Errorf("the first medium after %v, want nine round trips and less", after)
		}
	})
}

// However far a tunnel is, up to a round trip of a second, it is used where nothing else is.
func TestTunnelsAsFarAsASecondAreUsed(t *testing.T) {
	for _, rtt := range []time.Duration{800 * time.Millisecond, time.Second} {
		t.Run(rtt.String(), func(t *testing.T) {
			inWorld(t, threeZones(1), func(t *testing.T, w *world) {
				w.tunnelAt("t1", rtt/2)
				ann := w.Join("ann", w.Meeting(nil), performs, w.tunnelOnly(w.siteOpen()))
				if after := ann.WaitRung(proto.TLS443); after > 10*time.Second+rtt {
					t.Errorf("the first medium after %v", after)
				}
				ann.says("through the tunnel https://t1")
			})
		})
	}
}

// A tunnel that takes connections and never answers delays nothing, however near it is.
func TestASilentTunnelDelaysNothing(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		trap := w.net.Host("t0", lab.HostOpts{})
		ln, err := trap.Listen(netip.AddrPortFrom(trap.Addr(), 443))
		if err != nil {
			t.Fatal(err)
		}
		w.onClose(func() { ln.Close() })
		w.tunnelHosts, w.tunnelDelay = append(w.tunnelHosts, trap), append(w.tunnelDelay, time.Millisecond)
		w.announceTunnel("t0", "https://t0")
		w.tunnelAt("t1", 15*time.Millisecond)
		p := w.Join("ann", w.Meeting(nil), performs, w.tunnelOnly(w.siteOpen()))
		if after := p.WaitRung(proto.TLS443); after > 1500*time.Millisecond {
			t.Errorf("the first medium after %v, want 1.5 s at most", after)
		}
		p.says("through the tunnel https://t1")
	})
}

// Tunnels known from before carry even the lookup, where the site itself is out of reach.
func TestTheSiteItselfIsOutOfReach(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		w.tunnelAt("t1", 15*time.Millisecond)
		m := w.Meeting(nil)
		state := t.TempDir()
		remembering := func(_ *person, c *client.Config) { c.State = state }
		w.Join("before", m, remembering).WaitJoined()
		p := w.Join("ann", m, performs, w.tunnelOnly(), remembering)
		if after := p.WaitRung(proto.TLS443); after > 4*time.Second {
			t.Errorf("the first medium after %v", after)
		}
		p.says("through the tunnel https://t1")
		never := w.Join("never-here", m, w.tunnelOnly())
		if err := never.WaitEnd(40 * time.Second); err == nil || !strings.Contains(err.Error(), "Join with the web client") {
			t.Errorf("without tunnels: %v", err)
		}
	})
}

// A tunnel that stops is replaced by another, long after the first token ran out.
func TestAnotherTunnelTakesOver(t *testing.T) {
	inWorld(t, []place{{name: "oslo", delay: 10 * time.Millisecond, routers: 1}}, func(t *testing.T, w *world) {
		w.tunnelAt("t1", 15*time.Millisecond)
		w.tunnelAt("t2", 30*time.Millisecond)
		p := w.Join("ann", w.Meeting(nil), w.tunnelOnly(w.siteOpen()))
		p.WaitRung(proto.TLS443)
		p.says("through the tunnel https://t1")
		w.pass(trust.TunnelLife + trust.Leeway + time.Minute)
		w.Stop("t1")
		w.until(20*time.Second, "ann is back", func() bool { return count[client.Joined](p) == 2 })
		p.says("through the tunnel https://t2")
	})
}

// When zones can be reached again the client leaves the tunnel, and nobody hears a gap.
func TestTheTunnelIsLeftWhenTheDirectWayWorks(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		w.tunnelAt("t1", 15*time.Millisecond)
		m := w.Meeting(nil)
		bob := w.Join("bob", m)
		bob.WaitMedia()
		ann := w.Join("ann", m, performs, w.tunnelOnly(w.siteOpen()))
		ann.WaitRung(proto.TLS443)
		w.pass(8 * time.Second)
		ann.host.Unblock()
		bob.Forget()
		w.until(30*time.Second, "ann is back on UDP", func() bool {
			r := ann.rungs()
			return r["audio"] == proto.UDP8801 && r["video"] == proto.UDP8801
		})
		heard, began := bob.Hears("ann"), time.Now()
		w.pass(3 * time.Second)
		if got := bob.Hears("ann") - heard; got < 140 {
			t.Errorf("bob heard %d of 150 packets in the %v after the move", got, time.Since(began))
		}
		ann.says("Audio runs over UDP 8801.")
	})
}

// S14, S9: five dead zones add not one round trip, with a tunnel at hand as without.
func TestFiveDeadZonesAndATunnelAddNothing(t *testing.T) {
	joined := func(dead int) (after time.Duration) {
		places := []place{{name: "oslo", delay: 10 * time.Millisecond, routers: 1}}
		for _, name := range []string{"d1", "d2", "d3", "d4", "d5"}[:dead] {
			places = append(places, place{name: name, delay: 10 * time.Millisecond, routers: 1})
		}
		inWorld(t, places, func(t *testing.T, w *world) {
			w.tunnelAt("t1", 5*time.Millisecond)
			p := w.Person("ann", w.Meeting(nil), near("oslo"))
			for _, z := range w.zones[1:] {
				z.Silence()
			}
			p.SetOut()
			j := p.WaitJoined()
			if j.Zone != "oslo" {
				t.Errorf("landed in %s", j.Zone)
			}
			after = time.Duration(j.MS) * time.Millisecond
			if strings.Contains(strings.Join(p.Explain().Summary, "\n"), "tunnel") {
				t.Error("went through the tunnel")
			}
		})
		return after
	}
	without, with := joined(0), joined(5)
	if with > without+5*time.Millisecond {
		t.Errorf("joined after %v with five dead zones, %v without", with, without)
	}
}

// S15: when nothing works the client says what it tried and where a browser may join.
func TestNothingWorksAndTheWebClientIsNamed(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		blocked := func(p *person, _ *client.Config) {
			p.host = w.host("host-"+p.name, nil)
			site := w.siteHost.Addr()
			p.host.Block(lab.Rule{Match: func(k lab.Packet) bool { return k.Dst.Addr() != site }})
		}
		err := w.Join("ann", m, blocked).WaitEnd(10 * time.Second)
		failed, ok := err.(*client.ConnectError)
		if !ok || !strings.HasSuffix(failed.WebURL, m.JoinURL[strings.Index(m.JoinURL, "/j/"):]) || len(failed.Tried) < 3 {
			t.Errorf("told %v", err)
		}
	})
}
