package netns

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waits is for how long each thread of a program, and of those it has started, was ready to run so far and this machine
// did not let it: nothing that the program could have done otherwise. On a quiet machine it is next to nothing, and
// bounds are what they say.
type waits map[int]time.Duration

// waitsOf asks the kernel about a process and its descendants: of a page the browser's, not its driver's alone.
func waitsOf(pid int, started map[int][]int) waits {
	out := waits{}
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		p := family[i]
		family = append(family, started[p]...)
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p))
		for _, path := range threads {
			tid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			var ran, waited int64 // nanoseconds
			if b, err := os.ReadFile(path); err == nil {
				if _, err := fmt.Sscan(string(b), &ran, &waited); err == nil {
					out[tid] = time.Duration(waited)
				}
			}
		}
	}
	return out
}

// started are the processes that each process of this machine has started.
func started() map[int][]int {
	out := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		b, _ := os.ReadFile(path)
		// The name before it is in parentheses, and may have any in it.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) < 2 {
			continue // it has ended
		}
		parent, _ := strconv.Atoi(fields[1])
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		out[parent] = append(out[parent], child)
	}
	return out
}

// since is how much longer than before the thread that was kept waiting longest has been: what threads of one program
// wait for each other is not counted once for each.
func (w waits) since(before waits) (d time.Duration) {
	for tid, now := range w {
		d = max(d, now-before[tid])
	}
	return d
}

// starving is how long the servers, and the client where there is one, were kept waiting until now.
func (r *run) starving(client *Person) map[*Process]waits {
	r.in.mu.Lock()
	servers := slices.Clone(r.in.servers)
	r.in.mu.Unlock()
	out, by := map[*Process]waits{}, started()
	for _, s := range servers {
		out[s.Process] = waitsOf(s.cmd.Process.Pid, by)
	}
	if client != nil {
		out[client.Process] = waitsOf(client.cmd.Process.Pid, by)
	}
	return out
}

// fromClick sets r.began to what it was when the user clicked. A native client starts and clicks at once, and is known
// to have once it says something: until then it is looked at again and again. A page has just been clicked in.
func (r *run) fromClick(c *Person) {
	type look struct {
		at  time.Time
		all map[*Process]waits
	}
	looks := []look{{time.Now(), r.starving(c)}}
	for deadline := time.Now().Add(r.patience()); !c.browser && c.Click().IsZero() && time.Now().Before(deadline); {
		select {
		case <-c.Done():
			return
		case <-time.After(20 * ms):
			looks = append(looks, look{time.Now(), r.starving(c)})
		}
	}
	r.began = looks[0].all
	for _, l := range looks {
		if l.at.Before(c.Click()) {
			r.began = l.all
		}
	}
}

// kept is how long, since r.began, this machine has kept a client, and those it waited for, from running: the client
// itself and the server that had to wait longest; or, if that was longer, all of them at once.
func (r *run) kept(p *Person, from time.Time) time.Duration {
	var own, most time.Duration
	for who, now := range r.starving(p) {
		was, ok := r.began[who]
		if who == p.Process {
			own = now.since(was)
		} else if ok {
			most = max(most, now.since(was))
		}
	}
	return max(own+most, r.stalls.longest(from))
}

// excused reports whether what took too long did so for the machine's sake, and notes it.
func (r *run) excused(took, bound, kept time.Duration) bool {
	if took > bound+kept {
		return false
	}
	r.note("the machine kept it waiting for %d ms", kept.Milliseconds())
	return true
}

// Of more programs than there are processors each is kept waiting in its turn, and it is known for how long: no longer
// than they ran, from when it is asked on, and also where it is another process that the program has started.
func TestWhoIsKeptWaitingIsKnown(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel does not say who waits")
	}
	var all []int
	for range runtime.NumCPU() + 1 {
		cmd := exec.Command("sh", "-c", "sh -c 'while :; do :; done' & wait")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		all = append(all, cmd.Process.Pid)
	}
	for round := range 2 {
		began, before := time.Now(), map[int]waits{}
		for _, pid := range all {
			before[pid] = waitsOf(pid, started())
		}
		if round == 0 {
			clear(before) // from their beginning
		}
		if !someoneWaits(t, all, before, began) {
			t.Error("nobody was kept waiting")
		}
	}
}

// someoneWaits waits until one of the programs was kept waiting. Since began, or shortly before, none was for longer.
func someoneWaits(t *testing.T, all []int, before map[int]waits, began time.Time) bool {
	t.Helper()
	for time.Since(began) < 20*time.Second {
		time.Sleep(20 * ms)
		for _, pid := range all {
			if d := waitsOf(pid, started()).since(before[pid]); d > 20*ms {
				if most := time.Since(began) + 5*time.Second; d > most {
					t.Errorf("a thread was kept waiting for %v of %v", d, most)
				}
				return true
			}
		}
	}
	return false
}

// A thread that waited before does not count, and threads that wait at the same time count once.
func TestWaitingIsCountedOnce(t *testing.T) {
	before := waits{1: 900 * ms, 2: 100 * ms}
	now := waits{1: 910 * ms, 2: 140 * ms, 3: 30 * ms}
	if got := now.since(before); got != 40*ms {
		t.Errorf("kept waiting for %v, want 40 ms", got)
	}
}
