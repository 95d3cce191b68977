package lab

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/sys/link"
)

// certificate is self-signed for name, valid at the bubble's time.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// site serves handler on w.b as https://site.example.
func (w *world) site(handler http.Handler) *tls.Config {
	w.Helper()
	cert, roots := certificate(w.T, "site.example")
	w.net.Name("site.example", w.b.Addr())
	srv, err := Serve(w.b, addrPort("0.0.0.0:443"), handler, cert)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(srv.Close)
	return link.ClientTLS(roots)
}

func TestHTTPSOverTheNet(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		bubble(t, func(w *world) {
			w.net.Link(w.a, w.b, Link{Delay: 50 * time.Millisecond, Rate: 8_000_000})
			conf := w.site(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				n, _ := io.Copy(io.Discard, r.Body)
				fmt.Fprintf(rw, "%s %d", r.Proto, n)
			}))
			client := link.HTTPClient(w.a, conf)
			w.Cleanup(client.CloseIdleConnections)
			if proto == "HTTP/1.1" {
				client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			}
			get := func(size int) string {
				resp, err := client.Post("https://site.example/", "", bytes.NewReader(make([]byte, size)))
				if err != nil {
					w.Error(err)
					return ""
				}
				defer resp.Body.Close()
				b, _ := io.ReadAll(resp.Body)
				return string(b)
			}
			if got, want := get(0), proto+" 0"; got != want {
				w.Errorf("answer %q, want %q", got, want)
			}
			if took := w.net.Now(); took < 300*time.Millisecond || took > 330*time.Millisecond {
				w.Errorf("the first request took %v, want three round trips of 100 ms", took)
			}
			const size = 1 << 20
			got := make(chan string)
			for range 4 { // uploads in parallel once froze a bubble whose Write could wait
				go func() { got <- get(size) }()
			}
			for range 4 {
				if s, want := <-got, fmt.Sprint(proto, " ", size); s != want {
					w.Errorf("upload answered %q, want %q", s, want)
				}
			}
		})
	}
}

func TestWebSocketOverTheNet(t *testing.T) {
	bubble(t, func(w *world) {
		w.net.Link(w.a, w.b, Link{Delay: 50 * time.Millisecond})
		conf := w.site(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			ws, err := link.AcceptWebSocket(rw, r, link.WSAccept{})
			if err != nil {
				w.Error(err)
				return
			}
			defer ws.CloseNow()
			for {
				b, err := ws.Read(context.WithoutCancel(r.Context()))
				if err != nil || ws.Write(r.Context(), b) != nil {
					return
				}
			}
		}))
		dial := func() *link.WebSocket {
			ws, err := link.DialWebSocket(w.Context(), link.WSDial{Host: w.a, URL: "wss://site.example/control", TLS: conf})
			if err != nil {
				w.Fatal(err)
			}
			return ws
		}
		ws := dial()
		if took := w.net.Now().Round(time.Millisecond); took != 300*time.Millisecond {
			w.Errorf("opened after %v, want three round trips of 100 ms", took)
		}
		for range 3 {
			time.Sleep(time.Hour)
			ws.Write(w.Context(), []byte("hello"))
			if b, err := ws.Read(w.Context()); string(b) != "hello" || err != nil {
				w.Fatalf("echo %q, %v", b, err)
			}
		}
		if err := ws.Close(1000, "done"); err != nil {
			w.Errorf("close: %v", err)
		}
		left := dial() // left open: the server's Close must end its handler
		w.Cleanup(func() { left.CloseNow() })
	})
}

// TestSameSeedSameLog runs a mix of everything and compares all packets of the runs.
func TestSameSeedSameLog(t *testing.T) {
	run := func(seed uint64) string {
		var log []string
		synctest.Test(t, func(t *testing.T) {
			n := NewNet(seed)
			defer n.Close()
			n.Default(Link{Delay: 20 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.05, Rate: 5_000_000})
			n.Tap(func(p Packet) {
				log = append(log, fmt.Sprintf("%12d %v %v %s>%s %v %v %v %d", p.At, p.Event, p.Reason, p.From, p.To, p.Kind, p.Src, p.Dst, len(p.Data)))
			})
			server := n.Host("server", HostOpts{})
			ws := &world{T: t, net: n, b: server}
			addr := ws.listen(server, echo)
			media := ws.socket(server, "0.0.0.0:8801")
			done := make(chan []arrival)
			go func() { done <- ws.collect(media, 20*time.Second) }()
			for i := range 8 {
				h := n.Host(fmt.Sprint("client", i), HostOpts{})
				go func() {
					time.Sleep(time.Duration(i) * 7919) // a phase of its own, as product timers have
					c := ws.dial(h, addr)
					u := ws.socket(h, "0.0.0.0:0")
					for k := range 50 {
						ws.send(u, netip.AddrPortFrom(server.Addr(), 8801), strings.Repeat("x", 100+k))
						fmt.Fprintf(c, "message %d of %d", k, i)
						time.Sleep(20 * time.Millisecond)
					}
					c.(*Conn).CloseWrite()
					io.Copy(io.Discard, c)
					c.Close()
				}()
			}
			if got := len(<-done); got < 340 || got > 400 {
				t.Errorf("%d of 400 datagrams arrived at 5%% loss", got)
			}
			n.Quiet()
		})
		slices.Sort(log)
		return strings.Join(log, "\n")
	}
	first := run(1)
	for range 4 {
		if again := run(1); again != first {
			a, b := strings.Split(first, "\n"), strings.Split(again, "\n")
			i := 0
			for i < min(len(a), len(b)) && a[i] == b[i] {
				i++
			}
			t.Fatalf("another log from the same seed, from line %d of %d:\n%s\nthen\n%s", i, len(a),
				strings.Join(a[i:min(i+5, len(a))], "\n"), strings.Join(b[i:min(i+5, len(b))], "\n"))
		}
	}
	if run(2) == first {
		t.Error("the same log from another seed")
	}
}

// TestRealTime: the net works outside a bubble too.
func TestRealTime(t *testing.T) {
	n := NewNet(1)
	defer n.Close()
	n.Default(Link{Delay: time.Millisecond})
	w := &world{T: t, net: n, a: n.Host("a", HostOpts{}), b: n.Host("b", HostOpts{})}
	c := w.dial(w.a, w.listen(w.b, echo))
	defer c.Close()
	c.Write([]byte("hello"))
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); string(b) != "hello" || err != nil {
		t.Errorf("echo %q, %v", b, err)
	}
}
