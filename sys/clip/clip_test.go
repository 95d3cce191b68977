package clip

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
)

// ffmpeg makes a test file; tests that need it are skipped, and say so, where it is missing.
func ffmpeg(t testing.TB, name string, args ...string) string {
	t.Helper()
	bin, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("SKIPPED: ffmpeg is not installed, reading and writing of real files is NOT tested")
	}
	path := filepath.Join(t.TempDir(), name)
	args = append([]string{"-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=30:duration=2",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=2:sample_rate=48000"}, args...)
	if out, err := exec.Command(bin, append(args, "-y", path)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return path
}

type probe struct {
	Format struct {
		Duration string `json:"duration"`
	} `json:"format"`
	Streams []struct {
		Codec  string `json:"codec_name"`
		Kind   string `json:"codec_type"`
		Width  int    `json:"width"`
		Frames string `json:"nb_read_frames"`
	} `json:"streams"`
}

// ffprobe decodes the whole file and counts frames.
func ffprobe(t testing.TB, path string) probe {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-count_frames", "-show_format", "-show_streams", "-of", "json", path).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	var p probe
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func readAll(t testing.TB, path string, opts Options) []Frame {
	t.Helper()
	r, err := Open(t.Context(), path, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	var out []Frame
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		out = append(out, f)
	}
}

var formats = []struct {
	name         string
	args         []string
	codec        Codec
	video, audio int // frames
}{
	{"vp8.webm", []string{"-c:v", "libvpx", "-g", "15", "-deadline", "realtime", "-c:a", "libopus"}, VP8, 60, 101},
	{"vp9.webm", []string{"-c:v", "libvpx-vp9", "-g", "15", "-deadline", "realtime", "-c:a", "libopus"}, VP9, 60, 101},
	{"h264.mkv", []string{"-c:v", "libx264", "-g", "15", "-bf", "0", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "libopus"}, H264, 60, 101},
	{"av1.mkv", []string{"-c:v", "libaom-av1", "-g", "15", "-cpu-used", "8", "-usage", "realtime", "-frames:v", "30", "-c:a", "libopus", "-shortest"}, AV1, 30, 0},
	{"vp8.ivf", []string{"-map", "0:v", "-c:v", "libvpx", "-g", "15", "-deadline", "realtime"}, VP8, 60, 0},
	{"vp9.ivf", []string{"-map", "0:v", "-c:v", "libvpx-vp9", "-g", "15", "-deadline", "realtime"}, VP9, 60, 0},
	{"opus.ogg", []string{"-map", "1:a", "-c:a", "libopus"}, "", 0, 101},
	{"aac.mkv", []string{"-c:v", "libvpx", "-g", "15", "-deadline", "realtime", "-c:a", "aac"}, VP8, 60, 101},
	{"other.mp4", []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"}, VP8, 60, 101}, // through ffmpeg
}

func TestReadsEveryFormatByItsContent(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			path := ffmpeg(t, f.name, f.args...)
			plain := filepath.Join(t.TempDir(), "noextension")
			if err := os.Rename(path, plain); err != nil {
				t.Fatal(err)
			}
			frames := readAll(t, plain, Options{})
			n, last, keys := [2]int{}, [2]time.Duration{-time.Second, -time.Second}, 0
			for i, fr := range frames {
				n[fr.Kind]++
				if fr.PTS <= last[fr.Kind] {
					t.Fatalf("frame %d (%v): time goes from %v to %v", i, fr.Kind, last[fr.Kind], fr.PTS)
				}
				last[fr.Kind] = fr.PTS
				if fr.Kind == Video {
					if fr.Codec != f.codec {
						t.Fatalf("codec %v, want %v", fr.Codec, f.codec)
					}
					if fr.Key {
						keys++
						if w, h, ok := Size(fr.Codec, fr.Data); !ok || w != 160 || h != 120 {
							t.Errorf("key frame size %dx%d (%v), want 160x120", w, h, ok)
						}
					}
				}
			}
			if n[Video] != f.video {
				t.Errorf("%d pictures, want %d", n[Video], f.video)
			}
			if f.audio > 0 && (n[Audio] < f.audio-2 || n[Audio] > f.audio+2) {
				t.Errorf("%d packets of sound, want about %d", n[Audio], f.audio)
			}
			if f.video > 0 && keys < 2 {
				t.Errorf("%d key frames, want several", keys)
			}
		})
	}
}

func TestWriterMakesFilesThatFFmpegReadsBack(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			frames := readAll(t, ffmpeg(t, f.name, f.args...), Options{})
			w, err := Create(filepath.Join(t.TempDir(), "out.webm"))
			if err != nil {
				t.Fatal(err)
			}
			for i, fr := range frames {
				fr.PTS += 100 * time.Millisecond
				if ok, err := w.Write(fr); err != nil || !ok {
					t.Fatalf("frame %d: %v %v", i, ok, err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if want := ".webm"; f.codec == H264 {
				if want = ".mkv"; filepath.Ext(w.Path()) != want {
					t.Errorf("file %s, want %s", w.Path(), want)
				}
			}
			p := ffprobe(t, w.Path())
			for _, s := range p.Streams {
				got, _ := strconv.Atoi(s.Frames)
				if s.Kind == "video" && (got != f.video || s.Width != 160) {
					t.Errorf("%d pictures %d wide, want %d of 160", got, s.Width, f.video)
				}
				if s.Kind == "audio" && f.audio > 0 && (got < f.audio-2 || got > f.audio+2) {
					t.Errorf("%d packets of sound, want about %d", got, f.audio)
				}
			}
			want := 2.1
			if f.video == 30 {
				want = 1.1
			}
			if d, _ := strconv.ParseFloat(p.Format.Duration, 64); d < want-0.05 || d > want+0.1 {
				t.Errorf("duration %v s, want about %v", d, want)
			}
			back := readAll(t, w.Path(), Options{})
			if len(back) != len(frames) {
				t.Fatalf("%d frames read back, want %d", len(back), len(frames))
			}
			checkWithLibrary(t, w.Path(), len(frames))
		})
	}
}

// checkWithLibrary reads a file with an independent implementation.
func checkWithLibrary(t *testing.T, path string, want int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Header  webm.EBMLHeader `ebml:"EBML"`
		Segment webm.Segment    `ebml:"Segment"`
	}
	if err := ebml.Unmarshal(bytes.NewReader(b), &doc); err != nil {
		t.Fatalf("ebml: %v", err)
	}
	n := 0
	for _, c := range doc.Segment.Cluster {
		n += len(c.SimpleBlock)
	}
	if n != want {
		t.Errorf("the library finds %d blocks, want %d", n, want)
	}
	if doc.Segment.Cues == nil { // sound only
		return
	}
	for _, c := range doc.Segment.Cues.CuePoint {
		for _, p := range c.CueTrackPositions {
			at := int(p.CueClusterPosition) + bytes.Index(b, []byte{0x18, 0x53, 0x80, 0x67}) + 12
			if at+4 > len(b) || !bytes.Equal(b[at:at+4], []byte{0x1f, 0x43, 0xb6, 0x75}) {
				t.Fatalf("cue at %d does not point to a cluster", at)
			}
		}
	}
}

func TestLoopHasContinuousTime(t *testing.T) {
	testLoop(t, ffmpeg(t, "loop.webm", formats[0].args...))
}

func TestLoopOfAConvertedFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	testLoop(t, ffmpeg(t, "loop.mp4", formats[len(formats)-1].args...))
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func testLoop(t *testing.T, path string) {
	r, err := Open(t.Context(), path, Options{Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	last := [2]time.Duration{}
	seen := [2]bool{}
	for r.Laps() < 3 {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if d := f.PTS - last[f.Kind]; seen[f.Kind] && (d <= 0 || d > 80*time.Millisecond) {
			t.Fatalf("%v: step of %v at %v", f.Kind, d, f.PTS)
		} else if gap := d - 20*time.Millisecond; seen[f.Kind] && f.Kind == Audio && (gap != 0) {
			t.Fatalf("sound has a gap of %v at %v", gap, f.PTS)
		}
		last[f.Kind], seen[f.Kind] = f.PTS, true
	}
	if d := last[Video]; d < 5900*time.Millisecond || d > 6300*time.Millisecond {
		t.Errorf("three laps of 2 s end at %v", d)
	}
}

func TestNextKeySkipsPictureAndSoundTogether(t *testing.T) {
	path := ffmpeg(t, "key.webm", formats[0].args...)
	plain := readAll(t, path, Options{})
	offset := map[string]time.Duration{} // by content: where a frame is in the file
	for _, f := range plain {
		offset[string(f.Data)] = f.PTS
	}
	r, err := Open(t.Context(), path, Options{Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var last time.Duration
	for range 10 {
		f, _ := r.Next()
		last = f.PTS
	}
	if !r.NextKey() {
		t.Fatal("no key frame found")
	}
	moved := map[Kind]time.Duration{}
	for range 40 {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := moved[f.Kind]; !ok {
			if f.Kind == Video && !f.Key {
				t.Fatal("first picture after NextKey is not a key frame")
			}
			if d := f.PTS - last; d < -30*time.Millisecond || d > 80*time.Millisecond {
				t.Errorf("%v goes on at %v after %v", f.Kind, f.PTS, last)
			}
			moved[f.Kind] = offset[string(f.Data)] - f.PTS
		}
	}
	if d := moved[Audio] - moved[Video]; d < -time.Millisecond || d > time.Millisecond {
		t.Errorf("sound moved by %v, picture by %v", moved[Audio], moved[Video])
	}
	if moved[Video] < 100*time.Millisecond {
		t.Errorf("picture moved by %v only", moved[Video])
	}
}

func TestNextKeyWithoutOneSkipsNothing(t *testing.T) {
	path := ffmpeg(t, "one.webm", "-c:v", "libvpx", "-g", "1000", "-deadline", "realtime", "-c:a", "libopus")
	r, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 1
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	for r.NextKey() { // the first picture itself may still be ahead
		if f, _ := r.Next(); f.Kind == Video {
			n++
			break
		}
		n++
	}
	if r.NextKey() {
		t.Fatal("found a second key frame in a file with one")
	}
	for {
		if _, err := r.Next(); err != nil {
			break
		}
		n++
	}
	if want := len(readAll(t, path, Options{})); n < want-1 || n > want {
		t.Errorf("%d frames, want %d", n, want)
	}
}

func TestLostSoundIsFilledWithSilence(t *testing.T) {
	frames := readAll(t, ffmpeg(t, "gap.ogg", "-map", "1:a", "-c:a", "libopus"), Options{})
	w, err := Create(filepath.Join(t.TempDir(), "out.webm"))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if i%10 == 3 || i%10 == 4 {
			continue
		}
		f.PTS += 7 * time.Millisecond
		if _, err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	back := readAll(t, w.Path(), Options{})
	if len(back) != len(frames) {
		t.Fatalf("%d packets, want %d", len(back), len(frames))
	}
	for i := 1; i < len(back); i++ {
		if d := back[i].PTS - back[i-1].PTS; d < 18*time.Millisecond || d > 22*time.Millisecond {
			t.Errorf("step of %v at %v", d, back[i].PTS)
		}
	}
	ffprobe(t, w.Path())
}

func TestCrashLosesAtMostTheOpenCluster(t *testing.T) {
	frames := readAll(t, ffmpeg(t, "crash.webm", formats[0].args...), Options{})
	w, err := Create(filepath.Join(t.TempDir(), "out.webm"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, f := range frames {
		if _, err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	back := readAll(t, w.Path(), Options{}) // not closed
	if end := back[len(back)-1].PTS; end < 900*time.Millisecond {
		t.Errorf("only %v of 2 s are on disk", end)
	}
	ffprobe(t, w.Path())
}

func TestWithoutFFmpegTheErrorSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "film.mp4")
	os.WriteFile(path, []byte("\x00\x00\x00\x20ftypisom and so on"), 0o600)
	for _, program := range []string{"-", "no-such-program-here"} {
		if _, err := Open(t.Context(), path, Options{FFmpeg: program}); !errors.Is(err, ErrNoFFmpeg) {
			t.Errorf("got %v, want ErrNoFFmpeg", err)
		}
	}
	if _, err := Open(t.Context(), path+"x", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want not exist", err)
	}
}

func TestIndexRoundTrip(t *testing.T) {
	dir := t.TempDir()
	in := Index{Meeting: "m", Started: time.Unix(1000, 0).UTC(), Files: []IndexFile{{File: "a.webm", Participant: 7, Name: "Ann", To: time.Second}}}
	if err := WriteIndex(dir, in); err != nil {
		t.Fatal(err)
	}
	out, err := ReadIndex(dir)
	if err != nil || len(out.Files) != 1 || out.Files[0] != in.Files[0] || !out.Started.Equal(in.Started) {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestTruncatedFilesEndQuietly(t *testing.T) {
	for _, f := range formats[:7] {
		t.Run(f.name, func(t *testing.T) {
			b, err := os.ReadFile(ffmpeg(t, f.name, f.args...))
			if err != nil {
				t.Fatal(err)
			}
			format := sniff(b)
			for n := 0; n < len(b); n += 1 + n/97 {
				drain(format, b[:n])
			}
		})
	}
}

// drain reads everything, and fails only by panicking or running on.
func drain(format string, b []byte) int {
	in, _, err := demux(format, bytes.NewReader(b))
	if err != nil {
		return 0
	}
	n := 0
	for {
		f, err := in.next()
		if err != nil {
			return n
		}
		Size(f.Codec, f.Data)
		if n++; n > len(b)+1 {
			panic("more frames than bytes")
		}
	}
}

func TestOpusDuration(t *testing.T) {
	for _, r := range []struct {
		b    []byte
		want time.Duration
	}{
		{nil, 0},
		{[]byte{0x78}, 20 * time.Millisecond},    // hybrid, 20 ms, one frame
		{[]byte{0xfc}, 20 * time.Millisecond},    // CELT fullband 20 ms
		{[]byte{0xfd}, 40 * time.Millisecond},    // two of them
		{[]byte{0x18}, 60 * time.Millisecond},    // SILK 60 ms
		{[]byte{0xe3, 4}, 10 * time.Millisecond}, // four times 2.5 ms
		{[]byte{0xff, 63}, 0},                    // longer than 120 ms
	} {
		if got := OpusDuration(r.b); got != r.want {
			t.Errorf("OpusDuration(%x) = %v, want %v", r.b, got, r.want)
		}
	}
}

func FuzzMatroska(f *testing.F) {
	f.Add([]byte("\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x16\x54\xae\x6b\x8e\xae\x8c\xd7\x81\x01\x86\x85V_VP8\x83\x81\x01" +
		"\x1f\x43\xb6\x75\xff\xe7\x81\x00\xa3\x88\x81\x00\x00\x86\x01\x00\x01\x02"))
	f.Fuzz(func(t *testing.T, b []byte) { drain("matroska", b) })
}

func FuzzIVF(f *testing.F) {
	f.Add([]byte("DKIF\x00\x00\x20\x00VP80\xa0\x00\x78\x00\x1e\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ab"))
	f.Fuzz(func(t *testing.T, b []byte) { drain("ivf", b) })
}

func FuzzOgg(f *testing.F) {
	f.Add([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x13OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) { drain("ogg", b) })
}

func FuzzCodecs(f *testing.F) {
	f.Add([]byte{0x12, 0, 0x0a, 3, 1, 2, 3, 0, 0, 1, 0x67, 0x42, 0, 0x1f})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []Codec{VP8, VP9, H264, AV1, Opus} {
			IsKey(c, b)
			Size(c, b)
			codecPrivate(c, b)
		}
	})
}
