package scenario

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// puppet is a person whose every message and packet the test makes: it can tell the truth and lie.
type puppet struct {
	*person
	seq  map[uint32]rtp.Seq
	n    int
	left atomic.Int64 // SRTP packets that left its host
}

// Puppet makes somebody without microphone and camera join, to be spoken through.
func (w *world) Puppet(name string, m meetingInfo, opts ...option) *puppet {
	w.Helper()
	p := &puppet{person: w.Join(name, m, opts...), seq: map[uint32]rtp.Seq{}}
	w.net.Tap(func(k lab.Packet) {
		if k.Event == lab.Sent && k.From == p.host.Name() && isMedia(k) {
			p.left.Add(1)
		}
	})
	return p
}

// isMedia tells an SRTP packet by its first two bytes (RFC 7983, RFC 5761).
func isMedia(k lab.Packet) bool {
	return k.Proto == lab.UDP && len(k.Data) > 12 && k.Data[0]>>6 == 2 && !rtp.IsRTCP(k.Data)
}

// Claims says over the control channel that it sends a kind on this SSRC.
func (p *puppet) Claims(k proto.Kind, ssrc uint32, muted bool) {
	p.SendControl(proto.Publish{Kind: k, Active: true, Muted: muted, Streams: []proto.Stream{{Kind: k, SSRC: ssrc}}})
}

// packets are n packets of a kind on an SSRC; change alters each header before it is written.
func (p *puppet) packets(k proto.Kind, ssrc uint32, n int, change func(*rtp.Fields)) (out [][]byte) {
	for range n {
		p.n++
		f := rtp.Fields{PT: proto.PTOpus, Seq: p.seq[ssrc], Time: rtp.Time(p.n * 960), SSRC: ssrc}
		body := sound(p.name, p.n)
		ext := rtp.Ext{ID: proto.ExtAudioLevel, Data: []byte{0x80 | 20}}
		if !k.IsAudio() {
			f.PT, f.Marker, f.Time = proto.PTVP8, true, rtp.Time(p.n*9000)
			body = append([]byte{0x90, 0x80, 0x80 | byte(p.n>>8)&0x7f, byte(p.n)}, picture(p.name, p.n, true)[:600]...)
			ext = rtp.Ext{ID: proto.ExtTransportSeq, Data: []byte{byte(p.n >> 8), byte(p.n)}}
		}
		p.seq[ssrc]++
		if change != nil {
			change(&f)
		}
		out = append(out, append(rtp.AppendHeader(nil, f, []rtp.Ext{ext}), body...))
	}
	return out
}

// Sends puts n packets of a kind on the wire, one each 20 ms, and shows that they left.
func (p *puppet) Sends(k proto.Kind, ssrc uint32, n int, change func(*rtp.Fields)) {
	p.w.Helper()
	before := p.left.Load()
	for _, b := range p.packets(k, ssrc, n, change) {
		p.SendRTP(k.Group(), b)
		p.w.pass(20 * time.Millisecond)
	}
	p.w.pass(100 * time.Millisecond)
	if got := p.left.Load() - before; got < int64(n) {
		p.w.Fatalf("%s put %d media packets on the wire, want %d: the lie was not told", p.name, got, n)
	}
}

// dropped is how much a reason's count rises while f runs.
func (w *world) dropped(reason string, f func()) uint64 {
	w.Helper()
	before := w.Drops(reason)
	f()
	w.pass(50 * time.Millisecond)
	return w.Drops(reason) - before
}

// nobodyGets fails where anything of a name reached one of these people.
func nobodyGets(w *world, what, name string, people ...*person) {
	w.Helper()
	for _, p := range people {
		for _, k := range []proto.Kind{proto.Audio, proto.Video, proto.Content, proto.ContentAudio} {
			if n := p.frames(name, k); n > 0 {
				w.Errorf("%s: %d frames of %s's %v reached %s", what, n, name, k, p.name)
			}
		}
	}
}

// Permissions are enforced by the router, not by the client (S5): what a muted person sends goes no further.
func TestALiarWhoSendsWhileMutedGetsNothingThrough(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		helen, bob := w.Join("helen", m, hosts), w.Join("bob", m)
		mallory := w.Puppet("mallory", m)
		for _, p := range []*person{helen, bob, mallory.person} {
			p.WaitMedia()
		}
		w.pass(3 * time.Second) // the content transport stands too

		mallory.Claims(proto.Audio, 11, true)
		mallory.Claims(proto.Video, 12, true)
		w.pass(200 * time.Millisecond)
		for k, ssrc := range map[proto.Kind]uint32{proto.Audio: 11, proto.Video: 12} {
			if n := w.dropped("gate_closed", func() { mallory.Sends(k, ssrc, 30, nil) }); n != 30 {
				t.Errorf("%d of 30 packets of a muted %v were counted as such\n%v", n, k, w.drops())
			}
		}
		mallory.SendControl(proto.Answer{Streams: []proto.Stream{{Kind: proto.Content, SSRC: 13}}}) // a stream, but no source
		w.pass(100 * time.Millisecond)
		if n := w.dropped("gate_closed", func() { mallory.Sends(proto.Content, 13, 30, nil) }); n != 30 {
			t.Errorf("%d of 30 packets of content that was never announced were counted as such", n)
		}
		nobodyGets(w, "muted from the start", "mallory", helen, bob)

		mallory.Claims(proto.Audio, 11, false)
		mallory.Claims(proto.Video, 12, false)
		w.pass(200 * time.Millisecond)
		mallory.Sends(proto.Audio, 11, 30, nil)
		mallory.Sends(proto.Video, 12, 30, nil)
		if bob.Hears("mallory") < 25 || bob.Sees("mallory") < 25 {
			t.Fatalf("unmuted, bob got %d sounds and %d pictures of 30 each: the test would show nothing\n%v",
				bob.Hears("mallory"), bob.Sees("mallory"), w.drops())
		}

		id, _ := mallory.Self()
		helen.Act(proto.Act{Do: proto.ActMute, Target: id, Kind: proto.Audio})
		helen.Act(proto.Act{Do: proto.ActMute, Target: id, Kind: proto.Video})
		w.pass(200 * time.Millisecond)
		bob.Forget()
		helen.Forget()
		mallory.Sends(proto.Audio, 11, 30, nil)
		mallory.Sends(proto.Video, 12, 30, nil)
		nobodyGets(w, "muted by the host", "mallory", helen, bob)
	})
}

// A person in the waiting room gets no roster, media, chat or slots, and is not heard or seen (S5).
func TestAWaitingPersonGetsNothingAndGetsNothingThrough(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(map[string]any{"waiting_room": true})
		helen := w.Join("helen", m, hosts, performs)
		helen.WaitMedia()
		var reached atomic.Int64
		mallory := w.Puppet("mallory", m)
		w.net.Tap(func(k lab.Packet) {
			if k.Event == lab.Arrived && k.To == mallory.host.Name() && isMedia(k) {
				reached.Add(1)
			}
		})
		w.until(10*time.Second, "mallory waits", func() bool { return count[client.Waiting](mallory.person) > 0 })
		w.pass(3 * time.Second)
		helen.Say(0, "we are among us")

		// Transports stand before the door opens; what is sent on them goes no further.
		mallory.Claims(proto.Audio, 11, false)
		mallory.SendControl(proto.Layout{Version: 1, Tiles: []proto.Tile{{Source: proto.Source(mustSelf(helen), proto.Video), Height: 360}}})
		w.pass(200 * time.Millisecond)
		before, droppedBefore := mallory.left.Load(), w.Drops("rtc_unreleased") // sound that had to follow the hello
		for _, b := range mallory.packets(proto.Audio, 11, 30, nil) {
			mallory.SendRTP(proto.GroupAudio, b)
			w.pass(20 * time.Millisecond)
		}
		w.pass(500 * time.Millisecond)
		if left, dropped := mallory.left.Load()-before, w.Drops("rtc_unreleased")-droppedBefore; left != 30 || dropped != 30 {
			t.Errorf("%d packets left the waiting person's host and %d were dropped at the door, want 30\n%v", left, dropped, w.drops())
		}
		nobodyGets(w, "waiting", "mallory", helen)
		if n := reached.Load(); n > 0 {
			t.Errorf("%d media packets reached a waiting person", n)
		}
		if got := mallory.Everything(); len(got) > 0 {
			t.Errorf("a waiting person got %v", got)
		}
		for what, n := range map[string]int{
			"roster": count[client.RosterChange](mallory.person), "chat": count[client.ChatLine](mallory.person),
			"slot": count[client.SlotChange](mallory.person), "speakers": count[client.Speakers](mallory.person),
		} {
			if n > 0 {
				t.Errorf("a waiting person was told %d times of %s", n, what)
			}
		}
		if count[client.Denied](mallory.person) == 0 {
			t.Error("what a waiting person asked for was not refused")
		}

		helen.Act(proto.Act{Do: proto.ActAdmit})
		mallory.WaitMedia()
		mallory.Claims(proto.Audio, 11, false)
		w.pass(500 * time.Millisecond)
		mallory.Sends(proto.Audio, 11, 30, nil)
		if helen.Hears("mallory") < 25 || mallory.Sees("helen") == 0 {
			t.Errorf("admitted, helen hears %d of 30 and is seen %d times", helen.Hears("mallory"), mallory.Sees("helen"))
		}
	})
}

func mustSelf(p *person) proto.ParticipantID { id, _ := p.Self(); return id }

// Identities are fixed by the token: nobody sends as somebody else, and nobody reaches another's slots (S5).
func TestALiarWhoSendsAsSomebodyElseGetsNothingThrough(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m, other := w.Meeting(nil), w.Meeting(nil)
		stranger := w.Join("stranger", other, performs)
		bob, mallory := w.Puppet("bob", m), w.Puppet("mallory", m)
		carol := w.Join("carol", m)
		for _, p := range []*person{stranger, bob.person, mallory.person, carol} {
			p.WaitMedia()
		}
		w.pass(3 * time.Second)
		bob.Claims(proto.Audio, 21, false)
		bob.Claims(proto.Video, 22, false)
		w.pass(200 * time.Millisecond)
		bob.Sends(proto.Audio, 21, 10, nil)
		bob.Sends(proto.Video, 22, 10, nil)
		if carol.Hears("bob") < 8 || carol.Sees("bob") < 8 {
			t.Fatalf("carol gets %v of bob", carol.Everything())
		}

		// On her own transports, with bob's SSRCs.
		for k, ssrc := range map[proto.Kind]uint32{proto.Audio: 21, proto.Video: 22} {
			if n := w.dropped("unknown_stream", func() { mallory.Sends(k, ssrc, 20, nil) }); n != 20 {
				t.Errorf("%d of 20 packets with another's SSRC were dropped as unknown\n%v", n, w.drops())
			}
		}
		nobodyGets(w, "another's SSRC", "mallory", carol, bob.person, stranger)

		// With the SSRCs of carol's slots: the router's own, towards carol.
		carol.mu.Lock()
		slots := map[uint32]proto.Group{}
		for ssrc, g := range carol.ssrcs {
			slots[ssrc] = g
		}
		carol.mu.Unlock()
		if len(slots) < 2 {
			t.Fatalf("carol has %d slots in use", len(slots))
		}
		for ssrc, g := range slots {
			k := proto.Audio
			if g == proto.GroupVideo {
				k = proto.Video
			}
			mallory.Sends(k, ssrc, 10, nil)
		}
		nobodyGets(w, "another's slots", "mallory", carol, bob.person, stranger)

		// Feedback on slots that are not hers: bob is not made to send key frames.
		var pictures atomic.Int64
		w.net.Tap(func(k lab.Packet) {
			if k.Event == lab.Arrived && k.To == bob.host.Name() && k.Proto == lab.UDP && rtp.IsRTCP(k.Data) {
				pictures.Add(1)
			}
		})
		asks := func() int64 {
			before := pictures.Load()
			w.pass(2 * time.Second)
			return pictures.Load() - before
		}
		quiet := asks()
		for ssrc := range slots {
			for range 20 {
				mallory.SendRTCP(proto.GroupVideo, rtp.AppendPLI(nil, 1, ssrc))
				mallory.SendRTCP(proto.GroupVideo, rtp.AppendFIR(nil, 1, ssrc, 1))
				mallory.SendRTCP(proto.GroupVideo, rtp.AppendNack(nil, 1, ssrc, []rtp.Seq{1, 2, 3}))
			}
		}
		mallory.SendRTCP(proto.GroupVideo, rtp.AppendPLI(nil, 1, 22)) // and on bob's stream itself
		if loud := asks(); loud > quiet+1 {
			t.Errorf("bob got %d reports in two seconds, and %d while somebody asked in carol's name", quiet, loud)
		}

		// As CSRC: the router writes who it is, whatever the packet says.
		mallory.Claims(proto.Audio, 31, false)
		w.pass(200 * time.Millisecond)
		carol.Forget()
		mallory.Sends(proto.Audio, 31, 20, func(f *rtp.Fields) { f.CSRC = uint32(proto.Source(mustSelf(bob.person), proto.Audio)) })
		if carol.Hears("mallory") < 15 {
			t.Errorf("carol hears %d of 20 packets of mallory's own", carol.Hears("mallory"))
		}
		if bad := carol.Mistaken(); len(bad) > 0 {
			t.Errorf("carol was told the wrong name: %v", bad)
		}

		// Bob's SSRC announced as her own: it is hers on her transports, and bob's stays bob's.
		mallory.Claims(proto.Video, 22, false)
		w.pass(200 * time.Millisecond)
		carol.Forget()
		bob.Sends(proto.Video, 22, 20, nil)
		mallory.Sends(proto.Video, 22, 20, nil)
		if carol.Sees("bob") < 15 || carol.Sees("mallory") < 15 {
			t.Errorf("with one SSRC for two people carol sees %v", carol.Everything())
		}
		if bad := carol.Mistaken(); len(bad) > 0 {
			t.Errorf("carol was told the wrong name: %v", bad)
		}

		// A wish for a picture of another meeting is not granted.
		mallory.Layout(proto.Tile{Source: proto.Source(mustSelf(stranger), proto.Video), Height: 720})
		w.pass(2 * time.Second)
		nobodyGets(w, "another meeting's picture", "stranger", mallory.person, bob.person, carol)

		// A participant is no host.
		mallory.Act(proto.Act{Do: proto.ActEject, Target: mustSelf(carol)})
		mallory.Act(proto.Act{Do: proto.ActEnd})
		mallory.Act(proto.Act{Do: proto.ActMute, Target: mustSelf(bob.person), Kind: proto.Video})
		w.pass(time.Second)
		if n := count[client.Denied](mallory.person); n != 3 {
			t.Errorf("%d of 3 host actions of a participant were refused", n)
		}
		carol.Forget()
		bob.Sends(proto.Video, 22, 10, nil)
		if carol.Sees("bob") < 8 {
			t.Error("a participant's host action had its way")
		}
	})
}

// What a client sends on the wrong transport or under the wrong payload type stays where it is (S11, S12).
func TestALiarWhoMixesKindsGetsNothingThrough(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		mallory, bob := w.Puppet("mallory", m), w.Join("bob", m)
		mallory.WaitMedia()
		bob.WaitMedia()
		w.pass(3 * time.Second)
		mallory.Claims(proto.Audio, 11, false)
		mallory.Claims(proto.Video, 12, false)
		w.pass(200 * time.Millisecond)
		wrongGroup := w.dropped("wrong_group", func() {
			for _, b := range mallory.packets(proto.Video, 12, 10, nil) {
				mallory.SendRTP(proto.GroupAudio, b)
			}
			w.pass(time.Second)
		})
		wrongPayload := w.dropped("wrong_payload", func() {
			mallory.Sends(proto.Video, 12, 10, func(f *rtp.Fields) { f.PT = proto.PTOpus })
			mallory.Sends(proto.Audio, 11, 10, func(f *rtp.Fields) { f.PT = proto.PTVP8 })
			mallory.Sends(proto.Audio, 11, 10, func(f *rtp.Fields) { f.PT = 0 })
		})
		if wrongGroup != 10 || wrongPayload != 30 {
			t.Errorf("dropped %d for the group, want 10, and %d for the payload type, want 30\n%v", wrongGroup, wrongPayload, w.drops())
		}
		if got := bob.Everything(); slices.ContainsFunc(got, func(s string) bool { return s != "" }) {
			t.Errorf("bob got %v", got)
		}
	})
}
