// Package link is the only door to sockets: batched UDP, TCP, HTTP and WebSocket, all behind Host, so
// that the same product code runs on a real kernel and on a simulated internet.
package link

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Host is a machine's network: what may be bound and dialled there. Safe for concurrent use.
type Host interface {
	// ListenPacket binds UDP. A wildcard address answers from the address asked, provided the sender
	// copies Message.Local of what it received. Port 0 picks a free one. A taken port gives ErrInUse.
	ListenPacket(addr netip.AddrPort) (PacketConn, error)
	// Listen binds TCP. Port 0 picks a free one. A taken port gives ErrInUse.
	Listen(addr netip.AddrPort) (net.Listener, error)
	// Dial opens a TCP connection to "host:port"; names are resolved by the host. network is "tcp".
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
}

// PacketConn is a bound UDP socket moving datagrams in batches. All methods are safe for concurrent
// use, with one reader at a time. After Close every method returns net.ErrClosed.
type PacketConn interface {
	// ReadBatch waits for at least one datagram and returns how many of ms it filled. The owner sets
	// Buf to the room available; ReadBatch sets N, Addr, Local, Segment and Mark. A datagram longer than Buf is cut.
	// A passed deadline gives os.ErrDeadlineExceeded.
	ReadBatch(ms []Message) (int, error)
	// WriteBatch sends Buf[:N] of every message, in order, and returns how many were dealt with.
	// Neighbours to one peer of one length (the last may be shorter) leave in one system-level send
	// where the system can, so callers put a peer's packets side by side. A message the
	// network refuses for itself alone (no route, too long, buffers full) is skipped and counted, as
	// the loss of a datagram is; an error means the socket is gone.
	WriteBatch(ms []Message) (int, error)
	// LocalAddr is the bound address with the port really taken.
	LocalAddr() netip.AddrPort
	// SetReadDeadline bounds ReadBatch, a pending one too; the zero time lifts the bound.
	SetReadDeadline(t time.Time) error
	Close() error
}

// Message is one datagram, or, with Segment, a train of them. Owned by the caller.
type Message struct {
	Buf     []byte         // the room to read into, or the bytes to send
	N       int            // bytes of Buf in use
	Addr    netip.AddrPort // the peer; an IPv4 peer of a dual-stack socket is unmapped
	Local   netip.Addr     // arrived at, or to send from; zero lets the system choose
	DSCP    uint8          // code point 0..63 to send with (RFC 2474); not filled by reads
	Mark    uint8          // set by reads: one more than the code point it arrived with; 0: the system doesn't tell
	Segment int            // > 0: Buf[:N] is datagrams of this size, the last may be shorter; set by reads after Merge
}

// ErrInUse says that another process (or socket) holds the port asked for. The error wrapping it names the address.
var ErrInUse = errors.New("address is taken by another process")
