package scenario

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/proxy"
	"parley/wire/proto"
)

// patient is a machine whose network is examined.
type patient struct {
	w    *world
	host *lab.Host
	cfg  client.DoctorConfig
}

// patient makes a machine in a network with these obstacles.
func (w *world) patient(rules ...lab.Rule) *patient {
	h := w.host("patient", nil)
	h.Block(rules...)
	return &patient{w, h, client.DoctorConfig{Site: siteURL, Host: h, TLS: w.tls()}}
}

// examine runs the examination, which has to end within a time a person waits.
func (p *patient) examine() *client.Diagnosis {
	p.w.Helper()
	began := time.Now()
	d, err := client.Examine(p.w.ctx, p.cfg)
	if err != nil {
		p.w.Fatal(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		p.w.Errorf("the examination took %v", took)
	}
	return d
}

// found checks a diagnosis.
func found(t *testing.T, d *client.Diagnosis, grade client.Grade, causes ...client.Cause) {
	t.Helper()
	if d.Grade != grade || !slices.Equal(d.Causes, causes) && len(d.Causes)+len(causes) > 0 {
		t.Errorf("grade %d, causes %v, want %d, %v", d.Grade, d.Causes, grade, causes)
		for _, f := range d.Findings {
			t.Logf("%-8s %-24s %-4s %s %s", f.Phase, f.What, f.Status, f.Value, f.Note)
		}
		t.Log(d.Summary, d.Rules)
	}
}

// rules are what an administrator is asked for, as "UDP 8801".
func asked(d *client.Diagnosis) (out []string) {
	for _, r := range d.Rules {
		out = append(out, fmt.Sprintf("%s %d", r.Protocol, r.Port))
	}
	return out
}

func says(t *testing.T, d *client.Diagnosis, words ...string) {
	t.Helper()
	text := strings.Join(append(slices.Clone(d.Summary), d.Advice...), "\n")
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("said %q, without %q", text, w)
		}
	}
}

func TestTheDoctorFindsNothingWhereAllIsOpen(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		d := w.patient().examine()
		found(t, d, client.Best)
		says(t, d, "The best meeting zone is oslo, 20 ms away.", "Audio runs over UDP 8801.", "Video runs over UDP 8801.", "Content runs over UDP 8801.")
		if len(d.Rules) != 0 || d.NAT != "none" || d.MTU != 1500 {
			t.Errorf("rules %v, NAT %q, MTU %d", d.Rules, d.NAT, d.MTU)
		}
		for _, f := range d.Findings {
			if f.Status != client.OK {
				t.Errorf("%s: %s: %s", f.What, f.Status, f.Value)
			}
		}
	})
}

// The rung of each medium, the words, and the rules that would improve it.
func TestTheDoctorNamesWhatIsBlocked(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules []lab.Rule
		cause client.Cause
		rung  proto.Rung
		asks  []string
	}{
		{"UDP", []lab.Rule{{Proto: lab.UDP}}, client.CauseUDPBlocked, proto.TCP8801, []string{"UDP 8801"}},
		{"all but TCP 443", []lab.Rule{{Match: func(k lab.Packet) bool { return k.Dst.Port() != 443 }}}, client.CauseOnly443, proto.TLS443, []string{"UDP 8801", "TCP 8801"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, threeZones(1), func(t *testing.T, w *world) {
				d := w.patient(tt.rules...).examine()
				found(t, d, client.Limited, tt.cause)
				says(t, d, "UDP 8801 seems to be blocked")
				for _, g := range []string{"audio", "video", "content"} {
					if d.Rungs[g] != tt.rung {
						t.Errorf("%s would run over %q, want %q", g, d.Rungs[g], tt.rung)
					}
				}
				if !slices.Equal(asked(d), tt.asks) {
					t.Errorf("asks for %v, want %v", asked(d), tt.asks)
				}
				_, router := w.Router("paris-1")
				if !slices.Contains(d.Rules[0].To, router.Addr().String()) {
					t.Errorf("to %v, without the routers of other zones", d.Rules[0].To)
				}
			})
		})
	}
}

// beside blocks what does not go to the office's proxy.
func beside(o *office, proto lab.Proto) lab.Rule {
	at := o.at.Addr()
	return lab.Rule{Proto: proto, Match: func(k lab.Packet) bool { return k.Dst.Addr() != at }}
}

func TestTheDoctorAndAProxy(t *testing.T) {
	t.Run("the only way", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			o := w.officeProxy(lab.ProxyOpts{})
			p := w.patient(beside(o, 0))
			p.cfg.Proxy = viaEnv
			d := p.examine()
			found(t, d, client.Limited, client.CauseProxyRequired, client.CauseOnly443)
			says(t, d, "through the proxy "+proxyAt, "Audio runs over TLS 443.")
		})
	})
	t.Run("UDP beside it", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			o := w.officeProxy(lab.ProxyOpts{})
			p := w.patient(beside(o, lab.TCP))
			p.cfg.Proxy = viaEnv
			d := p.examine()
			found(t, d, client.Limited, client.CauseProxyRequired)
			says(t, d, "Audio runs over UDP 8801.")
		})
	})
	t.Run("wants a login", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			o := w.officeProxy(lab.ProxyOpts{Auth: lab.ProxyBasic, User: "ann", Password: "geheim"})
			p := w.patient(beside(o, 0))
			p.cfg.Proxy = viaEnv
			d := p.examine()
			found(t, d, client.Useless, client.CauseProxyLogin)
			says(t, d, "wants a user name and password", "--proxy-user")
		})
	})
	t.Run("inspects TLS", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			box := newInspector(t, inspectorName)
			o := w.officeProxy(lab.ProxyOpts{Inspect: box.forge})
			p := w.patient(beside(o, 0))
			p.cfg.Proxy = viaEnv
			roots := x509.NewCertPool()
			roots.AddCert(box.cert)
			p.cfg.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			d := p.examine()
			found(t, d, client.Limited, client.CauseInspected, client.CauseProxyRequired, client.CauseOnly443)
			says(t, d, "inspected on the way by ‘"+inspectorName+"’")
		})
	})
	t.Run("inspects TLS, not trusted", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			o := w.officeProxy(lab.ProxyOpts{Inspect: newInspector(t, inspectorName).forge})
			p := w.patient(beside(o, 0))
			p.cfg.Proxy = proxy.Config{URL: "http://" + proxyAt}
			d := p.examine()
			found(t, d, client.Useless, client.CauseInspected)
			says(t, d, "TLS is intercepted by ‘"+inspectorName+"’", "Exempt meet.test")
		})
	})
}

func TestTheDoctorFindsADeadZone(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		w.Zone("oslo").Silence()
		d := w.patient().examine()
		found(t, d, client.Limited, client.CauseZone)
		says(t, d, "The best meeting zone is paris")
		says(t, d, "Zone oslo does not answer over HTTPS to oslo-zc and UDP 8801.")
		if len(d.Rules) != 2 || !slices.Equal(d.Rules[0].To, []string{"oslo-zc"}) || d.Rules[0].Port != 443 || d.Rules[1].Protocol != "UDP" || d.Rules[1].Port != 8801 {
			t.Errorf("asks for %v", d.Rules)
		}
	})
}

func TestTheDoctorFindsWhatUDPLacks(t *testing.T) {
	t.Run("long packets", func(t *testing.T) {
		for _, tt := range []struct {
			mtu   int
			grade client.Grade
			cause client.Cause
		}{{1280, client.Best, "mtu_1280"}, {1200, client.Limited, "mtu_1200"}} {
			inWorld(t, threeZones(1), func(t *testing.T, w *world) {
				p := w.patient()
				for _, z := range w.zones {
					for _, h := range z.hosts {
						w.net.Link(p.host, h, lab.Link{Delay: z.delay, MTU: tt.mtu})
					}
				}
				d := p.examine()
				found(t, d, tt.grade, tt.cause)
				if d.MTU != tt.mtu {
					t.Errorf("MTU %d, want %d", d.MTU, tt.mtu)
				}
			})
		}
	})
	t.Run("packets at all", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			p := w.patient()
			for _, z := range w.zones {
				for _, h := range z.hosts {
					w.net.Link(p.host, h, lab.Link{Delay: z.delay, Loss: 0.15})
				}
			}
			if d := p.examine(); d.Grade != client.Limited || !slices.Contains(d.Causes, client.CauseLoss) {
				t.Errorf("grade %d, causes %v", d.Grade, d.Causes)
			}
		})
	})
	t.Run("more than a trickle", func(t *testing.T) {
		inWorld(t, threeZones(1)[:1], func(t *testing.T, w *world) {
			p := w.patient()
			for _, h := range w.Zone("oslo").hosts {
				w.net.Link(p.host, h, lab.Link{Delay: 10 * time.Millisecond, Rate: 100_000, Queue: 2500})
			}
			d := p.examine()
			found(t, d, client.Limited, client.CauseUDPThrottled)
		})
	})
	t.Run("packets that ask to travel first", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			d := w.patient(lab.Rule{Proto: lab.UDP, Match: func(k lab.Packet) bool { return k.DSCP != 0 }}).examine()
			found(t, d, client.Limited, client.CauseMarks)
		})
	})
	t.Run("long packets for a moment alone", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			var n atomic.Int32
			d := w.patient(lab.Rule{Proto: lab.UDP, Match: func(k lab.Packet) bool { return len(k.Data) > 900 && n.Add(1) <= 3 }}).examine()
			found(t, d, client.Best)
			if d.MTU != 1500 {
				t.Errorf("MTU %d, want 1500: three packets were lost, and then none", d.MTU)
			}
		})
	})
	t.Run("marks of the site's own profile", func(t *testing.T) {
		places := threeZones(1)[:1]
		places[0].dscp = "original"
		inWorld(t, places, func(t *testing.T, w *world) {
			p := w.patient()
			for _, h := range w.Zone("oslo").hosts {
				w.net.LinkOneWay(h, p.host, lab.Link{Delay: 10 * time.Millisecond, Bleach: true})
			}
			d := p.examine()
			found(t, d, client.Best, client.CauseBleached)
			says(t, d, "Audio is marked DSCP 56 and arrives with 0 on the way down", "Video is marked DSCP 40", "the marks DSCP 56, 40 of packets")
		})
	})
	t.Run("marks", func(t *testing.T) {
		for _, both := range []bool{false, true} {
			inWorld(t, threeZones(1), func(t *testing.T, w *world) {
				p := w.patient()
				for _, z := range w.zones {
					for _, h := range z.hosts {
						w.net.LinkOneWay(p.host, h, lab.Link{Delay: z.delay, Bleach: true})
						w.net.LinkOneWay(h, p.host, lab.Link{Delay: z.delay, Bleach: both})
					}
				}
				d := p.examine()
				found(t, d, client.Best, client.CauseBleached)
				says(t, d, "Audio is marked DSCP 46 and arrives with 0 on the way up", "Video is marked DSCP 34")
				if told := strings.Contains(strings.Join(d.Summary, "\n"), "on the way down"); told != both {
					t.Errorf("told of the way down: %v, want %v: %q", told, both, d.Summary)
				}
			})
		}
	})
	t.Run("anything but STUN", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			d := w.patient(lab.Rule{Proto: lab.UDP, Match: func(k lab.Packet) bool { return len(k.Data) > 0 && k.Data[0] > 3 }}).examine()
			found(t, d, client.Limited, client.CauseSTUNOnly)
			says(t, d, "STUN", "Audio runs over TCP 8801")
			if len(d.Rules) == 0 || d.Rules[0].Protocol != "UDP" || d.Rules[0].Port != 8801 {
				t.Errorf("asks for %v", d.Rules)
			}
		})
	})
}

func TestTheDoctorFindsASignInPage(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		// The network answers for every name itself: over HTTP with its own page, over TLS not at all.
		hotel := w.net.Host("hotel", lab.HostOpts{})
		srv, err := lab.Serve(hotel, netip.AddrPortFrom(hotel.Addr(), 80), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://login.hotel.test/", http.StatusFound)
		}), tls.Certificate{})
		if err != nil {
			t.Fatal(err)
		}
		w.onClose(srv.Close)
		p := w.patient(lab.Rule{Proto: lab.TCP, Port: 443, Reject: true}, lab.Rule{Proto: lab.UDP})
		w.net.Name("lounge.test", hotel.Addr())
		p.cfg.Site = "https://lounge.test"
		d := p.examine()
		found(t, d, client.Useless, client.CauseCaptivePortal)
		says(t, d, "sign in")
	})
}

func TestTheDoctorWithoutAnyPath(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		d := w.patient(lab.Rule{}).examine()
		found(t, d, client.Useless, client.CauseNoPath)
		if len(d.Rules) != 1 || d.Rules[0].Protocol != "TCP" || d.Rules[0].Port != 443 || !slices.Contains(d.Rules[0].To, w.siteHost.Addr().String()) {
			t.Errorf("asks for %v", d.Rules)
		}
	})
}
