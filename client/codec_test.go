package client_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"parley/client"
	"parley/sys/clip"
)

// TestEveryCodecIsPublishedAndRecorded sends real encodings through a router and has ffmpeg decode
// what was recorded.
func TestEveryCodecIsPublishedAndRecorded(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("SKIPPED: ffmpeg is not installed, real encodings are NOT tested")
	}
	for _, row := range []struct {
		codec clip.Codec
		file  string
		args  []string
	}{
		{clip.VP8, "vp8.webm", []string{"-c:v", "libvpx", "-deadline", "realtime", "-b:v", "2M"}},
		{clip.VP9, "vp9.webm", []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "2M"}},
		{clip.H264, "h264.mkv", []string{"-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-pix_fmt", "yuv420p", "-b:v", "2M"}},
		{clip.AV1, "av1.mkv", []string{"-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-b:v", "2M"}},
	} {
		t.Run(string(row.codec), func(t *testing.T) {
			in, dir := filepath.Join(t.TempDir(), row.file), t.TempDir()
			args := append([]string{"-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=15:duration=2",
				"-f", "lavfi", "-i", "sine=frequency=440:duration=2:sample_rate=48000", "-g", "15", "-c:a", "libopus"}, row.args...)
			if out, err := exec.Command(ffmpeg, append(args, in)...).CombinedOutput(); err != nil {
				t.Skipf("SKIPPED: this ffmpeg can't make %s: %v\n%s", row.codec, err, out)
			}
			var files []string
			inWorld(t, func(t *testing.T, w *world) {
				src := must(clip.Open(context.Background(), in, clip.Options{Loop: true}))(t)
				a := w.join("ann", func(c *client.Config) { c.Publish = src })
				time.Sleep(time.Second)
				b := w.join("ben", func(c *client.Config) { c.Record = dir })
				time.Sleep(7 * time.Second)
				b.Leave()
				b.end()
				a.Leave() // before the bubble ends: the source's file was opened in it
				a.end()
				files = b.Recorded()
			})
			if len(files) != 1 {
				t.Fatalf("files %v", files)
			}
			ix := must(clip.ReadIndex(dir))(t)
			if len(ix.Files) != 1 || ix.Files[0].Video != row.codec || !ix.Files[0].Audio {
				t.Errorf("index %+v", ix.Files)
			}
			// In the file's own milliseconds: a sender that jumps to a key frame on request is not on the
			// grid of its frame rate for a moment.
			if out, err := exec.Command(ffmpeg, "-nostdin", "-v", "error", "-xerror", "-i", files[0], "-enc_time_base", "-1", "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("decoding the recording: %v\n%s", err, out)
			}
			r := must(clip.Open(t.Context(), files[0], clip.Options{}))(t)
			defer r.Close()
			var n [2]int
			for {
				f, err := r.Next()
				if err != nil {
					break
				}
				n[f.Kind]++
			}
			if n[clip.Video] < 85 || n[clip.Audio] < 300 {
				t.Errorf("%v frames of sound and picture in about 6.5 s", n)
			}
		})
	}
}
