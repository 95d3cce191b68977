package client_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/wire/proto"
)

// A network that is too narrow for pictures is noticed when one gets into it, not at the next join.
func TestAMoveIntoANarrowNetworkIsNoticed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.join("ann", publish)
		var ben *lab.Host
		b := w.join("ben", func(cfg *client.Config) {
			publish(cfg)
			ben = cfg.Host.(*lab.Host)
		})
		time.Sleep(5 * time.Second)
		w.wantRungs(b, proto.UDP8801)
		w.net.Link(ben, w.srv, lab.Link{Delay: oneWay, MTU: 1200})
		ben.Move(netip.MustParseAddr("203.0.113.7"))
		time.Sleep(3 * time.Second)
		id, _ := b.Self()
		if got, want := w.rungs(id), [2]proto.Rung{proto.UDP8801, proto.TCP8801}; got != want {
			t.Errorf("the router sees %v, want %v", got, want)
		}
		if told := strings.Join(b.Explain().Summary, " "); !strings.Contains(told, "since large UDP datagrams get lost") {
			t.Errorf("told %q", told)
		}
	})
}

// A machine that goes from one network to another is heard, and hears, within half a second: nobody has to tell it.
func TestAMoveToAnotherNetworkIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name  string
		block []lab.Rule // in the first network
		want  proto.Rung // there
		most  time.Duration
	}{
		{"over UDP", nil, proto.UDP8801, 500 * time.Millisecond},
		{"over TCP, to where UDP is open", []lab.Rule{{Proto: lab.UDP}}, proto.TCP8801, 1500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.join("ann", publish)
				var ben *lab.Host
				b := w.join("ben", func(cfg *client.Config) {
					publish(cfg)
					ben = cfg.Host.(*lab.Host)
					ben.Block(c.block...)
				})
				time.Sleep(5 * time.Second)
				w.wantRungs(b, c.want)
				self, _ := b.Self()
				for _, to := range []string{"203.0.113.7", "203.0.113.8"} {
					from := time.Now()
					ben.Move(netip.MustParseAddr(to))
					ben.Unblock()
					time.Sleep(8 * time.Second)
					for _, p := range [][2]*person{{a, b}, {b, a}} {
						if longest, _ := p[0].gaps(p[1], from.Add(-time.Second)); longest > c.most {
							t.Errorf("to %s: no sound for %v, want at most %v", to, longest, c.most)
						}
					}
					w.wantRungs(b, proto.UDP8801)
				}
				if joins, _ := saw[client.Joined](b); len(joins) != 3 || !joins[1].Resumed || !joins[2].Resumed {
					t.Errorf("joined %+v, want once, and resumed after each move", joins)
				}
				if got, _ := b.Self(); got != self {
					t.Errorf("ben is %d, was %d", got, self)
				}
			})
		})
	}
}
