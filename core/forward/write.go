package forward

import (
	"encoding/binary"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// MaxGrowth is how much longer a written packet may be than the one that came in, in bytes: the CSRC,
// an extension block that was not there with the transport-wide number, and the original number of a
// retransmission.
const MaxGrowth = 4 + 4 + 4 + 2

// Write appends the packet d describes to dst, ready to be sealed: the leg's own header, with the
// source as CSRC and the extensions a receiver is given (transport-wide number, audio level,
// dependency descriptor, capture time), and the payload with its VP8 fields rewritten and the sender's
// padding left out. twcc is written when hasTWCC is set, and never on audio: only the caller knows the
// order of sending over all transports of a receiver. Write each descriptor at most once; that of a
// removed leg, or one already given to Done, appends nothing.
func (s *Shard) Write(dst []byte, d *Desc, twcc uint16, hasTWCC bool) []byte {
	l := s.leg(d.Leg)
	if l == nil || d.Slab == 0 {
		return dst
	}
	m := s.slabs.at(d.Slab)
	b := s.slabs.bytes(d.Slab)

	var (
		exts  [4]rtp.Ext
		n     int
		tw    [2]byte
		level [1]byte
		dd    [255]byte
	)
	if hasTWCC && !d.Audio {
		binary.BigEndian.PutUint16(tw[:], twcc)
		exts[n] = rtp.Ext{ID: proto.ExtTransportSeq, Data: tw[:]}
		n++
	}
	if m.flags&flagLevel != 0 {
		level[0] = m.level
		exts[n] = rtp.Ext{ID: proto.ExtAudioLevel, Data: level[:]}
		n++
	}
	if m.ddLen > 0 {
		// The slab is shared: the frame number is changed in a copy.
		v := dd[:copy(dd[:], b[m.ddAt:int(m.ddAt)+int(m.ddLen)])]
		binary.BigEndian.PutUint16(v[1:], d.Frame)
		exts[n] = rtp.Ext{ID: proto.ExtDependency, Data: v}
		n++
	}
	if m.capLen > 0 {
		exts[n] = rtp.Ext{ID: proto.ExtCaptureTime, Data: b[m.capAt : int(m.capAt)+int(m.capLen)]}
		n++
	}
	f := rtp.Fields{Marker: d.Marker, PT: m.pt, Seq: d.Seq, Time: d.Time, SSRC: l.cfg.SSRC, CSRC: m.source}
	if d.RTX {
		f.PT, f.SSRC = proto.RTXOf(m.pt), l.cfg.RTX
	}
	dst = rtp.AppendHeader(dst, f, exts[:n])
	if d.RTX {
		dst = binary.BigEndian.AppendUint16(dst, uint16(d.OSN))
	}
	at := len(dst)
	dst = append(dst, b[m.head:int(m.head)+int(m.payload)]...)
	if m.flags&flagVP8 != 0 {
		if v, ok := rtp.ParseVP8(dst[at:]); ok {
			v.Rewrite(dst[at:], d.Pic, d.TL0)
		}
	}
	return dst
}

// UnwrapRTX appends to dst the packet that a retransmission carries (RFC 4588 section 4): data is the
// retransmission and h its header; ssrc and pt are those of the media stream. ok is false where it
// carries none, as a sender's probes of padding do.
func UnwrapRTX(dst, data []byte, h *rtp.Header, ssrc uint32, pt uint8) (out []byte, ok bool) {
	payload := h.Payload(data)
	if len(payload) < 2 {
		return dst, false
	}
	at := len(dst)
	dst = append(dst, data[:h.HeaderLen]...)
	p := dst[at:]
	p[0] &^= 0x20 // padding was left behind
	p[1] = p[1]&0x80 | pt&0x7f
	p[2], p[3] = payload[0], payload[1]
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return append(dst, payload[2:]...), true
}
