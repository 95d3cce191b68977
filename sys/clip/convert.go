package clip

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// program is the ffmpeg to run.
func (o Options) program() (string, error) {
	switch o.FFmpeg {
	case "-":
		return "", ErrNoFFmpeg
	case "":
		o.FFmpeg = "ffmpeg"
	}
	bin, err := exec.LookPath(o.FFmpeg)
	if err != nil {
		return "", ErrNoFFmpeg
	}
	return bin, nil
}

func (o Options) canConvert() bool { _, err := o.program(); return err == nil }

// convert runs ffmpeg and reads its output from a pipe: a long film starts at once, and ffmpeg waits
// while nobody reads. With Loop a copy is kept, so that only the first lap costs the conversion.
func (r *Reader) convert() error {
	bin, err := r.opts.program()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(r.ctx, bin, "-nostdin", "-v", "error", "-i", "file:"+r.path,
		"-map", "0:v:0?", "-map", "0:a:0?",
		"-c:v", "libvpx", "-g", "30", "-deadline", "realtime", "-cpu-used", "12", "-auto-alt-ref", "0", "-b:v", "1M",
		"-vf", "scale='min(1280,iw)':-2", "-pix_fmt", "yuv420p",
		"-c:a", "libopus", "-b:a", "48k", "-ac", "1", "-ar", "48000", "-frame_duration", "20",
		"-cluster_time_limit", "300", "-f", "webm", "pipe:1")
	var complaint tail
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting ffmpeg: %w", err)
	}
	stop := func() error {
		cmd.Process.Kill()
		out.Close()
		cmd.Wait()
		return nil
	}
	var from io.Reader = out
	if r.opts.Loop {
		if r.copy, err = os.CreateTemp("", "parley-*.webm"); err != nil {
			stop()
			return fmt.Errorf("converting: %w", err)
		}
		from = io.TeeReader(out, r.copy)
	}
	m, err := openMatroska(from)
	if err != nil {
		stop()
		if r.copy != nil {
			r.copy.Close()
			os.Remove(r.copy.Name())
			r.copy = nil
		}
		return fmt.Errorf("ffmpeg could not convert it (%s): %w", complaint.String(), ErrFormat)
	}
	r.in, r.tracks, r.close = m, m.tracks, stop
	r.copied = r.opts.Loop // whole by the time the first lap has been read
	return nil
}

// reopenCopy starts a lap from what ffmpeg made in the first one.
func (r *Reader) reopenCopy() error {
	if _, err := r.copy.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("converting: %w", err)
	}
	m, err := openMatroska(r.copy)
	if err != nil {
		return err
	}
	r.in, r.tracks = m, m.tracks
	return nil
}

// tail keeps the first line of what a program complains about.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	if len(t.b) < 300 {
		t.b = append(t.b, p[:min(len(p), 300-len(t.b))]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	line, _, _ := bytes.Cut(t.b, []byte("\n"))
	if len(line) == 0 {
		return "no media in it"
	}
	return string(line)
}
