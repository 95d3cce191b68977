package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"unicode/utf8"

	"github.com/coder/websocket"

	"parley/wire/proto"
)

// WSDial says which WebSocket to open and how.
type WSDial struct {
	Host   Host        // nil: Real()
	URL    string      // wss:// or ws://; https:// and http:// mean the same
	TLS    *tls.Config // nil: the system's roots; copied
	Header http.Header // added to the upgrade request

	Subprotocols []string
	MaxMessage   int // bytes of one message read; 0: proto.MaxMessageLen

	// Ahead is a connection to this server opened before; nil, or one that failed: a new one.
	Ahead *Ahead
	// First gives text messages that leave right behind the upgrade request, without waiting for its answer: a
	// round trip less. RFC 6455 §4.1 has a client wait, for the sake of boxes in between that read HTTP and might
	// take a message for a request; inside TLS that ends at the server nothing reads it. It is called when the
	// connection stands. Who uses it needs another way for servers that do not take it.
	First func() [][]byte
}

// WSAccept says which pages may open a WebSocket here.
type WSAccept struct {
	// Origins are host patterns (path.Match) a page may come from besides the request's own host.
	// A caller without an Origin header is no page and is let through.
	Origins      []string
	Subprotocols []string
	MaxMessage   int // bytes of one message read; 0: proto.MaxMessageLen
}

// WebSocket is a message connection (RFC 6455), uncompressed. Writes are safe for concurrent use; one
// reader at a time, and somebody must read for pings and closes to be answered. A context that ends
// during a call closes the connection: a message may be half through.
type WebSocket struct {
	conn *websocket.Conn
	raw  net.Conn // under it; nil where unknown
}

// DialWebSocket opens a WebSocket: TCP, TLS (HTTP/1.1 alone) and the upgrade, three round trips; one with a
// connection opened ahead.
func DialWebSocket(ctx context.Context, d WSDial) (*WebSocket, error) {
	var raw net.Conn // written before Dial returns, by the one dial there is
	open := func(overTLS bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
		return func(ctx context.Context, _, addr string) (net.Conn, error) {
			s, ok := d.Ahead.take(ctx)
			if !ok {
				var err error
				if s, err = d.connect(ctx, addr, overTLS); err != nil {
					return nil, err
				}
			}
			raw = s.raw
			if d.First == nil {
				return s.conn, nil
			}
			return &firstFlight{Conn: s.conn, first: d.First}, nil
		}
	}
	tr := &http.Transport{DialContext: open(false), DialTLSContext: open(true)}
	conn, resp, err := websocket.Dial(ctx, d.URL, &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: tr},
		HTTPHeader:   d.Header,
		Subprotocols: d.Subprotocols,
	})
	if err != nil {
		tr.CloseIdleConnections()
		if resp != nil {
			return nil, &UpgradeError{Status: resp.StatusCode, Err: err}
		}
		return nil, fmt.Errorf("opening a WebSocket: %w", err)
	}
	return newWebSocket(conn, raw, d.MaxMessage), nil
}

// UpgradeError is a server's plain HTTP answer to a WebSocket upgrade.
type UpgradeError struct {
	Status int
	Err    error
}

// Error names the status.
func (e *UpgradeError) Error() string {
	return fmt.Sprintf("opening a WebSocket: the server answered %d %s", e.Status, http.StatusText(e.Status))
}

// Unwrap gives the library's error.
func (e *UpgradeError) Unwrap() error { return e.Err }

// AcceptWebSocket upgrades a request. On an error it has answered the request.
func AcceptWebSocket(w http.ResponseWriter, r *http.Request, opts WSAccept) (*WebSocket, error) {
	hijacked := &hijackSeen{ResponseWriter: w}
	conn, err := websocket.Accept(hijacked, r, &websocket.AcceptOptions{
		OriginPatterns: opts.Origins,
		Subprotocols:   opts.Subprotocols,
	})
	if err != nil {
		return nil, fmt.Errorf("accepting a WebSocket: %w", err)
	}
	return newWebSocket(conn, hijacked.conn, opts.MaxMessage), nil
}

func newWebSocket(conn *websocket.Conn, raw net.Conn, limit int) *WebSocket {
	if limit <= 0 {
		limit = proto.MaxMessageLen
	}
	conn.SetReadLimit(int64(limit))
	return &WebSocket{conn: conn, raw: raw}
}

// Read waits for one message, text or binary. CloseCode reads the peer's close out of the error.
func (s *WebSocket) Read(ctx context.Context) ([]byte, error) {
	_, b, err := s.conn.Read(ctx)
	return b, err
}

// Write sends one text message.
func (s *WebSocket) Write(ctx context.Context, b []byte) error {
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// WriteBinary sends one binary message.
func (s *WebSocket) WriteBinary(ctx context.Context, b []byte) error {
	return s.conn.Write(ctx, websocket.MessageBinary, b)
}

// Ping waits for the peer's pong; somebody must be reading meanwhile.
func (s *WebSocket) Ping(ctx context.Context) error { return s.conn.Ping(ctx) }

// Subprotocol is what both sides agreed on; "" for none.
func (s *WebSocket) Subprotocol() string { return s.conn.Subprotocol() }

// maxCloseReason is what a close frame has left after its code (RFC 6455 §5.5).
const maxCloseReason = 123

// Close tells the peer code and reason (cut to 123 bytes) and waits at most 5 s for its own close.
func (s *WebSocket) Close(code int, reason string) error {
	if len(reason) > maxCloseReason {
		reason = reason[:maxCloseReason]
		for !utf8.ValidString(reason) && len(reason) > maxCloseReason-utf8.UTFMax {
			reason = reason[:len(reason)-1]
		}
	}
	return s.conn.Close(websocket.StatusCode(code), reason)
}

// CloseNow drops the connection without a word.
func (s *WebSocket) CloseNow() error { return s.conn.CloseNow() }

// CloseCode is the close code a Read or Write error carries (RFC 6455 §7.4), or 0 when the connection
// ended otherwise.
func CloseCode(err error) int {
	if code := websocket.CloseStatus(err); code > 0 {
		return int(code)
	}
	return 0
}

// IsTooBig tells whether a Read failed for the message's size.
func IsTooBig(err error) bool { return errors.Is(err, websocket.ErrMessageTooBig) }
