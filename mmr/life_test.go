package mmr

import (
	"testing"
	"time"

	"parley/core/meeting"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Where nothing else goes out, something does every half second; where media goes, reports alone, one a second.
func TestATransportShowsThatTheRouterLives(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{HoldFrom: -1})
	number := func() rtp.Seq { return 100 }
	a, b := st.join(1, false, number, number), st.join(2, false, number, number)
	st.s.wire(st.now, st.room, []meeting.Wire{{ID: b.id, Slot: 2, Source: proto.Source(a.id, proto.Video), Layer: 0}})
	st.ref.wire(b.slots[2].SSRC, uint32(proto.Source(a.id, proto.Video)), 0)
	reports := func(tr *actorTransport) (n int) {
		for _, u := range tr.sealed {
			n += len(u.rtcp)
		}
		return n
	}
	packets := func(tr *actorTransport) (n int) {
		for _, u := range tr.sealed {
			n += len(u.rtp) + len(u.rtcp)
		}
		return n
	}
	idle, busy := b.all[0], b.all[1]
	st.wait(time.Second)
	had := map[*actorTransport]int{idle: reports(idle), busy: reports(busy)}
	seen, at := map[*actorTransport]int{}, map[*actorTransport]time.Time{idle: st.now, busy: st.now}
	end := st.now.Add(5 * time.Second)
	for next := st.now; st.now.Before(end) && !st.failed; st.wait(10 * time.Millisecond) {
		if !st.now.Before(next) {
			next = next.Add(33 * time.Millisecond)
			st.picture(a, a.cam[0], seen[busy] == 0, true, true, 500)
			st.deliver(st.queue)
			st.queue = st.queue[:0]
		}
		for tr := range at {
			if n := packets(tr); n != seen[tr] {
				seen[tr], at[tr] = n, st.now
			}
			if quiet := st.now.Sub(at[tr]); quiet > 520*time.Millisecond {
				t.Fatalf("nothing on the transport of %v for %v", tr.group, quiet)
			}
		}
	}
	if n := reports(idle) - had[idle]; n < 9 || n > 12 {
		t.Errorf("%d reports in five seconds on a transport with nothing else, want 10", n)
	}
	if n := reports(busy) - had[busy]; n > 6 {
		t.Errorf("%d reports in five seconds on one that carries media, want at most 6", n)
	}
	if n := packets(busy) - reports(busy); n < 100 {
		t.Errorf("%d pictures came", n)
	}
}
