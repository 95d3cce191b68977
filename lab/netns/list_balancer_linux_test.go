package netns

import (
	"net/netip"
	"time"

	"parley/client"
	"parley/lab/netns/wire"
)

// balanced: one port 443 for site, control channel, media and TURN, behind a balancer that works on TCP.
func balanced() []scenario {
	one := scenario{browsers: []string{"chromium"}, alone: true, friend: true, world: InternetConfig{Balanced: true}, needs: "haproxy",
		forbid: []func(Flow) string{pastBalancer}, pageForb: []func(Flow) string{pastBalancer}, after: (*run).spokenFor}
	open, shut := one, one
	open.number, open.name = "x14", "a balancer on TCP before 443"
	open.audio, open.video, open.within = only(udpRung), only(udpRung), 6*rtt+slack
	open.says = []string{"Audio runs over UDP 8801"}
	shut.number, shut.name, shut.cause = "x15", "the same, and nothing but TCP 443 gets through", client.CauseOnly443
	shut.audio, shut.video, shut.within = only(tlsRung), only(tlsRung), time.Second+slack
	shut.prepare = func(r *run) { r.forward(blockUDP, onlyTCP443) }
	shut.says = []string{"Audio runs over TLS 443"}
	shut.pageSays = []string{`Sound runs over TLS 443\.`, `The picture runs over TLS 443\.`}
	return []scenario{open, shut}
}

// pastBalancer: where a balancer stands before 443, nobody is told another address of it.
func pastBalancer(f Flow) string {
	if f.Proto == wire.TCP && f.Far.Port() == 443 && f.Far.Addr() == siteAddr() {
		return "HTTPS past the balancer"
	}
	return ""
}

// spokenFor: the balancer passes connections on with a header of either version; what the site knows of who has
// connected is from there, and nobody else can say such a thing.
func (r *run) spokenFor() {
	r.Helper()
	b := r.in.balancer
	passed := b.Passed()
	if passed["v1"] < 2 || passed["v2"] < 2 {
		r.Errorf("the balancer has passed connections on with headers so often: %v", passed)
	}
	for range 2 { // a connection with each version
		if got, err := seenAs(r.machine.Namespace, b.Addr, nil); got != r.access.Addr {
			r.Errorf("through the balancer the site sees %v, %v; want the client's own address", got, err)
		}
	}
	if after := b.Passed(); after["v1"] != passed["v1"]+1 || after["v2"] != passed["v2"]+1 {
		r.Errorf("of two connections the balancer passed on with headers %v, before %v", after, passed)
	}
	stranger, access := r.goodMachine()
	if got, err := seenAs(stranger.Namespace, b.Server, nil); got != access.Addr {
		r.Errorf("past the balancer the site sees %v, %v; want the client's own address", got, err)
	}
	somebody, server := netip.MustParseAddrPort("198.18.0.7:5000"), netip.AddrPortFrom(b.Server, 443)
	for version := 1; version <= 2; version++ {
		if got, err := seenAs(stranger.Namespace, b.Server, header(version, somebody, server)); err == nil {
			r.Errorf("a stranger's header of version %d was answered, as %v", version, got)
		}
		if got, err := seenAs(b.Namespace, b.Server, header(version, somebody, server)); got != somebody.Addr() {
			r.Errorf("of the balancer's header of version %d came %v, %v", version, got, err)
		}
	}
	if got, err := seenAs(b.Namespace, b.Server, nil); err == nil {
		r.Errorf("the balancer without a header was answered, as %v", got)
	}
	r.gapless(300 * ms)
}
