package netns

import (
	"time"

	"parley/client"
	"parley/lab/netns/wire"
	"parley/wire/proto"
)

// changing: networks that are not the same all the time, or not for all that is sent.
func changing() []scenario {
	return []scenario{
		{
			number: "15", udpOnly: true, browsers: []string{"chromium", "firefox"}, name: "Wi-Fi to mobile in the meeting", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			says: []string{"The network changed in the meeting"}, pageSays: []string{"The connection was lost in the meeting, and came back"},
			after: func(r *run) {
				mobile, err := r.in.NewAccess(NATSymmetric, wire.Both(wire.Link{Delay: 40 * ms}))
				r.must(err)
				r.must(r.machine.Attach(mobile))
				r.pause(time.Second)
				r.moves("from one network to the other", func() error { return r.machine.Use(mobile) })
			},
		},
		{
			number: "15b", udpOnly: true, browsers: []string{"chromium"}, name: "a VPN comes up in the meeting, and goes", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				vpn, err := r.in.NewAccess(NATSymmetric, wire.Both(wire.Link{Delay: 50 * ms, MTU: 1400}))
				r.must(err)
				r.must(r.machine.Attach(vpn))
				r.pause(time.Second)
				r.moves("into the VPN", func() error { return r.machine.Prefer(vpn) })
				if len(vpn.Flows(func(f Flow) bool { return f.Dir == wire.Up && f.Kind == soundKind })) == 0 {
					r.Error("no sound goes through the VPN")
				}
				r.moves("out of it", func() error { return r.machine.Use(r.access) })
			},
		},
		{
			number: "15c", browsers: []string{"chromium"}, name: "Wi-Fi to mobile, where UDP opens 8 s later", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				mobile, err := r.in.NewAccess(NATSymmetric, wire.Both(wire.Link{Delay: 40 * ms}))
				r.must(err)
				r.must(mobile.Forward(blockUDP))
				r.must(r.machine.Attach(mobile))
				r.pause(time.Second)
				r.must(r.machine.Use(mobile))
				r.pause(8 * time.Second) // all that was tried at once has been given up
				r.hasRung(proto.GroupAudio, tcpRung)
				r.must(mobile.Forward())
				r.upgraded(udpRung, 12*time.Second)
			},
		},
		{
			number: "15d", pageOnly: true, browsers: []string{"chromium"}, name: "Wi-Fi to mobile, which a browser sees late", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				mobile, err := r.in.NewAccess(NATSymmetric, wire.Both(wire.Link{Delay: 40 * ms}))
				r.must(err)
				r.must(r.machine.Attach(mobile))
				r.pause(time.Second)
				r.must(r.machine.Use(mobile))
				r.must(r.machine.restless(4 * time.Second))
				r.pause(3 * time.Second) // until it sees it, and a moment
				r.wait(15*time.Second, "back on UDP", func(s Seat) bool {
					return s.Rungs == [proto.NGroups]proto.Rung{udpRung, udpRung, udpRung}
				})
			},
		},
		{
			number: "16", udpOnly: true, cause: client.CauseNAT, browsers: []string{"chromium"}, name: "NAT forgets every 3 s", nat: NATSymmetric, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			says: []string{"Audio runs over UDP 8801"}, never: []string{"blocked", "stopped"},
			after: func(r *run) {
				for range 3 {
					r.pause(3 * time.Second)
					r.must(r.access.Rebind())
				}
				r.pause(time.Second)
				r.hasRung(proto.GroupAudio, udpRung)
				r.gapless(time.Second)
			},
		},
		{
			number: "16b", cause: client.CauseNAT, name: "NAT forgets five times a second", nat: NATSymmetric, audio: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				stop := time.Now().Add(12 * time.Second)
				for time.Now().Before(stop) {
					r.must(r.access.Rebind())
					r.pause(200 * ms)
					if seat, ok := r.client.Seat(); ok && seat.Rungs[0] == tcpRung {
						r.note("demoted to TCP after %d s", 12-int(time.Until(stop).Seconds()))
						return
					}
				}
				if !r.gapless(time.Second) {
					r.Error("neither demoted within 12 s nor heard without gaps")
				}
			},
		},
		{
			number: "17", browsers: []string{"chromium"}, name: "UDP works, then is killed", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			says:     []string{"UDP worked at first, and then stopped", `Audio runs over T(CP 8801|LS 443)\.`},
			pageSays: []string{"UDP worked at first, and then stopped", `Sound runs over T(CP 8801|LS 443)\.`},
			after: func(r *run) {
				r.pause(2 * time.Second)
				r.forward(blockUDP)
				r.demoted([]proto.Rung{tcpRung, tlsRung}, 3*time.Second)
			},
			// TCP takes a round trip more than UDP does.
			then: func(r *run) {
				if r.browser != "" {
					r.pageAgain("the next call")
					return
				}
				r.again("the next call", only(tcpRung), 7*rtt+slack)
			},
		},
		{
			number: "17b", browsers: []string{"chromium"}, name: "the same, and then UDP comes back", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			says: []string{"UDP fell silent for a while, and works again"},
			after: func(r *run) {
				r.pause(2 * time.Second)
				r.forward(blockUDP)
				r.demoted([]proto.Rung{tcpRung, tlsRung}, 3*time.Second)
				r.pause(2 * time.Second)
				r.freed()
			},
		},
		{
			number: "18", cause: client.CauseUDPThrottled, browsers: []string{"chromium"}, name: "UDP throttled to 100 kbit/s", offered: 1000, audio: only(udpRung), within: 1200 * ms, friend: true,
			says: []string{"Audio runs over UDP 8801", "Video runs over UDP 8801", "Content runs over UDP 8801"},
			prepare: func(r *run) {
				r.wires(wire.Class{Proto: wire.UDP, Up: wire.Link{Delay: rtt / 2, Rate: 100_000, Queue: 2500}, Down: wire.Link{Delay: rtt / 2, Rate: 100_000, Queue: 2500}},
					wire.Both(wire.Link{Delay: rtt / 2}))
			},
			after: func(r *run) {
				r.picturesElsewhere(12 * time.Second)
				r.wires(wire.Both(wire.Link{Delay: rtt / 2}))
				r.freed()
			},
		},
		{
			number: "18b", browsers: []string{"chromium"}, name: "UDP loses 40 %", offered: 1000, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			says: []string{"UDP works, and loses too many packets", "Video runs over TCP 8801", "Content runs over TCP 8801"},
			after: func(r *run) {
				lossy := wire.Link{Delay: rtt / 2, Loss: 0.4}
				r.wires(wire.Class{Proto: wire.UDP, Up: lossy, Down: lossy}, wire.Both(wire.Link{Delay: rtt / 2}))
				// Ten seconds of loss, told each second, and a handshake while two packets of five are lost.
				r.wait(14*time.Second+r.slack(), "pictures on TCP", func(s Seat) bool { return s.Rungs[1] == tcpRung && together(s) })
			},
		},
		{
			number: "18c", browsers: []string{"chromium"}, name: "the same, and then nothing is lost any more", offered: 1000, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				lossy := wire.Link{Delay: rtt / 2, Loss: 0.4}
				r.wires(wire.Class{Proto: wire.UDP, Up: lossy, Down: lossy}, wire.Both(wire.Link{Delay: rtt / 2}))
				r.wait(30*time.Second, "pictures elsewhere", func(s Seat) bool { return s.Rungs[1] != udpRung })
				r.pause(2 * time.Second)
				r.wires(wire.Both(wire.Link{Delay: rtt / 2}))
				r.freed()
			},
		},
		{
			number: "x8", quiet: true, browsers: []string{"chromium"}, name: "sound on UDP, pictures on TLS, which is 40 ms slower", audio: only(udpRung), friend: true, offered: 1000,
			says: []string{"UDP works, and loses too many packets", "Audio runs over UDP 8801", "Video runs over TLS 443", "Content runs over TLS 443"},
			// All that a cold join waits for goes over TLS: the lookup three times, TCP and TLS to the router, and the hello there.
			within: 11*(rtt+2*40*ms)/2 + slack,
			prepare: func(r *run) {
				r.wires(wire.Class{Proto: wire.TCP, Up: wire.Link{Delay: rtt/2 + 40*ms}, Down: wire.Link{Delay: rtt/2 + 40*ms}}, wire.Both(wire.Link{Delay: rtt / 2}))
			},
			after: func(r *run) {
				before := r.estimate(12 * time.Second)
				r.forward("meta l4proto udp @th,64,8 > 127 meta length > 500 numgen random mod 10 < 9 drop", "tcp dport 8801 drop") // what carries pictures
				r.wait(14*time.Second, "audio on UDP and video on TLS", func(s Seat) bool { return s.Rungs[0] == udpRung && s.Rungs[1] == tlsRung && together(s) })
				if r.browser == "" {
					return
				}
				// Somebody watches 180 lines of it, so all beyond some 200 kbit/s is what a browser tried once at the beginning
				// of a connection, and a TCP connection of a path this long takes 1 Mbit/s then: more does not count.
				want, after := min(before, 1_000_000)*8/10, 0
				for began := time.Now(); after < want && time.Since(began) < 30*time.Second; {
					after = r.estimate(4 * time.Second)
				}
				r.note("the browser's outgoing estimate: %d kbit/s on UDP, %d so", before/1000, after/1000)
				if before == 0 || after < want {
					r.Errorf("the browser believes in %d bit/s, with all on UDP in %d", after, before)
				}
			},
		},
	}
}
