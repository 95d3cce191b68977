package client_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/mmr"
	"parley/sys/clip"
	"parley/wire/proto"
)

// S12: the administrator chooses how media is marked, and both ends do so, from the first packet; the shared screen
// and its sound have the mark of content.
func TestBothEndsMarkAsTheRouterIsTold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		router mmr.DSCP
		own    string
		up     mmr.DSCP
	}{
		{"standard", mmr.DSCPStandard, "", mmr.DSCPStandard},
		{"original", mmr.DSCPOriginal, "", mmr.DSCPOriginal},
		{"the client's own wish", mmr.DSCPOriginal, "none", mmr.DSCP{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inMarkedWorld(t, tt.router, func(t *testing.T, w *world) {
				var mu sync.Mutex
				saw := map[string]bool{}
				w.net.Tap(func(p lab.Packet) {
					if p.Event != lab.Sent || p.Proto != lab.UDP || len(p.Data) < 12 || p.Data[0]>>6 != 2 {
						return
					}
					if pt := p.Data[1] & 0x7f; pt == proto.PTOpus || pt == proto.PTVP8 {
						mu.Lock()
						defer mu.Unlock()
						saw[fmt.Sprintf("%s to %s: %d marked %d", p.From, p.To, pt, p.DSCP)] = true
					}
				})
				w.join("ann", func(c *client.Config) {
					publish(c)
					c.Share, c.Marking = clip.NewPattern(clip.PatternConfig{FPS: 5}), tt.own
				})
				w.join("ben", func(c *client.Config) { c.Marking = tt.own })
				time.Sleep(6 * time.Second)
				want := map[string]bool{}
				for way, marks := range map[string]mmr.DSCP{"ann to site": tt.up, "site to ben": tt.router} {
					for _, pt := range []int{proto.PTOpus, proto.PTVP8} {
						own := marks[proto.GroupAudio]
						if pt == proto.PTVP8 {
							own = marks[proto.GroupVideo]
						}
						want[fmt.Sprintf("%s: %d marked %d", way, pt, own)] = true
						want[fmt.Sprintf("%s: %d marked %d", way, pt, marks[proto.GroupContent])] = true
					}
				}
				mu.Lock()
				defer mu.Unlock()
				if !maps.Equal(saw, want) {
					t.Errorf("went\n%v\nwant\n%v", slices.Sorted(maps.Keys(saw)), slices.Sorted(maps.Keys(want)))
				}
			})
		})
	}
}
