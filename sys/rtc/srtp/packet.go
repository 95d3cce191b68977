package srtp

import (
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
)

// maxIndex is the last RTP packet index of a key: 48 bits (RFC 3711 §9.2).
const maxIndex = 1<<48 - 1

// maxRTCPIndex is the last RTCP packet index of a key: 31 bits.
const maxRTCPIndex = 1<<31 - 1

// encrypted is the E bit of SRTCP.
const encrypted = 1 << 31

// SealRTP appends the sealed packet to dst. It keeps packet as it is, unless dst's spare room is packet
// itself: sealing in place is allowed. A packet whose index was sealed before, or is older than the
// window, is refused with ErrUsed and nothing is appended.
func (c *Context) SealRTP(dst, packet []byte) ([]byte, error) {
	h := headerLen(packet)
	if h == 0 {
		return dst, ErrMalformed
	}
	ssrc, seq := binary.BigEndian.Uint32(packet[8:]), binary.BigEndian.Uint16(packet[2:])
	s := c.stream(ssrc)
	if s == nil {
		var err error
		if s, err = c.add(ssrc); err != nil {
			return dst, err
		}
	}
	index, ok := s.rtp.guess(seq)
	if !ok || !s.rtp.fresh(index) {
		return dst, ErrUsed
	}
	if index > maxIndex {
		return dst, ErrExhausted
	}
	s.rtp.use(index)

	keys := c.keysRTP()
	start := len(dst)
	dst = append(dst, packet[:h]...)
	if keys.aead != nil {
		return keys.aead.Seal(dst, c.gcmNonce(keys, ssrc, index), packet[h:], dst[start:]), nil
	}
	dst = append(dst, packet[h:]...)
	c.counter(keys, ssrc, index, dst[start+h:])
	return append(dst, keys.tag(dst[start:], uint32(index>>16))...), nil
}

// OpenRTP checks and decrypts a packet in place and returns the plaintext packet, which is a shorter
// slice of the same bytes. newest reports whether it moved the top of its SSRC's window, which a late or
// replayed packet does not. On error the bytes are spoilt.
func (c *Context) OpenRTP(packet []byte) (plain []byte, newest bool, err error) {
	h := headerLen(packet)
	if h == 0 || len(packet) < h+c.profile.tagLen() {
		return nil, false, ErrMalformed
	}
	ssrc, seq := binary.BigEndian.Uint32(packet[8:]), binary.BigEndian.Uint16(packet[2:])
	s := c.stream(ssrc)
	if s == nil && len(c.streams) >= MaxStreams {
		return nil, false, ErrStreams
	}
	index := uint64(seq)
	if s != nil {
		var ok bool
		if index, ok = s.rtp.guess(seq); !ok || !s.rtp.fresh(index) {
			return nil, false, ErrReplay
		}
	}
	keys := c.keysRTP()
	n := len(packet) - c.profile.tagLen()
	if keys.aead != nil {
		if _, err := keys.aead.Open(packet[h:h], c.gcmNonce(keys, ssrc, index), packet[h:], packet[:h]); err != nil {
			return nil, false, ErrAuth
		}
	} else {
		if !hmac.Equal(keys.tag(packet[:n], uint32(index>>16)), packet[n:]) {
			return nil, false, ErrAuth
		}
		c.counter(keys, ssrc, index, packet[h:n])
	}
	if s == nil {
		if s, err = c.add(ssrc); err != nil {
			return nil, false, err
		}
	}
	return packet[:n], s.rtp.use(index), nil
}

// SealRTCP appends the sealed compound packet to dst, in place if dst's spare room is packet itself. Every
// call takes the next index of the first packet's SSRC.
func (c *Context) SealRTCP(dst, packet []byte) ([]byte, error) {
	if len(packet) < 8 || packet[0]>>6 != 2 {
		return dst, ErrMalformed
	}
	ssrc := binary.BigEndian.Uint32(packet[4:])
	s := c.stream(ssrc)
	if s == nil {
		var err error
		if s, err = c.add(ssrc); err != nil {
			return dst, err
		}
	}
	if s.rtcpNext > maxRTCPIndex {
		return dst, ErrExhausted
	}
	index := s.rtcpNext
	s.rtcpNext++

	keys := c.keysRTCP()
	start := len(dst)
	if keys.aead != nil {
		aad := keys.associated(packet, encrypted|index)
		dst = append(dst, packet[:8]...)
		dst = keys.aead.Seal(dst, c.gcmNonce(keys, ssrc, uint64(index)), packet[8:], aad)
		return binary.BigEndian.AppendUint32(dst, encrypted|index), nil
	}
	dst = append(dst, packet...)
	c.counter(keys, ssrc, uint64(index), dst[start+8:])
	dst = binary.BigEndian.AppendUint32(dst, encrypted|index)
	return append(dst, keys.tag(dst[start:], 0)...), nil
}

// OpenRTCP checks and decrypts a compound packet in place; see OpenRTP. Packets sent in clear (E bit 0)
// are authenticated and let through with counter mode only: no peer of ours sends them with GCM.
func (c *Context) OpenRTCP(packet []byte) (plain []byte, newest bool, err error) {
	tag := c.profile.tagLen()
	if len(packet) < 8+tag+4 || packet[0]>>6 != 2 {
		return nil, false, ErrMalformed
	}
	ssrc := binary.BigEndian.Uint32(packet[4:])
	s := c.stream(ssrc)
	if s == nil && len(c.streams) >= MaxStreams {
		return nil, false, ErrStreams
	}
	keys := c.keysRTCP()
	at := len(packet) - 4 // of the index
	if keys.aead == nil {
		at -= tag
	}
	word := binary.BigEndian.Uint32(packet[at:])
	index := uint64(word &^ encrypted)
	if s != nil && !s.rtcp.fresh(index) {
		return nil, false, ErrReplay
	}
	n := at // of the plaintext
	if keys.aead != nil {
		if word&encrypted == 0 {
			return nil, false, ErrMalformed
		}
		n -= tag
		aad := keys.associated(packet, word)
		if _, err := keys.aead.Open(packet[8:8], c.gcmNonce(keys, ssrc, index), packet[8:at], aad); err != nil {
			return nil, false, ErrAuth
		}
	} else {
		if !hmac.Equal(keys.tag(packet[:at+4], 0), packet[at+4:]) {
			return nil, false, ErrAuth
		}
		if word&encrypted != 0 {
			c.counter(keys, ssrc, index, packet[8:n])
		}
	}
	if s == nil {
		if s, err = c.add(ssrc); err != nil {
			return nil, false, err
		}
	}
	return packet[:n], s.rtcp.use(index), nil
}

// gcmNonce is the IV of RFC 7714 §8.1 and §9.1: SSRC, then the 48-bit index, XORed with the salt. The 31-bit
// SRTCP index is the low part of the same layout.
func (c *Context) gcmNonce(s *suite, ssrc uint32, index uint64) []byte {
	n := c.nonce[:12]
	copy(n, s.salt[:])
	for i := range 4 {
		n[2+i] ^= byte(ssrc >> (24 - 8*i))
	}
	for i := range 6 {
		n[6+i] ^= byte(index >> (40 - 8*i))
	}
	return n
}

// associated is what GCM authenticates beside the ciphertext of SRTCP: header, then E bit and index
// (RFC 7714 §9.2).
func (s *suite) associated(packet []byte, word uint32) []byte {
	copy(s.aad[:], packet[:8])
	binary.BigEndian.PutUint32(s.aad[8:], word)
	return s.aad[:]
}

// counter encrypts or decrypts b with AES in counter mode (RFC 3711 §4.1.1). It allocates the key stream's
// state: this profile is the fallback, and the stream's eight blocks at a time are worth more than that.
func (c *Context) counter(s *suite, ssrc uint32, index uint64, b []byte) {
	c.nonce = [16]byte{}
	copy(c.nonce[:], s.salt[:])
	for i := range 4 {
		c.nonce[4+i] ^= byte(ssrc >> (24 - 8*i))
	}
	for i := range 6 {
		c.nonce[8+i] ^= byte(index >> (40 - 8*i))
	}
	cipher.NewCTR(s.block, c.nonce[:]).XORKeyStream(b, b)
}

// tag is the truncated HMAC over b, and for RTP also over the roll-over counter (RFC 3711 §4.2).
// The SRTCP index is already part of b.
func (s *suite) tag(b []byte, roc uint32) []byte {
	s.mac.Reset()
	s.mac.Write(b)
	if s.roc {
		binary.BigEndian.PutUint32(s.sum[:], roc)
		s.mac.Write(s.sum[:4])
	}
	return s.mac.Sum(s.sum[:0])[:CM80.tagLen()]
}
