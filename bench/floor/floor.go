// Package floor measures what the kernel and the cipher alone cost on this machine: the work every
// router has to do at least. Its figures make others comparable, for the speed of a virtual machine
// changes from one quarter of an hour to the next.
package floor

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
)

// packetLen is the plaintext the calibration seals: with the tag 1116 bytes of UDP payload.
const packetLen = 1100

// TagLen is what sealing adds to a packet, in bytes.
const TagLen = 16

// srtpLeast is the shortest packet worth sealing.
const srtpLeast = 40

// cpu is the time this thread's process has used, in both modes.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sealer makes a context and a packet to seal with it.
func sealer() (*srtp.Context, []byte, error) {
	key := make([]byte, srtp.GCM128.KeyLen())
	salt := make([]byte, srtp.GCM128.SaltLen())
	for i := range key {
		key[i] = byte(i * 7)
	}
	c, err := srtp.New(srtp.GCM128, key, salt)
	p := make([]byte, 1400)
	p[0], p[1] = 0x80, 96
	binary.BigEndian.PutUint32(p[8:], 0x5eed)
	return c, p, err
}

// Calibrate times the fixed piece of work all figures are divided by: seal 1100 bytes, send them to a
// loopback socket, receive them. It runs on the calling thread for about 300 ms and returns the time of
// one round.
func Calibrate() (time.Duration, error) {
	c, p, err := sealer()
	if err != nil {
		return 0, err
	}
	p = p[:packetLen]
	local := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	a, err := link.Real().ListenPacket(local)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	b, err := link.Real().ListenPacket(local)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	out := make([]byte, 0, 2048)
	in := []link.Message{{Buf: make([]byte, 2048)}}
	round := func(seq int) error {
		binary.BigEndian.PutUint16(p[2:], uint16(seq))
		var err error
		if out, err = c.SealRTP(out[:0], p); err != nil {
			return err
		}
		if _, err := a.WriteBatch([]link.Message{{Buf: out, N: len(out), Addr: b.LocalAddr()}}); err != nil {
			return err
		}
		n, ok, err := link.TryRead(b, in)
		if err != nil || !ok || n != 1 {
			return errors.Join(errors.New("floor: a loopback datagram did not arrive at once"), err)
		}
		return nil
	}
	for i := range 2000 {
		if err := round(i); err != nil {
			return 0, err
		}
	}
	const rounds = 40_000
	start := cpu()
	for i := range rounds {
		if err := round(2000 + i); err != nil {
			return 0, err
		}
	}
	return (cpu() - start) / rounds, nil
}

// Shape is traffic as a router sends it: so many packets to a receiver in one send (UDP_SEGMENT).
type Shape struct {
	Receivers int // distinct addresses
	Burst     int // packets to a receiver at a time
	Len       int // bytes of a packet before sealing
}

// sinks is how many sockets a Sink reads, as many as participants share.
const sinks = 8

// perPacket is the pace of a sender, which waits between rounds, uncounted, so that the reader keeps up and
// nothing is lost: a full receive buffer would make sending cheaper than it is.
const perPacket = 2500 * time.Nanosecond

// Send seals and sends the shape to a Sink's ports at as many loopback addresses as it takes for
// distinct receivers, for the time given, and returns the processor time of a packet.
func (s Shape) Send(ports []uint16, length time.Duration) (cost time.Duration, packets int, err error) {
	c, p, err := sealer()
	if err != nil {
		return 0, 0, err
	}
	p = p[:max(srtpLeast, min(len(p), s.Len))]
	sock, err := link.Real().ListenPacket(netip.AddrPortFrom(netip.IPv6Unspecified(), 0))
	if err != nil {
		return 0, 0, err
	}
	defer sock.Close()
	const batch = 64
	arena := make([]byte, 0, batch*1500)
	ms := make([]link.Message, 0, batch)
	self := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	seq := uint16(0)
	begin := time.Now()
	var used time.Duration
	for time.Since(begin) < length {
		round := time.Now()
		start := cpu()
		for r := range s.Receivers {
			to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte((r/len(ports) + 1) >> 8), byte(r/len(ports) + 1)}), ports[r%len(ports)])
			if len(ms)+s.Burst > batch {
				if _, err := sock.WriteBatch(ms); err != nil {
					return 0, 0, err
				}
				arena, ms = arena[:0], ms[:0]
			}
			at := len(arena)
			for range s.Burst {
				binary.BigEndian.PutUint16(p[2:], seq)
				seq++
				one := len(arena)
				if arena, err = c.SealRTP(arena, p); err != nil {
					return 0, 0, err
				}
				packets++
				if s.Burst == 1 {
					ms = append(ms, link.Message{Buf: arena[one:], N: len(arena) - one, Addr: to, Local: self})
				}
			}
			if s.Burst > 1 {
				ms = append(ms, link.Message{Buf: arena[at:], N: len(arena) - at, Addr: to, Local: self, Segment: (len(arena) - at) / s.Burst})
			}
		}
		if _, err := sock.WriteBatch(ms); err != nil {
			return 0, 0, err
		}
		arena, ms = arena[:0], ms[:0]
		used += cpu() - start
		for time.Since(round) < time.Duration(s.Receivers*s.Burst)*perPacket {
		}
	}
	if packets == 0 {
		return 0, 0, errors.New("floor: nothing was sent")
	}
	return used / time.Duration(packets), packets, nil
}

// Sink reads what a Shape sends, without ever sleeping, until stop is closed. It returns its ports.
func Sink(merge bool, stop <-chan struct{}, done *sync.WaitGroup) ([]uint16, error) {
	var socks []link.PacketConn
	closeAll := func() {
		for _, c := range socks {
			c.Close()
		}
	}
	var ports []uint16
	for range sinks {
		c, err := link.Real().ListenPacket(netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
		if err != nil {
			closeAll()
			return nil, err
		}
		socks = append(socks, c)
		if merge && !link.Merge(c) {
			closeAll()
			return nil, errors.New("floor: no UDP_GRO")
		}
		ports = append(ports, c.LocalAddr().Port())
	}
	size := 2048
	if merge {
		size = link.MergeBufLen
	}
	ms := make([]link.Message, 64)
	for i := range ms {
		ms[i].Buf = make([]byte, size)
	}
	done.Go(func() {
		defer closeAll()
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, c := range socks {
				for {
					n, _, err := link.TryRead(c, ms)
					if err != nil || n < len(ms) {
						break
					}
				}
			}
			for t := time.Now(); time.Since(t) < 100*time.Microsecond; {
				runtime.Gosched()
			}
		}
	})
	return ports, nil
}
