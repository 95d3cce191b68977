package netns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// starvedOf is for how much of the time a program was ready to run, and this machine did not let it: nothing that the
// program could have done otherwise. The kernel counts it for each thread, and as many of a Go program's as there are
// processors may wait at once. On a quiet machine it is next to nothing, and bounds are what they say.
func starvedOf(pid int) (d time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range threads {
		var ran, waited int64 // nanoseconds
		if b, err := os.ReadFile(path); err == nil {
			if _, err := fmt.Sscan(string(b), &ran, &waited); err == nil {
				d += time.Duration(waited)
			}
		}
	}
	return d / time.Duration(runtime.NumCPU())
}

// starving is how long each server was kept waiting until now.
func (r *run) starving() map[*Process]time.Duration {
	r.in.mu.Lock()
	servers := slices.Clone(r.in.servers)
	r.in.mu.Unlock()
	out := map[*Process]time.Duration{}
	for _, s := range servers {
		out[s.Process] = starvedOf(s.cmd.Process.Pid)
	}
	return out
}

// kept is how long, since r.began, this machine has kept a client, and those it waited for, from running: the client
// itself and the server that had to wait longest; or, if that was longer, all of them at once.
func (r *run) kept(p *Process, from time.Time) time.Duration {
	var most time.Duration
	for server, now := range r.starving() {
		if was, ok := r.began[server]; ok {
			most = max(most, now-was)
		}
	}
	return max(starvedOf(p.cmd.Process.Pid)-r.began[p]+most, r.stalls.longest(from))
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
// than they ran.
func TestWhoIsKeptWaitingIsKnown(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel does not say who waits")
	}
	began := time.Now()
	var all []int
	for range runtime.NumCPU() + 1 {
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		all = append(all, cmd.Process.Pid)
	}
	for time.Since(began) < 20*time.Second {
		time.Sleep(20 * ms)
		for _, pid := range all {
			if d := starvedOf(pid); d > 20*ms {
				if most := time.Since(began); d > most {
					t.Errorf("a thread was kept waiting for %v of %v", d, most)
				}
				return
			}
		}
	}
	t.Error("nobody was kept waiting")
}
