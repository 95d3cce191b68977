package interop

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// outTrack is one thing a person sends. Counts are guarded by the person's mu, the rest is the pacer's.
type outTrack struct {
	p      *person
	kind   int
	layers []*outLayer
	sender *webrtc.RTPSender
	file   [][]byte // frames to send in turn; none: made here

	level  uint8 // −dBov of a microphone
	voice  bool
	active bool // send; guarded by mu

	plis, firs int
	nacked     int // packets the router asked for again
	feedback   int // packets that transport-wide feedback says have arrived
	feedbacks  int
	reports    int // receiver reports about one of its SSRCs
	lastReport rtcp.ReceptionReport
}

// outLayer is one stream of a track.
type outLayer struct {
	rid       string
	mark      byte
	size      int
	track     *webrtc.TrackLocalStaticRTP
	ssrc, rtx uint32
	pack      rtp.Payloader
	seq       uint16
	base      uint32
	n         uint32 // frames sent; guarded by mu
	packets   int    // guarded by mu
	wantKey   bool   // guarded by mu
	keys      []uint32
	sentAt    map[uint32]time.Time // guarded by mu
}

func (o *outTrack) String() string {
	s := fmt.Sprintf("sends kind %d: %d PLI, %d FIR, %d nacked, %d reports, %d feedbacks for %d packets;",
		o.kind, o.plis, o.firs, o.nacked, o.reports, o.feedbacks, o.feedback)
	for _, l := range o.layers {
		s += fmt.Sprintf(" %q ssrc %d: %d frames, %d packets, keys %v;", l.rid, l.ssrc, l.n, l.packets, l.keys)
	}
	return s
}

// makeTracks makes what a person can send.
func (p *person) makeTracks() {
	track := func(kind int, mark byte, size int, rids ...string) *outTrack {
		o := &outTrack{p: p, kind: kind, level: 127}
		c := &videoCodecs[0]
		for i := range videoCodecs {
			if kind == video && videoCodecs[i].name == p.opt.codec {
				c = &videoCodecs[i]
				var err error
				if o.file, err = c.readFrames(); err != nil {
					p.t.Fatal(err)
				}
			}
		}
		if len(rids) == 0 {
			rids = []string{""}
		}
		for i, rid := range rids {
			capability := c.capability()
			if isAudio(kind) {
				capability = opusCodec
			}
			var opts []func(*webrtc.TrackLocalStaticRTP)
			m := mark
			if rid != "" {
				opts = append(opts, webrtc.WithRTPStreamID(rid))
				m = rid[0]
			}
			local, err := webrtc.NewTrackLocalStaticRTP(capability, fmt.Sprintf("t%d", kind), "own", opts...)
			if err != nil {
				p.t.Fatal(err)
			}
			o.layers = append(o.layers, &outLayer{
				rid: rid, mark: m, size: size << i, track: local, pack: c.pack(),
				seq: uint16(rand.Uint32()), base: rand.Uint32(), wantKey: true, sentAt: map[uint32]time.Time{},
			})
		}
		return o
	}
	p.mic = track(audio, 'a', 0)
	if p.opt.simulcast {
		p.cam = track(video, 'v', 800, rids[:]...)
	} else {
		p.cam = track(video, 'v', 3000)
	}
	p.screen = track(content, 'c', 5000)
	p.sound = track(contentAudio, 's', 0)
}

func (p *person) outTracks() []*outTrack { return []*outTrack{p.mic, p.cam, p.screen, p.sound} }

// attach hands the track to a peer connection and listens to what the router says about it.
func (o *outTrack) attach(pc *webrtc.PeerConnection) error {
	tr, err := pc.AddTransceiverFromTrack(o.layers[0].track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return err
	}
	o.sender = tr.Sender()
	for _, l := range o.layers[1:] {
		if err := o.sender.AddEncoding(l.track); err != nil {
			return err
		}
	}
	for i, e := range o.sender.GetParameters().Encodings {
		o.layers[i].ssrc, o.layers[i].rtx = uint32(e.SSRC), uint32(e.RTX.SSRC)
	}
	for i, l := range o.layers {
		read := o.sender.ReadRTCP
		if i > 0 || l.rid != "" {
			read = func() ([]rtcp.Packet, interceptor.Attributes, error) { return o.sender.ReadSimulcastRTCP(l.rid) }
		}
		o.p.wg.Go(func() {
			for {
				pkts, _, err := read()
				if err != nil {
					return
				}
				o.p.update(func() { o.hear(l, pkts) })
			}
		})
	}
	return nil
}

// hear takes RTCP about a layer. mu is held.
func (o *outTrack) hear(l *outLayer, pkts []rtcp.Packet) {
	for _, pkt := range pkts {
		switch pkt := pkt.(type) {
		case *rtcp.PictureLossIndication:
			if pkt.MediaSSRC == l.ssrc {
				o.plis++
				l.wantKey = true
			}
		case *rtcp.FullIntraRequest:
			o.firs++
			l.wantKey = true
		case *rtcp.TransportLayerNack:
			for _, pair := range pkt.Nacks {
				o.nacked += len(pair.PacketList())
			}
		case *rtcp.TransportLayerCC:
			o.feedbacks++
			o.feedback += len(pkt.RecvDeltas)
		case *rtcp.ReceiverReport:
			for _, r := range pkt.Reports {
				if r.SSRC == l.ssrc {
					o.reports++
					o.lastReport = r
				}
			}
		}
	}
}

// streams names the SSRCs for the router; by default nothing for a simulcast camera, which it knows by
// MID and RID.
func (o *outTrack) streams() (out []stream) {
	for _, l := range o.layers {
		if l.rid == "" || o.p.opt.named {
			out = append(out, stream{Kind: o.kind, RID: l.rid, SSRC: l.ssrc, RTX: l.rtx})
		}
	}
	return out
}

// announce says what this client gives feedback on.
func (p *person) announce() {
	p.send("answer", answer{TWCC: []int{1, 2}})
}

// start begins to send a track; the pacer picks it up.
func (p *person) start(tracks ...*outTrack) {
	for _, o := range tracks {
		msg := publish{Kind: o.kind, Active: true, Streams: o.streams()}
		if !isAudio(o.kind) {
			msg.Codec = cmp.Or(p.opt.codec, "VP8")
			for i, l := range o.layers {
				msg.Layers = append(msg.Layers, layer{RID: l.rid, Width: 320 << i, Height: 180 << i})
			}
		}
		p.send("publish", msg)
		p.update(func() { o.active = true })
	}
}

// stopSending ends a track.
func (p *person) stopSending(o *outTrack) {
	p.update(func() { o.active = false })
	p.send("publish", publish{Kind: o.kind})
}

// pace is the sending clock: sound every 20 ms, the camera at 25 and the screen at 12.5 pictures a
// second. Picture n leaves with sound 2n, so that both can be compared at the other end.
func (p *person) pace() {
	p.wg.Go(func() {
		const every = 20 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		start := time.Now()
		for done := 0; ; {
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
			due := int(time.Since(start) / every)
			p.mu.Lock()
			p.lag = max(p.lag, time.Duration(due-done)*every)
			p.mu.Unlock()
			for ; done < due; done++ {
				p.mic.sendSound(done)
				p.sound.sendSound(done)
				if done%2 == 0 {
					p.cam.sendPicture(done)
				}
				if done%4 == 0 {
					p.screen.sendPicture(done)
				}
			}
		}
	})
}

// letter is how a person's frames are marked.
func (p *person) letter() byte { return p.name[0] }

// next numbers a frame, if the track is to send one.
func (o *outTrack) next(l *outLayer) (lb label, ok bool) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	if !o.active {
		return lb, false
	}
	l.n++
	lb = label{who: o.p.letter(), layer: l.mark, n: l.n}
	if !isAudio(o.kind) && l.wantKey {
		lb.key, l.wantKey = true, false
		l.keys = append(l.keys, l.n)
	}
	l.sentAt[l.n] = time.Now()
	return lb, true
}

func (o *outTrack) sendSound(tick int) {
	l := o.layers[0]
	lb, ok := o.next(l)
	if !ok {
		return
	}
	pkt := &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: lb.n == 1, SequenceNumber: l.seq, Timestamp: l.base + uint32(tick)*960},
		Payload: sound(lb),
	}
	if o.kind == audio {
		level, err := rtp.AudioLevelExtension{Level: o.level, Voice: o.voice}.Marshal()
		if err != nil {
			panic("interop: " + err.Error())
		}
		pkt.Header.SetExtension(extAudioLevel, level)
	}
	o.write(l, pkt)
}

func (o *outTrack) sendPicture(tick int) {
	for _, l := range o.layers {
		lb, ok := o.next(l)
		if !ok {
			return
		}
		size := l.size
		if lb.key {
			size *= 3
		}
		frame := picture(lb, size)
		if len(o.file) > 0 {
			frame = o.file[int(lb.n-1)%len(o.file)]
		}
		payloads := l.pack.Payload(1150, frame)
		for i, payload := range payloads {
			pkt := &rtp.Packet{
				Header: rtp.Header{
					Version: 2, Marker: i == len(payloads)-1, SequenceNumber: l.seq, Timestamp: l.base + uint32(tick)*1800,
				},
				Payload: payload,
			}
			if l.rid != "" { // pion leaves these to the application
				pkt.Header.SetExtension(extMID, []byte("uv"))
				pkt.Header.SetExtension(extRID, []byte(l.rid))
			}
			o.write(l, pkt)
		}
	}
}

func (o *outTrack) write(l *outLayer, pkt *rtp.Packet) {
	l.seq++
	if err := l.track.WriteRTP(pkt); err != nil {
		return // closing
	}
	o.p.mu.Lock()
	l.packets++
	o.p.mu.Unlock()
}
