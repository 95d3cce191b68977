package load

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/sys/link"
)

// The server of the memory tests is this test binary, started again: participants of the same process would
// be weighed with it. On each line it reads it prints what it holds, and at the end of its input it ends.
const memoryServer = "PARLEY_TEST_MEMORY_SERVER"

// weight is what a server holds, in bytes, once the garbage is gone: what it has of the system, and of that
// heap in use, stacks, and what it keeps outside the heap: packets, and room to receive them.
type weight struct {
	RSS, Heap, Stack, Kept int64
	Goroutines             int
}

// held is all that a server knows to hold.
func (w weight) held() int64 { return w.Heap + w.Stack + w.Kept }

// keeps is what a server says of what it keeps outside the heap.
func keeps(t *testing.T, pages string) int64 {
	t.Helper()
	return int64(gauge(t, pages, "parley_media_kept_bytes"))
}

// gauge is what a server says of one thing.
func gauge(t *testing.T, pages, name string) float64 {
	t.Helper()
	res, err := http.Get(pages + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for in := bufio.NewScanner(res.Body); in.Scan(); {
		if v, ok := strings.CutPrefix(in.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("nothing is told of %s", name)
	return 0
}

func weigh(t *testing.T, pages string) (w weight) {
	w.Kept = keeps(t, pages)
	http.DefaultClient.CloseIdleConnections()
	runtime.GC()
	debug.FreeOSMemory() // collects once more: stacks shrink by half each time
	w.RSS = resident()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.Heap, w.Stack, w.Goroutines = int64(m.HeapAlloc), int64(m.StackInuse), runtime.NumGoroutine()
	return w
}

// resident is VmRSS, 0 on systems that do not say.
func resident() int64 {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
			return kb << 10
		}
	}
	return 0
}

func TestMemoryServer(t *testing.T) {
	if os.Getenv(memoryServer) == "" {
		t.Skip("started by the memory tests")
	}
	out := json.NewEncoder(os.Stderr)
	ready := serve(t, 1)
	for until := time.Now().Add(20 * time.Second); keeps(t, ready.Debug) == 0 && time.Now().Before(until); {
		runtime.Gosched() // it has no room to receive yet
	}
	out.Encode(ready)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		out.Encode(weigh(t, ready.Debug))
		if file := in.Text(); file != "" {
			f, err := os.Create(file)
			if err != nil {
				t.Fatal(err)
			}
			pprof.Lookup("heap").WriteTo(f, 0)
			f.Close()
		}
	}
}

// growth joins members to a server of its own and returns what each of them weighs there, once everybody is
// in and once media flows. PARLEY_MEMORY_PROFILE names a directory for heap profiles of both moments.
func growth(t *testing.T, members []Member) (joined, flowing weight) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryServer$")
	cmd.Env = append(os.Environ(), memoryServer+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		io.Copy(io.Discard, said)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	answers := json.NewDecoder(said)
	var ready struct{ Site, Token string }
	if err := answers.Decode(&ready); err != nil {
		t.Fatal(err)
	}
	people := 0
	for _, m := range members {
		people += m.Count
	}
	ask := func(name string) (w weight) {
		if dir := os.Getenv("PARLEY_MEMORY_PROFILE"); dir != "" && name != "" {
			name = fmt.Sprintf("%s/%s-%d.heap", dir, name, people)
		} else {
			name = ""
		}
		fmt.Fprintln(in, name)
		if err := answers.Decode(&w); err != nil {
			t.Fatal(err)
		}
		return w
	}
	empty := ask("empty")
	each := func(w weight) weight {
		n := int64(people)
		return weight{(w.RSS - empty.RSS) / n, (w.Heap - empty.Heap) / n, (w.Stack - empty.Stack) / n, (w.Kept - empty.Kept) / n, (w.Goroutines - empty.Goroutines) / int(n)}
	}
	conf := link.ClientTLS(nil)
	conf.InsecureSkipVerify = true
	r, err := Run(context.Background(), Config{
		Site: ready.Site, Token: ready.Token, TLS: conf, Members: members, Settle: 3 * time.Second, Warm: time.Second, Measure: 2 * time.Second,
		At: func(p Phase) {
			switch p {
			case Joined:
				joined = each(ask("joined"))
			case Measured:
				flowing = each(ask("flowing"))
			}
		},
	})
	if err != nil || r.People != people || r.Failures > 0 {
		t.Fatalf("%d of %d people are in, %d failed (%v): %v", r.People, people, r.Failures, r.Errors, err)
	}
	for _, l := range []struct {
		name string
		weight
	}{{"joined", joined}, {"with media", flowing}} {
		t.Logf("%d people, %s: each %.1f KiB of heap, %.1f KiB of stacks in %d goroutines, %.1f KiB of kept packets, %.1f KiB resident",
			people, l.name, float64(l.Heap)/1024, float64(l.Stack)/1024, l.Goroutines, float64(l.Kept)/1024, float64(l.RSS)/1024)
	}
	return joined, flowing
}

// With the collector's usual pace a process grows to twice what it holds: half of 120 KiB is what a
// participant who only receives may hold, with its control channel open over TLS, and a tenth more on a machine
// that is busy with others: 43 to 55 KiB are seen, with which 82 to 100 are resident.
func TestAReceiverIsLight(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("PARLEY_MEMORY_PEOPLE"))
	joined, flowing := growth(t, []Member{{Count: 1, Audio: true, Video: OneLayer()}, {Count: cmp.Or(people, 150)}})
	const most = 66 << 10
	if !raceEnabled && joined.held() > most {
		t.Errorf("a receiver holds %d bytes, want at most %d", joined.held(), most)
	}
	if !raceEnabled && flowing.held() > most {
		t.Errorf("a receiver with media holds %d bytes, want at most %d", flowing.held(), most)
	}
}

// A participant of a meeting of fifteen, all with cameras, holds 111 KiB of heap, 34 of stacks, a fifteenth of the
// server's own among them, and 70 of kept packets, most of them of its own video: 216 KiB, with which 370 to 380
// are resident. The bound, a seventh above what is seen, keeps it from growing.
func TestAMeetingIsLight(t *testing.T) {
	_, flowing := growth(t, []Member{{Count: 15, Audio: true, Video: OneLayer()}})
	const most = 248 << 10
	if !raceEnabled && flowing.held() > most {
		t.Errorf("a participant holds %d bytes, want at most %d", flowing.held(), most)
	}
}
