package link

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

// serveTLS runs handler on a loopback port and gives its authority and a client's TLS.
func serveTLS(t *testing.T, handler http.Handler) (string, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	ln, err := Real().Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	srv := HTTPServer(handler, nil)
	srv.TLSConfig = ServerTLS(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	served := make(chan error)
	go func() { served <- srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return ln.Addr().String(), ClientTLS(roots)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestHTTPClientSpeaksHTTP2(t *testing.T) {
	addr, conf := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	client := HTTPClient(Real(), conf)
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != "HTTP/2.0" || err != nil {
		t.Errorf("the server saw %q, %v; want HTTP/2.0", b, err)
	}
}

func TestWebSocketBothWays(t *testing.T) {
	ctx := testContext(t)
	ended := make(chan error, 1)
	addr, conf := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := AcceptWebSocket(w, r, WSAccept{Subprotocols: []string{"parley"}})
		if err != nil {
			ended <- err
			return
		}
		defer ws.CloseNow()
		for {
			b, err := ws.Read(ctx)
			if err != nil {
				ended <- err
				return
			}
			if err := ws.WriteBinary(ctx, b); err != nil {
				ended <- err
				return
			}
		}
	}))
	ws, err := DialWebSocket(ctx, WSDial{Host: Real(), URL: "wss://" + addr + "/control", TLS: conf,
		Subprotocols: []string{"parley"}, Header: http.Header{"X-Test": {"1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if got := ws.Subprotocol(); got != "parley" {
		t.Errorf("subprotocol %q, want parley", got)
	}
	for _, text := range []string{"hello", strings.Repeat("x", proto.MaxMessageLen)} {
		if err := ws.Write(ctx, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := ws.Read(ctx)
		if err != nil || string(got) != text {
			t.Fatalf("echo of %d bytes: %d bytes, %v", len(text), len(got), err)
		}
	}
	if err := ws.Close(4001, strings.Repeat("é", 100)); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-ended; CloseCode(err) != 4001 {
		t.Errorf("the server's read: %v; want close code 4001", err)
	}
}

func TestWebSocketRefusals(t *testing.T) {
	ctx := testContext(t)
	addr, conf := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		ws, err := AcceptWebSocket(w, r, WSAccept{MaxMessage: 10})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		if _, err := ws.Read(ctx); !IsTooBig(err) {
			t.Errorf("the server's read: %v, want too big", err)
		}
	}))
	dial := func(path, origin string) (*WebSocket, error) {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		return DialWebSocket(ctx, WSDial{URL: "wss://" + addr + path, TLS: conf, Header: h})
	}
	for _, tc := range []struct{ name, path, origin string }{
		{"plain HTTP answer", "/no", ""},
		{"page of another site", "/control", "https://elsewhere.example"},
	} {
		_, err := dial(tc.path, tc.origin)
		if up, ok := errors.AsType[*UpgradeError](err); !ok || up.Status != http.StatusForbidden {
			t.Errorf("%s: %v, want an UpgradeError of 403", tc.name, err)
		}
	}
	ws, err := dial("/control", "https://"+addr)
	if err != nil {
		t.Fatalf("page of the same site: %v", err)
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, make([]byte, 11)); err != nil {
		t.Fatal(err)
	}
	if _, err := ws.Read(ctx); CloseCode(err) != 1009 { // RFC 6455 §7.4.1: message too big
		t.Errorf("after a long message: %v, want close code 1009", err)
	}
}

// shaker is a Host that shakes hands itself, and can do nothing else.
type shaker struct {
	Host
	protos []string
}

func (s *shaker) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("dialled without its handshake")
}

func (s *shaker) DialTLS(ctx context.Context, network, addr string, conf *tls.Config) (*tls.Conn, error) {
	s.protos = conf.NextProtos
	c, err := s.Host.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	tc := tls.Client(c, conf)
	return tc, tc.HandshakeContext(ctx)
}

// A host that knows how to shake hands in its network does so for WebSockets too.
func TestAWebSocketIsShakenByItsHost(t *testing.T) {
	addr, conf := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := AcceptWebSocket(w, r, WSAccept{}); err == nil {
			ws.CloseNow()
		}
	}))
	conf.ServerName = "127.0.0.1"
	h := &shaker{Host: Real()}
	ws, err := DialWebSocket(testContext(t), WSDial{Host: h, URL: "wss://" + addr + "/control", TLS: conf})
	if err != nil {
		t.Fatal(err)
	}
	ws.CloseNow()
	if len(h.protos) != 1 || h.protos[0] != "http/1.1" {
		t.Errorf("its handshake offers %q, want http/1.1 alone", h.protos)
	}
}
