package lab

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// EarlyDoor stands for a box between a client and a server that does not bear a WebSocket message sent with the upgrade
// request: it refuses it with an answer, or drops what comes early and says nothing. early counts.
func EarlyDoor(rw http.ResponseWriter, refuses bool, early *int) http.ResponseWriter {
	return &door{ResponseWriter: rw, refuses: refuses, early: early}
}

// door is an EarlyDoor.
type door struct {
	http.ResponseWriter
	refuses bool
	early   *int

	conn net.Conn
	rw   *bufio.ReadWriter
	err  error
}

// WriteHeader implements http.ResponseWriter: it looks behind the request before it answers.
func (d *door) WriteHeader(code int) {
	if code != http.StatusSwitchingProtocols {
		d.ResponseWriter.WriteHeader(code)
		return
	}
	if d.conn, d.rw, d.err = d.ResponseWriter.(http.Hijacker).Hijack(); d.err != nil {
		return
	}
	switch n := d.rw.Reader.Buffered(); {
	case n > 0 && d.refuses:
		*d.early++
		io.WriteString(d.conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		d.conn.Close()
		d.err = errors.New("a request that is none")
		return
	case n > 0:
		*d.early++
		d.rw.Reader.Discard(n)
		d.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // the message may have come in several records
		io.Copy(io.Discard, d.conn)
		d.conn.SetReadDeadline(time.Time{})
	}
	io.WriteString(d.conn, "HTTP/1.1 101 Switching Protocols\r\n")
	d.Header().Write(d.conn)
	io.WriteString(d.conn, "\r\n")
}

// Hijack implements http.Hijacker.
func (d *door) Hijack() (net.Conn, *bufio.ReadWriter, error) { return d.conn, d.rw, d.err }
