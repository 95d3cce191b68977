package netns

import (
	"slices"
	"time"
)

const ms = time.Millisecond

// blockUDP and the like are the gateway's rules of the usual obstacles.
const (
	blockUDP     = "meta l4proto udp drop"
	onlyTCP443   = "oifname wan tcp dport != 443 drop"
	blockAll     = "oifname wan drop"
	resetAll     = "meta l4proto tcp reject with tcp reset"
	tlsHandshake = "tcp dport 443 @th,256,8 0x16" // the first byte behind a TCP header with time stamps
	// A first cipher suite of a ClientHello that is not made up (RFC 8701), as Chromium's are.
	notChromium = tlsHandshake + " @th,884,4 != 0xa"
)

// onlyUDP opens UDP 8801 beside a proxy, which alone can be reached otherwise.
func onlyUDP() []string {
	return []string{"oifname wan udp dport != 8801 drop", "oifname wan meta l4proto tcp drop"}
}

// scenarios are the networks, by their numbers in the list; x… are the further ones.
func scenarios() []scenario {
	return slices.Concat(ladder(), crowded(), changing(), proxies(), unheard(), zones(), unreached(), balanced(), later())
}

// later: what a later issue asks for.
func later() []scenario {
	return []scenario{
		{number: "4", name: "Wi-Fi with 5 % lost in bursts and 200 ms of queue", later: "with media that adapts"},
		{number: "12d", name: "proxy asks for NTLM", later: "NTLM"},
		{number: "12e", name: "proxy asks for Negotiate", later: "Negotiate"},
		{number: "14", name: "a box that strips Upgrade", later: "requests in place of WebSockets"},
		{number: "19", name: "30 % lost upwards, nothing downwards", later: "with media that adapts"},
		{number: "22", name: "IPv6 alone, NAT64", later: "NAT64"},
		{number: "23", name: "no name service", later: "the cached dial plan without names"},
	}
}
