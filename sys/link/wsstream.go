package link

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/coder/websocket"

	"parley/wire/proto"
)

// hijackSeen notes the connection under a WebSocket, whose library keeps it to itself.
type hijackSeen struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (h *hijackSeen) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = conn
	return conn, lean(conn, rw), nil
}

// Unwrap lets http.ResponseController find what the writer can do.
func (h *hijackSeen) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// Stream makes a packet stream of a WebSocket: one binary message, one packet. The WebSocket is the
// stream's from now on. A zero remote means the connection's own.
func (s *WebSocket) Stream(rung proto.Rung, remote netip.AddrPort) *Stream {
	cfg := StreamConfig{Rung: rung, Remote: remote}
	if s.raw != nil {
		cfg.Local = addrPort(s.raw.LocalAddr())
		if !remote.IsValid() {
			cfg.Remote = addrPort(s.raw.RemoteAddr())
		}
	}
	m := &messages{ws: s, timer: time.AfterFunc(time.Hour, func() { s.CloseNow() })}
	m.timer.Stop()
	return NewStream(m, cfg)
}

// messages is the pipe of a WebSocket.
type messages struct {
	ws    *WebSocket
	timer *time.Timer // ends the connection
}

// ReadPacket implements StreamPipe. A message that is too long or text is no packet.
func (m *messages) ReadPacket(b []byte) (int, bool, error) {
	kind, r, err := m.ws.conn.Reader(context.Background())
	if err != nil {
		if IsTooBig(err) {
			err = ErrStreamPacket
		}
		return 0, false, err
	}
	if kind != websocket.MessageBinary {
		return 0, false, ErrStreamPacket
	}
	n := 0
	for {
		if n == len(b) {
			return 0, false, ErrStreamPacket
		}
		k, err := r.Read(b[n:])
		n += k
		switch {
		case errors.Is(err, io.EOF):
			return n, false, nil
		case IsTooBig(err):
			return 0, false, ErrStreamPacket
		case err != nil:
			return 0, false, err
		}
	}
}

// WriteFrames implements StreamPipe.
func (m *messages) WriteFrames(frames []byte) error {
	for len(frames) > 0 {
		var packet []byte
		packet, frames = NextFrame(frames)
		if err := m.ws.conn.Write(context.Background(), websocket.MessageBinary, packet); err != nil {
			return err
		}
	}
	return nil
}

// SetReadDeadline implements StreamPipe: the library can't interrupt a read, so the deadline ends the
// connection.
func (m *messages) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		m.timer.Stop()
	} else {
		m.timer.Reset(time.Until(t))
	}
	return nil
}

// Limit implements StreamPipe.
func (m *messages) Limit(unsent int) {
	if m.ws.raw != nil {
		LimitUnsent(m.ws.raw, unsent)
	}
}

// Mark implements StreamPipe.
func (m *messages) Mark(dscp uint8) {
	if m.ws.raw != nil {
		Mark(m.ws.raw, dscp)
	}
}

// Conn implements StreamPipe.
func (m *messages) Conn() net.Conn { return m.ws.raw }

// Close implements StreamPipe.
func (m *messages) Close() error {
	m.timer.Stop()
	return m.ws.CloseNow()
}
