package client

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"parley/sys/clip"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Numbers of recording.
const (
	// settleFor is how long frames wait before they are placed and written: the first sender reports
	// have come by then, and the fastest packet is known.
	settleFor   = 2 * time.Second
	writeEvery  = 250 * time.Millisecond
	recordQueue = 4096 // frames and reports between loop and recorder
	indexEvery  = 10 * time.Second
	maxName     = 40
	// preRoll is how long before its start a recording begins to count: a router begins a picture with the
	// last key frame and what followed it, which may be 300 ms old.
	preRoll = 500 * time.Millisecond
)

// recorder writes one file per participant, and one more for what a participant shares. Its goroutine
// owns everything but the channel.
type recorder struct {
	dir     string
	in      chan any // recordedFrame or recordedReport
	done    chan struct{}
	dropped atomic.Uint64

	started time.Time
	line    *timeline
	waiting []recordedFrame      // in order of arrival
	last    map[uint64]time.Time // when a stretch last had a frame
	files   map[recordKey]*recordFile
	closed  []clip.IndexFile
	indexAt time.Time
	index   clip.Index
	trouble func(string)
	failed  bool
}

// recordKey names a file: content is apart from the camera.
type recordKey struct {
	who     proto.ParticipantID
	content bool
}

// recordFile is a file being written.
type recordFile struct {
	w     *clip.Writer
	entry clip.IndexFile
	any   bool
}

// recordedFrame is a frame on its way into a file.
type recordedFrame struct {
	stretch uint64
	clock   uint32
	source  proto.SourceID
	name    string
	frame   assembled
	at      time.Time
}

// recordedReport is a sender report on its way to the timeline.
type recordedReport struct {
	stretch uint64
	clock   uint32
	ntp     uint64
	time    rtp.Time
	at      time.Time
}

// startRecording makes the directory and starts the recorder, where one is wanted.
func (c *Client) startRecording(now time.Time) error {
	if c.cfg.Record == "" {
		return nil
	}
	if err := os.MkdirAll(c.cfg.Record, 0o755); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	r := &recorder{
		dir: c.cfg.Record, in: make(chan any, recordQueue), done: make(chan struct{}),
		started: now.Add(-preRoll), line: newTimeline(), last: map[uint64]time.Time{}, files: map[recordKey]*recordFile{},
		index: clip.Index{Meeting: c.cfg.Number, Started: now.Add(-preRoll).UTC()}, indexAt: now.Add(indexEvery),
		trouble: func(text string) { c.post(func(time.Time) { c.emit(Trouble{Text: text}) }) },
	}
	c.recorder = r
	c.wg.Go(r.run)
	return nil
}

// stopRecording writes what is left and waits for it.
func (c *Client) stopRecording(now time.Time) {
	r := c.recorder
	if r == nil {
		return
	}
	c.recorder = nil
	c.cancel() // a recorder that wants to tell of trouble must not wait for this loop
	close(r.in)
	<-r.done
	c.view.mu.Lock()
	for _, f := range r.closed {
		c.view.recorded = append(c.view.recorded, filepath.Join(r.dir, f.File))
	}
	c.view.mu.Unlock()
}

// frame queues a frame. A disk that can't keep up costs frames, not the meeting.
func (r *recorder) frame(f recordedFrame) { r.queue(f) }

func (r *recorder) report(s recordedReport) { r.queue(s) }

func (r *recorder) queue(x any) {
	select {
	case r.in <- x:
	default:
		r.dropped.Add(1)
	}
}

func (r *recorder) run() {
	defer close(r.done)
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		select {
		case x, ok := <-r.in:
			if !ok {
				r.write(time.Now().Add(settleFor))
				r.close()
				return
			}
			r.take(x)
		case now := <-ticker.C:
			r.write(now)
		}
	}
}

func (r *recorder) take(x any) {
	switch x := x.(type) {
	case recordedFrame:
		r.line.arrived(x.stretch, x.clock, x.source.Participant(), x.frame.time, x.at)
		r.last[x.stretch] = x.at
		r.waiting = append(r.waiting, x)
	case recordedReport:
		r.line.report(x.stretch, x.clock, rtp.FromNTP(x.ntp), x.time)
	}
}

// write places and writes the frames that have waited long enough.
func (r *recorder) write(now time.Time) {
	n := 0
	for _, f := range r.waiting {
		if now.Sub(f.at) < settleFor {
			break
		}
		n++
		if at, ok := r.line.place(f.stretch, f.source.Participant(), f.frame.time); ok && !r.failed {
			if err := r.put(f, at.Sub(r.started)); err != nil {
				r.failed = true
				r.trouble("recording has stopped: " + err.Error())
			}
		}
	}
	r.waiting = append(r.waiting[:0], r.waiting[n:]...)
	for id, at := range r.last {
		if now.Sub(at) > time.Minute {
			r.line.forget(id)
			delete(r.last, id)
		}
	}
	if !now.Before(r.indexAt) {
		r.indexAt = now.Add(indexEvery)
		r.writeIndex(time.Time{})
	}
}

// put writes one frame into its file. A change of the picture's codec begins another part.
func (r *recorder) put(f recordedFrame, pts time.Duration) error {
	kind := f.source.Kind()
	key := recordKey{f.source.Participant(), kind == proto.Content || kind == proto.ContentAudio}
	frame := clip.Frame{Kind: f.frame.codec.Kind(), Codec: f.frame.codec, PTS: pts, Key: f.frame.key, Data: f.frame.data}
	file := r.files[key]
	part := 1
	if file != nil && frame.Kind == clip.Video && frame.Key && file.w.Codec() != "" && file.w.Codec() != frame.Codec {
		part = max(file.entry.Part, 1) + 1
		if err := r.finish(file); err != nil {
			return err
		}
		file = nil
	}
	if file == nil {
		var err error
		if file, err = r.create(key, f.name, part); err != nil {
			return err
		}
		r.files[key] = file
	}
	wrote, err := file.w.Write(frame)
	if err != nil {
		return err
	}
	if wrote {
		if !file.any {
			file.any, file.entry.From = true, max(pts, 0)
		}
		if frame.Kind == clip.Audio {
			file.entry.Audio = true
		} else {
			file.entry.Video = frame.Codec
		}
		if f.name != "" {
			file.entry.Name = f.name
		}
	}
	return nil
}

func (r *recorder) create(key recordKey, name string, part int) (*recordFile, error) {
	base := fmt.Sprintf("%d", key.who)
	if s := slug(name); s != "" {
		base += "-" + s
	}
	if key.content {
		base += "-content"
	}
	entry := clip.IndexFile{Participant: uint32(key.who), Name: name, Content: key.content}
	if part > 1 {
		base += fmt.Sprintf("-%d", part)
		entry.Part = part
	}
	w, err := clip.Create(filepath.Join(r.dir, base+".webm"))
	if err != nil {
		return nil, err
	}
	return &recordFile{w: w, entry: entry}, nil
}

// slug makes a name safe for a file: letters and digits, the rest as single dashes.
func slug(name string) string {
	var b strings.Builder
	for _, c := range name {
		switch {
		case unicode.IsLetter(c) || unicode.IsDigit(c):
			b.WriteRune(unicode.ToLower(c))
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= maxName {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// finish closes a file and enters it into the index.
func (r *recorder) finish(f *recordFile) error {
	err := f.w.Close()
	if !f.any { // nothing that could be decoded ever came
		os.Remove(f.w.Path())
		return err
	}
	f.entry.File, f.entry.To = filepath.Base(f.w.Path()), f.w.Duration()
	r.closed = append(r.closed, f.entry)
	return err
}

func (r *recorder) close() {
	for _, f := range r.files {
		if err := r.finish(f); err != nil && !r.failed {
			r.failed = true
			r.trouble("recording is incomplete: " + err.Error())
		}
	}
	clear(r.files)
	if n := r.dropped.Load(); n > 0 {
		r.trouble(fmt.Sprintf("recording left out %d frames: the disk was too slow", n))
	}
	r.writeIndex(time.Now())
}

// writeIndex lists the files, also while they grow: after a crash the index is there.
func (r *recorder) writeIndex(ended time.Time) {
	ix := r.index
	if !ended.IsZero() {
		ix.Ended = ended.UTC()
	}
	ix.Files = append(ix.Files, r.closed...)
	for _, f := range r.files {
		if !f.any {
			continue
		}
		e := f.entry
		e.File, e.To = filepath.Base(f.w.Path()), f.w.Duration()
		ix.Files = append(ix.Files, e)
	}
	sortFiles(ix.Files)
	if err := clip.WriteIndex(r.dir, ix); err != nil && !r.failed {
		r.failed = true
		r.trouble(err.Error())
	}
}
