package netns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"parley/lab/netns/wire"
	"parley/wire/rtp"
)

// NAT is how a gateway maps addresses.
type NAT uint8

// The kinds of NAT.
const (
	NATHome      NAT = iota // ports are kept where they are free: RFC 4787's endpoint-independent, roughly
	NATSymmetric            // a random port for each destination
	NATNone                 // the client's address is routed
)

// Access is a way into the internet: a gateway with NAT and firewall, a local network behind it, and the
// wire before it.
type Access struct {
	*Namespace // the gateway
	Wire       *wire.Wire
	Addr       netip.Addr // as the internet sees it
	LAN        netip.Addr // the gateway on the local network

	in      *Internet
	index   int
	clients int

	mu     sync.Mutex
	flows  map[flowKey]*Flow // guarded by mu: on the wire
	tried  map[flowKey]*Flow // guarded by mu: on the local network, before the gateway does anything
	sounds []time.Time       // guarded by mu: when audio came down over UDP
	long   [2]uint64         // guarded by mu: what TooBig does not count
}

// Flow is what passed the wire between two sockets with one mark.
type Flow struct {
	Dir   wire.Direction
	Proto wire.Proto
	Near  uint16 // port on this side, as translated
	Far   netip.AddrPort
	DSCP  uint8
	Kind  string // of UDP: "stun", "dtls", "rtcp", "rtp" and the payload type, "other"; of TCP: "syn", "data"
	N     int
	Bytes int
	First time.Time
	Last  time.Time
	Pause time.Duration // the longest between two packets
}

type flowKey struct {
	dir   wire.Direction
	proto wire.Proto
	near  uint16
	far   netip.AddrPort
	dscp  uint8
	kind  string
}

// String is the flow for failures.
func (f Flow) String() string {
	return fmt.Sprintf("%s %s port %d, %s, DSCP %d: %d packets", f.Dir, f.Proto, f.Far.Port(), f.Kind, f.DSCP, f.N)
}

// NewAccess makes an access whose wire has these classes.
func (in *Internet) NewAccess(nat NAT, classes ...wire.Class) (*Access, error) {
	n, err := in.machine("gw")
	if err != nil {
		return nil, err
	}
	index := int(in.accesses.Add(1))
	if index > 200 {
		return nil, errors.New("an internet has room for 200 accesses")
	}
	a := &Access{
		Namespace: n, in: in, index: index, flows: map[flowKey]*Flow{}, tried: map[flowKey]*Flow{},
		Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(index + 1)}), LAN: netip.MustParseAddr("192.168.1.1"),
	}
	in.UserSecret(a.Addr.String())
	acc := fmt.Sprintf("acc%d", index)
	near, err := n.openTUN("wan")
	if err != nil {
		return nil, err
	}
	far, err := in.core.openTUN(acc)
	if err != nil {
		near.Close()
		return nil, err
	}
	a.Wire = wire.New(wire.Config{Near: near, Far: far, Seed: in.cfg.Seed + uint64(index), Tap: a.tap}, classes...)
	in.onClose(func() { a.Wire.Close() })
	err = errors.Join(
		in.core.ip(fmt.Sprintf("link set %s up", acc), fmt.Sprintf("addr add 198.51.100.1 peer %s dev %s", a.Addr, acc),
			fmt.Sprintf("route add %s dev %s", a.net6(), acc)),
		n.ip("link set wan up", fmt.Sprintf("addr add %s peer 198.51.100.1 dev wan", a.Addr), "route add default dev wan",
			"link add lan type bridge", "link set lan up", "addr add 192.168.1.1/24 dev lan",
			fmt.Sprintf("addr add %s dev lan nodad", netip.PrefixFrom(a.net6().Addr().Next(), 64)), "route add ::/0 dev wan"),
		n.set("net/ipv4/ip_forward", "1"), n.set("net/ipv6/conf/all/forwarding", "1"),
		n.nft(`table inet lab {
	chain forward { type filter hook forward priority 0; policy accept; jump obstacle; }
	chain obstacle { }
	chain output { type filter hook output priority 0; policy accept; jump own; }
	chain own { }
	chain aside { type filter hook prerouting priority -150; meta l4proto udp ct mark set 1; }
}
table ip nat {
	chain turn { type nat hook prerouting priority -100; }
	chain out { type nat hook postrouting priority 100; `+map[NAT]string{
			NATHome: `oifname "wan" masquerade;`, NATSymmetric: `oifname "wan" masquerade random,fully-random;`}[nat]+` }
}
`))
	if err == nil {
		err = a.watchLAN()
	}
	return a, err
}

// watchLAN counts what machines send into the local network: also what the gateway then drops, or answers itself.
func (a *Access) watchLAN() error {
	var fd int
	err := a.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		lan, err := net.InterfaceByName("lan")
		if err == nil {
			all := uint16(unix.ETH_P_ALL)
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: lan.Index})
		}
		return errors.Join(err, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}))
	})
	if err != nil {
		return err
	}
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer unix.Close(fd)
		b := make([]byte, 2048)
		var p wire.Packet
		for !over.Load() {
			n, from, err := unix.Recvfrom(fd, b, 0)
			if at, ok := from.(*unix.SockaddrLinklayer); err != nil || !ok || at.Pkttype == unix.PACKET_OUTGOING || !wire.Parse(b[:n], &p) {
				continue
			}
			a.mu.Lock()
			count(a.tried, wire.Up, &p)
			a.mu.Unlock()
		}
	})
	a.in.onClose(func() {
		over.Store(true)
		wg.Wait()
	})
	return nil
}

// net6 is the IPv6 network behind the gateway.
func (a *Access) net6() netip.Prefix {
	b := netip.MustParseAddr("2001:db8:c000::").As16()
	b[7] = byte(a.index)
	return netip.PrefixFrom(netip.AddrFrom16(b), 64)
}

// Forward replaces what the gateway does with packets it forwards: rules of nft(8), one a line, each with
// a verdict. What none of them takes passes. None: everything passes.
func (a *Access) Forward(rules ...string) error { return a.rules("inet lab obstacle", rules) }

// Redirect replaces how the gateway turns packets aside: rules of nft(8) in a nat chain at prerouting.
func (a *Access) Redirect(rules ...string) error { return a.rules("ip nat turn", rules) }

func (a *Access) rules(chain string, rules []string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "flush chain %s\n", chain)
	for _, r := range rules {
		fmt.Fprintf(&b, "add rule %s %s\n", chain, r)
	}
	return a.nft(b.String())
}

// Rebind makes the gateway forget its mappings of UDP, as one with too small a table does. With symmetric NAT, what is
// sent next comes from other ports. Connections over TCP stay: few outlive theirs being forgotten.
func (a *Access) Rebind() error {
	return a.Do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		// nlmsghdr: length 36, type ctnetlink DELETE, request and acknowledge; nfgenmsg: any family. Without a
		// tuple it means the whole table, here what has mark 1: attributes CTA_MARK and CTA_MARK_MASK, in network
		// order (linux/netfilter/nfnetlink_conntrack.h).
		msg := []byte{36, 0, 0, 0, 2, 1, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			8, 0, 8, 0, 0, 0, 0, 1, 8, 0, 21, 0, 0xff, 0xff, 0xff, 0xff}
		if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		ack := make([]byte, 256)
		n, _, err := unix.Recvfrom(fd, ack, 0)
		if err == nil && (n < 20 || ack[16]|ack[17]|ack[18]|ack[19] != 0) {
			err = fmt.Errorf("forgetting mappings: answer % x", ack[:n])
		}
		return err
	})
}

// tap counts a packet on the wire.
func (a *Access) tap(d wire.Direction, p *wire.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := count(a.flows, d, p); d == wire.Down && f.Kind == soundKind {
		a.sounds = append(a.sounds, f.Last)
	}
}

// count adds a packet to its flow.
func count(flows map[flowKey]*Flow, d wire.Direction, p *wire.Packet) *Flow {
	near, far := p.Src.Port(), p.Dst
	if d == wire.Down {
		near, far = p.Dst.Port(), p.Src
	}
	k := flowKey{d, p.Proto, near, far, p.DSCP(), kindOf(p)}
	now := time.Now()
	f := flows[k]
	if f == nil {
		f = &Flow{Dir: d, Proto: p.Proto, Near: near, Far: far, DSCP: k.dscp, Kind: k.kind, First: now}
		flows[k] = f
	}
	if f.N > 0 {
		f.Pause = max(f.Pause, now.Sub(f.Last))
	}
	f.N++
	f.Bytes += len(p.Bytes)
	f.Last = now
	return f
}

// soundKind is the Kind of a flow of Opus.
const soundKind = "rtp 111"

// kindOf tells what shares a media port apart (RFC 7983).
func kindOf(p *wire.Packet) string {
	b := p.Payload
	switch {
	case p.Proto == wire.TCP && p.SYN():
		return "syn"
	case p.Proto == wire.TCP:
		return "data"
	case p.Proto != wire.UDP || len(b) == 0:
		return "other"
	case b[0] < 4:
		return "stun"
	case b[0] >= 20 && b[0] < 64:
		return "dtls"
	case b[0]>>6 != 2 || len(b) < 12:
		return "other"
	case rtp.IsRTCP(b):
		return "rtcp"
	}
	return fmt.Sprintf("rtp %d", b[1]&0x7f)
}

// Flows are the flows that match.
func (a *Access) Flows(match func(Flow) bool) []Flow {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Flow
	for _, f := range a.flows {
		if match(*f) {
			out = append(out, *f)
		}
	}
	return out
}

// Tried are the flows into the internet that machines of the local network have begun, whatever became of them.
func (a *Access) Tried() []Flow {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Flow
	for _, f := range a.tried {
		if !f.Far.Addr().IsPrivate() && !f.Far.Addr().IsMulticast() && !f.Far.Addr().IsLinkLocalUnicast() {
			out = append(out, *f)
		}
	}
	return out
}

// Sounds are the times at which sound came down over UDP: what whoever is there hears.
func (a *Access) Sounds() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sounds)
}

// TooBig is how many packets were longer than the wire takes, and nobody told.
func (a *Access) TooBig() (n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for d := range a.long {
		n += a.Wire.Count(wire.Direction(d), wire.TooBig) - a.long[d]
	}
	return n
}

// Forget starts the counts anew.
func (a *Access) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.flows)
	clear(a.tried)
	for d := range a.long {
		a.long[d] = a.Wire.Count(wire.Direction(d), wire.TooBig)
	}
	a.sounds = nil
}

// Machine is a computer of a person: the namespace and where it is attached.
type Machine struct {
	*Namespace
	in     *Internet
	access []*Access
	addrs  []netip.Addr
	ipv6   bool
}

// NewMachine makes a person's computer behind an access. With ipv6 it has IPv6 too, and the site's names
// have both kinds of addresses.
func (in *Internet) NewMachine(a *Access, ipv6 bool) (*Machine, error) {
	n, err := in.machine("client")
	if err != nil {
		return nil, err
	}
	m := &Machine{Namespace: n, in: in, ipv6: ipv6}
	// A link-local address that comes up a second later is a change of network to a browser, which drops what it loads.
	key, value := "disable_ipv6", "1"
	if ipv6 {
		key, value = "accept_dad", "0"
	}
	if err := n.set("net/ipv6/conf/default/"+key, value); err != nil {
		return nil, err
	}
	if ipv6 {
		text := in.hosts
		for _, l := range strings.Split(strings.TrimSpace(in.hosts), "\n")[1:] {
			addr, name, _ := strings.Cut(l, " ")
			text = v6(netip.MustParseAddr(addr)).String() + " " + name + "\n" + text
		}
		if err := n.hosts(text); err != nil {
			return nil, err
		}
	}
	if err := m.Attach(a); err != nil {
		return nil, err
	}
	return m, m.Use(a)
}

// Attach gives the machine an interface in another access's local network, with an address of its own.
func (m *Machine) Attach(a *Access) error {
	i := len(m.access)
	a.clients++
	addr := netip.AddrFrom4([4]byte{192, 168, byte(1 + i), byte(1 + a.clients)})
	m.access, m.addrs = append(m.access, a), append(m.addrs, addr)
	lan := fmt.Sprintf("c%d", a.clients)
	errs := []error{
		a.ip(fmt.Sprintf("link add %s type veth peer name eth%d netns %s", lan, i, m.Name), fmt.Sprintf("link set %s master lan up", lan)),
		m.ip(fmt.Sprintf("link set eth%d up", i), fmt.Sprintf("addr add %s/24 dev eth%d", addr, i)),
	}
	if i > 0 { // the second local network has numbers of its own
		errs = append(errs, a.ip(fmt.Sprintf("addr add 192.168.%d.1/24 dev lan", 1+i)))
	}
	if m.ipv6 {
		host := a.net6().Addr().Next()
		for range a.clients {
			host = host.Next()
		}
		m.in.UserSecret(host.String())
		errs = append(errs, m.ip(fmt.Sprintf("addr add %s/64 dev eth%d nodad", host, i),
			fmt.Sprintf("route replace ::/0 via %s dev eth%d", a.net6().Addr().Next(), i)))
	}
	m.in.UserSecret(addr.String())
	return errors.Join(errs...)
}

// Use makes an access the machine's way out. Others it is attached to lose their addresses, as when a
// laptop leaves one network for another.
func (m *Machine) Use(a *Access) error {
	var errs []error
	for i, other := range m.access {
		if other != a {
			errs = append(errs, m.ip(fmt.Sprintf("addr flush dev eth%d", i)))
		}
	}
	return errors.Join(append(errs, m.Prefer(a))...)
}

// Prefer makes an access the machine's way out, and leaves its address in the others, as when a VPN comes up.
func (m *Machine) Prefer(a *Access) error {
	i := slices.Index(m.access, a)
	return m.ip(fmt.Sprintf("route replace default via 192.168.%d.1 dev eth%d", 1+i, i))
}

// restless has addresses come and go for a while, on an interface that leads nowhere. Chromium makes connections for the
// networks it knows, and asks which there are when nothing has changed for two seconds.
func (m *Machine) restless(long time.Duration) error {
	for end, verb, next := time.Now().Add(long), "add", "del"; time.Now().Before(end) || verb == "del"; verb, next = next, verb {
		if err := m.ip("addr " + verb + " 192.168.77.1/32 dev eth0"); err != nil {
			return err
		}
		time.Sleep(500 * time.Millisecond)
	}
	return nil
}

// DialOut connects from the gateway itself, as its proxies do. Host names are the internet's.
func (a *Access) DialOut(ctx context.Context, host, port string) (net.Conn, error) {
	addr := host
	for l := range strings.Lines(a.in.hosts) {
		if ip, name, _ := strings.Cut(strings.TrimSpace(l), " "); name == host {
			addr = cmp.Or(ip, addr)
		}
	}
	if _, err := netip.ParseAddr(addr); err != nil {
		return nil, fmt.Errorf("the name %s is not known", host)
	}
	return a.Dial(ctx, "tcp4", net.JoinHostPort(addr, port))
}
