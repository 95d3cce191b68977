package link

import (
	"bufio"
	"bytes"
	"io"
	"net"
)

const (
	// hijackedRead is the read buffer of an accepted WebSocket in bytes: what clients say fits, and TLS has read
	// the whole record anyway.
	hijackedRead = 512
	// hijackedWrite is the write buffer: what is said often goes out as one record; longer messages take two.
	hijackedWrite = 1024
)

// lean gives a hijacked connection small buffers of its own, with what has been read ahead in them: the
// server's, of 4 KiB each way, would live as long as the WebSocket, which is idle most of the time.
func lean(conn net.Conn, rw *bufio.ReadWriter) *bufio.ReadWriter {
	n := rw.Reader.Buffered()
	ahead, _ := rw.Reader.Peek(n) // can't fail: it is there
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), conn), max(hijackedRead, n))
	_, _ = r.Peek(n) // the library looks for it in the buffer
	return bufio.NewReadWriter(r, bufio.NewWriterSize(conn, hijackedWrite))
}
