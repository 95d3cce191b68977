// Package clip reads and writes media files: what a native client publishes, and what it records.
//
// A Reader gives encoded frames in file order, each with the time at which it is shown or played. It
// reads WebM and Matroska, IVF and Ogg Opus as they are; anything else goes through ffmpeg, where the
// machine has it. A Writer makes one WebM (Matroska where the codec asks for it) out of frames that
// already lie on one timeline.
//
// The Matroska code is our own and small on purpose: reading is a bounded pull parser that can't be
// talked into allocating, and writing keeps every block that it is given. (Libraries that interleave
// drop blocks they find outdated, which a recorder can't afford.)
package clip

import (
	"errors"
	"time"
)

// Kind is what a track carries.
type Kind uint8

// The kinds of track.
const (
	Audio Kind = iota
	Video
)

// String is "audio" or "video".
func (k Kind) String() string {
	if k == Audio {
		return "audio"
	}
	return "video"
}

// Codec is the name a codec has in SDP.
type Codec string

// The codecs that can be published and recorded.
const (
	Opus Codec = "opus"
	VP8  Codec = "VP8"
	VP9  Codec = "VP9"
	H264 Codec = "H264" // frames are Annex B byte streams (start codes), parameter sets before key frames
	AV1  Codec = "AV1"  // frames are temporal units of OBUs with sizes, without temporal delimiters
)

// Kind is what the codec encodes.
func (c Codec) Kind() Kind {
	if c == Opus {
		return Audio
	}
	return Video
}

// Track describes one track of a file.
type Track struct {
	Kind   Kind
	Codec  Codec
	Width  int // pixels, 0 where unknown
	Height int // pixels, 0 where unknown

	typ      uint64        // Matroska track type
	number   uint64        // Matroska track number
	private  []byte        // CodecPrivate
	delay    time.Duration // CodecDelay, to be taken off every time stamp
	lengths  int           // H.264: bytes of a NAL unit's length field
	stripped []byte        // content header removed from every frame (header stripping)
}

// Frame is one encoded frame. Data belongs to the receiver of the frame.
type Frame struct {
	Kind  Kind
	Codec Codec
	PTS   time.Duration // when it is shown; what a decoder makes of an Opus packet plays at PTS
	Key   bool          // decodable without what came before; every Opus packet is
	Data  []byte
}

// maxFrameLen bounds one frame of a file, in bytes: a 4K intra frame has a few megabytes.
const maxFrameLen = 16 << 20

// Errors of this package; each comes wrapped with what was being done.
var (
	ErrFormat   = errors.New("not a media file that can be read")
	ErrNoFFmpeg = errors.New("this format needs ffmpeg, which is not installed; WebM, Matroska, IVF and Ogg Opus work without")
	ErrNoTracks = errors.New("the file has no track in Opus, VP8, VP9, H.264 or AV1")
	ErrClosed   = errors.New("clip is closed")
)
