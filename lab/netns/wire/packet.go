package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Proto is an IP protocol number.
type Proto uint8

// The protocols the wire knows by name.
const (
	ICMP   Proto = 1
	TCP    Proto = 6
	UDP    Proto = 17
	ICMPv6 Proto = 58
)

// String is the protocol's name.
func (p Proto) String() string {
	switch p {
	case ICMP:
		return "ICMP"
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case ICMPv6:
		return "ICMPv6"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// Packet is a view of an IP packet.
type Packet struct {
	Proto    Proto
	Src, Dst netip.AddrPort // ports 0 where there are none
	TOS      uint8          // the whole octet: DSCP << 2 | ECN
	Bytes    []byte         // all of it, valid during the call
	Payload  []byte         // behind the UDP or TCP header; behind the IP header of others
	Flags    uint8          // TCP flags, 0 for others
}

// DSCP is the code point, 0 to 63.
func (p *Packet) DSCP() uint8 { return p.TOS >> 2 }

// SYN reports whether the packet opens a TCP connection.
func (p *Packet) SYN() bool { return p.Proto == TCP && p.Flags&0x12 == 0x02 }

// Parse reads an IP packet. Fragments but the first have no ports. IPv6 extension headers are not
// followed. False: it is no whole IP packet.
func Parse(b []byte, p *Packet) bool {
	*p = Packet{Bytes: b}
	var src, dst netip.Addr
	var rest []byte
	fragment := false
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if head < 20 || total < head || total > len(b) {
			return false
		}
		p.Proto, p.TOS = Proto(b[9]), b[1]
		src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		fragment = binary.BigEndian.Uint16(b[6:])&0x1fff != 0
		rest = b[head:total]
	case len(b) >= 40 && b[0]>>4 == 6:
		total := 40 + int(binary.BigEndian.Uint16(b[4:]))
		if total > len(b) {
			return false
		}
		p.Proto, p.TOS = Proto(b[6]), b[0]<<4|b[1]>>4
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		rest = b[40:total]
	default:
		return false
	}
	var from, to uint16
	switch {
	case fragment:
	case p.Proto == UDP && len(rest) >= 8:
		from, to = binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
		rest = rest[8:]
	case p.Proto == TCP && len(rest) >= 20:
		from, to = binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
		p.Flags = rest[13]
		rest = rest[min(len(rest), int(rest[12]>>4)*4):]
	}
	p.Src, p.Dst = netip.AddrPortFrom(src, from), netip.AddrPortFrom(dst, to)
	p.Payload = rest
	return true
}

// AppendTooBig appends the ICMP message that tells a packet's sender of the MTU (RFC 792, RFC 4443
// section 3.2), from a router whose address is the packet's destination. Nothing is appended for what
// must not be answered: ICMP errors.
func AppendTooBig(b []byte, p *Packet, mtu int) []byte {
	switch {
	case p.Proto == ICMP || p.Proto == ICMPv6:
		return b
	case p.Src.Addr().Is4():
		quoted := p.Bytes[:min(len(p.Bytes), 20+8+20)]
		n := 20 + 8 + len(quoted)
		at := len(b)
		b = append(b, make([]byte, n)...)
		h := b[at:]
		h[0], h[8], h[9] = 0x45, 64, byte(ICMP)
		binary.BigEndian.PutUint16(h[2:], uint16(n))
		copy(h[12:], p.Bytes[16:20])
		copy(h[16:], p.Bytes[12:16])
		binary.BigEndian.PutUint16(h[10:], checksum(0, h[:20]))
		m := h[20:]
		m[0], m[1] = 3, 4 // destination unreachable, fragmentation needed
		binary.BigEndian.PutUint16(m[6:], uint16(mtu))
		copy(m[8:], quoted)
		binary.BigEndian.PutUint16(m[2:], checksum(0, m))
		return b
	default:
		quoted := p.Bytes[:min(len(p.Bytes), 1280-48)]
		n := 8 + len(quoted)
		at := len(b)
		b = append(b, make([]byte, 40+n)...)
		h := b[at:]
		h[0], h[6], h[7] = 0x60, byte(ICMPv6), 64
		binary.BigEndian.PutUint16(h[4:], uint16(n))
		copy(h[8:], p.Bytes[24:40])
		copy(h[24:], p.Bytes[8:24])
		m := h[40:]
		m[0] = 2 // packet too big
		binary.BigEndian.PutUint32(m[4:], uint32(mtu))
		copy(m[8:], quoted)
		pseudo := uint32(n) + uint32(ICMPv6)
		for i := 8; i < 40; i += 2 {
			pseudo += uint32(binary.BigEndian.Uint16(h[i:]))
		}
		binary.BigEndian.PutUint16(m[2:], checksum(pseudo, m))
		return b
	}
}

// checksum is the Internet checksum of b (RFC 1071), begun with sum.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
