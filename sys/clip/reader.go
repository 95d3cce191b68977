package clip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Options say how a file is read.
type Options struct {
	// Loop starts the file again at its end; time stamps go on rising.
	Loop bool
	// FFmpeg is the program that reads other formats. Empty: "ffmpeg" from the path; "-": none.
	FFmpeg string
}

// lookahead bounds what NextKey reads in search of a key frame: clips encoded for publishing have one
// every second or two, and what is read is held in memory.
const (
	lookahead    = 20 * time.Second
	lookaheadLen = 64 << 20
)

// maxRounding is how far the time stamp of a packet of sound may be from the end of the one before it
// to count as the same: Matroska rounds to milliseconds, which jitter buffers would hear as gaps.
const maxRounding = 3 * time.Millisecond

// Reader gives the frames of one file. Owned by one goroutine.
type Reader struct {
	ctx    context.Context
	path   string
	opts   Options
	format string
	copy   *os.File // of what ffmpeg made, for the next laps; nil without Loop
	copied bool     // the copy is whole

	in     demuxer
	close  func() error
	tracks []Track

	ahead  []Frame       // read, not yet given out
	shift  time.Duration // added to every time stamp of the file
	last   time.Duration // time stamp of the last frame given out
	laps   int
	fill   []Frame // silence still to give at the turn of a lap
	lap    [2]span // of what was read in this lap, by kind
	given  [2]span // of what was given out, by kind
	closed bool
}

// demuxer is one of the file formats.
type demuxer interface {
	next() (Frame, error) // io.EOF at the end
}

// Open reads the head of a file and finds out by its content what it is. What this package does not
// read itself is converted on the fly by ffmpeg to VP8 and Opus; ErrNoFFmpeg where there is none. ctx
// ends the conversion.
func Open(ctx context.Context, path string, opts Options) (*Reader, error) {
	r := &Reader{ctx: ctx, path: path, opts: opts}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return r, nil
}

// open starts a lap from the beginning of the file.
func (r *Reader) open() error {
	f, err := os.Open(r.path)
	if err != nil {
		return err
	}
	if r.format == "" {
		head := make([]byte, 16)
		n, _ := io.ReadFull(f, head)
		if r.format = sniff(head[:n]); n == 0 {
			f.Close()
			return fmt.Errorf("empty file: %w", ErrFormat)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			f.Close()
			return err
		}
	}
	if r.format == "other" {
		f.Close()
		return r.convert()
	}
	in, tracks, err := demux(r.format, f)
	if m, ok := in.(*matroska); errors.Is(err, ErrNoTracks) || ok && m.unread && r.opts.canConvert() {
		f.Close() // a container of ours with codecs that are not
		r.format = "other"
		return r.convert()
	}
	if err != nil {
		f.Close()
		return err
	}
	r.in, r.tracks, r.close = in, tracks, f.Close
	return nil
}

// sniff names the format by the first bytes.
func sniff(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1a, 0x45, 0xdf, 0xa3}):
		return "matroska"
	case bytes.HasPrefix(head, []byte("DKIF")):
		return "ivf"
	case bytes.HasPrefix(head, []byte("OggS")):
		return "ogg"
	}
	return "other"
}

func demux(format string, f io.Reader) (demuxer, []Track, error) {
	switch format {
	case "matroska":
		m, err := openMatroska(f)
		if err != nil {
			return nil, nil, err
		}
		return m, m.tracks, nil
	case "ivf":
		v, err := openIVF(f)
		if err != nil {
			return nil, nil, err
		}
		return v, []Track{v.track}, nil
	case "ogg":
		o, err := openOgg(f)
		if err != nil {
			return nil, nil, err
		}
		return o, []Track{{Kind: Audio, Codec: Opus}}, nil
	}
	return nil, nil, ErrFormat
}

// Tracks lists what the file carries: at most one track of each kind.
func (r *Reader) Tracks() []Track { return r.tracks }

// Track is the track of one kind.
func (r *Reader) Track(k Kind) (Track, bool) {
	for _, t := range r.tracks {
		if t.Kind == k {
			return t, true
		}
	}
	return Track{}, false
}

// Laps counts how often the file has started again.
func (r *Reader) Laps() int { return r.laps }

// Next gives the next frame. At the end of the file it returns io.EOF, or with Loop goes on at the
// start. A damaged file ends where it is damaged.
func (r *Reader) Next() (Frame, error) {
	var f Frame
	if len(r.ahead) > 0 {
		f = r.ahead[0]
		r.ahead = r.ahead[1:]
	} else {
		var err error
		if f, err = r.read(); err != nil {
			return Frame{}, err
		}
	}
	r.last = f.PTS
	r.given[f.Kind].add(f)
	return f, nil
}

// span is the time that some frames of one kind cover.
type span struct {
	any         bool
	start, last time.Duration // time stamps
	end         time.Duration // where the next frame is due
	step        time.Duration // between pictures
}

func (s *span) add(f Frame) {
	if !s.any {
		s.any, s.start, s.step = true, f.PTS, time.Second/30
	} else if d := f.PTS - s.last; d > 0 && d < time.Second {
		s.step = d
	}
	s.last, s.end = f.PTS, f.PTS+s.step
	if f.Kind == Audio {
		s.end = f.PTS + OpusDuration(f.Data)
	}
}

// read takes one frame from the file and puts it on the timeline.
func (r *Reader) read() (Frame, error) {
	if r.closed {
		return Frame{}, ErrClosed
	}
	if err := r.ctx.Err(); err != nil {
		return Frame{}, err
	}
	if len(r.fill) > 0 {
		f := r.fill[0]
		r.fill = r.fill[1:]
		return f, nil
	}
	for {
		f, err := r.in.next()
		if err == nil {
			f.PTS += r.shift
			if s := r.lap[Audio]; f.Kind == Audio && s.any && (f.PTS-s.end).Abs() <= maxRounding {
				f.PTS = s.end
			}
			r.lap[f.Kind].add(f)
			return f, nil
		}
		if !r.opts.Loop || !r.lap[Audio].any && !r.lap[Video].any {
			return Frame{}, io.EOF
		}
		r.close()
		r.close = func() error { return nil }
		if r.copied {
			err = r.reopenCopy()
		} else {
			err = r.open()
		}
		if err != nil {
			return Frame{}, err
		}
		r.laps++
		if f, ok := r.turnOver(); ok {
			return f, nil
		}
	}
}

// silence is 20 ms of nothing in Opus, shortSilence 10 ms.
var (
	silence      = []byte{0xf8, 0xff, 0xfe}
	shortSilence = []byte{0xf0, 0xff, 0xfe}
)

// turnOver puts the next lap behind this one. Sound decides where: its packets have no gap between
// them, since players that ignore small gaps would otherwise run a little further ahead of the picture
// with every lap. Where the sound is shorter than the picture, silence fills it up.
func (r *Reader) turnOver() (fill Frame, ok bool) {
	sound, picture := r.lap[Audio], r.lap[Video]
	r.lap = [2]span{}
	if !sound.any {
		r.shift += picture.end - picture.start
		return Frame{}, false
	}
	length := sound.end - sound.start
	var frames []Frame
	for at := sound.end; picture.any && length < picture.end-picture.start-picture.step/2; at += 20 * time.Millisecond {
		frames = append(frames, Frame{Kind: Audio, Codec: Opus, PTS: at, Key: true, Data: bytes.Clone(silence)})
		length += 20 * time.Millisecond
	}
	r.shift += length
	if len(frames) == 0 {
		return Frame{}, false
	}
	r.fill = append(r.fill, frames[1:]...)
	return frames[0], true
}

// NextKey moves on to the next key frame of the picture, which is how a file answers a request for
// one: what lies between is skipped, sound too, and later time stamps close up, so that picture and
// sound stay together. It reports whether there is one within reach; if not, nothing is skipped.
func (r *Reader) NextKey() bool {
	if _, ok := r.Track(Video); !ok {
		return false
	}
	size := 0
	for i := 0; ; i++ {
		if i == len(r.ahead) {
			if i > 0 && (r.ahead[i-1].PTS-r.last > lookahead || size > lookaheadLen) {
				return false
			}
			f, err := r.read()
			if err != nil {
				return false
			}
			r.ahead = append(r.ahead, f)
		}
		f := r.ahead[i]
		size += len(f.Data)
		if f.Kind != Video || !f.Key {
			continue
		}
		r.closeUp(i)
		return true
	}
}

// closeUp drops what lies before the key frame ahead[i] and moves all that is later forward in time.
// Sound goes on without a gap, with the last packet before the key frame that keeps pictures in order.
func (r *Reader) closeUp(i int) {
	key := r.ahead[i].PTS
	by, from := key-r.ahead[0].PTS, key
	if sound := r.given[Audio]; sound.any {
		for _, f := range r.ahead[:i] {
			if d := f.PTS - sound.end; f.Kind == Audio && (!r.given[Video].any || key-d > r.given[Video].last+r.given[Video].step/2) {
				by, from = d, f.PTS
			}
		}
	}
	if by <= 0 {
		return
	}
	var kept []Frame
	for j, f := range r.ahead {
		if f.Kind == Video && j < i || f.Kind == Audio && f.PTS < from {
			continue
		}
		f.PTS -= by
		kept = append(kept, f)
	}
	r.ahead = kept
	r.shift -= by
	for k := range r.lap {
		r.lap[k].start -= by
		r.lap[k].last -= by
		r.lap[k].end -= by
	}
}

// Close ends reading and whatever converts the file.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := r.close()
	if r.copy != nil {
		r.copy.Close()
		os.Remove(r.copy.Name())
	}
	return err
}
