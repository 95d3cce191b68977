package client

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
	"parley/wire/stun"
)

// Probes of the examination. A router answers 50 a second of one network, and 200 at once.
const (
	probeWait  = 1500 * time.Millisecond // for one answer: a satellite takes 600 ms
	probeLen   = 64                      // bytes of a small probe
	nZoneProbe = 10                      // per address, 50 ms apart
	zoneEvery  = 50 * time.Millisecond
	nBurst     = 40 // packets of one second, small ones and then large ones: 380 kbit/s
	burstEvery = 25 * time.Millisecond
	pictureLen = 1200 // what media packets have at most
)

// prober sends STUN probes from one socket, so that all see the same address of it. Safe for concurrent use.
type prober struct {
	pc link.PacketConn
	wg sync.WaitGroup

	mu      sync.Mutex
	waiting map[stun.TxID]chan probed // guarded by mu
}

// probed is an answer.
type probed struct {
	at     time.Time
	from   netip.AddrPort
	mapped netip.AddrPort
	length int // of the message, bytes
	local  netip.Addr
	marked marked
}

// newProber binds a socket for a family of addresses.
func newProber(host link.Host, v6 bool) (*prober, error) {
	any := netip.IPv4Unspecified()
	if v6 {
		any = netip.IPv6Unspecified()
	}
	pc, err := host.ListenPacket(netip.AddrPortFrom(any, 0))
	if err != nil {
		return nil, err
	}
	p := &prober{pc: pc, waiting: map[stun.TxID]chan probed{}}
	p.wg.Go(p.read)
	return p, nil
}

func (p *prober) close() {
	p.pc.Close()
	p.wg.Wait()
}

func (p *prober) read() {
	ms := []link.Message{{Buf: make([]byte, 2048)}}
	for {
		if _, err := p.pc.ReadBatch(ms); err != nil {
			return
		}
		now := time.Now()
		b := ms[0].Buf[:ms[0].N]
		if inner, ok := stun.Undress(b); ok {
			b = inner
		}
		res, err := stun.Parse(b)
		if err != nil || res.Type() != stun.BindingSuccess {
			continue
		}
		mapped, ok := res.XORMappedAddress()
		p.mu.Lock()
		back := p.waiting[res.TxID()]
		delete(p.waiting, res.TxID())
		p.mu.Unlock()
		if back != nil && ok {
			a := probed{now, ms[0].Addr, mapped, res.Len(), ms[0].Local, marked{came: ms[0].Mark - 1}} // 0, unknown, becomes stun.MarkUnknown
			a.marked.arrived, a.marked.back, a.marked.told = res.Mark()
			back <- a
		}
	}
}

// probeOf is one probe: length bytes of STUN, marked with dscp, answered at full length with echo, and so that it looks
// like media with dressed.
type probeOf struct {
	length  int
	dscp    uint8
	echo    bool
	dressed bool
}

// ask sends one probe and waits for its answer.
func (p *prober) ask(ctx context.Context, to netip.AddrPort, o probeOf) (a probed, rtt time.Duration, ok bool) {
	var id stun.TxID
	rand.Read(id[:])
	b := make([]byte, 0, max(o.length, probeLen)+stun.DressLen)
	if o.dressed {
		b = stun.AppendDress(b)
	}
	m := stun.Build(b, stun.BindingRequest, id)
	m.Mark(o.dscp, 0)
	if fill := o.length - m.Len() - 4; o.echo {
		m.Padding(fill)
	} else {
		m.Attr(stun.AttrSoftware, make([]byte, fill)) // need not be understood, and is not answered in kind
	}
	back := make(chan probed, 1)
	p.mu.Lock()
	p.waiting[id] = back
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, id)
		p.mu.Unlock()
	}()
	sent := time.Now()
	if _, err := p.pc.WriteBatch([]link.Message{{Buf: m.Bytes(), N: len(m.Bytes()), Addr: to, DSCP: o.dscp}}); err != nil {
		return a, 0, false
	}
	t := time.NewTimer(probeWait)
	defer t.Stop()
	select {
	case a = <-back:
		a.marked.sent = o.dscp
		return a, a.at.Sub(sent), a.from == to && (!o.echo || a.length >= o.length)
	case <-t.C:
	case <-ctx.Done():
	}
	return a, 0, false
}

// burst sends n probes, one each time, and says what came back.
func (p *prober) burst(ctx context.Context, to netip.AddrPort, o probeOf, n int, each time.Duration) (b burst, last probed) {
	var mu sync.Mutex
	var rtts []time.Duration
	var wg sync.WaitGroup
	for i := range n {
		if i > 0 && !pause(ctx, each) {
			break
		}
		b.sent++
		wg.Go(func() {
			a, rtt, ok := p.ask(ctx, to, o)
			if !ok {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			rtts, last = append(rtts, rtt), a
		})
	}
	wg.Wait()
	if b.back = len(rtts); b.back > 0 {
		slices.Sort(rtts)
		b.least, b.half = rtts[0], rtts[len(rtts)/2]
	}
	return b, last
}

// pause reports false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// probeZones sends probes to every zone at once, all from one socket of each family: the address each of them
// sees tells what a NAT on the way does.
func (d *doctor) probeZones(ctx context.Context) {
	var probers [2]*prober
	for i := range probers {
		if p, err := newProber(d.cfg.Host, i == 1); err == nil {
			probers[i] = p
			defer p.close()
		}
	}
	var wg sync.WaitGroup
	for i := range d.seen.zones {
		z := &d.seen.zones[i]
		for _, text := range z.Probes {
			z.probes = append(z.probes, seenProbe{addr: text})
		}
		for j := range z.probes {
			s := &z.probes[j]
			to, err := netip.ParseAddrPort(s.addr)
			if err != nil {
				continue
			}
			p := probers[family(to)]
			if p == nil {
				continue
			}
			if family(to) == 1 && link.Source(d.cfg.Host, to).IsValid() {
				d.seen.ipv6 = true
			}
			wg.Go(func() {
				var a probed
				if s.burst, a = p.burst(ctx, to, probeOf{length: probeLen, echo: true}, nZoneProbe, zoneEvery); s.back > 0 {
					s.mapped = a.mapped.String()
					if local := a.local.Unmap(); local.IsValid() {
						s.local = netip.AddrPortFrom(local, p.pc.LocalAddr().Port()).String()
					}
				}
			})
		}
	}
	wg.Wait()
	d.examineNAT(ctx, probers[0])
}

// family is the index of an address's prober.
func family(a netip.AddrPort) int {
	if a.Addr().Unmap().Is6() {
		return 1
	}
	return 0
}

// examineNAT compares the addresses that IPv4 destinations see of one socket. Where there is only one zone, a
// router's further UDP ports are destinations too.
func (d *doctor) examineNAT(ctx context.Context, p *prober) {
	var all []seenProbe
	for _, z := range d.seen.zones {
		for _, s := range z.probes {
			if to, err := netip.ParseAddrPort(s.addr); err == nil && family(to) == 0 && s.back > 0 {
				all = append(all, s)
			}
		}
	}
	if p != nil && len(all) == 1 {
		for _, c := range d.seen.furtherUDP(all[0].addr) {
			if a, _, ok := p.ask(ctx, c, probeOf{length: probeLen, echo: true}); ok {
				all = append(all, seenProbe{addr: c.String(), mapped: a.mapped.String(), local: all[0].local})
			}
		}
	}
	d.seen.nat, d.seen.mapped = natOf(all)
}

// furtherUDP are the IPv4 addresses routers have for UDP, but for one.
func (s *seen) furtherUDP(than string) (out []netip.AddrPort) {
	for _, z := range s.zones {
		for _, r := range z.Routers {
			for _, c := range r.Candidates {
				if to, err := netip.ParseAddrPort(c.Addr); err == nil && c.Rung == proto.UDP8801 && family(to) == 0 && c.Addr != than {
					out = append(out, to)
				}
			}
		}
	}
	return out
}

// natOf tells the kind of NAT (RFC 4787 §4.1) from what several destinations saw of one socket.
func natOf(all []seenProbe) (kind natKind, mapped string) {
	if len(all) == 0 {
		return natUnknown, ""
	}
	if all[0].mapped == all[0].local {
		return natNone, all[0].mapped
	}
	if addr, err := netip.ParseAddrPort(all[0].mapped); err == nil {
		mapped = addr.Addr().String()
	}
	for _, o := range all[1:] {
		if o.mapped != all[0].mapped {
			return natSymmetric, mapped
		}
	}
	if len(all) == 1 {
		return natUnknown, mapped
	}
	return natSame, mapped
}

// packetSizes are IP packet lengths networks are known for, as a search goes through them.
var packetSizes = [...]int{576, 800, 1000, 1100, 1200, 1228, 1260, 1280, 1320, 1360, 1400, 1420, 1440, 1452, 1472, 1480, 1492, 1500}

// examineUDP measures the UDP path that media would take: the longest datagram each way, the loss of small
// packets, and whether a second of picture passes as well.
func (d *doctor) examineUDP(ctx context.Context) {
	var to netip.AddrPort
	var rtt time.Duration
	for _, r := range d.seen.rungs {
		if r.rung == proto.UDP8801 && r.rtt >= 0 && !to.IsValid() {
			to, _ = netip.ParseAddrPort(r.addr)
			rtt = r.rtt
		}
	}
	if !to.IsValid() {
		return
	}
	p, err := newProber(d.cfg.Host, family(to) == 1)
	if err != nil {
		return
	}
	defer p.close()
	d.seen.both = p.longest(ctx, to, rtt, true)
	if d.seen.up = d.seen.both; d.seen.both < packetSizes[len(packetSizes)-1] {
		d.seen.up = max(d.seen.both, p.longest(ctx, to, rtt, false))
	}
	d.seen.small, _ = p.burst(ctx, to, probeOf{length: probeLen, echo: true}, nBurst, burstEvery)
	length := pictureLen
	if room := d.seen.both - headers(to); d.seen.both > 0 && room < length {
		length = room &^ 3
	}
	d.seen.large, _ = p.burst(ctx, to, probeOf{length: length, echo: true}, nBurst, burstEvery)
}

// headers is what IP and UDP take of a packet.
func headers(to netip.AddrPort) int {
	if family(to) == 1 {
		return 48
	}
	return 28
}

// longest searches the longest packet that gets there, or there and back; 0 where none of these does. What it finds
// too long is asked again, and given its time: a moment's loss is no rule.
func (p *prober) longest(ctx context.Context, to netip.AddrPort, rtt time.Duration, echo bool) int {
	ctx, cancel := context.WithTimeout(ctx, 2*rungTimeout)
	defer cancel()
	passes := func(i int, wait time.Duration) bool {
		// Three at once: a path that loses one of ten loses three of three rarely.
		tctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		b, _ := p.burst(tctx, to, probeOf{length: (packetSizes[i] - headers(to)) &^ 3, echo: echo}, 3, 10*time.Millisecond)
		return b.back > 0
	}
	soon := min(probeWait, max(4*rtt, 300*time.Millisecond))
	n := 0 // so many sizes pass
	for {
		n += sort.Search(len(packetSizes)-n, func(i int) bool { return !passes(n+i, soon) })
		if n == len(packetSizes) || !passes(n, probeWait) {
			break
		}
		n++
	}
	if n == 0 {
		return 0
	}
	return packetSizes[n-1]
}
