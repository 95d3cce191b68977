package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
)

// webmFile is a whole WebM file as ebml-go reads and writes it.
type webmFile struct {
	Header  webm.EBMLHeader `ebml:"EBML"`
	Segment webm.Segment    `ebml:"Segment"`
}

// writeClip makes two seconds of VP8 and Opus: 50 pictures, a key frame every 25, and 100 sounds.
func writeClip(t *testing.T, who byte) string {
	t.Helper()
	f := webmFile{Header: *webm.DefaultEBMLHeader}
	f.Segment.Info = webm.Info{TimecodeScale: 1000000, MuxingApp: "interop", WritingApp: "interop", Duration: 2000}
	// OpusHead (RFC 7845 §5.1): version 1, two channels, no pre-skip, 48 kHz.
	head := append([]byte("OpusHead"), 1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0)
	f.Segment.Tracks.TrackEntry = []webm.TrackEntry{
		{TrackNumber: 1, TrackUID: 1, CodecID: "V_VP8", TrackType: 1, Video: &webm.Video{PixelWidth: 640, PixelHeight: 360}},
		{TrackNumber: 2, TrackUID: 2, CodecID: "A_OPUS", TrackType: 2, CodecPrivate: head, Audio: &webm.Audio{SamplingFrequency: 48000, Channels: 2}},
	}
	for second := range 2 {
		c := webm.Cluster{Timecode: uint64(second) * 1000}
		for i := range 50 {
			n := uint32(second*50 + i)
			if n%2 == 0 {
				l := label{who: who, layer: 'v', n: n/2 + 1, key: n/2%25 == 0}
				c.SimpleBlock = append(c.SimpleBlock, ebml.Block{TrackNumber: 1, Timecode: int16(i * 20), Keyframe: l.key, Data: [][]byte{picture(l, 2400)}})
			}
			l := label{who: who, layer: 'a', n: n + 1}
			c.SimpleBlock = append(c.SimpleBlock, ebml.Block{TrackNumber: 2, Timecode: int16(i * 20), Keyframe: true, Data: [][]byte{sound(l)}})
		}
		f.Segment.Cluster = append(f.Segment.Cluster, c)
	}
	path := filepath.Join(t.TempDir(), "clip.webm")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := ebml.Marshal(&f, out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// recorded is what a recording holds of one sender.
type recorded struct {
	pictures, sounds int
	silence          int // sounds the recorder put in where none had come in time
	keys             int
	bad              int
	backwards        int // blocks earlier than one before on the same track
	odd              []string
}

// readRecording counts what a file holds of who.
func readRecording(t *testing.T, path string, who byte) (r recorded) {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var f webmFile
	if err := ebml.Unmarshal(in, &f, ebml.WithIgnoreUnknown(true)); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	kinds := map[uint64]uint64{}
	for _, e := range f.Segment.Tracks.TrackEntry {
		kinds[e.TrackNumber] = e.TrackType
	}
	last := map[uint64]int64{}
	for _, c := range f.Segment.Cluster {
		blocks := c.SimpleBlock
		for _, g := range c.BlockGroup {
			blocks = append(blocks, g.Block)
		}
		for _, b := range blocks {
			at := int64(c.Timecode) + int64(b.Timecode)
			if at < last[b.TrackNumber] {
				r.backwards++
			}
			last[b.TrackNumber] = at
			for _, data := range b.Data {
				bad := r.bad
				if r.take(kinds[b.TrackNumber] == 1, data, who); r.bad > bad {
					r.odd = append(r.odd, fmt.Sprintf("track %d at %d ms, %d bytes: %.40x", b.TrackNumber, at, len(data), data))
				}
			}
		}
	}
	return r
}

func (r *recorded) take(video bool, data []byte, who byte) {
	if video {
		l, ok := readPicture(data)
		switch {
		case !ok || l.who != who:
			r.bad++
		case l.key:
			r.keys++
			fallthrough
		default:
			r.pictures++
		}
		return
	}
	if len(data) == 3 && data[1] == 0xff && data[2] == 0xfe { // Opus, one silent frame
		r.silence++
		return
	}
	if l, ok := readSound(data); !ok || l.who != who {
		r.bad++
		return
	}
	r.sounds++
}

func TestClipsReadAsWritten(t *testing.T) {
	got := readRecording(t, writeClip(t, 'C'), 'C')
	if want := (recorded{pictures: 50, sounds: 100, keys: 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("clip holds %+v, want %+v", got, want)
	}
}
