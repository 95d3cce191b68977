package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/ivfreader"
)

// codec is a video codec of PROTOCOL.md §4.4, with pion's way to packets and back. Immutable.
type codec struct {
	name    string
	pt      uint8 // retransmissions: the next number
	mime    string
	fmtp    string
	pack    func() rtp.Payloader
	unpack  func() rtp.Depacketizer
	compare func([]byte) []byte // what of a frame must come back as it was
	file    string
}

// videoCodecs are all of them; VP8 frames are made by the tests themselves.
var videoCodecs = []codec{
	{
		name: "VP8", pt: ptVP8, mime: webrtc.MimeTypeVP8,
		pack:   func() rtp.Payloader { return &codecs.VP8Payloader{EnablePictureID: true} },
		unpack: func() rtp.Depacketizer { return &codecs.VP8Packet{} },
	},
	{
		name: "VP9", pt: 98, mime: webrtc.MimeTypeVP9, fmtp: "profile-id=0", file: "vp9.ivf",
		pack:    func() rtp.Payloader { return &codecs.VP9Payloader{} },
		unpack:  func() rtp.Depacketizer { return &codecs.VP9Packet{} },
		compare: func(b []byte) []byte { return b },
	},
	{
		name: "H264", pt: 102, mime: webrtc.MimeTypeH264, file: "h264.h264",
		fmtp:    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
		pack:    func() rtp.Payloader { return &codecs.H264Payloader{} },
		unpack:  func() rtp.Depacketizer { return &codecs.H264Packet{} },
		compare: func(b []byte) []byte { return bytes.Join(nalUnits(b), []byte("|NAL|")) },
	},
	{
		name: "AV1", pt: 45, mime: webrtc.MimeTypeAV1, fmtp: "level-idx=5;profile=0;tier=0", file: "av1.ivf",
		pack:    func() rtp.Payloader { return &codecs.AV1Payloader{} },
		unpack:  func() rtp.Depacketizer { return &codecs.AV1Depacketizer{} },
		compare: func(b []byte) []byte { return bytes.Join(openBitstreamUnits(b), []byte("|OBU|")) },
	},
}

// codecOf finds a codec by payload type, nil for none.
func codecOf(pt uint8) *codec {
	for i := range videoCodecs {
		if videoCodecs[i].pt == pt {
			return &videoCodecs[i]
		}
	}
	return nil
}

// capability is the codec in pion's terms.
func (c *codec) capability() webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{MimeType: c.mime, ClockRate: 90000, SDPFmtpLine: c.fmtp}
}

// nalUnits splits an Annex B byte stream.
func nalUnits(b []byte) (out [][]byte) {
	for part := range bytes.SplitSeq(b, []byte{0, 0, 1}) {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 {
			out = append(out, part)
		}
	}
	return out
}

// openBitstreamUnits splits an AV1 temporal unit; its delimiter, which does not travel, is left out.
func openBitstreamUnits(b []byte) (out [][]byte) {
	for len(b) >= 2 {
		kind, head := b[0]>>3&15, 1
		if b[0]&4 != 0 {
			head++
		}
		size, n := 0, 0
		for ; head+n < len(b) && n < 8; n++ {
			size |= int(b[head+n]&0x7f) << (7 * n)
			if b[head+n]&0x80 == 0 {
				n++
				break
			}
		}
		end := head + n + size
		if end > len(b) {
			return append(out, b)
		}
		if kind != 2 {
			out = append(out, append([]byte{kind}, b[head+n:end]...))
		}
		b = b[end:]
	}
	return out
}

// readFrames gives the frames of a codec's file; the first is the only key frame.
func (c *codec) readFrames() (frames [][]byte, err error) {
	f, err := os.Open(filepath.Join("testdata", c.file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if c.name == "H264" {
		b, err := io.ReadAll(f)
		if err != nil {
			return nil, err
		}
		var frame []byte
		for _, nal := range nalUnits(b) {
			frame = append(append(frame, 0, 0, 0, 1), nal...)
			if kind := nal[0] & 31; kind == 1 || kind == 5 { // one slice per picture
				frames = append(frames, frame)
				frame = nil
			}
		}
		return frames, nil
	}
	r, _, err := ivfreader.NewWith(f)
	if err != nil {
		return nil, err
	}
	for {
		b, _, err := r.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, err
		}
		frames = append(frames, b)
	}
}

// read finds a frame in the codec's file: its label counts from 1.
func (c *codec) read(frames [][]byte, b []byte) (l label, ok bool) {
	got := c.compare(b)
	for i, f := range frames {
		if bytes.Equal(got, c.compare(f)) {
			return label{who: c.name[0], layer: 'v', n: uint32(i + 1), key: i == 0}, true
		}
	}
	return l, false
}

// The router forwards VP9, H.264 and AV1 as pion packs them: a receiver begins with a key frame and gets
// every picture as it was.
func TestEveryCodecOfPionsPasses(t *testing.T) {
	t.Parallel()
	for _, c := range videoCodecs[1:] {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMeeting(t)
			ada := join(t, m, "Ada", options{codec: c.name})
			ada.start(ada.cam)
			ada.pace()
			bo := join(t, m, "Bo", options{}) // late: its picture begins with a key frame all the same
			cam := source(ada.me, video)
			bo.until("thirty pictures", func() bool {
				n := 0
				if r := bo.sources[cam]; r != nil {
					for _, times := range r.frames {
						n += times
					}
				}
				return n >= 30
			})
			bo.mu.Lock()
			defer bo.mu.Unlock()
			r := bo.sources[cam]
			if r.bad > 0 || r.first != 1 || len(r.frames) != 10 || len(r.keys) < 3 {
				t.Errorf("%s: first picture %d, %s", c.name, r.first, r)
			}
			if r.outOfTurn > 0 {
				t.Errorf("%d pictures came out of turn", r.outOfTurn)
			}
		})
	}
}

func TestCodecFilesReadWell(t *testing.T) {
	for _, c := range videoCodecs[1:] {
		frames, err := c.readFrames()
		if err != nil || len(frames) != 10 {
			t.Errorf("%s: %d frames, %v", c.name, len(frames), err)
			continue
		}
		seen := map[string]bool{}
		for _, f := range frames {
			seen[fmt.Sprintf("%x", c.compare(f))] = true
		}
		if len(seen) != 10 {
			t.Errorf("%s: %d different frames", c.name, len(seen))
		}
	}
}
