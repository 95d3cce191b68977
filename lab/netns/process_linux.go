package netns

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program running in a namespace. Its output is kept, for assertions and for the search for
// secrets in logs.
type Process struct {
	Name string
	cmd  *exec.Cmd
	in   io.WriteCloser // its standard input, open until CloseInput
	done chan struct{}
	err  error // of Wait; valid after done

	mu    sync.Mutex
	lines []Line // guarded by mu
	more  chan struct{}
}

// Line is one line a process wrote.
type Line struct {
	Text   string
	Stderr bool
	At     time.Time
}

// Start runs a program in the namespace. It dies with this process, whatever happens.
func (n *Namespace) Start(name string, env []string, args ...string) (*Process, error) {
	cmd := exec.Command("ip", append([]string{"netns", "exec", n.Name}, args...)...)
	// The proxies of this machine are not those of the laboratory.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.HasSuffix(strings.ToLower(name), "_proxy") || strings.HasPrefix(name, "PARLEY_")
	}), env...)
	// A process group of its own: a Ctrl-C at the terminal is for us alone, who end things in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p := &Process{Name: name, cmd: cmd, done: make(chan struct{}), more: make(chan struct{}, 1)}
	out, err1 := cmd.StdoutPipe()
	diag, err2 := cmd.StderrPipe()
	var err3 error
	p.in, err3 = cmd.StdinPipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.read(out, false) })
	readers.Go(func() { p.read(diag, true) })
	go func() {
		readers.Wait()
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *Process) read(r io.Reader, stderr bool) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, Line{strings.Clone(s.Text()), stderr, time.Now()})
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
}

// Lines is what the process has written so far, from a place on.
func (p *Process) Lines(from int) []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[min(from, len(p.lines)):]
}

// Output is all of standard output or standard error, for reading by people.
func (p *Process) Output(stderr bool) string {
	var b bytes.Buffer
	for _, l := range p.Lines(0) {
		if l.Stderr == stderr {
			b.WriteString(l.Text + "\n")
		}
	}
	return b.String()
}

// CloseInput ends the process's standard input.
func (p *Process) CloseInput() { p.in.Close() }

// Type writes to the process's standard input.
func (p *Process) Type(text string) error {
	_, err := io.WriteString(p.in, text)
	return err
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode is how it ended; −1 while it runs or where a signal ended it.
func (p *Process) ExitCode() int {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// Signal sends a signal to the process and those it started.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// Stop ends the process in order, and after some seconds in disorder.
func (p *Process) Stop() {
	p.Signal(syscall.SIGINT)
	select {
	case <-p.done:
	case <-time.After(7 * time.Second):
		p.Kill()
	}
}

// Kill ends the process at once.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// WaitLine waits for a line that satisfies want.
func (p *Process) WaitLine(timeout time.Duration, want func(Line) bool) (Line, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	next := 0
	for {
		for _, l := range p.Lines(next) {
			next++
			if want(l) {
				return l, nil
			}
		}
		select {
		case <-p.more:
		case <-p.done:
			for _, l := range p.Lines(next) {
				if want(l) {
					return l, nil
				}
				next++
			}
			return Line{}, fmt.Errorf("%s ended: %v\n%s%s", p.Name, p.err, p.Output(true), p.Output(false))
		case <-timer.C:
			return Line{}, fmt.Errorf("%s said nothing of the kind within %v\n%s%s", p.Name, timeout, p.Output(true), p.Output(false))
		}
	}
}
