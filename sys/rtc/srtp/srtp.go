// Package srtp protects RTP and RTCP packets as RFC 3711 and RFC 7714 say, for one direction of one
// transport. It works in place or by appending, and allocates nothing per packet with the GCM profiles.
//
// Two beliefs hold at any time: a receiver's roll-over counter and replay window move only after a
// packet's tag has verified (RFC 3711 §3.3), and a sender never seals two packets with the same key,
// SSRC and index, which for GCM would give the key away.
package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"unsafe"
)

// Profile is a DTLS-SRTP protection profile by its number (RFC 5764 §4.1.2, RFC 7714 §14.2).
type Profile uint16

// The profiles.
const (
	CM80   Profile = 0x0001 // SRTP_AES128_CM_HMAC_SHA1_80
	GCM128 Profile = 0x0007 // SRTP_AEAD_AES_128_GCM
	GCM256 Profile = 0x0008 // SRTP_AEAD_AES_256_GCM
)

// String is the registered name.
func (p Profile) String() string {
	switch p {
	case CM80:
		return "SRTP_AES128_CM_HMAC_SHA1_80"
	case GCM128:
		return "SRTP_AEAD_AES_128_GCM"
	case GCM256:
		return "SRTP_AEAD_AES_256_GCM"
	}
	return "unknown"
}

// KeyLen is the length of the master key in bytes, 0 for a profile that is not supported.
func (p Profile) KeyLen() int {
	switch p {
	case CM80, GCM128:
		return 16
	case GCM256:
		return 32
	}
	return 0
}

// SaltLen is the length of the master salt in bytes.
func (p Profile) SaltLen() int {
	if p == CM80 {
		return 14
	}
	return 12
}

// tagLen is the length of the authentication tag in bytes.
func (p Profile) tagLen() int {
	if p == CM80 {
		return 10
	}
	return 16
}

// MaxOverhead is the most bytes sealing adds to a packet: tag and SRTCP index.
const MaxOverhead = 16 + 4

// MaxStreams bounds the SSRCs of a Context. A receiver gives one away only to a packet whose tag
// verified, and none is ever taken back: forgetting a window would let old packets in again.
const MaxStreams = 256

// The errors of Open and Seal. They are values, so that the packet path allocates nothing for a drop.
var (
	ErrMalformed = errors.New("srtp: malformed packet")
	ErrAuth      = errors.New("srtp: authentication failed")
	ErrReplay    = errors.New("srtp: replayed or too old")
	ErrUsed      = errors.New("srtp: index was sealed before, or is too old")
	ErrStreams   = errors.New("srtp: too many SSRCs")
	ErrExhausted = errors.New("srtp: key is used up")
)

// Context is one direction of a transport: it either opens or seals. Not safe for concurrent use.
type Context struct {
	profile Profile
	master  [32 + 14]byte // key, then salt
	rtp     *suite        // nil until a packet needs it: many transports carry RTP one way only, or none
	rtcp    *suite
	streams []*stream
	ssrcs   []uint32 // of streams: a receiver has a few dozen, and to look through them is cheaper than a map
	last    *stream  // of the previous packet: bursts are of one SSRC
	nonce   [16]byte
}

// stream is the state of one SSRC.
type stream struct {
	ssrc     uint32
	rtp      window
	rtcp     window
	rtcpNext uint32 // index of the next packet to seal
}

// suite is the session keys of RTP or of RTCP.
type suite struct {
	aead  cipher.AEAD    // GCM
	gcm   unsafe.Pointer // what aead points at, for Fetch
	block cipher.Block   // counter mode
	mac   hash.Hash      // counter mode
	salt  [14]byte       // 12 bytes with GCM
	roc   bool           // the MAC covers the roll-over counter: RTP
	sum   [sha1.Size]byte
	aad   [12]byte
}

// Labels of RFC 3711 §4.3.1; those of RTCP are these plus 3.
const (
	labelKey  = 0
	labelAuth = 1
	labelSalt = 2
	labelRTCP = 3
)

// New derives the session keys from a master key and salt. Their lengths must be the profile's.
func New(p Profile, key, salt []byte) (*Context, error) {
	if p.KeyLen() == 0 {
		return nil, fmt.Errorf("srtp: profile %#04x is not supported", uint16(p))
	}
	if len(key) != p.KeyLen() || len(salt) != p.SaltLen() {
		return nil, fmt.Errorf("srtp: key of %d and salt of %d bytes do not fit %v", len(key), len(salt), p)
	}
	c := &Context{profile: p}
	copy(c.master[copy(c.master[:], key):], salt)
	return c, nil
}

// keysRTP are the session keys of RTP, made when they are first needed: a cipher with its tables is most of
// what an idle transport would hold.
func (c *Context) keysRTP() *suite {
	if c.rtp == nil {
		c.rtp = c.derive(0)
	}
	return c.rtp
}

// keysRTCP are the session keys of RTCP.
func (c *Context) keysRTCP() *suite {
	if c.rtcp == nil {
		c.rtcp = c.derive(labelRTCP)
	}
	return c.rtcp
}

// Profile is the profile of the keys.
func (c *Context) Profile() Profile { return c.profile }

func (c *Context) derive(base byte) *suite {
	p := c.profile
	key, salt := c.master[:p.KeyLen()], c.master[p.KeyLen():][:p.SaltLen()]
	block, err := aes.NewCipher(derive(key, salt, base+labelKey, p.KeyLen()))
	if err != nil {
		panic("srtp: session keys have the length of the master key: " + err.Error())
	}
	s := &suite{roc: base != labelRTCP}
	copy(s.salt[:], derive(key, salt, base+labelSalt, p.SaltLen()))
	if p == CM80 {
		s.block = block
		s.mac = hmac.New(sha1.New, derive(key, salt, base+labelAuth, sha1.Size))
		return s
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		panic("srtp: AES has the block size GCM asks for: " + err.Error())
	}
	s.gcm = (*[2]unsafe.Pointer)(unsafe.Pointer(&s.aead))[1] // an interface is a type and a pointer
	return s
}

// derive is the key derivation of RFC 3711 §4.3.3 with a derivation rate of zero. A salt of 12 bytes is
// extended with zeros on the right (RFC 7714 §11).
func derive(key, salt []byte, label byte, n int) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("srtp: master key length was checked: " + err.Error())
	}
	var in [16]byte
	copy(in[:14], salt)
	in[7] ^= label
	out := make([]byte, 0, 48)
	for i := range uint16((n + 15) / 16) {
		binary.BigEndian.PutUint16(in[14:], i)
		var b [16]byte
		block.Encrypt(b[:], in[:])
		out = append(out, b[:]...)
	}
	return out[:n]
}

// Ahead is by how much a packet that is to be opened says it is newer than the newest of its SSRC, from 1 on; 0 where it
// is not, or nothing of this SSRC has been opened. It says so in clear: only opening tells whether that is true.
func (c *Context) Ahead(packet []byte, rtcp bool) uint64 {
	if rtcp {
		at := len(packet) - 4 // of the index
		if c.profile == CM80 {
			at -= CM80.tagLen()
		}
		if at < 8 {
			return 0
		}
		if i := slices.Index(c.ssrcs, binary.BigEndian.Uint32(packet[4:])); i >= 0 {
			return c.streams[i].rtcp.ahead(uint64(binary.BigEndian.Uint32(packet[at:]) &^ encrypted))
		}
		return 0
	}
	if len(packet) < 12 {
		return 0
	}
	if i := slices.Index(c.ssrcs, binary.BigEndian.Uint32(packet[8:])); i >= 0 {
		w := &c.streams[i].rtp
		if index, ok := w.guess(binary.BigEndian.Uint16(packet[2:])); ok {
			return w.ahead(index)
		}
	}
	return 0
}

// stream finds the state of an SSRC, nil where there is none yet.
func (c *Context) stream(ssrc uint32) *stream {
	if s := c.last; s != nil && s.ssrc == ssrc {
		return s
	}
	if i := slices.Index(c.ssrcs, ssrc); i >= 0 {
		c.last = c.streams[i]
		return c.last
	}
	return nil
}

// add makes the state of an SSRC.
func (c *Context) add(ssrc uint32) (*stream, error) {
	if len(c.streams) >= MaxStreams {
		return nil, ErrStreams
	}
	s := &stream{ssrc: ssrc}
	c.streams, c.ssrcs = append(c.streams, s), append(c.ssrcs, ssrc)
	c.last = s
	return s, nil
}

// Streams is the number of SSRCs known.
func (c *Context) Streams() int { return len(c.streams) }

// headerLen is the length of an RTP header with its extension (RFC 3550 §5.1), 0 for what is none.
func headerLen(b []byte) int {
	if len(b) < 12 || b[0]>>6 != 2 {
		return 0
	}
	n := 12 + 4*int(b[0]&15)
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return 0
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	if n > len(b) {
		return 0
	}
	return n
}
