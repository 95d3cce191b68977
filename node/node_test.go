package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/sys/link"
	"parley/sys/trust"
	"parley/wire/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback is a config of everything on free ports of this machine.
func loopback(data string, zones ...string) UpConfig {
	return UpConfig{Data: data, HTTPS: "127.0.0.1:0", HTTP: "127.0.0.1:0", Media: []string{"127.0.0.1:0"}, Zones: zones}
}

// run runs a node until the returned stop, which demands a clean end.
func run(t *testing.T, n *Node) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// get asks a front; client certificates and roots come with the config.
func get(t *testing.T, url string, conf *tls.Config) (status int, body string) {
	t.Helper()
	c := link.HTTPClient(link.Real(), conf)
	defer c.CloseIdleConnections()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestUpServesAllPartsAndStopsClean(t *testing.T) {
	data := t.TempDir()
	n, ready, err := Up(t.Context(), loopback(data, "a", "b"), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, n)
	if ready.Admin.Email != "admin@localhost" || ready.Admin.Password == "" || ready.Token == "" {
		t.Errorf("ready: %+v", ready)
	}
	conf := link.ClientTLS(n.Site().CA().Pool())
	for _, path := range []string{"/healthz", "/zone/a/a-zc/ping", "/zone/b/b-zc/ping", "/tunnel/ping"} {
		if status, body := get(t, ready.Site+path, conf); status != 200 {
			t.Errorf("%s%s: %d %s", ready.Site, path, status, body)
		}
		if status, body := get(t, ready.HTTP+path, nil); status != 200 {
			t.Errorf("%s%s: %d %s", ready.HTTP, path, status, body)
		}
	}
	// A router's control channel is a WebSocket: anything else is turned away by the router itself.
	if status, _ := get(t, ready.Site+"/mmr/a-1/control", conf); status != http.StatusUpgradeRequired && status != http.StatusBadRequest {
		t.Errorf("/mmr/a-1/control without upgrade: %d", status)
	}
	stop()

	// The second start finds the site as it was: nothing is shown twice, the CA is the same.
	n, again, err := Up(t.Context(), loopback(data, "a", "b"), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, n)()
	if again.Admin.Password != "" || again.Token == ready.Token {
		t.Errorf("second start: password %q, same token: %v", again.Admin.Password, again.Token == ready.Token)
	}
	if status, _ := get(t, again.Site+"/healthz", conf); status != 200 {
		t.Errorf("the old CA does not verify the second start's certificate: %d", status)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	first, _, err := Up(t.Context(), loopback(t.TempDir()), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, first)()
	https, http, media := first.Addrs()
	for _, tc := range []struct {
		name   string
		change func(*UpConfig)
		want   netip.AddrPort
	}{
		{"HTTPS", func(u *UpConfig) { u.HTTPS = https.String() }, https},
		{"HTTP", func(u *UpConfig) { u.HTTP = http.String() }, http},
		{"media", func(u *UpConfig) { u.Media = []string{media.String()} }, media},
	} {
		data := filepath.Join(t.TempDir(), "site")
		u := loopback(data)
		tc.change(&u)
		n, _, err := Up(t.Context(), u, Deps{})
		if err == nil {
			n.Close()
			t.Errorf("%s: two nodes at %v", tc.name, tc.want)
			continue
		}
		if !strings.Contains(err.Error(), tc.want.String()) || !strings.Contains(err.Error(), "taken") {
			t.Errorf("%s taken: %q does not name %v", tc.name, err, tc.want)
		}
		if _, err := os.Stat(data); err == nil {
			t.Errorf("%s: a node that could not run made a site", tc.name)
		}
	}
}

// A page elsewhere whose name was pointed at loopback gets nothing from the plain listener.
func TestPlainListenerRefusesForeignNames(t *testing.T) {
	h := localOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "LOCALHOST": 200, "127.0.0.1:8080": 200, "127.1.2.3": 200,
		"[::1]:8080": 200, "[::1]": 200, "evil.example.org": 421, "evil.example.org:8080": 421,
		"localhost.evil.example.org": 421, "192.0.2.1:8080": 421, "": 421, "[": 421, ":": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestAdminListener(t *testing.T) {
	u := loopback(t.TempDir())
	u.Admin = "127.0.0.1:0"
	n, ready, err := Up(t.Context(), u, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, n)()
	base := ready.Debug
	for path, want := range map[string]string{"/metrics": "parley_media_seats", "/metrics?": "parley_media_receive_buffer_bytes", "/debug/": "routers", "/debug/routers": "main-1", "/debug/seats": "[]"} {
		if status, body := get(t, base+path, nil); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %q not in\n%.500s", path, status, want, body)
		}
	}
}

// enrol writes the files of an enrolled server, as `parley enroll` does.
func enrol(t *testing.T, ca *trust.CA, id string) Bus {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Sign(csr, id, "zone", "par", nil, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := Bus{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server-key.pem")}
	for name, body := range map[string][]byte{
		b.CA: ca.PEM(), b.Cert: cert, b.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	} {
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestPartsInTwoProcessesMeetOverMutualTLS(t *testing.T) {
	data := t.TempDir()
	site, err := trust.OpenSite(filepath.Join(data, "site"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	webBus := enrol(t, site.CA(), "web")
	webBus.Listen = "127.0.0.1:0"
	webNode, err := New(t.Context(), Config{Data: data, Site: "https://meet.example.org", Listen: Listen{HTTPS: "127.0.0.1:0"}, Bus: webBus, Web: &Web{}}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, webNode)()

	zoneBus := enrol(t, site.CA(), "par-1")
	zoneBus.URL = "tls://" + webNode.bus.Addr().String()
	zoneConfig := Config{
		Listen: Listen{HTTPS: "127.0.0.1:0"}, Bus: zoneBus,
		Zone:   &Zone{ID: "par", Server: "par-1", URL: "https://par-1.example.org/zone"},
		Router: &Router{ID: "par-m1", URL: "https://par-1.example.org/mmr", Media: []string{"127.0.0.1:0"}},
	}
	zoneNode, err := New(t.Context(), zoneConfig, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, zoneNode)()
	if got, want := zoneNode.keys.zones["par"], site.ZoneKey("par"); got != want {
		t.Error("the zone's key did not come over the bus")
	}
	https, _, _ := zoneNode.Addrs()
	if status, _ := get(t, "https://"+https.String()+"/zone/ping", link.ClientTLS(site.CA().Pool())); status != 200 {
		t.Errorf("ping of a controller with the enrolled certificate: %d", status)
	}

	// Over the bus it gets a successor of its certificate, long before that is needed here.
	before, err := tls.LoadX509KeyPair(zoneBus.Cert, zoneBus.Key)
	if err != nil {
		t.Fatal(err)
	}
	if renewed, err := zoneNode.renewal().look(t.Context(), time.Now().Add(21*24*time.Hour)); !renewed || err != nil {
		t.Errorf("renewed %v, %v", renewed, err)
	}
	after, err := tls.LoadX509KeyPair(zoneBus.Cert, zoneBus.Key)
	if err != nil || after.Leaf.Subject.String() != before.Leaf.Subject.String() || after.Leaf.SerialNumber.Cmp(before.Leaf.SerialNumber) == 0 {
		t.Errorf("%v: %v instead of %v", err, after.Leaf.Subject, before.Leaf.Subject)
	}

	// The bus lets it ask for its own zone's key alone, and speak for its own zone alone.
	var stolen proto.KeysAnswer
	if err := zoneNode.bus.Request(t.Context(), "parley.web.keys.tpe", proto.KeysRequest{Zone: "tpe"}, &stolen); err == nil {
		t.Error("a zone's server got another zone's key")
	}
	heard := make(chan string, 16)
	stop, err := webNode.bus.Subscribe("parley.zone.*.router.*", func(subject string, _ []byte) {
		select {
		case heard <- subject:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := zoneNode.bus.Publish("parley.zone.tpe.router.tpe-m1", proto.RouterAnnounce{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second comes a second after the first, the forged one would have come before
		if got := <-heard; got != "parley.zone.par.router.par-m1" {
			t.Errorf("heard %s", got)
		}
	}

	// A certificate of another site opens nothing.
	other, err := trust.OpenSite(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	strange := enrol(t, other.CA(), "par-2")
	strange.URL, strange.CA = zoneBus.URL, zoneBus.CA
	zoneConfig.Bus = strange
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	if n, err := New(ctx, zoneConfig, Deps{}); err == nil {
		n.Close()
		t.Error("a stranger's certificate got the zone's key")
	} else if !strings.Contains(err.Error(), "no keys from the web infrastructure") {
		t.Errorf("a stranger's failure: %v", err)
	}
}
