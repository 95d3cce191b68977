package client

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"parley/sys/clip"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// wireTap is a transport that keeps what is sent.
type wireTap struct {
	rtp, rtcp [][]byte
	full      int // math.MaxInt: no room
	stuck     bool
}

func (w *wireTap) WriteRTP(b []byte) error        { w.rtp = append(w.rtp, slices.Clone(b)); return nil }
func (w *wireTap) WriteRTCP(b []byte) error       { w.rtcp = append(w.rtcp, slices.Clone(b)); return nil }
func (w *wireTap) Read([]byte) (int, bool, error) { select {} }
func (w *wireTap) RTT() time.Duration             { return 40 * time.Millisecond }
func (w *wireTap) Room() int                      { return math.MaxInt - w.full }
func (w *wireTap) Stuck() bool                    { return w.stuck }
func (w *wireTap) Close() error                   { return nil }

// rig is a client whose loop does not run, with taps for transports: the test is the router.
type rig struct {
	*Client
	t      *testing.T
	now    time.Time
	taps   [proto.NGroups]*wireTap
	lanes  [proto.NGroups]*lane
	frames []Frame
}

const (
	audioSSRC, videoSSRC, videoRTX = 1000, 2000, 2001
)

func newRig(t *testing.T, src Source) *rig {
	r := &rig{t: t, now: time.Unix(1_000_000, 0)}
	c, err := New(Config{Site: "https://h", Number: "123456789", Publish: src, OnFrame: func(f Frame) { r.frames = append(r.frames, f) }})
	if err != nil {
		t.Fatal(err)
	}
	r.Client = c
	for g := range r.lanes {
		r.taps[g] = &wireTap{}
		cr := &carrier{group: proto.Group(g), conn: r.taps[g], lanes: 1}
		r.lanes[g] = &lane{attempt: g + 1, group: proto.Group(g), rung: proto.UDP8801, carrier: cr, up: true, cancel: func() {}}
		c.media.lanes[g+1], c.media.active[g] = r.lanes[g], r.lanes[g]
	}
	for _, f := range c.media.feeders {
		f.running, f.zero = true, r.now // the test feeds by hand
	}
	c.welcomeMedia(r.now, &channel{}, proto.Welcome{Slots: []proto.Slot{
		{ID: 0, Mid: "a0", Kind: proto.Audio, SSRC: audioSSRC}, {ID: 1, Mid: "v0", Kind: proto.Video, SSRC: videoSSRC, RTX: videoRTX},
	}})
	return r
}

func (r *rig) pass(d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(5 * time.Millisecond)
		r.tickMedia(r.now)
	}
}

// packet builds one of a slot.
func packet(ssrc uint32, pt uint8, seq rtp.Seq, at rtp.Time, marker bool, source proto.SourceID, payload []byte) []byte {
	b := rtp.AppendHeader(nil, rtp.Fields{Marker: marker, PT: pt, Seq: seq, Time: at, SSRC: ssrc, CSRC: uint32(source)}, nil)
	return append(b, payload...)
}

func (r *rig) get(g proto.Group, data []byte) {
	r.receive(r.now, received{r.lanes[g].carrier, false, data})
}

// feedbackOf collects what kinds of RTCP a transport has carried since the last call.
func (r *rig) nacksAndPLIs(g proto.Group) (nacks []rtp.Seq, plis int) {
	for _, b := range r.taps[g].rtcp {
		for {
			p, rest, ok := rtp.NextRTCP(b)
			if !ok {
				break
			}
			b = rest
			if _, _, pairs, ok := p.Nack(); ok {
				nacks = pairs.AppendSeqs(nacks, 100)
			}
			if _, _, ok := p.PLI(); ok {
				plis++
			}
		}
	}
	r.taps[g].rtcp = nil
	return nacks, plis
}

// video makes the packets of n frames, every fourth a key frame, from a first sequence number on.
func video(t *testing.T, n int, first rtp.Seq, source proto.SourceID) (out [][]byte) {
	pattern := clip.NewPattern(clip.PatternConfig{NoAudio: true, KeyEvery: 4, FrameLen: 2500})
	var p packetizer
	for range n {
		f, err := pattern.Next()
		if err != nil {
			t.Fatal(err)
		}
		payloads := p.split(f)
		for i, b := range payloads {
			out = append(out, packet(videoSSRC, proto.PTVP8, first, rtp.Time(rtp.Ticks(f.PTS, 90000)), i == len(payloads)-1, source, b))
			first = first.Next()
		}
	}
	return out
}

// TestEveryOrderAndWrap delivers the same packets in several orders, from starts around the wrap.
func TestEveryOrderAndWrap(t *testing.T) {
	src := proto.Source(5, proto.Video)
	for _, first := range []rtp.Seq{0, 1, 100, 32760, 65500, 65530, 65535} {
		for name, change := range map[string]func([][]byte) [][]byte{
			"in order": func(p [][]byte) [][]byte { return p },
			"pairs": func(p [][]byte) [][]byte {
				p = slices.Clone(p)
				for i := 2; i+1 < len(p); i += 2 {
					p[i], p[i+1] = p[i+1], p[i]
				}
				return p
			},
			"threes": func(p [][]byte) [][]byte {
				p = slices.Clone(p)
				for i := 1; i+2 < len(p); i += 3 {
					p[i], p[i+2] = p[i+2], p[i]
				}
				return p
			},
			"each twice": func(p [][]byte) (out [][]byte) {
				for _, x := range p {
					out = append(out, x, x)
				}
				return out
			},
		} {
			r := newRig(t, nil)
			for _, p := range change(video(t, 20, first, src)) {
				r.get(proto.GroupVideo, p)
			}
			if len(r.frames) != 20 {
				t.Fatalf("%s from %d: %d frames, want 20", name, first, len(r.frames))
			}
			for i, f := range r.frames {
				if n := clip.PatternNumber(clip.Frame{Kind: clip.Video, Data: f.Data}); int(n) != i+1 || f.Source != src {
					t.Fatalf("%s from %d: frame %d of %d at place %d", name, first, n, f.Source, i+1)
				}
			}
		}
	}
}

func TestLostPacketIsAskedForAndRepaired(t *testing.T) {
	for _, first := range []rtp.Seq{10, 65533} {
		r := newRig(t, nil)
		packets := video(t, 8, first, proto.Source(5, proto.Video))
		drop := 9 // in the second frame
		for i, p := range packets {
			if i != drop {
				r.get(proto.GroupVideo, p)
			}
		}
		n := len(r.frames)
		r.pass(15 * time.Millisecond)
		nacks, plis := r.nacksAndPLIs(proto.GroupVideo)
		want := first + rtp.Seq(drop)
		if len(nacks) != 1 || nacks[0] != want || plis != 0 {
			t.Fatalf("asked for %v and %d key frames, want %d", nacks, plis, want)
		}
		r.pass(20 * time.Millisecond)
		if again, _ := r.nacksAndPLIs(proto.GroupVideo); len(again) != 0 {
			t.Errorf("asked again within a round trip: %v", again)
		}
		var h rtp.Header
		rtp.Parse(packets[drop], &h)
		payload := binary.BigEndian.AppendUint16(nil, uint16(want))
		r.get(proto.GroupVideo, packet(videoRTX, proto.PTVP8RTX, 7, h.Time, h.Marker, proto.Source(5, proto.Video), append(payload, h.Payload(packets[drop])...)))
		if len(r.frames) != 8 {
			t.Errorf("%d frames before, %d after the repair, want 8", n, len(r.frames))
		}
		if got := r.media.slots[videoSSRC].stats.lost(); got != 0 {
			t.Errorf("%d lost after the repair", got)
		}
	}
}

func TestUnrepairedLossAsksForAKeyFrame(t *testing.T) {
	r := newRig(t, nil)
	src := proto.Source(5, proto.Video)
	r.handleSlots(r.now, proto.Slots{Changes: []proto.Mapping{{Slot: 1, Source: src}}})
	packets := video(t, 8, 10, src)
	for i, p := range packets[:len(packets)-1] {
		if i != 8 {
			r.get(proto.GroupVideo, p)
		}
	}
	before := len(r.frames)
	r.pass(2 * time.Second)
	nacks, plis := r.nacksAndPLIs(proto.GroupVideo)
	if len(nacks) < 2 || len(nacks) > nackTries {
		t.Errorf("asked %d times for the packet, want up to %d", len(nacks), nackTries)
	}
	if plis < 1 && !slices.ContainsFunc(r.frames[before:], func(f Frame) bool { return f.Key }) {
		t.Error("neither a key frame was asked for nor one found")
	}
	for i := 1; i < len(r.frames); i++ {
		a, b := clip.PatternNumber(clip.Frame{Kind: clip.Video, Data: r.frames[i-1].Data}), clip.PatternNumber(clip.Frame{Kind: clip.Video, Data: r.frames[i].Data})
		if b != a+1 && !r.frames[i].Key {
			t.Errorf("frame %d after %d without a key frame", b, a)
		}
	}
}

func TestNewSourceStartsAtItsKeyFrame(t *testing.T) {
	r := newRig(t, nil)
	one, two := proto.Source(5, proto.Video), proto.Source(6, proto.Video)
	first := video(t, 3, 10, one)
	for _, p := range first {
		r.get(proto.GroupVideo, p)
	}
	for _, p := range video(t, 3, 10+rtp.Seq(len(first)), two) {
		r.get(proto.GroupVideo, p)
	}
	if len(r.frames) != 6 || r.frames[3].Source != two || !r.frames[3].Key || r.frames[2].Source != one {
		t.Errorf("%d frames", len(r.frames))
	}
}

func TestAudioWaitsForReorderingOnly(t *testing.T) {
	r := newRig(t, nil)
	src := proto.Source(5, proto.Audio)
	send := func(seq rtp.Seq) {
		r.get(proto.GroupAudio, packet(audioSSRC, proto.PTOpus, seq, rtp.Time(seq)*960, false, src, []byte{0xf8, byte(seq)}))
	}
	for _, seq := range []rtp.Seq{65534, 0, 65535, 1, 4, 3, 5, 6} { // 2 never comes
		send(seq)
	}
	if len(r.frames) != 4 {
		t.Fatalf("%d frames, want 4", len(r.frames))
	}
	r.pass(100 * time.Millisecond)
	if len(r.frames) != 8 {
		t.Fatalf("%d frames after the wait, want 8", len(r.frames))
	}
	send(2)
	if len(r.frames) != 8 {
		t.Error("a packet came out after its time")
	}
	if nacks, _ := r.nacksAndPLIs(proto.GroupAudio); len(nacks) > 0 {
		t.Errorf("audio asked for %v", nacks)
	}
}

func TestSenderNumbersResendsAndReports(t *testing.T) {
	pattern := clip.NewPattern(clip.PatternConfig{})
	r := newRig(t, pattern)
	f := r.media.feeders[0]
	for range 60 {
		frame, err := pattern.Next()
		if err != nil {
			t.Fatal(err)
		}
		r.sendFrame(r.now, f, frame)
		r.pass(20 * time.Millisecond)
	}
	var h rtp.Header
	twcc, seq := -1, map[uint32]rtp.Seq{}
	var kept []byte
	for i, b := range r.taps[proto.GroupVideo].rtp {
		if err := rtp.Parse(b, &h); err != nil {
			t.Fatal(err)
		}
		if h.PayloadLen > maxPayload {
			t.Errorf("payload of %d bytes", h.PayloadLen)
		}
		if last, ok := seq[h.SSRC]; ok && h.Seq != last+1 {
			t.Errorf("sequence %d after %d", h.Seq, last)
		}
		seq[h.SSRC] = h.Seq
		ext := h.Ext(b, proto.ExtTransportSeq)
		if n := int(binary.BigEndian.Uint16(ext)); twcc >= 0 && n != twcc+1 {
			t.Errorf("transport-wide %d after %d", n, twcc)
		}
		twcc = int(binary.BigEndian.Uint16(ext))
		if i == 5 {
			kept = b
		}
	}
	if level := func() []byte {
		rtp.Parse(r.taps[proto.GroupAudio].rtp[0], &h)
		return h.Ext(r.taps[proto.GroupAudio].rtp[0], proto.ExtAudioLevel)
	}(); len(level) != 1 || level[0]&0x7f != defaultDBov {
		t.Errorf("audio level %v", level)
	}
	if ext := h.Ext(r.taps[proto.GroupAudio].rtp[0], proto.ExtTransportSeq); ext != nil {
		t.Error("audio carries a transport-wide number")
	}

	o := r.media.out[proto.Video]
	rtp.Parse(kept, &h)
	asked := rtp.AppendNack(nil, 1, o.ssrc, []rtp.Seq{h.Seq, h.Seq - 1000})
	sent := len(r.taps[proto.GroupVideo].rtp)
	r.feedback(r.now, asked)
	r.feedback(r.now, asked) // at once again: nothing
	again := r.taps[proto.GroupVideo].rtp[sent:]
	if len(again) != 1 {
		t.Fatalf("%d packets for a NACK, want 1", len(again))
	}
	var rh rtp.Header
	rtp.Parse(again[0], &rh)
	payload := rh.Payload(again[0])
	if rh.SSRC != o.rtx || rh.PT != proto.PTVP8RTX || rtp.Seq(binary.BigEndian.Uint16(payload)) != h.Seq || !slices.Equal(payload[2:], h.Payload(kept)) || rh.Time != h.Time {
		t.Errorf("retransmission %+v", rh)
	}

	r.feedback(r.now, rtp.AppendPLI(nil, 1, o.ssrc))
	select {
	case <-f.key:
	default:
		t.Error("a PLI was not passed on")
	}
	r.feedback(r.now, rtp.AppendPLI(nil, 1, o.ssrc))
	select {
	case <-f.key:
		t.Error("a second PLI at once was passed on")
	default:
	}

	r.now = r.now.Add(700 * time.Millisecond)
	a, v := r.media.out[proto.Audio].senderInfo(r.now), o.senderInfo(r.now)
	if d := a.Time - r.media.out[proto.Audio].base; a.NTP != v.NTP || d != 91200 || v.Time-o.base != 171000 {
		t.Errorf("reports %+v and %+v are not of one moment", a, v)
	}
}

func TestArrivalsReportEveryPacketOnce(t *testing.T) {
	var a arrivals
	now := time.Unix(1_000_000, 0)
	got := map[rtp.Seq]int{}
	lost := 0
	read := func() {
		b := a.feedback(nil, 1, 2)
		for len(b) > 0 {
			p, rest, ok := rtp.NextRTCP(b)
			if !ok {
				t.Fatal("malformed")
			}
			b = rest
			f, ok := p.TransportFeedback()
			if !ok {
				t.Fatal("no feedback")
			}
			for {
				x, ok := f.Next()
				if !ok {
					break
				}
				if x.Received {
					got[x.Seq]++
				} else {
					lost++
				}
			}
		}
	}
	for i := range 400 {
		now = now.Add(3 * time.Millisecond)
		seq := rtp.Seq(65400 + i)
		if i%50 == 7 {
			continue
		}
		if i%50 == 20 || i%50 == 21 { // swapped
			seq = rtp.Seq(65400 + i ^ 1)
		}
		a.add(now, seq)
		if i%33 == 32 {
			read()
		}
	}
	read()
	if len(got) != 392 || lost < 8 {
		t.Errorf("%d packets reported as received, %d as lost; want 392 and at least 8", len(got), lost)
	}
	for seq, n := range got {
		if n != 1 {
			t.Errorf("packet %d reported %d times", seq, n)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 7, 0xd0, 0x90, 0x80, 0x80, 1, 0x10})
	f.Add([]byte{0x81, 111, 0, 1, 0, 0, 0, 1, 0, 0, 3, 0xe8, 0, 0, 0, 9, 0xf8})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRig(t, nil)
		for len(b) > 0 {
			n := min(len(b), 1+int(b[0])%64)
			r.get(proto.GroupVideo, b[:n])
			r.feedback(r.now, b[:n])
			r.now = r.now.Add(20 * time.Millisecond)
			r.tickMedia(r.now)
			b = b[n:]
		}
	})
}
