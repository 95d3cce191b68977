package rtp

// VP8KeyFrame reports whether the payload begins a VP8 key frame.
func VP8KeyFrame(p []byte) bool {
	v, ok := ParseVP8(p)
	return ok && v.KeyFrame
}

// VP9KeyFrame reports whether the payload begins a picture that depends on none before it (RFC 9628
// section 4.2): beginning of a frame, not inter-predicted, lowest spatial layer.
func VP9KeyFrame(p []byte) bool {
	if len(p) < 1 {
		return false
	}
	const i, inter, l, f, begin = 0x80, 0x40, 0x20, 0x10, 0x08
	if p[0]&inter != 0 || p[0]&begin == 0 {
		return false
	}
	if p[0]&l == 0 {
		return true
	}
	at := 1
	if p[0]&i != 0 {
		if len(p) <= at {
			return false
		}
		if p[at]&0x80 != 0 {
			at++
		}
		at++
	}
	return len(p) > at && p[at]>>1&7 == 0
}

// VP9FrameEnd reports the E bit: last packet of a frame of one spatial layer.
func VP9FrameEnd(p []byte) bool { return len(p) > 0 && p[0]&0x04 != 0 }

// H264KeyFrame reports whether the payload begins an IDR picture or the parameter sets before one
// (RFC 6184): a single NAL unit, an aggregate that holds one, or the first fragment of one.
func H264KeyFrame(p []byte) bool {
	if len(p) < 1 {
		return false
	}
	const idr, sps, stapA, fuA = 5, 7, 24, 28
	switch t := p[0] & 0x1f; t {
	case idr, sps:
		return true
	case stapA:
		for b := p[1:]; len(b) > 2; {
			n := int(b[0])<<8 | int(b[1])
			if t := b[2] & 0x1f; n > 0 && (t == idr || t == sps) {
				return true
			}
			if 2+n > len(b) {
				break
			}
			b = b[2+n:]
		}
	case fuA:
		if len(p) < 2 || p[1]&0x80 == 0 {
			return false
		}
		t := p[1] & 0x1f
		return t == idr || t == sps
	}
	return false
}

// AV1KeyFrame reports whether the payload begins a new coded video sequence: the N bit of the
// aggregation header (AV1 RTP section 4.4), which excludes Z.
func AV1KeyFrame(p []byte) bool { return len(p) > 0 && p[0]&0x08 != 0 && p[0]&0x80 == 0 }
