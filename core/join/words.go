package join

import (
	"fmt"
	"strings"

	"parley/wire/proto"
)

// The sentences that explain a network to a person. A join's report and an examination of the network without
// one (`parley doctor`) say the same thing in the same words.

// SayZone says which zone is best.
func SayZone(name string, rttMS float64) string {
	return fmt.Sprintf("The best meeting zone is %s, %.0f ms away.", name, rttMS)
}

// SayHomeZone says why a meeting is not in the best zone: it lives elsewhere.
func SayHomeZone(name string) string {
	return fmt.Sprintf("The meeting runs in zone %s, so everybody meets there.", name)
}

// SayOtherZone says that the best zone had no server for this client, and which zone had.
func SayOtherZone(best, name string) string {
	return fmt.Sprintf("Zone %s could not take this call, so it runs in zone %s.", best, name)
}

// SayZonesSilent says which zones answer nothing at all.
func SayZonesSilent(names []string) string { return zonesDo(names, "not answer") + "." }

// SayZonesDeaf says which zones answer over HTTPS alone, while UDP passes to others.
func SayZonesDeaf(names []string) string {
	return zonesDo(names, "not answer over UDP") + ", but over HTTPS."
}

// SayZonesShut says which zones have controllers that answer, and meeting servers that nothing from here gets to.
func SayZonesShut(names []string) string {
	zone := "zone"
	if len(names) > 1 {
		zone = "zones"
	}
	return fmt.Sprintf("The meeting servers of %s %s can't be reached directly.", zone, strings.Join(names, ", "))
}

func zonesDo(names []string, what string) string {
	if len(names) == 1 {
		return fmt.Sprintf("Zone %s does %s", names[0], what)
	}
	return fmt.Sprintf("Zones %s do %s", strings.Join(names, ", "), what)
}

// SayZoneNearer says why a zone was passed over though it is nearer: load and place count too (proto.Zone.Bias).
func SayZoneNearer(name string, rttMS float64) string {
	return fmt.Sprintf("Zone %s is nearer, %.0f ms away, but the site prefers others: it is busy, or meant for other people.", name, rttMS)
}

// SayNoZone says that no zone can be reached by HTTPS.
func SayNoZone() string { return "No zone controller answered over HTTPS." }

// SayZoneSilent says over what a zone does not answer, while others do; answers is what it does answer over, "" for
// nothing.
func SayZoneSilent(name string, silent []string, answers string) string {
	s := fmt.Sprintf("Zone %s does not answer over %s", name, strings.Join(silent, " and "))
	if answers != "" {
		s += ", but over " + answers
	}
	return s + "."
}

// SayProxy says that a proxy is in use.
func SayProxy(name string) string { return "Servers are reached through the proxy " + name + "." }

// SayUnused says why a proxy that is configured is not used.
func SayUnused(why string) string { return why + "; servers are reached directly." }

// SayInspected says that somebody opens TLS on the way.
func SayInspected(by string) string {
	return fmt.Sprintf("TLS is opened and inspected on the way by ‘%s’; sound and pictures stay encrypted up to the server.", by)
}

// SayLongHello says that TLS works with older keys alone.
func SayLongHello() string {
	return "A firewall on the way drops TLS handshakes with post-quantum keys, which are long; older keys are used."
}

// SayTunnel says that a tunnel is in use.
func SayTunnel(url string) string { return "Servers are reached through the tunnel " + url + "." }

// SayTunnelLeft says that a meeting which began through a tunnel goes on without one.
func SayTunnelLeft() string {
	return "It began through a tunnel; servers answer directly by now, and it is not used any more."
}

// SayMoved says that this computer is in another network than when it joined.
func SayMoved() string { return "The network changed in the meeting; sound and pictures moved along." }

// SayResumed says that the connection was lost in the meeting and has come again.
func SayResumed() string { return "The connection was lost in the meeting, and came back." }

// SayUDPBlocked says that UDP does not pass; tries says what was not answered.
func SayUDPBlocked(tries string) string {
	return "UDP 8801 seems to be blocked: none of " + tries + " was answered."
}

// SaySTUNOnly says that checks pass over UDP and nothing else does.
func SaySTUNOnly() string {
	return "UDP lets short checks (STUN) through and nothing else, as firewalls do that know STUN only: sound and pictures can't use it."
}

// SayChecksOnly says the same where nobody can tell whether it is the kind of packets or their length.
func SayChecksOnly() string {
	return "UDP lets short checks (STUN) through and nothing else: a firewall knows STUN only, or drops long packets. Sound and pictures can't use it."
}

// SayUDPWaiting says that it is too early to call UDP blocked.
func SayUDPWaiting() string { return "UDP 8801 has not answered so far." }

// SayTCPBlocked says why media takes TLS.
func SayTCPBlocked() string { return "TCP 8801 does not get through." }

// SayOtherPort says that UDP passes to some of a site's ports only: those that are silent, and the one in use.
func SayOtherPort(silent []string, port uint16) string {
	return fmt.Sprintf("UDP %s does not answer, UDP %d does.", strings.Join(silent, ", "), port)
}

// SayUDPOpened says that UDP carries media, which it did not at first.
func SayUDPOpened() string { return "UDP did not answer at first, and works now." }

// SayUDPBack says that UDP carries media again.
func SayUDPBack() string { return "UDP fell silent for a while, and works again." }

// SayUDPBetter says that UDP carries media again, after losing too much of it.
func SayUDPBetter() string { return "UDP lost too many packets for a while, and works well again." }

// SayUDPPartly says why pictures run over connections while sound does not.
func SayUDPPartly() string { return "UDP carries sound, but failed the pictures." }

// SayMarkCleared says that a medium's DSCP mark does not survive: the one that was set, what was there at the end, and
// which way.
func SayMarkCleared(g proto.Group, set, arrived uint8, way string) string {
	return fmt.Sprintf("%s is marked DSCP %d and arrives with %d on the way %s: the network does not carry its mark.", title(g.String()), set, arrived, way)
}

// SayUDPStopped says that UDP carried media and does so no more.
func SayUDPStopped() string { return "UDP worked at first, and then stopped." }

// SayUDPLossy says that UDP carried media and too little of it arrived.
func SayUDPLossy() string { return "UDP works, and loses too many packets." }

// SayNothingDirect says that a tunnel is all there is, whatever the port or protocol.
func SayNothingDirect() string {
	return "Without the tunnel nothing answers, neither over UDP nor over HTTPS."
}

// SayShort says that packets of full size get lost.
func SayShort() string {
	return "Large UDP datagrams get lost on the way: the path's MTU is too small, or a firewall drops fragments."
}

// SayIPv6 says that IPv6 leads nowhere, though this computer has it.
func SayIPv6() string { return "IPv6 does not answer; IPv4 is used." }

// SayRuns says what carries a medium: a way by its name (WayName).
func SayRuns(g proto.Group, way string, tunnel bool) string {
	through := ""
	if tunnel {
		through = " through the tunnel"
	}
	return fmt.Sprintf("%s runs over %s%s.", title(g.String()), way, through)
}

// SayRunsSinceShort says what carries pictures where packets of full size get lost over UDP.
func SayRunsSinceShort(g proto.Group, way string) string {
	return fmt.Sprintf("%s runs over %s, since large UDP datagrams get lost.", title(g.String()), way)
}

// SayConnecting says that the first ways for a medium are being tried.
func SayConnecting(g proto.Group) string { return title(g.String()) + " is being connected." }

// SayNoPath says that nothing carries a medium.
func SayNoPath(g proto.Group) string { return title(g.String()) + " has no path." }

// WayName is what carries media for people: a rung by the port that packets go to, since there may be several;
// 0 is the usual one.
func WayName(r proto.Rung, port uint16) string {
	if port == 0 {
		port = 8801
	}
	switch r {
	case proto.UDP8801:
		return fmt.Sprintf("UDP %d", port)
	case proto.TCP8801:
		return fmt.Sprintf("TCP %d", port)
	case proto.TLS443:
		return "TLS 443"
	}
	return string(r)
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
