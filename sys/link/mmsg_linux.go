package link

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's structures for recvmmsg and sendmmsg, filled by hand: golang.org/x/net's ReadBatch
// allocates two objects for each datagram's address, and the packet path allocates nothing.

// mmsghdr is struct mmsghdr of <sys/socket.h>; Go pads it to the alignment of its pointers as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// oobLen is room for a packet-info, a traffic class and a segment size, with cmsg headers (RFC 3542 §20).
const oobLen = 128

// frame is one entry of a batch with all that its header points at. A frame never moves.
type frame struct {
	iov  [maxGather]unix.Iovec
	name unix.RawSockaddrInet6 // large enough for, and used as, RawSockaddrInet4 too
	oob  [oobLen / 8]uint64    // words, so that cmsg headers lie aligned
}

// ring is the scratch of one direction of one socket. Guarded by that direction's mutex.
type ring struct {
	hdrs   []mmsghdr
	frames []frame
}

// grow makes room for n entries, at most maxBatch. Headers point into frames, so both are made anew.
func (r *ring) grow(n int) {
	if n <= len(r.hdrs) {
		return
	}
	size := 1
	for size < n {
		size *= 2
	}
	r.hdrs, r.frames = make([]mmsghdr, size), make([]frame, size)
	for i := range r.hdrs {
		h, f := &r.hdrs[i].hdr, &r.frames[i]
		h.Name = (*byte)(unsafe.Pointer(&f.name))
		h.Iov = &f.iov[0]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&f.oob))
	}
}

// want readies entry i to receive into buf.
func (r *ring) want(i int, buf []byte) {
	h, f := &r.hdrs[i].hdr, &r.frames[i]
	f.iov[0].Base = unsafe.SliceData(buf)
	f.iov[0].SetLen(len(buf))
	h.Namelen = unix.SizeofSockaddrInet6
	h.SetControllen(oobLen)
}

// got reads entry i back: length, peer, and what the kernel told beside: the address arrived at, the
// size of merged datagrams, the mark, and how many the socket has lost so far (0: it did not say).
func (r *ring) got(i int, m *Message) (lost uint32) {
	h, f := &r.hdrs[i], &r.frames[i]
	m.N = int(h.len)
	m.Addr = f.name4or6()
	m.Local, m.Segment, m.Mark, lost = f.told(int(h.hdr.Controllen))
	if m.Segment >= m.N {
		m.Segment = 0
	}
	return lost
}

// put readies entry i to send buf to m's peer; gather adds what follows it in the same train.
func (r *ring) put(i int, m *Message, buf []byte, segment int, v6, source bool) {
	h, f := &r.hdrs[i].hdr, &r.frames[i]
	f.iov[0].Base = unsafe.SliceData(buf)
	f.iov[0].SetLen(len(buf))
	h.SetIovlen(1)
	h.Namelen = f.setName(m.Addr, v6)
	n := 0
	if source && m.Local.IsValid() {
		n = f.addSource(n, m.Local, v6)
	}
	if m.DSCP != 0 {
		// A dual-stack socket ignores the traffic class for IPv4 peers and obeys IP_TOS there.
		level, kind := int32(unix.IPPROTO_IP), int32(unix.IP_TOS)
		if v6 && !m.Addr.Addr().Unmap().Is4() {
			level, kind = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		*(*int32)(f.cmsg(n, level, kind, 4)) = int32(m.DSCP&63) << 2
		n += unix.CmsgSpace(4)
	}
	if segment > 0 {
		*(*uint16)(f.cmsg(n, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)) = uint16(segment)
		n += unix.CmsgSpace(2)
	}
	h.SetControllen(n)
}

// gather adds messages to entry i, which put has readied.
func (r *ring) gather(i int, ms []Message) {
	f := &r.frames[i]
	for k := range ms {
		v := &f.iov[k+1]
		v.Base = unsafe.SliceData(ms[k].Buf)
		v.SetLen(ms[k].N)
	}
	r.hdrs[i].hdr.SetIovlen(len(ms) + 1)
}

// cmsg writes a control message header at off and gives where its data of n bytes goes.
func (f *frame) cmsg(off int, level, kind int32, n int) unsafe.Pointer {
	base := unsafe.Pointer(&f.oob)
	h := (*unix.Cmsghdr)(unsafe.Add(base, off))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(n))
	return unsafe.Add(base, off+unix.CmsgLen(0))
}

func (f *frame) addSource(off int, local netip.Addr, v6 bool) int {
	if v6 {
		// The kernel takes a mapped address here for an IPv4 peer too.
		*(*unix.Inet6Pktinfo)(f.cmsg(off, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)) =
			unix.Inet6Pktinfo{Addr: local.As16()}
		return off + unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	if local = local.Unmap(); !local.Is4() {
		return off
	}
	*(*unix.Inet4Pktinfo)(f.cmsg(off, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)) =
		unix.Inet4Pktinfo{Spec_dst: local.As4()}
	return off + unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}

// told finds what n bytes of control messages say of a datagram that arrived.
func (f *frame) told(n int) (local netip.Addr, segment int, mark uint8, lost uint32) {
	base := unsafe.Pointer(&f.oob)
	for off := 0; off+unix.CmsgLen(0) <= min(n, oobLen); {
		h := (*unix.Cmsghdr)(unsafe.Add(base, off))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || off+size > oobLen {
			break
		}
		data := unsafe.Add(base, off+unix.CmsgLen(0))
		has := func(level, kind int32, n int) bool {
			return h.Level == level && h.Type == kind && size >= unix.CmsgLen(n)
		}
		switch {
		case has(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo):
			local = netip.AddrFrom4((*unix.Inet4Pktinfo)(data).Spec_dst)
		case has(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo):
			local = netip.AddrFrom16((*unix.Inet6Pktinfo)(data).Addr).Unmap()
		case has(unix.IPPROTO_UDP, unix.UDP_GRO, 4):
			segment = int(*(*int32)(data))
		case has(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 4):
			lost = *(*uint32)(data)
		case has(unix.IPPROTO_IP, unix.IP_TOS, 1):
			mark = *(*uint8)(data)>>2 + 1
		case has(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 4):
			mark = uint8(*(*int32)(data))>>2 + 1
		}
		off += unix.CmsgSpace(size - unix.CmsgLen(0))
	}
	return local, segment, mark, lost
}

// port overlays the two bytes of a port, which the kernel keeps in network order.
func port(p *uint16) *[2]byte { return (*[2]byte)(unsafe.Pointer(p)) }

func (f *frame) name4or6() netip.AddrPort {
	switch f.name.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&f.name))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), binary.BigEndian.Uint16(port(&sa.Port)[:]))
	case unix.AF_INET6:
		a := netip.AddrFrom16(f.name.Addr).Unmap()
		if f.name.Scope_id != 0 && a.IsLinkLocalUnicast() {
			a = a.WithZone(strconv.Itoa(int(f.name.Scope_id)))
		}
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port(&f.name.Port)[:]))
	}
	return netip.AddrPort{}
}

// setName writes the peer's address and gives its length. A peer of a family the socket has not is
// sent as it is: the kernel refuses that message and it is counted.
func (f *frame) setName(to netip.AddrPort, v6 bool) uint32 {
	a := to.Addr()
	if !v6 && a.Unmap().Is4() {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&f.name))
		*sa = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Unmap().As4()}
		binary.BigEndian.PutUint16(port(&sa.Port)[:], to.Port())
		return unix.SizeofSockaddrInet4
	}
	f.name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.As16(), Scope_id: scope(a.Zone())}
	binary.BigEndian.PutUint16(port(&f.name.Port)[:], to.Port())
	return unix.SizeofSockaddrInet6
}

// scope is the interface index a zone names.
func scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
