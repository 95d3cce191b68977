package link

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// FuzzFramed reads any bytes as RFC 4571, however they are cut: the packets are those that the lengths say.
func FuzzFramed(f *testing.F) {
	f.Add([]byte{0, 3, 1, 2, 3, 0, 0, 0, 1, 9}, uint8(1))
	f.Add([]byte{0, 3, 1, 2}, uint8(3))                // cut short
	f.Add([]byte{8, 0, 1, 8, 1, 0xff, 0xff}, uint8(2)) // MaxStreamPacket, and beyond
	f.Add(bytes.Repeat([]byte{0, 1, 7}, 20), uint8(7)) // short: long ones keep the fuzzer at making them shorter
	f.Fuzz(func(t *testing.T, data []byte, part uint8) {
		fr := &framed{conn: &cutConn{rest: data, part: int(part) + 1}, buf: make([]byte, readAhead)}
		b := make([]byte, MaxStreamPacket)
		rest := data
		for {
			for len(rest) >= 2 && binary.BigEndian.Uint16(rest) == 0 {
				rest = rest[2:]
			}
			n, _, err := fr.ReadPacket(b)
			size := -1
			if len(rest) >= 2 {
				size = int(binary.BigEndian.Uint16(rest))
			}
			switch {
			case size > MaxStreamPacket:
				if !errors.Is(err, ErrStreamPacket) {
					t.Fatalf("a packet of %d bytes: %d, %v", size, n, err)
				}
				return
			case size < 0 || len(rest) < 2+size:
				if !errors.Is(err, io.EOF) {
					t.Fatalf("at the end: %d, %v", n, err)
				}
				return
			case err != nil || !bytes.Equal(b[:n], rest[2:2+size]):
				t.Fatalf("%d bytes, %v, want %d", n, err, size)
			}
			rest = rest[2+size:]
		}
	})
}

// cutConn gives its bytes a part at a time, then ends.
type cutConn struct {
	net.Conn
	rest []byte
	part int
}

func (c *cutConn) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.part)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// fromConn comes from an address, and tells when it is closed.
type fromConn struct {
	net.Conn
	from net.Addr
	once sync.Once
	over chan struct{}
}

func (c *fromConn) RemoteAddr() net.Addr { return c.from }

func (c *fromConn) Close() error {
	c.once.Do(func() { close(c.over) })
	return c.Conn.Close()
}

// fuzzedPort is a Demux on connections in memory, and what becomes of each.
type fuzzedPort struct {
	d    *Demux
	in   pipeListener
	http chan net.Conn
	stun chan net.Conn
}

func newFuzzedPort(f *testing.F, cfg DemuxConfig) *fuzzedPort {
	f.Helper()
	p := &fuzzedPort{in: make(pipeListener), http: make(chan net.Conn), stun: make(chan net.Conn)}
	cfg.TLS, cfg.STUN = ServerTLS(testCert(f)), func(c net.Conn) { p.stun <- c }
	p.d = NewDemux(p.in, cfg)
	go func() {
		for {
			c, err := p.d.Accept()
			if err != nil {
				return
			}
			p.http <- c
		}
	}()
	f.Cleanup(func() { p.d.Close() })
	return p
}

// connect is a connection from a balancer's address.
func (p *fuzzedPort) connect() (client net.Conn, server *fromConn) {
	client, conn := net.Pipe()
	server = &fromConn{Conn: conn, from: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}, over: make(chan struct{})}
	p.in <- server
	return client, server
}

// FuzzBeforeTheHandshake has a balancer say anything ahead of TLS, with and without a good PROXY header before it:
// the connection ends, and nobody is given it.
func FuzzBeforeTheHandshake(f *testing.F) {
	const v1 = "PROXY TCP4 198.51.100.7 203.0.113.1 5000 443\r\n"
	v2 := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"), 198, 51, 100, 7, 203, 0, 113, 1, 19, 136, 1, 187)
	f.Add([]byte(v1), false)
	f.Add(v2, false)
	f.Add(append(v2[:13:13], 0x21, 0xff, 0xff), false)
	f.Add([]byte("PROXY UNKNOWN\r\n"), false)
	f.Add([]byte("PROXY TCP6 :: :: 1 99999\r\n"), false)
	f.Add([]byte{22, 3, 1, 2, 0, 1}, true)
	f.Add([]byte(v1), true) // twice
	p := newFuzzedPort(f, DemuxConfig{Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	f.Fuzz(func(t *testing.T, data []byte, header bool) {
		before := p.d.Counters()
		client, server := p.connect()
		go io.Copy(io.Discard, client)
		if header {
			io.WriteString(client, v1)
		}
		client.Write(data)
		client.Close()
		select {
		case <-server.over:
		case <-p.http:
			t.Fatal("taken for HTTP")
		case <-p.stun:
			t.Fatal("taken for STUN")
		}
		if now := p.d.Counters(); now.HTTP != before.HTTP || now.STUN != before.STUN || now.Full != before.Full {
			t.Fatalf("counted %+v, before %+v", now, before)
		}
	})
}

// FuzzPeek has a client that shakes hands and then says anything: whoever its first byte is for gets all of it.
func FuzzPeek(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), false)
	f.Add([]byte{0, 3, 0, 8}, true)
	f.Add([]byte{3}, false)
	f.Add([]byte{4, 0}, true)
	f.Add([]byte{}, false)
	f.Add([]byte("\x16\x03\x01"), true)
	p := newFuzzedPort(f, DemuxConfig{})
	f.Fuzz(func(t *testing.T, data []byte, alpn bool) {
		data = data[:min(len(data), 4096)]
		client, server := p.connect()
		defer client.Close()
		conf := &tls.Config{InsecureSkipVerify: true}
		if alpn {
			conf.NextProtos = []string{http11}
		}
		c := tls.Client(client, conf)
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, c) // session tickets
		if len(data) == 0 {
			c.Close()
			<-server.over
			return
		}
		go c.Write(data)
		var got net.Conn
		select {
		case got = <-p.http:
			if data[0] <= 3 {
				t.Fatalf("%d is no method of HTTP", data[0])
			}
		case got = <-p.stun:
			if data[0] > 3 {
				t.Fatalf("%d is no STUN", data[0])
			}
		case <-server.over:
			t.Fatal("turned away")
		}
		defer got.Close()
		b := make([]byte, len(data))
		if _, err := io.ReadFull(got, b); err != nil || !bytes.Equal(b, data) {
			t.Fatalf("%q came of %q: %v", b, data, err)
		}
	})
}
