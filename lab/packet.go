package lab

import (
	"net/netip"
	"time"
)

// Proto is a packet's protocol; zero in a Rule means either.
type Proto uint8

// The protocols the net carries.
const (
	UDP Proto = iota + 1
	TCP
)

func (p Proto) String() string { return [...]string{"any", "UDP", "TCP"}[p] }

// Event is what befell a packet.
type Event uint8

// A packet is Sent once on each link and then Arrived or Dropped; one refused at once is only Dropped.
const (
	Sent Event = iota + 1
	Arrived
	Dropped
)

func (e Event) String() string { return [...]string{"none", "sent", "arrived", "dropped"}[e] }

// Reason is why a packet was dropped.
type Reason uint8

// The reasons, in the order a packet meets them.
const (
	NoReason   Reason = iota
	HostDown          // its sender or receiver is down
	NoRoute           // nobody has that address, or the sender no longer has its own
	Blocked           // a rule drops it in silence
	Rejected          // a rule drops it and says so: a connect is refused
	TooBig            // longer than the link's MTU
	QueueFull         // the link's queue is full
	Lost              // the link's chance
	NoSocket          // nobody listens there
	BufferFull        // the socket's receive buffer is full
)

func (r Reason) String() string {
	return [...]string{"none", "host down", "no route", "blocked", "rejected", "too big", "queue full",
		"lost", "no socket", "buffer full"}[r]
}

// Kind is what a TCP segment says; Datagram for UDP.
type Kind uint8

// The kinds of packet.
const (
	Datagram Kind = iota
	SYN
	SYNACK
	ACK
	Data
	FIN
	RST
)

func (k Kind) String() string {
	return [...]string{"datagram", "SYN", "SYN-ACK", "ACK", "data", "FIN", "RST"}[k]
}

// Packet is what a tap or a rule sees of a packet.
type Packet struct {
	At       time.Duration // since the net began
	Event    Event
	Reason   Reason // why dropped
	From, To string // the hosts of this link; To is "" when there is no way
	Proto    Proto
	Kind     Kind
	Src, Dst netip.AddrPort
	DSCP     uint8
	Data     []byte // a datagram's payload or a segment's bytes
}

// Rule matches packets to drop. All its set fields must match; an empty rule matches everything.
type Rule struct {
	Proto  Proto
	Port   uint16     // destination port
	To     netip.Addr // destination address
	Reject bool       // answer a connect with a refusal instead of silence
	Match  func(Packet) bool
}

// packet is one on its way. Owned by the simulation: guarded by Net.mu.
type packet struct {
	from, to *Host // of the link it is on
	proto    Proto
	kind     Kind
	dscp     uint8
	src, dst netip.AddrPort
	data     []byte
	sentAt   int64

	conn     *Conn  // TCP: its sender, told when it is lost; nil for a reset
	seq, ack uint64 // TCP: bytes from the stream's beginning
	tries    int
	firstAt  int64
}

// wireLen is the packet's length as the link counts it, with IP and UDP or TCP headers.
func (p *packet) wireLen() int {
	n := len(p.data) + 20
	if p.src.Addr().Is6() {
		n += 20
	}
	if p.proto == UDP {
		return n + 8
	}
	return n + 20
}

func (p *packet) view(at time.Duration, e Event, why Reason) Packet {
	v := Packet{At: at, Event: e, Reason: why, From: p.from.name, Proto: p.proto, Kind: p.kind,
		Src: p.src, Dst: p.dst, DSCP: p.dscp, Data: p.data}
	if p.to != nil {
		v.To = p.to.name
	}
	return v
}

// match finds the first rule that drops p and how.
func match(rules []Rule, p *packet) (Reason, bool) {
	for i := range rules {
		r := &rules[i]
		switch {
		case r.Proto != 0 && r.Proto != p.proto,
			r.Port != 0 && r.Port != p.dst.Port(),
			r.To.IsValid() && r.To != p.dst.Addr(),
			r.Match != nil && !r.Match(p.view(time.Duration(p.sentAt), Sent, NoReason)):
			continue
		}
		if r.Reject {
			return Rejected, true
		}
		return Blocked, true
	}
	return NoReason, false
}
