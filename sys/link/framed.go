package link

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"parley/wire/proto"
)

// framed is RFC 4571 on a connection: each packet behind its length in two bytes.
type framed struct {
	conn net.Conn
	buf  []byte
	r, w int // what of buf was read and not taken
}

// readAhead is a stream's read buffer, bytes: a burst of two frames of audio and some video.
const readAhead = 8 << 10

// Framed makes a stream of a TCP connection by the framing of RFC 4571.
func Framed(conn net.Conn, rung proto.Rung) *Stream {
	return NewStream(&framed{conn: conn, buf: make([]byte, readAhead)}, StreamConfig{
		Rung: rung, Local: addrPort(conn.LocalAddr()), Remote: addrPort(conn.RemoteAddr()),
	})
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return unmap(t.AddrPort())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return unmap(ap)
}

// next is the length of the packet at the front, and whether all of it is there.
func (f *framed) next() (n int, whole bool) {
	if f.w-f.r < frameHeader {
		return 0, false
	}
	n = int(binary.BigEndian.Uint16(f.buf[f.r:]))
	return n, n > MaxStreamPacket || f.w-f.r >= frameHeader+n
}

func (f *framed) ReadPacket(b []byte) (int, bool, error) {
	for {
		n, whole := f.next()
		if n > MaxStreamPacket {
			return 0, false, ErrStreamPacket
		}
		if whole && n == 0 {
			f.r += frameHeader // an empty packet keeps a connection alive (RFC 6544 §10.2)
			continue
		}
		if whole {
			got := copy(b, f.buf[f.r+frameHeader:f.r+frameHeader+n])
			f.r += frameHeader + n
			_, more := f.next()
			return got, more, nil
		}
		if f.r > 0 {
			f.w = copy(f.buf, f.buf[f.r:f.w])
			f.r = 0
		}
		got, err := f.conn.Read(f.buf[f.w:])
		f.w += got
		if err != nil && got == 0 {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return 0, false, os.ErrDeadlineExceeded
			}
			if errors.Is(err, io.EOF) {
				return 0, false, io.EOF
			}
			return 0, false, plain(err)
		}
	}
}

func (f *framed) WriteFrames(frames []byte) error {
	_, err := f.conn.Write(frames)
	return err
}

func (f *framed) SetReadDeadline(t time.Time) error { return plain(f.conn.SetReadDeadline(t)) }
func (f *framed) Limit(unsent int)                  { LimitUnsent(f.conn, unsent) }
func (f *framed) Mark(dscp uint8)                   { Mark(f.conn, dscp) }
func (f *framed) Conn() net.Conn                    { return f.conn }
func (f *framed) Close() error                      { return plain(f.conn.Close()) }

// NextFrame cuts the first packet off frames as WriteFrames gets them.
func NextFrame(frames []byte) (packet, rest []byte) {
	n := int(binary.BigEndian.Uint16(frames))
	return frames[frameHeader : frameHeader+n], frames[frameHeader+n:]
}

// lowest is the connection under all wrappings that name what they wrap.
func lowest(c net.Conn) net.Conn {
	for {
		switch w := c.(type) {
		case interface{ NetConn() net.Conn }: // TLS
			c = w.NetConn()
		case interface{ Raw() net.Conn }: // PROXY protocol
			c = w.Raw()
		default:
			return c
		}
	}
}

// LimitUnsent bounds what the system holds of a connection's bytes that have not been sent.
func LimitUnsent(c net.Conn, bytes int) {
	switch c := lowest(c).(type) {
	case *net.TCPConn:
		setUnsent(c, bytes)
	case interface{ LimitUnsent(bytes int) }:
		c.LimitUnsent(bytes)
	}
}

// Mark sets a connection's code point.
func Mark(c net.Conn, dscp uint8) {
	switch c := lowest(c).(type) {
	case *net.TCPConn:
		setMark(c, dscp)
	case interface{ Mark(dscp uint8) }:
		c.Mark(dscp)
	}
}
