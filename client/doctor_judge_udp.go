package client

import (
	"fmt"
	"net/netip"

	"parley/core/join"
	"parley/wire/proto"
)

func (v *verdict) judgeUDP() {
	v.judgeIPv6()
	switch v.nat {
	case natUnknown:
		if v.mapped != "" {
			v.find("network", "Address translation", OK, "seen as "+v.mapped, "Its kind can't be told with one address to compare.")
		}
	case natNone:
		v.find("network", "Address translation", OK, "none", "")
	case natSame:
		v.find("network", "Address translation", OK, "one public address for all destinations ("+v.mapped+")", "")
	case natSymmetric:
		v.blame(CauseNAT, Best)
		v.find("network", "Address translation", OK, "another public port for each destination ("+v.mapped+")", "This is called a symmetric NAT. Meetings do not mind it.")
	}
	if v.small.sent == 0 {
		return
	}
	most := packetSizes[len(packetSizes)-1]
	switch value := fmt.Sprintf("%d bytes out, %d there and back", v.up, v.both); {
	case v.both == 0:
		v.find("network", "Longest packet", Warn, "not found", "Packets get lost at every length.")
	case v.both >= smallMTU:
		if v.both == most {
			value = fmt.Sprintf("%d bytes or more", most)
		}
		v.find("network", "Longest packet", OK, value, "")
	case v.both >= mediaPacket:
		v.blame(CauseMTU+Cause(fmt.Sprint(v.both)), Best)
		v.find("network", "Longest packet", OK, value, "Less than usual, as in a VPN. Sound and pictures fit.")
	default:
		v.blame(CauseMTU+Cause(fmt.Sprint(v.both)), Limited)
		v.say(join.SayShort())
		v.find("network", "Longest packet", Warn, value, fmt.Sprintf("Pictures come in packets of up to %d bytes, which get lost here.", mediaPacket))
		v.advise(fmt.Sprintf("Let UDP packets of %d bytes through: raise the MTU of the tunnel or VPN on the way, or let ICMP \"packet too big\" through.", mediaPacket))
	}
	lost := v.small.lost()
	value := fmt.Sprintf("%.0f %% of %d", 100*lost, v.small.sent)
	if lost > muchLoss {
		v.blame(CauseLoss, Limited)
		v.find("network", "Packets lost", Warn, value, "Sound gets gaps when more than one of twenty packets is lost. Wi-Fi far from its access point is the usual reason.")
	} else {
		v.find("network", "Packets lost", OK, value, "")
	}
	more := v.large.lost() - lost
	late := v.large.half - v.small.half
	value = fmt.Sprintf("%.0f %% lost, %s later than small packets", 100*v.large.lost(), millis(max(late, 0)))
	if v.both > 0 && (more >= throttled || v.large.back > 0 && late >= throttledLag) {
		v.blame(CauseUDPThrottled, Limited)
		v.throttled = true
		v.say(join.SayUDPLossy())
		v.find("network", "A second of pictures", Warn, value, "UDP passes, but not as much of it as pictures need. Sound can stay on UDP; pictures take TCP.")
		v.allowRung("UDP", proto.UDP8801, "pictures over UDP: exempt it from the rate limit, which is below 400 kbit/s")
	} else {
		v.find("network", "A second of pictures", OK, value, "")
	}
}

// judgeIPv6 says whether this computer has IPv6 that leads nowhere.
func (v *verdict) judgeIPv6() {
	if !v.ipv6 {
		return
	}
	var answered [2]bool
	asked := false
	for _, z := range v.zones {
		for _, p := range z.probes {
			if to, err := netip.ParseAddrPort(p.addr); err == nil {
				answered[family(to)] = answered[family(to)] || p.back > 0
				asked = asked || family(to) == 1 && p.sent > 0
			}
		}
	}
	switch {
	case !asked || !answered[0] && !answered[1]:
	case answered[1]:
		v.find("network", "IPv6", OK, "works", "")
	default:
		v.blame(CauseIPv6, Best)
		v.say(join.SayIPv6())
		v.find("network", "IPv6", Warn, "nothing comes back", "This computer has an IPv6 address, but IPv6 leads nowhere. Meetings take IPv4 at once; other programs may be slow to find out.")
		v.advise("Repair IPv6 on this network, or turn it off: the computer believes that it has it.")
	}
}
