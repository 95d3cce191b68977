package clip

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Layout of a file made by Writer: everything before the first cluster has a fixed size, so that it
// can be written again once more is known (codec, picture size, duration).
const (
	headLen    = 4096
	clusterMax = time.Second // what a crash may cost, and a seek reads too much
	clusterLen = 4 << 20     // the same in bytes
)

// Track numbers of a Writer, fixed.
const (
	videoNumber = 1
	audioNumber = 2
)

// Writer makes one WebM file with at most one track of sound and one of pictures. Every finished
// cluster (at most a second) is on disk: after a crash the file plays up to there. The codec of the
// picture is that of the first key frame; its size may change at any key frame. Owned by one
// goroutine.
type Writer struct {
	f       *os.File
	path    string
	at      int64 // where the next cluster goes
	video   Track
	audio   bool
	blocks  []block
	size    int
	last    [2]time.Duration
	any     [2]bool
	heard   time.Duration // where the sound so far ends
	filling bool
	end     time.Duration
	cues    []cue
	closed  bool
	scratch []byte
}

type block struct {
	kind Kind
	pts  time.Duration
	key  bool
	data []byte
}

type cue struct {
	pts time.Duration
	at  int64
}

// Create starts a file. The name should end in .webm; where the picture turns out to be H.264, which
// WebM does not allow, Close renames it to .mkv.
func Create(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating recording: %w", err)
	}
	w := &Writer{f: f, path: path, at: headLen}
	if err := w.writeHead(unknownLen); err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// Path is where the file is; it is final after Close.
func (w *Writer) Path() string { return w.path }

// Codec is that of the picture, "" as long as there was none.
func (w *Writer) Codec() Codec { return w.video.Codec }

// Duration is the time from zero to the end of the last frame written.
func (w *Writer) Duration() time.Duration { return w.end }

// Write adds a frame; PTS counts from the start of the recording. Pictures before the first key frame
// are left out, and so are frames of another codec than the first picture's (wrote is false then: the
// caller begins a new file). Within a track time never goes back: a frame that would is moved to the
// one before it.
func (w *Writer) Write(f Frame) (wrote bool, err error) {
	if w.closed {
		return false, ErrClosed
	}
	if len(f.Data) == 0 || len(f.Data) > maxFrameLen || f.PTS > 1<<30*time.Millisecond {
		return false, nil
	}
	if f.Kind == Video {
		if w.video.Codec == "" && !f.Key || w.video.Codec != "" && w.video.Codec != f.Codec {
			return false, nil
		}
	}
	f.PTS = max(f.PTS, 0)
	if w.any[f.Kind] {
		least := w.last[f.Kind]
		if f.Kind == Video {
			least += time.Millisecond
		}
		f.PTS = max(f.PTS, least)
	}
	if err := w.learn(f); err != nil {
		return false, err
	}
	if f.Kind == Audio && w.any[Audio] && !w.filling {
		if err := w.fillGap(f.PTS); err != nil {
			return false, err
		}
	}
	if w.mustCut(f) {
		if err := w.flush(); err != nil {
			return false, err
		}
	}
	data := slices.Clone(f.Data)
	if f.Codec == H264 {
		data = lengthPrefixed(f.Data)
	}
	w.blocks = append(w.blocks, block{f.Kind, f.PTS, f.Key || f.Kind == Audio, data})
	w.size += len(data)
	w.last[f.Kind], w.any[f.Kind] = f.PTS, true
	step := OpusDuration(f.Data)
	if f.Kind == Video {
		step = time.Second / 30
	} else {
		w.heard = f.PTS + step
	}
	w.end = max(w.end, f.PTS+step)
	return true, nil
}

// maxFill is how long a hole in the sound may be to be filled with silence. Decoders pass over small
// holes and would play all that follows too early; at large ones they go by the time stamps.
const maxFill = 200 * time.Millisecond

// fillGap puts silence where packets were lost before a packet that is due at pts.
func (w *Writer) fillGap(pts time.Duration) error {
	gap := pts - w.heard
	if gap > maxFill {
		return nil
	}
	w.filling = true
	defer func() { w.filling = false }()
	for at := w.heard; gap >= 5*time.Millisecond; {
		data, n := silence, 20*time.Millisecond
		if gap < 15*time.Millisecond {
			data, n = shortSilence, 10*time.Millisecond
		}
		if _, err := w.Write(Frame{Kind: Audio, Codec: Opus, PTS: at, Key: true, Data: data}); err != nil {
			return err
		}
		at, gap = at+n, gap-n
	}
	return nil
}

// learn writes the head again when a frame tells something new about its track.
func (w *Writer) learn(f Frame) error {
	if f.Kind == Audio {
		if w.audio {
			return nil
		}
		w.audio = true
		return w.writeHead(unknownLen)
	}
	if w.video.Codec != "" {
		return nil
	}
	w.video = Track{Kind: Video, Codec: f.Codec}
	w.video.Width, w.video.Height, _ = Size(f.Codec, f.Data)
	w.video.private = codecPrivate(f.Codec, f.Data)
	return w.writeHead(unknownLen)
}

// mustCut reports whether f starts a new cluster: at every picture that can be decoded by itself, and
// when the cluster is long enough.
func (w *Writer) mustCut(f Frame) bool {
	if len(w.blocks) == 0 {
		return false
	}
	first := w.blocks[0].pts
	if w.size > clusterLen || f.PTS-first >= clusterMax {
		return true
	}
	return f.Kind == Video && f.Key && f.PTS-first >= clusterMax/4
}

// flush writes the cluster. Its blocks are put in order of time: sound and picture come with
// different delays.
func (w *Writer) flush() error {
	if len(w.blocks) == 0 {
		return nil
	}
	slices.SortStableFunc(w.blocks, func(a, b block) int { return cmp.Compare(a.pts, b.pts) })
	start := w.blocks[0].pts.Truncate(time.Millisecond)
	body := appendUint(w.scratch[:0], idTimestamp, uint64(start/time.Millisecond))
	for _, b := range w.blocks {
		if rel := b.pts - start; rel > 32*time.Second { // a gap: the block needs a cluster of its own
			rest := slices.Clone(w.blocks[slices.IndexFunc(w.blocks, func(x block) bool { return x.pts == b.pts }):])
			w.blocks = w.blocks[:len(w.blocks)-len(rest)]
			if err := w.flush(); err != nil {
				return err
			}
			w.blocks = rest
			return w.flush()
		}
	}
	for _, b := range w.blocks {
		number, flags := byte(audioNumber), byte(0)
		if b.kind == Video {
			number = videoNumber
			if b.key {
				w.addCue(start)
			}
		}
		if b.key {
			flags = 0x80
		}
		body = appendSize(appendID(body, idSimpleBlock), uint64(4+len(b.data)))
		body = append(body, 0x80|number)
		body = binary.BigEndian.AppendUint16(body, uint16((b.pts-start+time.Millisecond/2)/time.Millisecond))
		body = append(append(body, flags), b.data...)
	}
	w.scratch = body
	head := appendHead(nil, idCluster, uint64(len(body)))
	if _, err := w.f.WriteAt(append(head, body...), w.at); err != nil {
		return fmt.Errorf("writing recording: %w", err)
	}
	w.at += int64(len(head) + len(body))
	w.blocks, w.size = w.blocks[:0], 0
	return nil
}

func (w *Writer) addCue(pts time.Duration) {
	if n := len(w.cues); n == 0 || w.cues[n-1].at != w.at {
		w.cues = append(w.cues, cue{pts, w.at})
	}
}

// Close writes what is pending, an index for seeking, and the duration.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	err := w.finish()
	if cerr := w.f.Close(); err == nil {
		err = cerr
	}
	if err == nil && w.video.Codec == H264 && strings.HasSuffix(w.path, ".webm") {
		path := strings.TrimSuffix(w.path, ".webm") + ".mkv"
		if err = os.Rename(w.path, path); err == nil {
			w.path = path
		}
	}
	return err
}

func (w *Writer) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	ebmlLen := w.segmentStart()
	var cues []byte
	for _, c := range w.cues {
		p := appendUint(nil, idCueTrack, videoNumber)
		p = appendUint(p, idCueClusterAt, uint64(c.at-ebmlLen))
		b := appendUint(nil, idCueTime, uint64(c.pts/time.Millisecond))
		b = appendBytes(b, idCuePositions, p)
		cues = appendBytes(cues, idCuePoint, b)
	}
	if len(cues) > 0 {
		out := appendBytes(nil, idCues, cues)
		if _, err := w.f.WriteAt(out, w.at); err != nil {
			return fmt.Errorf("writing recording: %w", err)
		}
		w.at += int64(len(out))
	}
	return w.writeHead(w.at)
}
