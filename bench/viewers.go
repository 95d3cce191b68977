package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"parley/bench/load"
)

// viewers are receivers made of pion/webrtc: the test binary of lab/interop, a program of its own because
// its pion and ours exclude each other.
type viewers struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	count int
}

// viewersPrefix begins the lines that are for us.
const viewersPrefix = "viewers: "

// startViewers makes a meeting for cfg and lets count viewers into it, on this processor.
func (b *bench) startViewers(ctx context.Context, cfg *load.Config, count int) (*viewers, error) {
	m, err := load.Create(ctx, *cfg)
	if err != nil {
		return nil, err
	}
	cfg.Meetings = []load.Meeting{m}
	what, err := json.Marshal(map[string]any{"site": cfg.Site, "number": m.Number, "passcode": m.Passcode, "count": count})
	if err != nil {
		return nil, err
	}
	v := &viewers{count: count}
	v.cmd = exec.CommandContext(ctx, b.strangers, "-test.run", "^TestViewersCountWhatArrives$", "-test.timeout", "5m")
	v.cmd.Env = append(os.Environ(), "PARLEY_VIEWERS="+string(what))
	v.cmd.WaitDelay = time.Second
	if v.in, err = v.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := v.cmd.Start(); err != nil {
		return nil, fmt.Errorf("viewers of pion/webrtc: %w (make bench builds them)", err)
	}
	v.lines = bufio.NewScanner(out)
	if said, err := v.read(); err != nil || said != "ready" {
		v.kill()
		return nil, fmt.Errorf("viewers of pion/webrtc: %q, %v; want ready", said, err)
	}
	return v, nil
}

// read is the next line that is for us.
func (v *viewers) read() (string, error) {
	var other []string
	for v.lines.Scan() {
		if s, ok := strings.CutPrefix(v.lines.Text(), viewersPrefix); ok {
			return s, nil
		}
		other = append(other, v.lines.Text())
	}
	return "", fmt.Errorf("they ended: %s", strings.Join(other, "; "))
}

// next tells them to begin measuring, then to stop.
func (v *viewers) next() { fmt.Fprintln(v.in) }

// result puts what they have measured in place of what the load has.
func (v *viewers) result(r *load.Result) error {
	said, err := v.read()
	if err != nil {
		return err
	}
	var got struct {
		People, Packets, Bytes, Lost, Repaired, Samples int
		Seconds                                         float64
		P50                                             float64 `json:"p50_ms"`
		P99                                             float64 `json:"p99_ms"`
	}
	if err := json.Unmarshal([]byte(said), &got); err != nil {
		return err
	}
	r.People += got.People
	r.Transports += 3 * got.People
	r.Packets, r.Sends, r.Bytes = uint64(got.Packets), uint64(got.Packets), uint64(got.Bytes)
	r.Lost, r.Repaired, r.Samples = uint64(got.Lost), uint64(got.Repaired), got.Samples
	r.P50, r.P99, r.Seconds = got.P50, got.P99, got.Seconds
	return nil
}

// kill ends them, whatever they do.
func (v *viewers) kill() {
	v.in.Close()
	done := time.AfterFunc(5*time.Second, func() { v.cmd.Process.Kill() })
	defer done.Stop()
	for v.lines.Scan() {
	}
	v.cmd.Wait()
}
