package mmr

import (
	"testing"
	"time"

	"parley/wire/rtp"
)

// One packet may ask for so many again and no more, whatever it is made of: each costs a search.
func TestOnePacketOfRequestsIsBounded(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{})
	far := func() rtp.Seq { return 1000 }
	a, b := st.join(1, false, far, far), st.join(2, false, far, far)
	for len(st.s.peers[a.key].slots) == 0 || st.s.peers[a.key].slots[2].source == 0 {
		st.wire()
	}
	for range 20 {
		st.show(b)
		st.deliver(st.queue)
		st.queue = nil
		st.wait(20 * time.Millisecond)
	}
	p := st.s.peers[a.key]
	asked := func() (n uint64) {
		for _, sl := range p.slots {
			stats, _ := st.s.fwd.LegStats(sl.leg)
			n += stats.Nacked
		}
		return n
	}
	var all []rtp.Seq
	for i := range rtp.Seq(maxNack) {
		all = append(all, i)
	}
	packet := rtp.AppendRR(nil, 1)
	for range 100 {
		packet = rtp.AppendNack(packet, 1, a.slots[2].SSRC, all)
	}
	before := asked()
	st.s.feedback(st.now, p.conns[0], packet)
	if got := asked() - before; got == 0 || got > maxNack {
		t.Errorf("%d packets asked for again in one packet of requests, want 1 to %d", got, maxNack)
	}
	st.s.fwd.Done(st.s.out.Descs)
	st.s.out.Reset()
}
