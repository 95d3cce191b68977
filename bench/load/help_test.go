package load

import "net/netip"

var loopbackPort0 = netip.AddrPortFrom(addr4([4]byte{127, 0, 0, 1}), 0)

func addr4(a [4]byte) netip.Addr { return netip.AddrFrom4(a) }
