package interop

import (
	"math/rand/v2"
	"net"
	"sync"
)

// lossyConn is a UDP socket on loopback whose network loses RTP packets, by a seed. STUN, DTLS and RTCP
// pass. Safe for concurrent use.
type lossyConn struct {
	net.PacketConn

	mu        sync.Mutex
	in, out   float64
	rng       *rand.Rand
	lostIn    int
	lostOut   int
	seenIn    int
	seenOut   int
	oversized int // datagrams with an RTP packet above what PROTOCOL.md §4.3 allows
}

func listenLossy(in, out float64, seed uint64) (*lossyConn, error) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &lossyConn{PacketConn: c, in: in, out: out, rng: rand.New(rand.NewPCG(seed, 1))}, nil
}

// isRTP tells SRTP from STUN, DTLS and SRTCP (RFC 7983, RFC 5761).
func isRTP(b []byte) bool {
	return len(b) > 12 && b[0] >= 128 && b[0] <= 191 && (b[1]&0x7f < 64 || b[1]&0x7f > 95)
}

// maxSealed is an RTP packet of 1200 bytes with the tag of AES-GCM.
const maxSealed = 1200 + 16

// loses decides about one datagram.
func (c *lossyConn) loses(b []byte, rate float64, seen, lost *int) bool {
	if !isRTP(b) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	*seen++
	if rate == 0 || c.rng.Float64() >= rate {
		return false
	}
	*lost++
	return true
}

// ReadFrom gives the next datagram that is not lost.
func (c *lossyConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		if isRTP(b[:n]) && n > maxSealed {
			c.mu.Lock()
			c.oversized++
			c.mu.Unlock()
		}
		if !c.loses(b[:n], c.in, &c.seenIn, &c.lostIn) {
			return n, from, nil
		}
	}
}

// WriteTo sends a datagram, or pretends to.
func (c *lossyConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.loses(b, c.out, &c.seenOut, &c.lostOut) {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

// lost is how many RTP packets were lost each way.
func (c *lossyConn) lost() (in, out int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lostIn, c.lostOut
}
