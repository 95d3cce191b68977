package load

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// stream is one SSRC a transport receives.
type stream struct {
	ssrc     uint32
	top      rtp.Seq
	cycles   uint16
	count    uint32 // received since the beginning
	lost     int32  // the same, may shrink when late ones come
	first    rtp.Seq
	measured uint32 // received while measuring
	prior    struct{ expected, received uint32 }
	lsr      uint32
	lsrAt    int64
}

// clock is the loop's time, read now.
func (g *generator) clock() int64 { return int64(time.Since(g.began)) }

// arrived takes one message for a transport, which may be several datagrams merged.
func (g *generator) arrived(t *transport, m *link.Message) {
	b, size := m.Buf[:m.N], m.N
	if m.Segment > 0 {
		size = m.Segment
	}
	media := false
	for len(b) > 0 {
		n := min(size, len(b))
		media = g.datagram(t, b[:n]) || media
		b = b[n:]
	}
	if media && g.phase == Measuring {
		g.res.Sends++
	}
}

// datagram reports whether it was media.
func (g *generator) datagram(t *transport, b []byte) bool {
	switch {
	case len(b) < 2:
	case b[0] < 4:
		t.answers++
	case b[0] >= 20 && b[0] < 64:
		t.bare.Push(b)
	case b[0] < 128 || b[0] >= 192:
	case rtp.IsRTCP(b):
		g.control(t, b)
	case len(b) >= rtp.MinHeaderLen:
		g.media(t, b)
		return true
	}
	return false
}

// media counts a packet by its clear header. One in sampleEvery is decrypted, for its time stamp.
func (g *generator) media(t *transport, b []byte) {
	measuring := g.phase == Measuring
	pt := b[1] & 0x7f
	seq, ssrc := rtp.Seq(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint32(b[8:])
	if t.group != proto.GroupAudio {
		if number, ok := transportSeq(b); ok {
			t.person.twcc.add(g.now, number)
		}
	}
	if proto.OriginalOf(pt) != 0 {
		if measuring {
			g.res.Repaired++
		}
		return
	}
	s := t.stream(ssrc, seq)
	lost := int32(0)
	switch d := seq.Diff(s.top); {
	case s.count == 0:
	case d > 0:
		lost = int32(d) - 1
		if seq < s.top {
			s.cycles++
		}
		s.top = seq
	case d < 0:
		lost = -1
	}
	s.count++
	s.lost += lost
	if measuring {
		s.measured++
		g.res.Packets++
		g.res.Bytes += uint64(len(b))
		if t.person.lie == honest {
			g.lost += int64(lost)
		}
		if t.person.nacks && t.group == proto.GroupVideo && seq%100 == 7 {
			g.nack(t, ssrc, seq)
		}
	}
	if t.person.lie == greedy && t.group == proto.GroupVideo {
		g.greed(t, ssrc, seq)
	}
	t.sample++
	if t.sample%sampleEvery == 0 && t.person.lie == honest {
		g.open(t, b, measuring)
	}
}

// sampleEvery is how many packets of a transport one is decrypted of.
const sampleEvery = 16

// stampLen is what a publisher puts at the end of a payload: the run, and the time in nanoseconds since
// 1970, which receivers of another process can read too.
const stampLen = 12

func (g *generator) open(t *transport, b []byte, measuring bool) {
	if t.in == nil {
		return
	}
	plain, _, err := t.in.OpenRTP(b)
	if err != nil {
		if measuring {
			g.res.Forged++
		}
		return
	}
	var h rtp.Header
	if rtp.Parse(plain, &h) != nil || h.PayloadLen < stampLen || !measuring {
		return
	}
	stamp := h.Payload(plain)[h.PayloadLen-stampLen:]
	if !bytes.Equal(stamp[:4], g.run[:]) {
		return
	}
	if g.blind {
		g.res.Blind++
		return
	}
	late := int32((g.began.UnixNano() + g.now - int64(binary.BigEndian.Uint64(stamp[4:]))) / 1000)
	g.latency = append(g.latency, late)
	if h.PT == proto.PTOpus {
		g.sound = append(g.sound, late)
	}
}

// stream finds an SSRC. Those of one frame follow each other.
func (t *transport) stream(ssrc uint32, seq rtp.Seq) *stream {
	if t.last < len(t.streams) && t.streams[t.last].ssrc == ssrc {
		return &t.streams[t.last]
	}
	t.last = slices.IndexFunc(t.streams, func(s stream) bool { return s.ssrc == ssrc })
	if t.last < 0 {
		t.last = len(t.streams)
		t.streams = append(t.streams, stream{ssrc: ssrc, top: seq, first: seq})
	}
	return &t.streams[t.last]
}

// transportSeq reads the transport-wide number from a header in clear; the padding count of the packet
// is not, so rtp.Parse can't be asked.
func transportSeq(b []byte) (rtp.Seq, bool) {
	at := rtp.MinHeaderLen + 4*int(b[0]&15)
	if b[0]&0x10 == 0 || len(b) < at+4 {
		return 0, false
	}
	end := at + 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	if end > len(b) {
		return 0, false
	}
	if binary.BigEndian.Uint16(b[at:]) == 0xBEDE {
		for i := at + 4; i < end; {
			id, n := b[i]>>4, int(b[i]&15)+1
			switch {
			case b[i] == 0:
				i++
				continue
			case id == proto.ExtTransportSeq && n == 2 && i+2 < end:
				return rtp.Seq(binary.BigEndian.Uint16(b[i+1:])), true
			}
			i += 1 + n
		}
		return 0, false
	}
	for i := at + 4; i+1 < end; {
		if b[i] == 0 {
			i++
			continue
		}
		n := int(b[i+1])
		if b[i] == proto.ExtTransportSeq && n == 2 && i+3 < end {
			return rtp.Seq(binary.BigEndian.Uint16(b[i+2:])), true
		}
		i += 2 + n
	}
	return 0, false
}

// control takes the server's reports and requests.
func (g *generator) control(t *transport, b []byte) {
	if t.in == nil {
		return
	}
	plain, _, err := t.in.OpenRTCP(b)
	if err != nil {
		return
	}
	for len(plain) > 0 {
		p, rest, ok := rtp.NextRTCP(plain)
		if !ok {
			return
		}
		plain = rest
		if ssrc, info, _, ok := p.SenderReport(); ok {
			if i := slices.IndexFunc(t.streams, func(s stream) bool { return s.ssrc == ssrc }); i >= 0 {
				t.streams[i].lsr, t.streams[i].lsrAt = rtp.MiddleNTP(info.NTP), g.now
			}
		} else if _, media, ok := p.PLI(); ok {
			t.person.wantKey(media)
		} else {
			for i := 0; ; i++ {
				media, _, ok := p.FIR(i)
				if !ok {
					break
				}
				t.person.wantKey(media)
			}
		}
	}
}

// beginMeasuring sets the counters back.
func (g *generator) beginMeasuring() {
	g.res = Result{Overflow: g.net.overflow()}
	g.latency, g.sound, g.lost = g.latency[:0], g.sound[:0], 0
	for _, p := range g.people {
		for _, t := range p.transports {
			if t == nil {
				continue
			}
			for i := range t.streams {
				t.streams[i].measured = 0
			}
		}
	}
}

// finish sums a window up.
func (g *generator) finish() {
	r := &g.res
	r.Overflow = g.net.overflow() - r.Overflow
	r.People = len(g.people)
	for _, p := range g.people {
		streams, packets := 0, uint64(0)
		for _, t := range p.transports {
			if t == nil {
				continue
			}
			r.Transports++
			for i := range t.streams {
				if n := t.streams[i].measured; n > 0 {
					streams++
					packets += uint64(n)
				}
			}
		}
		r.Streams += streams
		if due := p.member.Due; p.lie == honest && (streams < due.Streams || float64(packets) < DueShare*due.PerSecond*r.Seconds) {
			r.Unserved++
		}
	}
	r.Lost = uint64(max(g.lost, 0))
	r.Samples = len(g.latency)
	slices.Sort(g.latency)
	slices.Sort(g.sound)
	if n := len(g.sound); n > 0 {
		r.SoundP50, r.SoundP99 = float64(g.sound[n/2])/1000, float64(g.sound[n*99/100])/1000
	}
	if n := len(g.latency); n > 0 {
		r.P50, r.P99, r.Max = float64(g.latency[n/2])/1000, float64(g.latency[n*99/100])/1000, float64(g.latency[n-1])/1000
	}
	slices.Sort(g.joinMS)
	slices.Sort(g.inMS)
	if n := len(g.joinMS); n > 0 {
		r.JoinP50, r.JoinP90, r.InP50 = g.joinMS[n/2], g.joinMS[n*9/10], g.inMS[n/2]
	}
	r.Failures = g.failed.Load()
	if r.Seconds > 0 {
		r.Mbit = float64(r.Bytes) * 8 / 1e6 / r.Seconds
	}
	g.errs.Lock()
	r.Errors = slices.Clone(g.errs.list)
	g.errs.Unlock()
}

// random is for what need not be secret.
func random(n int) int { return rand.IntN(n) }
