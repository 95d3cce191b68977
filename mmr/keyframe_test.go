package mmr

import (
	"testing"
	"time"

	"parley/core/meeting"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// A camera that is announced begins with a key frame by itself: to ask for one before anything has come
// would make it send two. One whose beginning was lost is asked.
func TestACameraThatHasNotBegunIsNotAskedForAKeyFrame(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{HoldFrom: -1})
	number := func() rtp.Seq { return 100 }
	a, b := st.join(1, false, number, number), st.join(2, false, number, number)
	st.s.wire(st.now, st.room, []meeting.Wire{{ID: b.id, Slot: 2, Source: proto.Source(a.id, proto.Video), Layer: 0}})
	st.ref.wire(b.slots[2].SSRC, uint32(proto.Source(a.id, proto.Video)), 0)
	st.wait(400 * time.Millisecond)
	c := a.cam[0]
	if c.wantKey {
		t.Error("asked before anything has come")
	}
	st.picture(a, c, false, true, true, 500)
	st.deliver(st.queue)
	st.wait(100 * time.Millisecond)
	if !c.wantKey {
		t.Error("not asked though it began without a key frame")
	}
}
