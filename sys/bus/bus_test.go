package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/sys/trust"
	"parley/wire/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, cfg Config) *Bus {
	t.Helper()
	b, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

type note struct {
	N int `json:"n"`
}

// talk proves that what a says b hears, and that a's questions are answered by b.
func talk(t *testing.T, a, b *Bus) {
	t.Helper()
	heard := make(chan string, 4)
	if _, err := b.Subscribe("test.*.said", func(subject string, data []byte) { heard <- subject + string(data) }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Serve("test.double", "q", func(_ context.Context, data []byte) (any, error) {
		return note{N: 2 * len(data)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := a.Publish("test.x.said", note{N: 1}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-heard, `test.x.said{"n":1}`; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
	var out note
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := a.Request(ctx, "test.double", note{N: 5}, &out); err != nil || out.N != 14 {
		t.Errorf("answer %+v, %v", out, err)
	}
}

func TestInProcess(t *testing.T) {
	b := start(t, Config{})
	if b.Addr().IsValid() {
		t.Errorf("the zero config listens on %v", b.Addr())
	}
	talk(t, b, b)
}

func TestTwoProcessesOverLoopback(t *testing.T) {
	a := start(t, Config{Listen: netip.MustParseAddrPort("127.0.0.1:0")})
	b := start(t, Config{URL: fmt.Sprintf("nats://%v", a.Addr())})
	talk(t, a, b)
	talk(t, b, a)
}

func TestTwoProcessesOverMutualTLS(t *testing.T) {
	site, err := trust.OpenSite(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	serverCert, err := site.CA().Issue(nil, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	clientCert := enrol(t, site)
	pool := site.CA().Pool()
	a := start(t, Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), TLS: &tls.Config{
		Certificates: []tls.Certificate{serverCert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}})
	url := fmt.Sprintf("tls://%v", a.Addr())
	b := start(t, Config{URL: url, TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{clientCert}}})
	talk(t, b, a)

	other, err := trust.OpenSite(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stranger := start(t, Config{URL: url, TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{enrol(t, other)}}})
	if err := stranger.Request(t.Context(), "test.double", nil, nil); !errors.Is(err, ErrDisconnected) {
		t.Errorf("a stranger's request: %v, want ErrDisconnected", err)
	}
}

func TestRefusals(t *testing.T) {
	b := start(t, Config{})
	told := &proto.Error{Code: proto.CodeSlowDown, Text: "not so fast", RetryAfter: 3}
	if _, err := b.Serve("test.refuse", "q", func(context.Context, []byte) (any, error) { return nil, told }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Serve("test.fail", "q", func(context.Context, []byte) (any, error) { return nil, errors.New("disk on fire") }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Serve("test.odd", "q", func(context.Context, []byte) (any, error) { return "text", nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := b.Request(ctx, "test.refuse", nil, nil)
	if got, ok := errors.AsType[*proto.Error](err); !ok || *got != *told {
		t.Errorf("refusal %v", err)
	}
	err = b.Request(ctx, "test.fail", nil, nil)
	if got, ok := errors.AsType[*proto.Error](err); !ok || got.Code != proto.CodeInternal || strings.Contains(got.Text, "fire") {
		t.Errorf("failure %v", err) // the log has the details, the other end has not
	}
	var n note
	if err = b.Request(ctx, "test.odd", nil, &n); err == nil {
		t.Error("an answer of another shape was taken")
	}
	if err = b.Request(ctx, "test.nobody", nil, nil); !errors.Is(err, ErrNoResponder) {
		t.Errorf("nobody: %v", err)
	}
	if err = b.Publish("test.x", func() {}); err == nil {
		t.Error("a function was published")
	}
}

func TestQueueGroupsShareAndUnsubscribeEnds(t *testing.T) {
	b := start(t, Config{})
	var mu sync.Mutex
	count := map[string]int{}
	var stops []func()
	for _, who := range []string{"one", "two"} {
		stop, err := b.Serve("test.q", "group", func(context.Context, []byte) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			count[who]++
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 100 {
		if err := b.Request(ctx, "test.q", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	if count["one"]+count["two"] != 100 || count["one"] == 0 || count["two"] == 0 {
		t.Errorf("shared as %v", count)
	}
	mu.Unlock()
	for _, stop := range stops {
		stop()
		stop()
	}
	if err := b.Request(ctx, "test.q", nil, nil); !errors.Is(err, ErrNoResponder) {
		t.Errorf("after stop: %v", err)
	}
}

func TestAnnouncementOfALargeZone(t *testing.T) {
	b := start(t, Config{})
	got := make(chan int, 1)
	if _, err := b.Subscribe("test.big", func(_ string, data []byte) { got <- len(data) }); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish("test.big", strings.Repeat("x", 4<<20)); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n != 4<<20+2 {
		t.Errorf("%d bytes came", n)
	}
}

func TestClosedBus(t *testing.T) {
	b := start(t, Config{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish("x", 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Publish: %v", err)
	}
	if err := b.Request(t.Context(), "x", 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Request: %v", err)
	}
	if _, err := b.Subscribe("x", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Subscribe: %v", err)
	}
}

// Nobody reaches a bus without a certificate except from this machine, and nothing is sent in the
// clear beyond it.
func TestDangerousConfigsAreRefused(t *testing.T) {
	any, loop := netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("[::1]:0")
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"public without TLS", Config{Listen: any}, "without TLS"},
		{"TLS without client certificates", Config{Listen: any, TLS: &tls.Config{}}, "mutual TLS"},
		{"the same on loopback", Config{Listen: loop, TLS: &tls.Config{}}, "mutual TLS"},
		{"both ways", Config{Listen: loop, URL: "nats://127.0.0.1:1"}, "exclude"},
		{"far away in the clear", Config{URL: "nats://bus.example:4222"}, "mutual TLS"},
		{"one of two far away", Config{URL: "nats://127.0.0.1:1,nats://192.0.2.1:4222"}, "mutual TLS"},
		{"tls without our certificate", Config{URL: "tls://bus.example:4222"}, "mutual TLS"},
		{"TLS without a certificate", Config{URL: "tls://bus.example:4222", TLS: &tls.Config{}}, "client certificate"},
		{"not a url", Config{URL: "bus"}, "nats://"},
		{"http", Config{URL: "http://127.0.0.1"}, "nats://"},
	} {
		b, err := Start(c.cfg)
		if err == nil {
			b.Close()
			t.Errorf("%s: started", c.name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q does not say %q", c.name, err, c.want)
		}
	}
}

func TestValidID(t *testing.T) {
	for _, c := range []struct {
		id string
		ok bool
	}{{"fra", true}, {"mmr-1_B", true}, {"", false}, {"a.b", false}, {"a b", false}, {"*", false}, {">", false},
		{strings.Repeat("x", 65), false}, {"é", false}} {
		if ValidID(c.id) != c.ok {
			t.Errorf("%q: %v", c.id, !c.ok)
		}
	}
}

// Two bubbles in one process: nothing of the engine may outlive the first one's clock.
func TestLivesInABubble(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			b, err := Start(Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				b.Close()
				time.Sleep(time.Second)
			}()
			talk(t, b, b)
			ended := make(chan time.Duration, 1)
			if _, err := b.Serve("test.slow", "q", func(ctx context.Context, _ []byte) (any, error) {
				began := time.Now()
				<-ctx.Done()
				ended <- time.Since(began)
				return nil, ctx.Err()
			}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			err = b.Request(t.Context(), "test.slow", nil, nil)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 300*time.Millisecond {
				t.Errorf("a request without a deadline: %v after %v", err, time.Since(began))
			}
			if d := <-ended; d > 301*time.Millisecond {
				t.Errorf("the handler was told to stop after %v", d) // the requester's time travels along
			}
			time.Sleep(time.Hour)
			talk2 := note{}
			if err := b.Request(t.Context(), "test.double", note{}, &talk2); err != nil {
				t.Errorf("after an idle hour: %v", err)
			}
		})
	}
}
