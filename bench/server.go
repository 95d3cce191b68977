package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// niceness puts server and participants before what else runs on the machine, where that is allowed;
// where it is not, nice warns and runs them all the same.
const niceness = "-20"

// server is a `parley up` on a processor of its own.
type server struct {
	cmd   *exec.Cmd
	dir   string
	site  string
	token string
	admin string
	media string  // port of its media socket, as /proc/net/udp writes it
	rss0  float64 // MiB before anybody joined
}

// startServer runs the binary on processor cpu, with production settings.
func startServer(ctx context.Context, binary, cpu string, loudest int, extra []string) (*server, error) {
	dir, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	if s.admin, err = freePort(); err != nil {
		return nil, err
	}
	args := []string{"-c", cpu, "nice", "-n", niceness, binary, "up", "--json", "--data", filepath.Join(dir, "data"), "--https", "127.0.0.1:0", "--http", "-",
		"--media", ":0", "--advertise", "127.0.0.1", "--admin", s.admin, "--max-people", "5000", "--max-meetings", "1000",
		"--max-people-per-meeting", "5000"}
	if loudest > 0 {
		args = append(args, "--loudest", strconv.Itoa(loudest))
	}
	s.cmd = exec.CommandContext(ctx, "taskset", append(args, extra...)...)
	// GOGC=400 is the participants', who must not collect garbage while they measure; the server's memory is
	// to be what it is in production.
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOGC=") })
	s.cmd.Env = append(env, "GOMAXPROCS=1")
	s.cmd.Stderr = os.Stderr
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var ready struct{ Site, Token, Media string }
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("the server did not say that it is ready: %w", err)
	}
	s.site, s.token = ready.Site, ready.Token
	if a, err := netip.ParseAddrPort(ready.Media); err == nil {
		s.media = fmt.Sprintf(":%04X", a.Port())
	}
	time.Sleep(500 * time.Millisecond) // its own beginnings are not to be counted
	s.rss0 = s.rss()
	return s, nil
}

func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
	os.RemoveAll(s.dir)
}

// freePort is a loopback address nobody listens on just now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// cpu is the time the server has used so far.
func (s *server) cpu() time.Duration { return processTime(s.cmd.Process.Pid) }

// rss is the server's resident memory in MiB.
func (s *server) rss() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 64)
			return kb / 1024
		}
	}
	return 0
}

// mallocs is the number of objects the server has allocated.
func (s *server) mallocs() (float64, error) {
	resp, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
	}
	return 0, errors.New("the server's metrics have no go_memstats_mallocs_total")
}

// profile writes a CPU profile of the server to a file.
func (s *server) profile(file string, length time.Duration) error {
	resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.admin, int(length.Seconds())))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, resp.Body)
	return err
}

// switches is how often the server's threads slept and were woken, and how often they were preempted:
// many of the latter say that the machine was not ours.
func (s *server) switches() (slept, preempted float64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.cmd.Process.Pid))
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(line, ":")
			n, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
			switch k {
			case "voluntary_ctxt_switches":
				slept += n
			case "nonvoluntary_ctxt_switches":
				preempted += n
			}
		}
	}
	return slept, preempted
}

// drops are the packets the server dropped, by reason.
func (s *server) drops() map[string]float64 {
	resp, err := http.Get("http://" + s.admin + "/debug/drops")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil
	}
	drops := map[string]float64{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if n, err := strconv.ParseFloat(f[len(f)-1], 64); err == nil && n > 0 {
			drops[strings.Join(f[:len(f)-1], " ")] = n
		}
	}
	return drops
}

// overflow is how many datagrams the kernel dropped because the server did not read its socket in time.
func (s *server) overflow() (n float64) {
	for _, file := range [...]string{"/proc/net/udp", "/proc/net/udp6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 12 && s.media != "" && strings.HasSuffix(f[1], s.media) {
				drops, _ := strconv.ParseFloat(f[len(f)-1], 64)
				n += drops
			}
		}
	}
	return n
}
