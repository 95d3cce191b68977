package clip

import (
	"encoding/binary"
	"io"
	"time"
)

// Pattern is a source without a file: packets of silence and pictures whose head is right and whose
// rest is noise. It costs next to nothing, so a thousand clients can publish it; no decoder makes
// sense of its pictures. Every frame carries its number. Owned by one goroutine.
type Pattern struct {
	cfg    PatternConfig
	sound  uint32
	image  uint32
	key    bool
	closed bool
}

// PatternConfig says what a Pattern sends. Zero values are the defaults.
type PatternConfig struct {
	NoAudio, NoVideo bool
	FPS              int           // pictures per second; 0: 30
	KeyEvery         int           // pictures; 0: 30
	FrameLen         int           // bytes of a picture; 0: 2000. Key frames are three times as long
	Width, Height    int           // pixels; 0: 640 by 360
	For              time.Duration // then io.EOF; 0: for ever
}

// NewPattern makes a source.
func NewPattern(cfg PatternConfig) *Pattern {
	for _, d := range []struct {
		v   *int
		def int
	}{{&cfg.FPS, 30}, {&cfg.KeyEvery, 30}, {&cfg.FrameLen, 2000}, {&cfg.Width, 640}, {&cfg.Height, 360}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return &Pattern{cfg: cfg}
}

// Tracks lists the tracks.
func (p *Pattern) Tracks() []Track {
	var out []Track
	if !p.cfg.NoAudio {
		out = append(out, Track{Kind: Audio, Codec: Opus})
	}
	if !p.cfg.NoVideo {
		out = append(out, Track{Kind: Video, Codec: VP8, Width: p.cfg.Width, Height: p.cfg.Height})
	}
	return out
}

// patternAudio is the length of one packet of sound.
const patternAudio = 20 * time.Millisecond

// Next gives the next frame.
func (p *Pattern) Next() (Frame, error) {
	if p.closed {
		return Frame{}, ErrClosed
	}
	sound := time.Duration(p.sound) * patternAudio
	image := time.Duration(p.image) * time.Second / time.Duration(p.cfg.FPS)
	picture := p.cfg.NoAudio || !p.cfg.NoVideo && image <= sound
	if at := min(sound, image); p.cfg.For > 0 && at >= p.cfg.For || p.cfg.NoAudio && p.cfg.NoVideo {
		return Frame{}, io.EOF
	}
	if !picture {
		p.sound++
		data := binary.BigEndian.AppendUint32([]byte{0xf8, 0xff, 0xfe}, p.sound)
		return Frame{Kind: Audio, Codec: Opus, PTS: sound, Key: true, Data: data}, nil
	}
	key := p.key || p.image%uint32(p.cfg.KeyEvery) == 0
	p.key = false
	p.image++
	return Frame{Kind: Video, Codec: VP8, PTS: image, Key: key, Data: p.picture(key)}, nil
}

// picture makes a frame with a VP8 head (RFC 6386 §9.1) and its number behind it.
func (p *Pattern) picture(key bool) []byte {
	n := p.cfg.FrameLen
	if key {
		n *= 3
	}
	b := make([]byte, max(n, 16))
	b[0] = 0x11
	if key {
		copy(b, []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a})
		binary.LittleEndian.PutUint16(b[6:], uint16(p.cfg.Width))
		binary.LittleEndian.PutUint16(b[8:], uint16(p.cfg.Height))
	}
	binary.BigEndian.PutUint32(b[10:], p.image)
	x := p.image*2654435761 + 1
	for i := 14; i < len(b); i++ {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// PatternNumber is the number of a Pattern's frame, counted from 1 per kind.
func PatternNumber(f Frame) uint32 {
	at := 10
	if f.Kind == Audio {
		at = 3
	}
	if len(f.Data) < at+4 {
		return 0
	}
	return binary.BigEndian.Uint32(f.Data[at:])
}

// NextKey makes the next picture a key frame.
func (p *Pattern) NextKey() bool {
	p.key = true
	return !p.cfg.NoVideo
}

// Close ends the source.
func (p *Pattern) Close() error {
	p.closed = true
	return nil
}
