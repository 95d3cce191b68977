package mmr

import (
	"testing"

	"parley/core/forward"
	"parley/wire/proto"
)

// A receiver whose first packet comes from behind the first wrap takes it for one before it, and could
// open none that follows (RFC 3711 §3.3.1).
func TestSequencesBeginFarFromTheirWrap(t *testing.T) {
	s := &shard{fwd: forward.New(forward.Config{})}
	for range 200 {
		p := &peer{slots: []slotLeg{{ssrc: 1, rtx: 2, kind: proto.Video}}}
		s.needLeg(p, 0)
		cfg, _ := s.fwd.Leg(p.slots[0].leg)
		if cfg.FirstSeq >= 1<<15 || cfg.FirstRTXSeq >= 1<<15 {
			t.Fatalf("begins at %d, retransmissions at %d", cfg.FirstSeq, cfg.FirstRTXSeq)
		}
	}
}
