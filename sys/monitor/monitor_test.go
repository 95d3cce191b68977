package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func get(h http.Handler, host, path string) (int, string) {
	r := httptest.NewRequest("GET", path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestAdminShowsMetricsAndPages(t *testing.T) {
	m := NewMetrics()
	c := m.Counter("parley_zone_routes_total", "Routes asked.", "code")
	c.Add(2, "ok")
	c.Add(1, "slow_down")
	m.Gauge("parley_zone_load_ratio", "Load.", func() float64 { return 0.5 })
	m.Histogram("parley_web_lookup_seconds", "Lookups.", []float64{0.1, 1}).Observe(0.2)
	m.Reasons("parley_mmr_drops_total", "Packets dropped.", func(add func(string, uint64)) {
		add("muted", 3) // shard 0
		add("muted", 4) // shard 1
		add("replayed", 1)
	})
	for _, zone := range []string{"fra", "par"} {
		m.With("zone", zone).Counter("parley_zone_two_total", "In one process.").Add(1)
	}
	h := Admin(m, []Page{{Path: "zone", Title: "The <zone>", Write: func(w io.Writer) { fmt.Fprint(w, "routers: 2") }}})

	_, text := get(h, "127.0.0.1:9900", "/metrics")
	for _, want := range []string{
		`parley_zone_routes_total{code="ok"} 2`,
		`parley_zone_routes_total{code="slow_down"} 1`,
		`parley_zone_load_ratio 0.5`,
		`parley_web_lookup_seconds_bucket{le="1"} 1`,
		`parley_mmr_drops_total{reason="muted"} 7`,
		`parley_mmr_drops_total{reason="replayed"} 1`,
		`parley_zone_two_total{zone="par"} 1`,
		`go_goroutines`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics without %s", want)
		}
	}
	for _, c := range []struct{ path, want string }{
		{"/", "The &lt;zone&gt;"},
		{"/debug/", "/debug/pprof/"},
		{"/debug/zone", "routers: 2"},
		{"/debug/pprof/", "goroutine"},
	} {
		if code, body := get(h, "localhost", c.path); code != 200 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %q, want %q", c.path, code, body, c.want)
		}
	}
}

func TestAdminAnswersToThisMachineOnly(t *testing.T) {
	h := Admin(nil, nil)
	for _, c := range []struct {
		host string
		want int
	}{
		{"localhost:9900", 200}, {"127.0.0.1", 200}, {"[::1]:9900", 200},
		{"evil.example:9900", 403}, {"", 403}, {"192.0.2.1:9900", 403}, {"localhost.evil.example", 403},
	} {
		if code, _ := get(h, c.host, "/"); code != c.want {
			t.Errorf("Host %q: %d, want %d", c.host, code, c.want)
		}
	}
}

func TestNilMetricsTakeEverything(t *testing.T) {
	var m *Metrics
	m.Counter("a", "").Add(1)
	m.With("x", "y").Counter("a", "").Add(1)
	m.Histogram("b", "", nil).Observe(1)
	m.Gauge("c", "", nil)
	m.Reasons("d", "", nil)
}

func TestLogsHoldNobodysSecrets(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var b bytes.Buffer
		l, err := NewLogger(&b, LogConfig{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		l.Info("from 198.51.100.7", "token", "eyJ", "Password", "hunter2", "err", errors.New("dial tcp [2001:db8::7]:443: refused"),
			"peer", netip.MustParseAddrPort("203.0.113.9:5000"), "zone", "fra", "at", "127.0.0.1:80", "v", "12:30:45",
			slog.Group("g", "name", "Ada Lovelace", "n", 5))
		got := b.String()
		for _, leak := range []string{"198.51", "eyJ", "hunter2", "2001:db8", "203.0", "Ada"} {
			if strings.Contains(got, leak) {
				t.Errorf("%s: %q is in %s", format, leak, got)
			}
		}
		for _, keep := range []string{"fra", "127.0.0.1:80", "refused", "12:30:45", "5"} {
			if !strings.Contains(got, keep) {
				t.Errorf("%s: %q is missing in %s", format, keep, got)
			}
		}
	}
	var b bytes.Buffer
	l, err := NewLogger(&b, LogConfig{Addresses: true, Level: "warn"})
	if err != nil {
		t.Fatal(err)
	}
	l.Info("unseen")
	l.Warn("seen", "peer", "203.0.113.9")
	if got := b.String(); strings.Contains(got, "unseen") || !strings.Contains(got, "203.0.113.9") {
		t.Errorf("with addresses, from warn on: %s", got)
	}
}

func TestNewLoggerRefuses(t *testing.T) {
	for _, cfg := range []LogConfig{{Format: "xml"}, {Level: "loud"}} {
		if _, err := NewLogger(io.Discard, cfg); err == nil {
			t.Errorf("%+v taken", cfg)
		}
	}
}
