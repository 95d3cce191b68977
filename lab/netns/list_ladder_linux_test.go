package netns

import (
	"time"

	"parley/client"
	"parley/lab/netns/wire"
	"parley/wire/proto"
)

// ladder: what the network lets through.
func ladder() []scenario {
	return []scenario{
		{
			number: "1", udpOnly: true, fast: true, browsers: []string{"chromium", "firefox"}, name: "home NAT, UDP open", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			says: []string{"Audio runs over UDP 8801"}, never: []string{"blocked"},
		},
		{
			number: "1b", fast: true, browsers: []string{"chromium", "firefox"}, name: "the same, and marks are left as they are", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: (*run).marked,
		},
		{
			number: "2", cause: client.CauseNAT, browsers: []string{"chromium"}, name: "mobile, symmetric NAT, 80 ms ± 30, 1 % lost", nat: NATSymmetric,
			link:  wire.Link{Delay: 25 * ms, Jitter: 30 * ms, Loss: 0.01},
			audio: only(udpRung), video: only(udpRung), within: 2 * time.Second, says: []string{"Audio runs over UDP 8801", "Video runs over UDP 8801"}, never: []string{"blocked", "stopped"},
			after: func(r *run) {
				r.keepalive(15 * time.Second)
			},
		},
		{
			number: "3", udpOnly: true, fast: true, cause: client.CauseIPv6, browsers: []string{"chromium"}, name: "dual stack, IPv6 a black hole", ipv6: true, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack + 250*ms,
			says: []string{"IPv6 does not answer; IPv4 is used", "Audio runs over UDP 8801"}, never: []string{"blocked"},
			prepare: func(r *run) { r.forward("meta nfproto ipv6 drop") },
			// It is known now that IPv6 is silent here.
			then: func(r *run) { r.again("the next call", only(udpRung), 6*rtt+slack) },
		},
		{
			number: "5", fast: true, cause: client.CauseUDP8801Blocked, browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP 3478\.`, `The picture runs over UDP 3478\.`}, name: "UDP to port 3478 alone", audio: only(udpRung), video: only(udpRung), within: time.Second,
			prepare: func(r *run) { r.forward("oifname wan udp dport != 3478 drop") },
			says:    []string{"UDP 8801 does not answer, UDP 3478 does", "Audio runs over UDP 3478", "Video runs over UDP 3478"},
		},
		{
			number: "5b", browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, cause: client.CauseUDP8801Blocked, name: "UDP to port 443 alone, and then all opens", audio: only(udpRung), video: only(udpRung), within: time.Second, friend: true,
			prepare: func(r *run) { r.forward("oifname wan udp dport != 443 drop") },
			says:    []string{"Audio runs over UDP (443|8801)", "Video runs over UDP (443|8801)"},
			after: func(r *run) {
				r.pause(2 * time.Second)
				opened := time.Now()
				r.forward()
				r.pause(6 * time.Second)
				r.gap("all opens", r.silence(), opened) // a native client goes on as it is, a browser may move
				r.hasRung(proto.GroupAudio, udpRung)
				r.hasRung(proto.GroupVideo, udpRung)
			},
		},
		{
			number: "6", fast: true, cause: client.CauseUDPBlocked, browsers: []string{"chromium", "firefox"}, pageSays: []string{`UDP 8801 seems to be blocked`, `Sound runs over TCP 8801\.`, `The picture runs over TCP 8801\.`}, name: "UDP dropped in silence, any TCP", audio: only(tcpRung), video: only(tcpRung), within: 700*ms + slack,
			prepare: func(r *run) { r.forward(blockUDP) },
			says:    []string{"UDP 8801.*blocked", "Audio runs over TCP 8801"},
			after:   func(r *run) { r.pause(6 * time.Second) }, // until UDP has been given up
		},
		{
			number: "6b", browsers: []string{"chromium"}, cause: client.CauseUDPBlocked, says: []string{"UDP did not answer at first, and works now"}, pageSays: []string{"UDP did not answer at first, and works now"}, never: []string{"blocked"}, name: "the same, and then UDP opens", audio: only(tcpRung), video: only(tcpRung), within: 700*ms + slack, friend: true,
			prepare: func(r *run) { r.forward(blockUDP) },
			after: func(r *run) {
				r.markedDown(tcpRung)
				r.pause(7 * time.Second)
				r.freed()
			},
		},
		{
			number: "7", fast: true, cause: client.CauseOnly443, browsers: []string{"chromium", "firefox"}, pageSays: []string{`UDP 8801 seems to be blocked`, `Sound runs over TLS 443\.`, `The picture runs over TLS 443\.`}, name: "nothing but TCP 443", audio: only(tlsRung), video: only(tlsRung), within: time.Second + slack,
			prepare: func(r *run) { r.forward(blockUDP, onlyTCP443) },
			says:    []string{"UDP 8801.*blocked", "TCP 8801 does not get through", "Audio runs over TLS 443"},
			after:   func(r *run) { r.pause(6 * time.Second) }, // until UDP has been given up
		},
		{
			number: "7b", browsers: []string{"chromium"}, cause: client.CauseOnly443, says: []string{"UDP did not answer at first, and works now"}, pageSays: []string{"UDP did not answer at first, and works now"}, never: []string{"blocked"}, name: "the same, and then all opens", audio: only(tlsRung), video: only(tlsRung), within: time.Second + slack, friend: true,
			prepare: func(r *run) { r.forward(blockUDP, onlyTCP443) },
			after: func(r *run) {
				r.markedDown(tlsRung)
				r.pause(7 * time.Second)
				r.freed()
			},
		},
		{
			number: "20", udpOnly: true, cause: "mtu_1280", browsers: []string{"chromium"}, name: "MTU 1280, no ICMP", audio: only(udpRung), video: only(udpRung), offered: 1000, within: 6*rtt + slack, friend: true,
			says: []string{"Audio runs over UDP 8801", "Video runs over UDP 8801"}, never: []string{"MTU"},
			link:    wire.Link{Delay: rtt / 2, MTU: 1280, Silent: true},
			prepare: clampMSS,
			after: func(r *run) {
				r.pause(2 * time.Second)
				if n := r.access.TooBig(); n > 2 { // the padded probes
					r.Errorf("%d packets were longer than the path takes", n)
				}
			},
		},
		{
			number: "20b", browsers: []string{"chromium"}, page: keysLate, cause: "mtu_1200", doctor: []string{"Audio runs over UDP 8801", "Video runs over TCP 8801, since large UDP"}, name: "MTU 1200, no ICMP", audio: only(udpRung), within: 6*rtt + slack, offered: 1000, friend: true,
			link: wire.Link{Delay: rtt / 2, MTU: 1200, Silent: true}, prepare: clampMSS, says: []string{"MTU", "Audio runs over UDP 8801", "Video runs over TCP 8801, since large UDP"},
			after: func(r *run) { r.picturesElsewhere(5 * time.Second) },
		},
		{
			number: "20c", browsers: []string{"chromium"}, cause: "mtu_1200", name: "the same, and then long datagrams pass", audio: only(udpRung), within: 6*rtt + slack, offered: 1000, friend: true,
			link: wire.Link{Delay: rtt / 2, MTU: 1200, Silent: true}, prepare: clampMSS,
			after: func(r *run) {
				if r.browser == "" {
					r.picturesElsewhere(5 * time.Second)
				}
				r.pause(2 * time.Second)
				r.wires(wire.Both(wire.Link{Delay: rtt / 2}))
				r.freed()
			},
			page: func(s *scenario) {
				lifted := s.after
				keysLate(s)
				s.after, s.says = lifted, []string{`Sound runs over UDP`}
			},
		},
		{
			number: "x9", browsers: []string{"chromium"}, cause: client.CauseSTUNOnly, doctor: []string{`\(STUN\) through and nothing else`, `UDP 8801 to `, "Audio runs over TCP 8801"}, name: "UDP lets STUN through and nothing else", audio: only(tcpRung), video: only(tcpRung), within: 700*ms + slack,
			says: []string{`\(STUN\) through and nothing else`, "Audio runs over TCP 8801"}, never: []string{"blocked"},
			prepare: func(r *run) { r.forward("meta l4proto udp @th,64,8 > 3 drop") },
			after:   func(r *run) { r.pause(6 * time.Second) }, // until UDP has been given up
			page:    keysLate,
		},
		{
			number: "x10", cause: client.CauseBleached, doctor: []string{"Audio is marked DSCP 46 and arrives with 0 on the way up", "Video is marked DSCP 34"}, name: "DSCP marks cleared upwards",
			audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			prepare: func(r *run) { r.forward("oifname wan ip dscp set cs0") },
		},
		{
			number: "x10b", cause: client.CauseBleached, doctor: []string{"Audio .* arrives with 0 on the way up", "Audio .* arrives with 0 on the way down"}, name: "DSCP marks cleared both ways",
			audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			prepare: func(r *run) { r.forward("ip dscp set cs0") },
		},
		{
			number: "x1", udpOnly: true, browsers: []string{"chromium"}, name: "Wi-Fi of 600 ms round trip", link: wire.Link{Delay: 300 * ms}, audio: only(udpRung), video: only(udpRung), within: 6*600*ms + slack,
			never: []string{"blocked"},
			page:  func(s *scenario) { s.udpOnly = false }, // a browser tries all it knows at once
		},
	}
}

// crowded: 2.5 Mbit/s of pictures offered to a page whose downlink takes 500 kbit/s, with a queue of 100 ms, on each
// way that could queue. Of native clients the same is shown by TestSoundIsNotLateOverRealTCP.
func crowded() []scenario {
	one := func(number, over string, rung proto.Rung, obstacle func(r *run) []string) scenario {
		return scenario{
			number: number, pageOnly: true, quiet: true, browsers: []string{"chromium"}, name: "500 kbit/s, and 2.5 Mbit/s of pictures offered, " + over, audio: only(rung), video: only(rung),
			within: 4 * time.Second, friend: true, offered: 2500,
			prepare: func(r *run) {
				r.forward(obstacle(r)...)
				// From the beginning: a browser that once had to wait for sound goes on playing it later.
				r.wires(wire.Class{Up: wire.Link{Delay: rtt / 2}, Down: wire.Link{Delay: rtt / 2, Rate: 500_000, Queue: 500_000 / 8 / 10}})
			},
			after: func(r *run) {
				r.pause(4 * time.Second)
				began := time.Now()
				r.pause(30 * time.Second)
				r.young(began, 400*ms)
			},
		}
	}
	return []scenario{
		one("x11", "over TCP", tcpRung, func(*run) []string { return []string{blockUDP} }),
		one("x12", "over TLS", tlsRung, func(*run) []string { return []string{blockUDP, onlyTCP443} }),
		one("x13", "through a tunnel", udpRung, func(r *run) []string { return []string{"ip daddr " + r.servers("ctl", "mmr") + " drop"} }),
	}
}

// keysLate: UDP answers a page's checks, and its handshake does not pass: STUN alone is let through, or a browser's
// datagrams of up to 1200 bytes are too long. A browser prefers what answers, and does not say that no keys come: that
// takes five seconds to see. Then fresh connections are made, of which it chooses the first that is up. Which of the
// two it is a page can't tell.
func keysLate(s *scenario) {
	s.audio, s.video = []proto.Rung{tcpRung, tlsRung}, []proto.Rung{tcpRung, tlsRung}
	s.within, s.after, s.never = 8*time.Second, nil, nil
	s.says = []string{`UDP lets short checks \(STUN\) through and nothing else`, `Sound runs over T(CP 8801|LS 443)`}
}

// clampMSS is what gateways before a short path do for TCP.
func clampMSS(r *run) { r.forward("tcp flags syn tcp option maxseg size set 1100") }
