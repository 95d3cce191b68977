package mmr

import (
	"os"
	"testing"
)

// With two and three shards, between which the kernel scatters what arrives, everything is as with one:
// packets of participants of other shards, sources followed across them, key frames asked for, ports that
// move to another shard's socket.
func TestEveryPacketArrivesAcrossShards(t *testing.T) {
	seeds, steps := 3, 120
	if os.Getenv("PARLEY_SOAK") != "" {
		seeds, steps = 50, 400
	}
	for shards := 2; shards <= 3; shards++ {
		media, lent, handed := 0, 0, 0
		for seed := range seeds {
			cfg := PlaneConfig{HoldFrom: []int{-1, 1 << 30}[seed%2], Shards: shards}
			st := performWith(t, uint64(1000*shards+seed), steps, cfg)
			if st.failed {
				return
			}
			media += st.media
			for _, s := range st.plane.shards {
				for _, l := range s.exchange.out {
					if l != nil {
						lent += int(l.events.next)
						handed += int(l.datagrams.next)
					}
				}
			}
		}
		t.Logf("%d shards: %d packets, %d events between them, %d datagrams handed on", shards, media, lent, handed)
		if media < seeds*steps*20 || lent < media/20 || handed < media/20 {
			t.Errorf("%d shards: %d packets, %d events, %d datagrams handed on: too few to show anything", shards, media, lent, handed)
		}
	}
}
