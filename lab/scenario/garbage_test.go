package scenario

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// Who is in may still send rubbish: media that is no media, feedback that is none, SSRCs without end. It
// costs the others nothing (S5).
func TestAnAdmittedPersonsRubbishHurtsNobody(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, performs), w.Join("ben", m)
		mallory := w.Puppet("mallory", m)
		for _, p := range []*person{anna, ben, mallory.person} {
			p.WaitMedia()
		}
		w.pass(3 * time.Second)
		_, router := w.Router(ben.WaitJoined().Router)
		q := &quietMeeting{w: w, anna: anna, ben: ben, router: router}
		rnd := rand.New(rand.NewPCG(3, 4))
		bytesOf := func(n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			return b
		}
		for k, ssrc := range map[proto.Kind]uint32{proto.Audio: 11, proto.Video: 12, proto.Content: 13, proto.ContentAudio: 14} {
			mallory.SendControl(proto.Publish{Kind: k, Active: true, Streams: []proto.Stream{{Kind: k, SSRC: ssrc, RTX: ssrc + 100}}})
		}
		w.pass(500 * time.Millisecond)
		ssrcs := []uint32{11, 12, 13, 14, 111, 112, 113, 114}
		types := []uint8{proto.PTOpus, proto.PTVP8, proto.PTVP8RTX, proto.PTVP9, proto.PTVP9RTX, proto.PTH264, proto.PTH264RTX, proto.PTAV1, proto.PTAV1RTX, 0}

		// Payloads and header extensions of every codec, at random; sequence and time jump about.
		q.Undisturbed("random media", func() {
			for i := range 6000 {
				var exts []rtp.Ext
				for range rnd.IntN(4) {
					exts = append(exts, rtp.Ext{ID: uint8(1 + rnd.IntN(12)), Data: bytesOf(rnd.IntN(24))})
				}
				f := rtp.Fields{
					Marker: rnd.IntN(2) == 0, PT: types[rnd.IntN(len(types))], SSRC: ssrcs[rnd.IntN(len(ssrcs))],
					Seq: rtp.Seq(i), Time: rtp.Time(i * 300), CSRC: rnd.Uint32(),
				}
				if rnd.IntN(8) == 0 {
					f.Seq, f.Time = rtp.Seq(rnd.Uint32()), rtp.Time(rnd.Uint32())
				}
				b := append(rtp.AppendHeader(nil, f, exts), bytesOf(rnd.IntN(1100))...)
				if rnd.IntN(10) == 0 {
					b[0] = 0x80 | byte(rnd.Uint32())&0x3f // padding, extension and CSRC count that are not there
				}
				mallory.SendRTP(proto.Group(rnd.IntN(3)), b)
				if i%20 == 19 {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})

		// Feedback: right headers with random bodies, and bodies cut short.
		q.Undisturbed("random feedback", func() {
			for i := range 3000 {
				b := bytesOf(4 * (2 + rnd.IntN(40)))
				b[0], b[1] = 0x80|byte(rnd.IntN(32)), byte(200+rnd.IntN(8))
				b[2], b[3] = 0, byte(len(b)/4-1)
				if rnd.IntN(4) == 0 {
					b[3] = byte(rnd.Uint32())
				}
				mallory.SendRTCP(proto.Group(rnd.IntN(3)), b)
				if i%20 == 19 {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})

		// A new SSRC with every packet, as a browser may announce them by MID, and by the control channel.
		mids := func(n int) {
			for i := range n {
				f := rtp.Fields{PT: proto.PTVP8, SSRC: rnd.Uint32(), Seq: rtp.Seq(i), Time: rtp.Time(i)}
				rid := proto.RIDs[i%3]
				b := rtp.AppendHeader(nil, f, []rtp.Ext{{ID: proto.ExtMID, Data: []byte(proto.MIDVideo)}, {ID: proto.ExtRID, Data: []byte(rid)}})
				mallory.SendRTP(proto.GroupVideo, append(b, 0x10, 0, 0, 0, 0))
				if i%20 == 19 {
					time.Sleep(5 * time.Millisecond)
				}
			}
			var many []proto.Stream
			for range 500 {
				many = append(many, proto.Stream{Kind: proto.Kind(rnd.IntN(4)), RID: proto.RIDs[rnd.IntN(3)], SSRC: rnd.Uint32(), RTX: rnd.Uint32()})
			}
			mallory.SendControl(proto.Answer{Streams: many})
			w.pass(time.Second)
		}
		q.Undisturbed("SSRCs without end", func() { mids(2000) })
		for _, p := range []*person{anna, ben, mallory.person} {
			p.rest()
		}
		before := w.footprint()
		q.Undisturbed("more SSRCs without end", func() { mids(6000) })
		for _, p := range []*person{anna, ben, mallory.person} {
			p.rest()
		}
		flat(t, "6000 SSRCs", before, w.footprint(), 2<<20)
	})
}

// Control messages with any value in any field are answered or ignored (S41).
func TestControlMessagesWithRandomFieldsHurtNobody(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, performs), w.Join("ben", m)
		anna.WaitMedia()
		ben.WaitMedia()
		w.pass(3 * time.Second)
		home := ben.WaitJoined().Router
		_, router := w.Router(home)
		q := &quietMeeting{w: w, anna: anna, ben: ben, router: router}
		s := w.Stranger("mallory").MustLookup(m)
		l := s.Say(home, s.Hello(home))
		if got := l.outcome(); got != "welcome" {
			t.Fatal(got)
		}
		rnd := rand.New(rand.NewPCG(5, 6))
		ids := []any{0, 1, -1, uint32(mustSelf(anna)), uint32(proto.Source(mustSelf(anna), proto.Video)), uint32(1<<32 - 1), 1 << 40, 1.5, "x", nil, []int{1}, map[string]int{}}
		fields := []string{"kind", "active", "muted", "layers", "streams", "version", "tiles", "to", "text", "up", "emoji", "do", "target", "on", "twcc", "media", "n"}
		types := []string{"answer", "publish", "layout", "say", "hand", "react", "act", "stats", "pong", "slots", "roster", "state", "wanted", "ask_unmute", "waiting", "error", "chat", "speakers"}
		values := append(ids, true, false, []any{map[string]any{"rid": "q"}}, []any{map[string]any{"source": 77, "height": -5}},
			[]any{map[string]any{"kind": 1, "ssrc": 5, "rid": "zz"}}, "mute_all", "lock", "\u0000", []any{nil})
		q.Undisturbed("random fields", func() {
			for i := range 2000 {
				msg := map[string]any{"t": types[rnd.IntN(len(types))]}
				for range rnd.IntN(5) {
					msg[fields[rnd.IntN(len(fields))]] = values[rnd.IntN(len(values))]
				}
				b, err := json.Marshal(msg)
				if err != nil {
					t.Fatal(err)
				}
				l.SendBytes(b)
				if i%10 == 9 {
					time.Sleep(100 * time.Millisecond)
				}
				if l.Ended() {
					l = s.Say(home, s.Hello(home))
					if got := l.outcome(); got != "welcome" {
						t.Fatalf("after message %d (%s): %s", i, b, got)
					}
				}
			}
		})
	})
}
