package netns

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/lab/netns/wire"
	"parley/sys/clip"
	"parley/wire/proto"
)

// marked waits until sound and pictures have gone both ways over UDP, and sees the standard profile's marks on them
// (S12); of a page also its screen. A page may choose among the marks of RFC 8837 alone, whatever is set, and Chromium
// gives what it sends before the page has told it none. Firefox marks nothing.
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
		if r.browser == "firefox" && want.d == wire.Up {
			want.mark = 0
		}
		r.carries(want.what, r.access, want.mark, want.least, func(f Flow) bool {
			return f.Dir == want.d && (f.Kind == soundKind) == want.sound
		})
	}
	if r.browser != "chromium" {
		return // the native client shares no screen, and a Firefox without a display has none
	}
	known := map[uint16]bool{}
	for _, f := range r.access.Flows(func(f Flow) bool { return f.Dir == wire.Up && f.isRTP() }) {
		known[f.Near] = true
	}
	r.must(r.client.Do("share", 10*time.Second))
	for _, want := range []struct {
		what  string
		sound bool
		mark  uint8 // a page can't choose content's own
		usual uint8 // of what else goes down
	}{{"the screen", false, 36, 34}, {"its sound", true, 46, 46}} {
		r.carries(want.what+" up", r.access, want.mark, 90, func(f Flow) bool {
			return f.Dir == wire.Up && (f.Kind == soundKind) == want.sound && !known[f.Near]
		})
		r.carries(want.what+" down", r.heard, 26, 100, func(f Flow) bool {
			return f.Dir == wire.Down && (f.Kind == soundKind) == want.sound && f.DSCP != want.usual
		})
	}
}

// markedDown waits until sound and pictures have come down over connections of their own, and sees their marks. How a page's
// connections are marked on the way up is its browser's business; it is noted.
func (r *run) markedDown(rung proto.Rung) {
	r.Helper()
	packets := map[uint8]int{}
	for deadline := time.Now().Add(20 * time.Second); packets[46] < 50 || packets[34] < 20; time.Sleep(50 * ms) {
		if time.Now().After(deadline) {
			r.Errorf("over connections packets came down with marks %v, want 46 and 34", packets)
			return
		}
		clear(packets)
		for _, m := range r.access.media(wire.Down, rung) {
			if len(m.all) != 1 {
				r.Errorf("one connection carries different marks down: %v", m)
				return
			}
			for mark := range m.all {
				packets[mark] += m.packets
			}
		}
	}
	r.note("down: DSCP 46 and 34; marked connections up: %d", len(r.access.media(wire.Up, rung)))
}

// isRTP reports whether a flow is media over UDP.
func (f Flow) isRTP() bool { return f.Proto == wire.UDP && strings.HasPrefix(f.Kind, "rtp ") }

// carries waits for media over UDP on an access's wire, and sees so much of a hundred packets with a mark.
func (r *run) carries(what string, a *Access, mark uint8, least int, of func(Flow) bool) {
	r.Helper()
	var all int
	var flows []Flow
	saw := map[uint8]int{}
	for deadline := time.Now().Add(20 * time.Second); all < 20 && time.Now().Before(deadline); time.Sleep(20 * ms) {
		flows = a.Flows(func(f Flow) bool { return f.isRTP() && of(f) })
		clear(saw)
		all = 0
		for _, f := range flows {
			all += f.N
			saw[f.DSCP] += f.N
		}
	}
	switch {
	case all < 20:
		r.Errorf("%s: %d packets", what, all)
	case saw[mark]*100 < all*least:
		r.Errorf("%s: %d of %d packets have DSCP %d: %v", what, saw[mark], all, mark, flows)
	default:
		r.note("%s: DSCP %d", what, mark)
	}
}

// S12: each medium has its mark on the wire, in both directions and both profiles, over UDP and over connections: what
// the native client sends, and what the router does. A page's connections are its browser's, which marks none.
func TestEachMediumIsMarkedOnTheWire(t *testing.T) {
	needAll(t)
	var b built
	binary := b.get(t)
	for profile, want := range map[string][]uint8{"standard": {46, 34, 26}, "original": {56, 40, 40}} {
		in, err := NewInternet(InternetConfig{Binary: binary, Dir: t.TempDir(), Zones: []string{"a"}, Tunnels: -1, Router: map[string]string{"a": ", dscp: " + profile}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(in.Close)
		for _, rung := range []proto.Rung{udpRung, tcpRung, tlsRung} {
			t.Run(fmt.Sprintf("%s over %s", profile, rung), func(t *testing.T) {
				t.Parallel()
				r := &run{T: t, in: in}
				var err error
				r.meeting, err = in.NewMeeting("Marks")
				r.must(err)
				there := func(change func(*client.Config)) *Access {
					m, a := r.goodMachine()
					joinHere(t, in, m, r.meeting, func(c *client.Config) {
						c.Rungs = only(rung)
						change(c)
					})
					return a
				}
				// By their bytes: sound is the least, and the screen twice as much as the camera.
				up := there(func(c *client.Config) {
					c.Publish = clip.NewPattern(clip.PatternConfig{FPS: 10, FrameLen: 4000})
					c.Share = clip.NewPattern(clip.PatternConfig{FPS: 10, FrameLen: 12000})
				})
				down := there(func(*client.Config) {})
				for d, a := range map[wire.Direction]*Access{wire.Up: up, wire.Down: down} {
					var media []*marks
					for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * ms) {
						media = a.media(d, rung)
						if len(media) == 3 && media[0].packets >= 50 && media[1].packets >= 50 && media[2].bytes >= 200_000 {
							break
						}
					}
					if len(media) != 3 {
						t.Errorf("%d sockets carry media %s: %v", len(media), d, media)
						continue
					}
					for i, m := range media {
						if len(m.all) != 1 || m.all[want[i]] == 0 {
							t.Errorf("%s goes %s with marks %v, want %d: %v", proto.Group(i), d, m.all, want[i], media)
						}
						// Its handshake comes before it is known to be media.
						if m.unmarked > 30 {
							t.Errorf("%s goes %s with %d unmarked packets of %d", proto.Group(i), d, m.unmarked, m.packets)
						}
					}
				}
			})
		}
	}
}

// marks is what one socket sends in one direction: packets by mark.
type marks struct {
	all                      map[uint8]int // without 0 where that is the beginning of a connection
	packets, unmarked, bytes int
}

// String is for failures.
func (m *marks) String() string {
	return fmt.Sprintf("%d packets, %d bytes, %d without a mark, else %v", m.packets, m.bytes, m.unmarked, m.all)
}

// media are the sockets that carry media in a direction, those with the least bytes first. Of UDP that is known by the
// packets, which all count; of a connection, by its having a mark at all.
func (a *Access) media(d wire.Direction, rung proto.Rung) []*marks {
	port := map[proto.Rung]uint16{tcpRung: 8801, tlsRung: 443}[rung]
	sockets := map[uint16]*marks{}
	for _, f := range a.Flows(func(f Flow) bool { return f.Dir == d }) {
		media := f.isRTP() || f.Kind == "rtcp" && f.Proto == wire.UDP
		if rung != udpRung {
			media = f.Proto == wire.TCP && f.Far.Port() == port
		}
		if !media {
			continue
		}
		m := sockets[f.Near]
		if m == nil {
			m = &marks{all: map[uint8]int{}}
			sockets[f.Near] = m
		}
		m.packets += f.N
		m.bytes += f.Bytes
		if f.DSCP != 0 || rung == udpRung {
			m.all[f.DSCP] += f.N
		} else {
			m.unmarked += f.N
		}
	}
	maps.DeleteFunc(sockets, func(_ uint16, m *marks) bool { return len(m.all) == 0 })
	return slices.SortedFunc(maps.Values(sockets), func(a, b *marks) int { return cmp.Compare(a.bytes, b.bytes) })
}
