package netns

import (
	"slices"
	"strings"
	"testing"
	"time"

	"parley/lab/netns/wire"
)

// marked waits until sound and pictures have gone both ways over UDP, and sees the standard profile's marks on them
// (S12). Chromium chooses its own by importance: 46 for sound, as we do, and 36 for pictures. It gives what it sends
// before the page has told it none.
func (r *run) marked() {
	r.Helper()
	for _, want := range []struct {
		what  string
		d     wire.Direction
		sound bool
		mark  uint8
		least int // of a hundred packets
	}{
		{"sound up", wire.Up, true, 46, 90},
		{"pictures up", wire.Up, false, 34, 90},
		{"sound down", wire.Down, true, 46, 100},
		{"pictures down", wire.Down, false, 34, 100},
	} {
		if want.d == wire.Up && !want.sound && r.browser != "" {
			want.mark = 36
		}
		of := func(f Flow) bool {
			return f.Proto == wire.UDP && f.Dir == want.d && strings.HasPrefix(f.Kind, "rtp ") && (f.Kind == soundKind) == want.sound
		}
		var all, right int
		var flows []Flow
		for deadline := time.Now().Add(20 * time.Second); all < 20 && time.Now().Before(deadline); time.Sleep(20 * ms) {
			all, right, flows = 0, 0, r.access.Flows(of)
			for _, f := range flows {
				all += f.N
				if f.DSCP == want.mark {
					right += f.N
				}
			}
		}
		switch {
		case all < 20:
			r.Errorf("%s: %d packets", want.what, all)
		case right*100 < all*want.least:
			r.Errorf("%s: %d of %d packets have DSCP %d: %v", want.what, right, all, want.mark, flows)
		default:
			r.note("%s: DSCP %d", want.what, want.mark)
		}
	}
}

// S12: each medium has its mark on the wire, in both directions, in both profiles. Nobody shares a screen here: the
// content transport is known by its reports.
func TestEachMediumIsMarkedOnTheWire(t *testing.T) {
	needAll(t)
	var b built
	binary, clip := b.get(t), b.clip(t, 0)
	for profile, want := range map[string][3]uint8{"standard": {46, 34, 26}, "original": {56, 40, 40}} {
		t.Run(profile, func(t *testing.T) {
			in, err := NewInternet(InternetConfig{Binary: binary, Dir: t.TempDir(), Zones: []string{"a"}, Tunnels: -1, Router: map[string]string{"a": ", dscp: " + profile}})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			r := &run{T: t, in: in}
			r.meeting, err = in.NewMeeting("Marks")
			r.must(err)
			friend, _ := r.goodMachine()
			ann, access := r.goodMachine()
			other, err := in.JoinNative(friend.Namespace, r.meeting, NativeConfig{Name: "Friend", Clip: clip})
			r.must(err)
			r.client, err = in.JoinNative(ann.Namespace, r.meeting, NativeConfig{Name: "Ann Client", Clip: clip, Args: []string{"--record", t.TempDir()}})
			r.must(err)
			_, err = r.client.WaitJoined(10 * time.Second)
			r.must(err)
			_, err = r.client.WaitSeat(5*time.Second, "all transports", func(s Seat) bool { return s.Rungs[2] != "" })
			r.must(err)
			r.pause(1500 * time.Millisecond)
			r.client.Stop()
			other.Stop()
			for _, d := range []wire.Direction{wire.Up, wire.Down} {
				for i, kind := range []string{soundKind, "rtp 96"} {
					n := 0
					for _, f := range access.Flows(func(f Flow) bool { return f.Dir == d && f.Kind == kind }) {
						n += f.N
						if f.DSCP != want[i] {
							t.Errorf("%v, want DSCP %d", f, want[i])
						}
					}
					if n < 10 {
						t.Errorf("%d packets of %s went %s", n, kind, d)
					}
				}
				content := access.Flows(func(f Flow) bool { return f.Dir == d && f.Kind == "rtcp" && f.DSCP == want[2] })
				if len(content) == 0 {
					t.Errorf("nothing of the content transport went %s with DSCP %d", d, want[2])
				}
			}
			marks := access.Flows(func(f Flow) bool {
				return f.Proto == wire.UDP && (f.Kind == "rtcp" || strings.HasPrefix(f.Kind, "rtp"))
			})
			for _, f := range marks {
				if !slices.Contains(want[:], f.DSCP) {
					t.Errorf("%v, want one of %v", f, want)
				}
			}
		})
	}
}
