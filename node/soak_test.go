//go:build soak

package node

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"parley/client"
	"parley/core/join"
	"parley/sys/clip"
	"parley/sys/link"
	"parley/sys/store"
	"parley/sys/trust"
	"parley/wire/proto"
)

// soakSite is `parley up` with one meeting.
func soakSite(t *testing.T) (n *Node, config func(name string) client.Config) {
	t.Helper()
	n, ready, err := Up(t.Context(), loopback(t.TempDir(), "a", "b"), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, n)
	admin, err := n.Store().FirstAdmin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := store.Meeting{ID: trust.NewMeetingID(), Number: 12345678901, HostID: admin.ID, Topic: "Soak", Type: store.MeetingRecurring,
		Timezone: "UTC", Passcode: "4711", Hosting: "cloud", Status: store.StatusWaiting, CreatedAt: time.Now(),
		Settings: store.Settings{JoinBeforeHost: true}}
	if err := n.Store().CreateMeeting(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	conf := link.ClientTLS(n.Site().CA().Pool())
	return n, func(name string) client.Config {
		return client.Config{Site: ready.Site, Number: "12345678901", Passcode: "4711", Name: name, TLS: conf}
	}
}

// participate runs a client until ctx ends, then leaves; inside is called once it is in.
func participate(t *testing.T, ctx context.Context, cfg client.Config, inside func()) {
	var in atomic.Bool
	cfg.Events = func(ev client.Event) {
		if _, ok := ev.(client.Joined); ok && in.CompareAndSwap(false, true) {
			inside()
		}
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Error(err)
		return
	}
	stop := context.AfterFunc(ctx, c.Leave)
	defer stop()
	var left *client.Left
	if err := c.Run(context.WithoutCancel(ctx)); err != nil && !(errors.As(err, &left) && left.Code == proto.CodeLeft) {
		t.Errorf("%s: %v", cfg.Name, err)
		for _, a := range c.Explain().Attempts {
			t.Log(join.Attempt(a).String())
		}
	}
}

// use is what the process holds once the garbage is gone: the heap, and packets kept outside of it.
func use(n *Node) (held uint64, goroutines int) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + uint64(n.plane.Kept()), runtime.NumGoroutine()
}

// TestSoakComingAndGoing: 200 people come and go; afterwards the process holds what it held before.
func TestSoakComingAndGoing(t *testing.T) {
	const cycles, warm = 200, 20
	n, config := soakSite(t)
	var heap uint64
	var goroutines int
	for i := range cycles {
		ctx, leave := context.WithCancel(t.Context())
		participate(t, ctx, config("Guest"), func() { time.AfterFunc(50*time.Millisecond, leave) })
		leave()
		if t.Failed() {
			t.Fatalf("in cycle %d", i)
		}
		if i == warm {
			heap, goroutines = settle(n)
		}
	}
	heapAfter, goroutinesAfter := settle(n)
	t.Logf("heap %d KiB after %d cycles, %d KiB after %d; goroutines %d, %d", heap>>10, warm, heapAfter>>10, cycles, goroutines, goroutinesAfter)
	if goroutinesAfter > goroutines+5 {
		t.Errorf("goroutines grew from %d to %d", goroutines, goroutinesAfter)
	}
	// Each participant is remembered until its token ends (its seat, its hello): measured 250 bytes.
	if grown := int64(heapAfter) - int64(heap); grown > (cycles-warm)*4<<10 {
		t.Errorf("the heap grew by %d bytes per join", grown/(cycles-warm))
	}
}

// settle waits until what ends by timers has ended: transports and empty rooms.
func settle(n *Node) (held uint64, goroutines int) {
	time.Sleep(35 * time.Second)
	return use(n)
}

// TestSoakMedia: two cameras and three watchers for SOAK (ten minutes by default); memory and goroutines
// stay flat, and pictures go on arriving at each watcher.
func TestSoakMedia(t *testing.T) {
	length := 10 * time.Minute
	if s := os.Getenv("SOAK"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		length = d
	}
	n, config := soakSite(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	done := make(chan struct{})
	var frames [3]atomic.Int64
	people := 0
	start := func(cfg client.Config) {
		people++
		go func() {
			participate(t, ctx, cfg, func() {})
			done <- struct{}{}
		}()
	}
	for range 2 {
		cfg := config("Camera")
		cfg.Publish = clip.NewPattern(clip.PatternConfig{})
		start(cfg)
	}
	for i := range frames {
		cfg := config("Watcher")
		cfg.OnFrame = func(f client.Frame) {
			if f.Codec == clip.VP8 {
				frames[i].Add(1)
			}
		}
		start(cfg)
	}
	const parts = 10
	var heap uint64
	var goroutines int
	var before [3]int64
	for part := range parts {
		time.Sleep(length / parts)
		for i := range frames {
			got := frames[i].Load()
			if got == before[i] {
				t.Errorf("part %d: no picture reached watcher %d", part, i)
			}
			before[i] = got
		}
		h, g := use(n)
		t.Logf("part %d: heap %d KiB, goroutines %d, pictures %v", part, h>>10, g, before)
		if part == 1 {
			heap, goroutines = h, g
		}
		if part == parts-1 {
			if g > goroutines+5 {
				t.Errorf("goroutines grew from %d to %d", goroutines, g)
			}
			if int64(h)-int64(heap) > 8<<20 {
				t.Errorf("the heap grew from %d to %d bytes", heap, h)
			}
		}
	}
	leave()
	for range people {
		<-done
	}
}
