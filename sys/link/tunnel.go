package link

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"parley/wire/proto"
)

// MaxTunnelMessage is the longest message of a tunnel's byte stream: TLS writes records of 16 KiB.
const MaxTunnelMessage = 64 << 10

// Tunnel is the way to one server through an HTTP tunnel (S14): a Host whose connections, whatever their
// address says, end at that server. It can't listen. Safe for concurrent use.
type Tunnel struct {
	Host         // what reaches the tunnel
	URL          string
	TLS          *tls.Config // towards the tunnel
	Zone, Server string
	Mark         uint8 // DSCP code point of Packets between the tunnel and the router; 0: none
	// Patient is set once something on the way has not borne the first message before the upgrade's answer; from then on
	// it waits. nil: each stream finds out for itself.
	Patient *atomic.Bool

	// Token gives the token to show. refused is one the tunnel has not accepted: another is wanted.
	Token func(ctx context.Context, refused string) (string, error)
}

// Dial opens a byte stream to the server; TLS inside it is the caller's.
func (t *Tunnel) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ws, err := t.open(ctx, "/stream", MaxTunnelMessage)
	if err != nil {
		return nil, err
	}
	return ws.Bytes(), nil
}

// Packets opens a stream of datagrams to the router's UDP 8801. remote is what they are said to come from.
func (t *Tunnel) Packets(ctx context.Context, remote netip.AddrPort) (*Stream, error) {
	ws, err := t.open(ctx, pathMedia, MaxStreamPacket)
	if err != nil {
		return nil, err
	}
	return ws.Stream(proto.TLS443, remote), nil
}

const pathMedia = "/media"

func (t *Tunnel) open(ctx context.Context, path string, limit int) (*WebSocket, error) {
	token, err := t.Token(ctx, "")
	if err != nil {
		return nil, err
	}
	ws, err := t.try(ctx, path, limit, token)
	refusal, ok := errors.AsType[*proto.Error](err)
	if !ok || refusal.Code != proto.CodeTokenExpired {
		return ws, err
	}
	if token, err = t.Token(ctx, token); err != nil {
		return nil, err
	}
	return t.try(ctx, path, limit, token)
}

// firstWord is how long the answer to a first message that left with the upgrade request may take. It takes in the
// tunnel's own way to the server.
const firstWord = 1500 * time.Millisecond

// try opens a stream with one token: the first message leaves right behind the upgrade request, a round trip less, or,
// where that is not borne, behind its answer.
func (t *Tunnel) try(ctx context.Context, path string, limit int, token string) (*WebSocket, error) {
	m := proto.TunnelOpen{V: proto.Version, Token: token, Zone: t.Zone, Server: t.Server}
	if path == pathMedia {
		m.Mark = int(t.Mark)
	}
	first, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	dial := WSDial{Host: t.Host, URL: t.URL + path, TLS: t.TLS, MaxMessage: limit}
	if t.Patient != nil && t.Patient.Load() {
		return t.greet(ctx, dial, first)
	}
	soon, cancel := context.WithCancel(ctx)
	defer cancel()
	var out atomic.Bool
	dial.First = func() [][]byte { // the connection stands, however long that took
		out.Store(true)
		time.AfterFunc(firstWord, cancel)
		return [][]byte{first}
	}
	ws, err := t.greet(soon, dial, nil)
	if err == nil || !out.Load() || ctx.Err() != nil || !unborne(err) {
		return ws, err
	}
	if t.Patient != nil {
		t.Patient.Store(true)
	}
	dial.First = nil
	return t.greet(ctx, dial, first)
}

// unborne reports whether an error may come of a box that took the first message for something else: not the tunnel's
// own refusals.
func unborne(err error) bool {
	if _, ok := errors.AsType[*proto.Error](err); ok {
		return false
	}
	answer, ok := errors.AsType[*UpgradeError](err)
	return !ok || answer.Status == http.StatusBadRequest
}

// greet dials, sends a first message if it is not out already, and reads the answer.
func (t *Tunnel) greet(ctx context.Context, dial WSDial, first []byte) (*WebSocket, error) {
	ws, err := DialWebSocket(ctx, dial)
	if err != nil {
		return nil, fmt.Errorf("the tunnel: %w", err)
	}
	if first != nil {
		err = ws.Write(ctx, first)
	}
	var b []byte
	if err == nil {
		b, err = ws.Read(ctx)
	}
	if err != nil {
		ws.CloseNow()
		return nil, fmt.Errorf("the tunnel: %w", err)
	}
	var answer struct {
		proto.TunnelOpened
		proto.Error
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.V == 0 {
		ws.CloseNow()
		if err == nil && answer.Code != "" {
			return nil, &answer.Error
		}
		return nil, errors.New("the tunnel answers something else than expected")
	}
	return ws, nil
}

// Bytes makes a byte stream of a WebSocket's binary messages; the WebSocket is the stream's from now on.
func (s *WebSocket) Bytes() net.Conn {
	return websocket.NetConn(context.Background(), s.conn, websocket.MessageBinary)
}
