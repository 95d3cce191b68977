package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"parley/core/join"
	"parley/sys/clip"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Source is what a client publishes: a clip.Reader, or anything that gives frames like one. It is
// used by one goroutine, which closes it.
type Source interface {
	Tracks() []clip.Track
	Next() (clip.Frame, error) // may block; io.EOF ends the source
	NextKey() bool             // moves on to the next key frame, see clip.Reader
	Close() error
}

// Numbers of sending.
const (
	historyLen  = 512                    // packets kept per stream for retransmission (design §4)
	keyEvery    = 500 * time.Millisecond // between two jumps to a key frame: each is heard
	holdFor     = time.Second            // the first pictures may wait for a transport that long
	lateLimit   = time.Second            // a source this late starts its clock anew
	defaultDBov = 30
	burstLen    = 8                    // packets of a frame sent at once; then half as many each millisecond
	headRoom    = 64                   // bytes for an RTP header with extensions
	roomEvery   = 5 * time.Millisecond // between looks for room on a path that queues
)

// outStream is one stream that this client sends. Owned by the loop.
type outStream struct {
	kind    proto.Kind
	codec   clip.Codec
	pt      uint8
	clock   uint32
	ssrc    uint32
	rtx     uint32 // 0: no retransmissions
	seq     rtp.Seq
	rtxSeq  rtp.Seq
	base    rtp.Time // of the source's time zero
	pack    packetizer
	muted   bool
	feeder  *feeder
	history [historyLen]sent

	held     []clip.Frame // the first pictures, until they may be sent
	waitsKey bool         // pictures are left out until a key frame: their path is too slow

	packets, bytes uint64 // payload bytes
	unsent         uint64 // packets dropped for want of a transport, or of room on it
	width, height  int
	frames         uint64
	report         rtp.ReportBlock // the receiver's latest
	reports        int             // how many came
	rtt            time.Duration
	evidence       evidence
}

// sent is a packet kept for retransmission.
type sent struct {
	ok      bool
	seq     rtp.Seq
	time    rtp.Time
	marker  bool
	payload []byte
	againAt time.Time // last retransmission
}

// feeder takes frames from a source and hands each to the loop when it is due. Its goroutine owns the
// source; the fields below are the loop's.
type feeder struct {
	source  Source
	streams [2]*outStream // by clip.Kind
	key     chan struct{}
	running bool
	zero    time.Time // when time stamp zero is
	keyAt   time.Time
}

// initMedia makes the streams of what will be published.
func (c *Client) initMedia() error {
	c.media.init()
	for i, src := range []Source{c.cfg.Publish, c.cfg.Share} {
		if src == nil {
			continue
		}
		f := &feeder{source: src, key: make(chan struct{}, 1)}
		for _, t := range src.Tracks() {
			kind := proto.Audio
			switch {
			case t.Kind == clip.Video && i == 0:
				kind = proto.Video
			case t.Kind == clip.Video:
				kind = proto.Content
			case i == 1:
				kind = proto.ContentAudio
			}
			o := &outStream{
				kind: kind, codec: t.Codec, pt: payloadType(t.Codec), ssrc: c.media.freshSSRC(), clock: proto.ClockAudio,
				seq: rtp.Seq(random32() & 0x7fff), rtxSeq: rtp.Seq(random32() & 0x7fff), base: rtp.Time(random32()),
				width: t.Width, height: t.Height, feeder: f,
			}
			o.pack.picture = uint16(random32() & 0x7fff)
			if t.Kind == clip.Video {
				o.clock, o.rtx = proto.ClockVideo, c.media.freshSSRC()
			}
			f.streams[t.Kind] = o
			c.media.out[kind] = o
		}
		c.media.feeders = append(c.media.feeders, f)
	}
	return nil
}

// announcement is what the router has to know of what this client sends.
func (c *Client) announcement() []proto.Message {
	answer := proto.Answer{TWCC: []proto.Group{proto.GroupVideo, proto.GroupContent}}
	out := []proto.Message{nil}
	for _, o := range c.media.out {
		if o != nil {
			answer.Streams = append(answer.Streams, o.stream())
			out = append(out, o.publication())
		}
	}
	out[0] = answer
	return out
}

// announce tells it, unless it was told right behind the hello.
func (c *Client) announce(ch *channel) {
	for i, m := range c.announcement() {
		if i >= len(ch.opening) || !bytes.Equal(ch.opening[i], proto.Encode(m)) {
			c.send(m)
		}
	}
}

func (o *outStream) stream() proto.Stream {
	return proto.Stream{Kind: o.kind, SSRC: o.ssrc, RTX: o.rtx}
}

func (c *Client) sendPublish(o *outStream) { c.send(o.publication()) }

// publication is the state of the stream.
func (o *outStream) publication() proto.Publish {
	p := proto.Publish{
		Kind: o.kind, Active: o.pt != 0, Muted: o.muted, Codec: proto.CodecName(o.pt), Streams: []proto.Stream{o.stream()},
	}
	if o.width > 0 && !o.kind.IsAudio() {
		p.Layers = []proto.Layer{{Width: o.width, Height: o.height}}
	}
	return p
}

// mute stops a stream, or resumes it: pictures at the next key frame.
func (c *Client) mute(now time.Time, k proto.Kind, on bool) {
	if k >= proto.NKinds || c.media.out[k] == nil {
		return
	}
	o := c.media.out[k]
	o.muted = on
	c.sendPublish(o)
	if !on {
		c.wantKey(now, o)
	}
}

// startSending starts the sources once the hello is out and there is a transport for them, and asks for what
// a new transport must begin with. Sound that overtakes the hello is lost; pictures wait for the welcome, since
// a key frame is not sent twice.
func (c *Client) startSending(now time.Time) {
	if !c.media.welcomed && !c.media.greeted {
		return
	}
	for _, f := range c.media.feeders {
		ready := false
		for _, o := range f.streams {
			ready = ready || o != nil && c.laneOf(o.kind.Group()) != nil
		}
		if !ready {
			for _, o := range f.streams {
				if o != nil && o.kind.Group() == proto.GroupContent {
					c.mind.Handle(now, join.NeedContent{})
				}
			}
			continue
		}
		if f.running {
			if !c.sendHeld(now, f) {
				c.wantKey(now, f.streams[clip.Video])
			}
			continue
		}
		f.running = true
		f.zero = now
		c.wg.Go(func() { c.feed(f, now) })
	}
}

// wantKey asks the source of a stream for a key frame, not too often.
func (c *Client) wantKey(now time.Time, o *outStream) {
	if o == nil || o.kind.IsAudio() || now.Before(o.feeder.keyAt) || o.muted {
		return
	}
	o.feeder.keyAt = now.Add(keyEvery)
	select {
	case o.feeder.key <- struct{}{}:
	default:
	}
}

// feed runs a source until it or the client ends.
func (c *Client) feed(f *feeder, zero time.Time) {
	defer f.source.Close()
	first := true
	var offset time.Duration // of the source's time stamps
	for c.ctx.Err() == nil {
		select {
		case <-f.key:
			f.source.NextKey()
		default:
		}
		frame, err := f.source.Next()
		if err != nil {
			c.post(func(now time.Time) { c.sourceEnded(f, err) })
			return
		}
		if first {
			offset, first = frame.PTS, false
		}
		frame.PTS -= offset
		wait := time.Until(zero.Add(frame.PTS))
		if wait < -lateLimit { // the source stalled: do not rush after it
			c.post(func(now time.Time) { f.zero = f.zero.Add(-wait) })
			zero = zero.Add(-wait)
			wait = 0
		}
		if !sleep(c.ctx, wait) {
			return
		}
		c.post(func(now time.Time) { c.sendFrame(now, f, frame) })
	}
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// sourceEnded tells the router that a source has stopped; the participant stays.
func (c *Client) sourceEnded(f *feeder, err error) {
	for _, o := range f.streams {
		if o != nil {
			c.send(proto.Publish{Kind: o.kind, Active: false})
			o.pt = 0
		}
	}
	c.emit(Trouble{Text: "the published file has ended"})
}

// sendFrame sends the packets of one frame.
func (c *Client) sendFrame(now time.Time, f *feeder, frame clip.Frame) {
	o := f.streams[frame.Kind]
	if o == nil || o.pt == 0 {
		return
	}
	if frame.Codec != o.codec {
		o.codec, o.pt = frame.Codec, payloadType(frame.Codec)
	}
	ready := !o.muted && c.laneOf(o.kind.Group()) != nil && (c.media.welcomed || c.media.greeted && frame.Kind == clip.Audio)
	if !ready && o.hold(now, frame) {
		return
	}
	payloads := o.pack.split(frame)
	if !ready {
		o.unsent += uint64(len(payloads))
		return
	}
	if !c.fits(now, o, frame) {
		o.unsent += uint64(len(payloads))
		return
	}
	if frame.Kind == clip.Video && frame.Key {
		if w, h, ok := clip.Size(frame.Codec, frame.Data); ok {
			o.width, o.height = w, h
		}
	}
	at, conn := o.at(frame.PTS), c.laneOf(o.kind.Group()).carrier.conn
	o.frames++
	for i, payload := range payloads {
		p := sent{ok: true, seq: o.seq, time: at, marker: i == len(payloads)-1 && frame.Kind == clip.Video, payload: payload}
		o.seq = o.seq.Next()
		if o.rtx != 0 {
			o.history[p.seq%historyLen] = p
		}
		o.packets++
		o.bytes += uint64(len(payload))
		if i < burstLen && len(c.media.pacing) == 0 && conn.Room() >= len(payload)+headRoom || frame.Kind == clip.Audio {
			c.sendPacket(o, p)
			continue
		}
		if len(c.media.pacing) == 0 {
			c.media.paceAt = now.Add(time.Millisecond)
		}
		c.media.pacing = append(c.media.pacing, paced{o, p})
	}
}

// hold keeps the first pictures of a stream for the welcome, or for a transport that comes up later than that
// of sound: so a file is sent from its beginning, and nothing waits for another key frame.
func (o *outStream) hold(now time.Time, frame clip.Frame) bool {
	if frame.Kind != clip.Video || o.muted || o.frames > 0 || o.unsent > 0 || now.Sub(o.feeder.zero) > holdFor {
		o.held = nil
		return false
	}
	o.held = append(o.held, frame)
	return true
}

// sendHeld sends what was held; false: nothing was, or it has to wait on.
func (c *Client) sendHeld(now time.Time, f *feeder) bool {
	o := f.streams[clip.Video]
	if o == nil || len(o.held) == 0 {
		return false
	}
	if !c.media.welcomed || c.laneOf(o.kind.Group()) == nil {
		return true // it is called again with either
	}
	held := o.held
	o.held = nil
	for _, frame := range held {
		c.sendFrame(now, f, frame)
	}
	return true
}

// fits reports whether a frame may be sent now. A path over TCP or TLS that still has the last picture to
// send gets no more, by whole frames and before they have numbers, until it has room for a key frame;
// sound is left out when the path has been stuck for so long that it would come too late.
func (c *Client) fits(now time.Time, o *outStream, frame clip.Frame) bool {
	conn := c.laneOf(o.kind.Group()).carrier.conn
	if frame.Kind == clip.Audio {
		return !conn.Stuck()
	}
	waits := slices.ContainsFunc(c.media.pacing, func(p paced) bool { return p.o == o })
	if conn.Room() <= 0 || waits && conn.Room() < math.MaxInt {
		o.waitsKey = true
	} else if o.waitsKey && frame.Key {
		o.waitsKey = false
	}
	if o.waitsKey {
		c.wantKey(now, o)
	}
	return !o.waitsKey
}

// paced is a packet whose turn has not come.
type paced struct {
	o *outStream
	p sent
}

// pace sends what large frames have left over: a key frame sent at once would overrun the short queues
// of home routers.
func (c *Client) pace(now time.Time) {
	m := &c.media
	if len(m.pacing) == 0 || now.Before(m.paceAt) {
		return
	}
	m.paceAt = now.Add(time.Millisecond)
	n := 0
	for most := min(max(burstLen/2, len(m.pacing)/10), len(m.pacing)); n < most; n++ {
		x := m.pacing[n]
		if l := c.laneOf(x.o.kind.Group()); l != nil && l.carrier.conn.Room() < len(x.p.payload)+headRoom {
			m.paceAt = now.Add(roomEvery)
			break // what is behind it waits too: on such a path sound goes by
		}
		c.sendPacket(x.o, x.p)
	}
	if m.pacing = m.pacing[n:]; len(m.pacing) == 0 {
		m.pacing = nil
	}
}

// at is the RTP time stamp of a moment of the source.
func (o *outStream) at(pts time.Duration) rtp.Time { return o.base + rtp.Time(rtp.Ticks(pts, o.clock)) }

// sendPacket writes one packet with the header extensions of its kind.
func (c *Client) sendPacket(o *outStream, p sent) {
	fields := rtp.Fields{Marker: p.marker, PT: o.pt, Seq: p.seq, Time: p.time, SSRC: o.ssrc}
	c.write(o, fields, nil, p.payload)
}

// write builds a packet in the scratch buffer and sends it. osn goes before the payload of a
// retransmission.
func (c *Client) write(o *outStream, fields rtp.Fields, osn, payload []byte) {
	var exts [1]rtp.Ext
	var value [2]byte
	if o.kind.IsAudio() {
		level := uint8(defaultDBov)
		if c.cfg.Level != nil {
			level = c.cfg.Level(o.kind, payload) & 0x7f
		}
		value[0] = level
		if level < 60 {
			value[0] |= 0x80 // RFC 6464: the sender takes it for speech
		}
		exts[0] = rtp.Ext{ID: proto.ExtAudioLevel, Data: value[:1]}
	}
	if !o.kind.IsAudio() {
		binary.BigEndian.PutUint16(value[:], c.media.twccSeq)
		c.media.twccSeq++ // one space for all transports of the client
		exts[0] = rtp.Ext{ID: proto.ExtTransportSeq, Data: value[:]}
	}
	b := rtp.AppendHeader(c.media.scratch[:0], fields, exts[:])
	b = append(append(b, osn...), payload...)
	c.media.scratch = b
	if !c.writeRTP(o.kind.Group(), b) {
		o.unsent++
	}
}

// resend answers a NACK by RTX (RFC 4588), at most once per round trip and packet.
func (c *Client) resend(now time.Time, o *outStream, seqs []rtp.Seq) {
	if o.rtx == 0 {
		return
	}
	for _, seq := range seqs {
		p := &o.history[seq%historyLen]
		if !p.ok || p.seq != seq || now.Sub(p.againAt) < max(o.rtt, 20*time.Millisecond) {
			continue
		}
		p.againAt = now
		c.media.resent++
		var osn [2]byte
		binary.BigEndian.PutUint16(osn[:], uint16(p.seq))
		fields := rtp.Fields{Marker: p.marker, PT: proto.RTXOf(o.pt), Seq: o.rtxSeq, Time: p.time, SSRC: o.rtx}
		o.rtxSeq = o.rtxSeq.Next()
		c.write(o, fields, osn[:], p.payload)
	}
}

// senderInfo is the sender report's view of a stream: the RTP time stamp of this very moment, so that
// receivers put sound and picture of one source on one clock.
func (o *outStream) senderInfo(now time.Time) rtp.SenderInfo {
	return rtp.SenderInfo{
		NTP: rtp.NTP(now), Time: o.at(now.Sub(o.feeder.zero)), Packets: uint32(o.packets), Octets: uint32(o.bytes),
	}
}
