package rtp

import "encoding/binary"

// VP8 is a parsed VP8 payload descriptor (RFC 7741 section 4.2) with what the frame header behind it
// says (section 4.3).
type VP8 struct {
	Len       int  // bytes of the descriptor
	Start     bool // first packet of a frame: S set, partition 0
	KeyFrame  bool // of the first packet only
	Discard   bool // N: no other frame refers to this one
	PictureID uint16
	PicBits   uint8 // 0 none, 7 or 15
	HasTL0    bool
	TL0       uint8 // TL0PICIDX
	HasTID    bool
	TID       uint8 // temporal layer
	Sync      bool  // Y: layer switch-up is possible here
	KeyIdx    uint8
	HasKeyIdx bool
	Width     int // of a key frame, 0 else; pixels
	Height    int

	picAt, tl0At int
}

// ParseVP8 reads the descriptor of an RTP payload. ok is false where the payload is too short for it.
func ParseVP8(p []byte) (v VP8, ok bool) {
	if len(p) < 1 {
		return v, false
	}
	v.Discard = p[0]&0x20 != 0
	v.Start = p[0]&0x10 != 0 && p[0]&0x07 == 0
	at := 1
	if p[0]&0x80 != 0 {
		if len(p) < 2 {
			return v, false
		}
		x := p[1]
		at = 2
		if x&0x80 != 0 {
			if len(p) <= at {
				return v, false
			}
			v.picAt, v.PicBits, v.PictureID = at, 7, uint16(p[at]&0x7f)
			if p[at]&0x80 != 0 {
				if len(p) <= at+1 {
					return v, false
				}
				v.PicBits, v.PictureID = 15, binary.BigEndian.Uint16(p[at:])&0x7fff
				at++
			}
			at++
		}
		if x&0x40 != 0 {
			if len(p) <= at {
				return v, false
			}
			v.tl0At, v.HasTL0, v.TL0 = at, true, p[at]
			at++
		}
		if x&0x30 != 0 {
			if len(p) <= at {
				return v, false
			}
			v.HasTID, v.HasKeyIdx = x&0x20 != 0, x&0x10 != 0
			if v.HasTID {
				v.TID, v.Sync = p[at]>>6, p[at]&0x20 != 0
			}
			if v.HasKeyIdx {
				v.KeyIdx = p[at] & 0x1f
			}
			at++
		}
	}
	v.Len = at
	if v.Start && len(p) > at && p[at]&1 == 0 {
		v.KeyFrame = true
		// RFC 6386 section 9.1: three bytes of tag, the start code, two sizes of 14 bits.
		if f := p[at:]; len(f) >= 10 && f[3] == 0x9d && f[4] == 0x01 && f[5] == 0x2a {
			v.Width = int(binary.LittleEndian.Uint16(f[6:]) & 0x3fff)
			v.Height = int(binary.LittleEndian.Uint16(f[8:]) & 0x3fff)
		}
	}
	return v, true
}

// Rewrite writes another picture id and TL0PICIDX into p, the payload v was parsed from or a copy of
// it, in the width they have there. A field that is absent stays absent.
func (v *VP8) Rewrite(p []byte, pic uint16, tl0 uint8) {
	switch v.PicBits {
	case 7:
		p[v.picAt] = byte(pic & 0x7f)
	case 15:
		binary.BigEndian.PutUint16(p[v.picAt:], 0x8000|pic&0x7fff)
	}
	if v.HasTL0 {
		p[v.tl0At] = tl0
	}
}
