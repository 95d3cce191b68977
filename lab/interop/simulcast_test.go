package interop

import "testing"

// A camera in three layers, which the router knows by MID and RID alone as it does a browser's: a
// receiver's tile decides which one comes, and the sender hears which are watched.
func TestPionSimulcastIsRecognisedByMIDAndRID(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	ada := join(t, m, "Ada", options{simulcast: true})
	bo := join(t, m, "Bo", options{})
	ada.start(ada.cam)
	ada.pace()
	cam := source(ada.me, video)
	for i, step := range []struct {
		height int
		layer  byte
	}{{720, 'f'}, {90, 'q'}, {360, 'h'}, {720, 'f'}} {
		bo.send("layout", layout{Version: i + 1, Tiles: []tile{{Source: cam, Height: step.height}}})
		bo.until("layer "+string(step.layer), func() bool {
			r := bo.sources[cam]
			return r != nil && r.lastLayer == step.layer
		})
		ada.until("word that layer "+string(step.layer)+" is watched", func() bool {
			for _, rid := range ada.wanted[video] {
				if rid[0] == step.layer {
					return true
				}
			}
			return false
		})
	}
	bo.send("layout", layout{Version: 9})
	ada.until("word that nobody watches", func() bool {
		rids, told := ada.wanted[video]
		return told && len(rids) == 0
	})
	bo.mu.Lock()
	defer bo.mu.Unlock()
	r := bo.sources[cam]
	if r.bad > 0 || r.layers['q'] == 0 || r.layers['h'] == 0 || r.layers['f'] == 0 {
		t.Errorf("the camera at Bo: %s", r)
	}
	// Numbers go on over every switch, and each layer begins with a key frame.
	if len(r.keys) < 4 {
		t.Errorf("%d key frames for four switches", len(r.keys))
	}
	in := bo.inSlot[r.slot]
	lowest := in.highest
	for x := range in.seqs {
		lowest = min(lowest, x)
	}
	if want := int(in.highest - lowest + 1); len(in.seqs) != want {
		t.Errorf("%d of %d numbers of the slot came", len(in.seqs), want)
	}
}
