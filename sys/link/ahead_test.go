package link

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// What is said with the upgrade request arrives whole and in order, whatever the lengths, before the channel's
// own messages.
func TestFirstMessagesLeaveWithTheUpgrade(t *testing.T) {
	addr, conf := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := AcceptWebSocket(w, r, WSAccept{MaxMessage: 1 << 20})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for {
			b, err := ws.Read(r.Context())
			if err != nil || ws.Write(r.Context(), b) != nil {
				return
			}
		}
	}))
	for _, lengths := range [][]int{{1}, {125, 126, 127}, {3000, 5}, {70_000, 1}, {0}} {
		var first [][]byte
		for i, n := range lengths {
			first = append(first, bytes.Repeat([]byte{'a' + byte(i)}, n))
		}
		ws, err := DialWebSocket(testContext(t), WSDial{
			URL: "https://" + addr, TLS: conf, MaxMessage: 1 << 20, First: func() [][]byte { return first },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := ws.Write(testContext(t), []byte("later")); err != nil {
			t.Fatal(err)
		}
		for i, want := range append(slices.Clone(first), []byte("later")) {
			if got, err := ws.Read(testContext(t)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("lengths %v: message %d came back with %d bytes, %v; want %d", lengths, i, len(got), err, len(want))
			}
		}
		ws.CloseNow()
	}
}

// listen is a TCP server on loopback that hands each connection to serve.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := Real().Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
	})
	return ln.Addr().String()
}

// The server sees it without having answered anything.
func TestFirstMessagesDoNotWait(t *testing.T) {
	seen := make(chan byte, 1)
	addr := listen(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			t.Error(err)
		}
		b, _ := r.ReadByte() // waits for ever if the client does
		seen <- b
	})
	_, err := DialWebSocket(testContext(t), WSDial{URL: "http://" + addr, First: func() [][]byte { return [][]byte{[]byte("hello")} }})
	if err == nil {
		t.Error("a WebSocket with a server that never answered")
	}
	if got := <-seen; got != 0x81 {
		t.Errorf("behind the request came %#x, want the first byte of a text frame", got)
	}
}

func TestAConnectionOpenedAheadIsUsedOnce(t *testing.T) {
	var handshakes atomic.Int32
	addr, conf := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := AcceptWebSocket(w, r, WSAccept{}); err == nil {
			ws.CloseNow()
		}
	}))
	conf.VerifyConnection = func(tls.ConnectionState) error { handshakes.Add(1); return nil }
	d := WSDial{URL: "https://" + addr, TLS: conf}
	a := NewAhead(d)
	opened := make(chan error, 1)
	go func() { opened <- a.Open(testContext(t)) }()
	d.Ahead = a
	for n := int32(1); n <= 2; n++ {
		ws, err := DialWebSocket(testContext(t), d)
		if err != nil {
			t.Fatal(err)
		}
		ws.CloseNow()
		if got := handshakes.Load(); got != n {
			t.Errorf("%d handshakes after WebSocket %d, want %d", got, n, n)
		}
	}
	if err := <-opened; err != nil {
		t.Errorf("Open: %v", err)
	}
}

func TestAConnectionOpenedAheadInVainIsClosed(t *testing.T) {
	closed := make(chan error, 1)
	addr := listen(t, func(c net.Conn) {
		_, err := c.Read(make([]byte, 1))
		closed <- err
	})
	ctx, cancel := context.WithCancel(testContext(t))
	a := NewAhead(WSDial{URL: "http://" + addr})
	opened := make(chan error, 1)
	go func() { opened <- a.Open(ctx) }()
	<-a.ready
	cancel()
	if err := <-opened; err != nil {
		t.Errorf("Open: %v", err)
	}
	if err := <-closed; !errors.Is(err, io.EOF) {
		t.Errorf("the server read %v, want the end", err)
	}
	if _, ok := a.take(testContext(t)); ok {
		t.Error("what is closed was handed over")
	}
}

// One that could not be opened costs nothing but the attempt.
func TestAFailedConnectionAheadIsReplaced(t *testing.T) {
	addr, conf := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := AcceptWebSocket(w, r, WSAccept{}); err == nil {
			ws.CloseNow()
		}
	}))
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	d := WSDial{URL: "https://" + addr, TLS: conf}
	d.Ahead = NewAhead(d)
	if err := d.Ahead.Open(ctx); err == nil || !strings.Contains(err.Error(), "ahead") {
		t.Errorf("Open of a cancelled context: %v", err)
	}
	ws, err := DialWebSocket(testContext(t), d)
	if err != nil {
		t.Fatal(err)
	}
	ws.CloseNow()
}
