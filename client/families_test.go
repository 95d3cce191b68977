package client

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"parley/lab"
)

// Where IPv6 was found to lead nowhere, a connection costs no moment more than over IPv4 alone; where it was wrong, or
// the name has no IPv4, IPv6 is tried behind it with the usual head start.
func TestIPv4FirstWhereIPv6IsSilent(t *testing.T) {
	const oneWay = 10 * time.Millisecond
	for _, tt := range []struct {
		name   string
		four   bool // IPv4 first
		silent int  // the family that is dropped on the way: 4, 6, or 0
		only6  bool // the server has IPv6 alone
		takes  time.Duration
	}{
		{"IPv6 silent", true, 6, false, 2 * oneWay},
		{"IPv4 silent now", true, 4, false, otherFamily + 2*oneWay},
		{"no IPv4 there", true, 0, true, 2 * oneWay},
		{"all open", true, 0, false, 2 * oneWay},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := lab.NewNet(1)
				n.Default(lab.Link{Delay: oneWay})
				addrs := []netip.Addr{netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("192.0.2.9")}
				if tt.only6 {
					addrs = addrs[:1]
				}
				server, me := n.Host("server", lab.HostOpts{Addrs: addrs}), n.Host("me", lab.HostOpts{IPv6: true})
				ln, err := server.Listen(netip.AddrPortFrom(netip.IPv6Unspecified(), 443))
				if err != nil {
					t.Fatal(err)
				}
				if tt.silent != 0 {
					me.Block(lab.Rule{Proto: lab.TCP, Match: func(p lab.Packet) bool { return p.Dst.Addr().Is4() == (tt.silent == 4) }})
				}
				f := &families{Host: me}
				f.four.Store(tt.four)
				began := time.Now()
				c, err := f.Dial(context.Background(), "tcp", "server:443")
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < tt.takes || took > tt.takes+oneWay {
					t.Errorf("took %v, want %v", took, tt.takes)
				}
				c.Close()
				ln.Close()
				f.wg.Wait()
				n.Quiet()
				n.Close()
			})
		})
	}
}

// The system's own choice costs the head start once: then it is known that IPv4 was faster in spite of it.
func TestAConnectionTeachesWhichFamilyAnswers(t *testing.T) {
	for _, tt := range []struct {
		name string
		mine lab.HostOpts
		six  bool // the server has IPv6
		want bool
	}{
		{"IPv6 silent", lab.HostOpts{IPv6: true}, true, true},
		{"a machine without IPv6", lab.HostOpts{}, true, false},
		{"a server without IPv6", lab.HostOpts{IPv6: true}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := lab.NewNet(1)
				n.Default(lab.Link{Delay: 60 * time.Millisecond})
				addrs := []netip.Addr{netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("192.0.2.9")}
				if !tt.six {
					addrs = addrs[1:]
				}
				server, me := n.Host("server", lab.HostOpts{Addrs: addrs}), n.Host("me", tt.mine)
				ln, err := server.Listen(netip.AddrPortFrom(netip.IPv6Unspecified(), 443))
				if err != nil {
					t.Fatal(err)
				}
				me.Block(lab.Rule{Proto: lab.TCP, Match: func(p lab.Packet) bool { return p.Dst.Addr().Is6() }})
				f := &families{Host: me}
				c, err := f.Dial(context.Background(), "tcp", "server:443")
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				f.wg.Wait()
				if got := f.four.Load(); got != tt.want {
					t.Errorf("IPv4 first: %v, want %v", got, tt.want)
				}
				ln.Close()
				n.Quiet()
				n.Close()
			})
		})
	}
}

// What was found is of the network it was found in, and of a day.
func TestSilentIPv6IsRememberedOfANetwork(t *testing.T) {
	now := time.Now()
	c := &Client{}
	c.cfg.State = t.TempDir()
	if err := c.openWay(); err != nil {
		t.Fatal(err)
	}
	defer c.host.Close()
	if c.families.four.Load() {
		t.Error("IPv4 first where nothing is known")
	}
	c.keepOfNetwork(now, networkKey(), func(n *network) { n.FourFirst, n.At = true, now })
	again := &Client{}
	again.cfg.State = c.cfg.State
	if err := again.openWay(); err != nil {
		t.Fatal(err)
	}
	defer again.host.Close()
	if !again.families.four.Load() {
		t.Error("forgotten at the next join")
	}
	if lastNetwork(c.cfg.State, now.Add(25*time.Hour)).FourFirst {
		t.Error("still known a day later")
	}
	if _, err := os.Stat(networksFile(c.cfg.State)); err != nil {
		t.Error(err)
	}
}
