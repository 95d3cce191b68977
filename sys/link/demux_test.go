package link

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func testCert(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"h.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// sharedPort is a Demux whose HTTP says what it knows of a request.
func sharedPort(t *testing.T, cfg DemuxConfig) (*Demux, string) {
	t.Helper()
	ln, err := Real().Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLS = ServerTLS(testCert(t))
	d := NewDemux(ln, cfg)
	srv := HTTPServer(PeekedTLS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto+" from "+r.RemoteAddr)
		if r.TLS == nil {
			io.WriteString(w, " in clear")
		}
	})), nil)
	srv.TLSConfig, srv.ConnContext = cfg.TLS, PeekedContext
	done := make(chan struct{})
	go func() { srv.Serve(d); close(done) }()
	t.Cleanup(func() { srv.Close(); d.Close(); <-done })
	return d, ln.Addr().String()
}

func TestOnePortForHTTPAndTURN(t *testing.T) {
	got := make(chan string, 1)
	d, addr := sharedPort(t, DemuxConfig{STUN: func(c net.Conn) {
		defer c.Close()
		b := make([]byte, 4)
		io.ReadFull(c, b)
		if lowest(c) == c {
			b = []byte("not TCP below")
		}
		got <- string(b)
	}})
	conf := &tls.Config{InsecureSkipVerify: true}
	c := HTTPClient(Real(), conf)
	defer c.CloseIdleConnections()
	resp, err := c.Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.HasPrefix(string(b), "HTTP/2.0 from 127.0.0.1:") || strings.Contains(string(b), "clear") {
		t.Errorf("with ALPN: %q", b)
	}

	dial := func(alpn ...string) *tls.Conn {
		t.Helper()
		conf := conf.Clone()
		conf.NextProtos = alpn
		conn, err := tls.Dial("tcp", addr, conf)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for _, alpn := range [][]string{nil, {"http/1.1"}} {
		plain := dial(alpn...)
		defer plain.Close()
		for range 2 { // and it is kept alive
			io.WriteString(plain, "GET / HTTP/1.1\r\nHost: h.test\r\n\r\n")
			resp, err = http.ReadResponse(bufio.NewReader(plain), nil)
			if err != nil {
				t.Fatal(err)
			}
			b, _ = io.ReadAll(resp.Body)
			if !strings.HasPrefix(string(b), "HTTP/1.1 from 127.0.0.1:") || strings.Contains(string(b), "clear") {
				t.Errorf("with ALPN %q: %q", alpn, b)
			}
		}

		stun := dial(alpn...)
		defer stun.Close()
		stun.Write([]byte{0, 3, 0, 8})
		if s := <-got; s != "\x00\x03\x00\x08" {
			t.Errorf("with ALPN %q TURN got %q", alpn, s)
		}
	}
	if n := d.Counters(); n.HTTP != 3 || n.STUN != 2 {
		t.Errorf("counted %+v", n)
	}
}

func TestProxyHeaderFromBalancersOnly(t *testing.T) {
	const header = "PROXY TCP4 198.51.100.7 203.0.113.1 5000 443\r\n"
	get := func(addr string, before string) (string, error) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		io.WriteString(conn, before)
		c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h.test\r\n\r\n"); err != nil {
			return "", err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	_, trusting := sharedPort(t, DemuxConfig{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if got, err := get(trusting, header); err != nil || got != "HTTP/1.1 from 198.51.100.7:5000" {
		t.Errorf("from a balancer: %q, %v", got, err)
	}
	if got, err := get(trusting, ""); err == nil {
		t.Errorf("a balancer without a header was answered %q", got)
	}
	_, wary := sharedPort(t, DemuxConfig{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if got, err := get(wary, header); err == nil {
		t.Errorf("a stranger's header was believed: %q", got)
	}
	if got, err := get(wary, ""); err != nil || !strings.HasPrefix(got, "HTTP/1.1 from 127.0.0.1:") {
		t.Errorf("without a header: %q, %v", got, err)
	}
}

// TestSilenceOnTheSharedPortEnds: before the handshake, or after one without ALPN.
func TestSilenceOnTheSharedPortEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		speak func(conn net.Conn)
		after time.Duration
	}{
		{"nothing at all", func(net.Conn) {}, sniffFor},
		{"half a ClientHello", func(conn net.Conn) { conn.Write([]byte{22, 3, 1, 2, 0, 1}) }, sniffFor},
		{"a handshake alone", func(conn net.Conn) {
			tls.Client(conn, &tls.Config{InsecureSkipVerify: true, SessionTicketsDisabled: true}).Handshake()
		}, sniffFor},
		{"not TLS", func(conn net.Conn) { io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n") }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := make(pipeListener)
			d := NewDemux(l, DemuxConfig{TLS: ServerTLS(testCert(t))})
			client, server := net.Pipe()
			began := time.Now()
			l <- server
			go c.speak(client)
			synctest.Wait()
			spoke := time.Now()
			io.Copy(io.Discard, client)
			if took := time.Since(began); took < c.after || time.Since(spoke) > c.after+time.Second {
				t.Errorf("%s: closed after %v, want %v", c.name, took, c.after)
			}
			client.Close()
			d.Close()
			if n := d.Counters(); n.Silent != 1 || n.HTTP != 0 || n.STUN != 0 {
				t.Errorf("%s: counted %+v", c.name, n)
			}
		})
	}
}

// TestOneAddressCannotHoldTheSharedPort: silent connections of one address keep no other out for long.
func TestOneAddressCannotHoldTheSharedPort(t *testing.T) {
	d, addr := sharedPort(t, DemuxConfig{})
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	refused := func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.full.Load() > 0
	}
	for !refused() {
		if len(open) > 2*sniffedPerAddr {
			t.Fatalf("%d silent connections are kept", len(open))
		}
	}
	if len(open) < sniffedPerAddr {
		t.Errorf("refused after %d", len(open))
	}
	if !d.enter(netip.MustParseAddr("198.51.100.7")) {
		t.Error("another address is refused too")
	}
	d.leave(netip.MustParseAddr("198.51.100.7"))
}

// TestAConnectionAheadOfNeedIsHTTPs: a browser may shake hands for HTTP and say nothing for long.
func TestAConnectionAheadOfNeedIsHTTPs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make(pipeListener)
		d := NewDemux(l, DemuxConfig{TLS: ServerTLS(testCert(t)), STUN: func(c net.Conn) { c.Close() }})
		client, server := net.Pipe()
		l <- server
		c := tls.Client(client, &tls.Config{InsecureSkipVerify: true, SessionTicketsDisabled: true, NextProtos: []string{"http/1.1"}})
		go c.Handshake()
		got, err := d.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go c.Write([]byte("GET"))
		b := make([]byte, 3)
		if _, err := io.ReadFull(got, b); err != nil || string(b) != "GET" {
			t.Errorf("got %q, %v", b, err)
		}
		client.Close()
		got.Close()
		d.Close()
	})
}
