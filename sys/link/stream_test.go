package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"parley/wire/proto"
)

// pair is a stream over a real TCP connection, and its other end.
func pair(t *testing.T) (*Stream, *net.TCPConn) {
	t.Helper()
	ln, err := Real().Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := Real().Dial(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := Framed(conn, proto.TCP8801)
	t.Cleanup(func() { s.Close(); peer.Close() })
	return s, peer.(*net.TCPConn)
}

func framedAs(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

func message(b []byte) Message { return Message{Buf: b, N: len(b)} }

func TestFramesHoweverTheyAreCut(t *testing.T) {
	for _, step := range []int{1, 2, 3, 7, 100, 5000} {
		s, peer := pair(t)
		packets := [][]byte{{1}, bytes.Repeat([]byte{2}, 1200), {}, {3, 3}, bytes.Repeat([]byte{4}, MaxStreamPacket), {5}}
		var all []byte
		for _, p := range packets {
			all = append(all, framedAs(p)...)
		}
		go func() {
			for i := 0; i < len(all); i += step {
				peer.Write(all[i:min(i+step, len(all))])
			}
		}()
		packets = append(packets[:2:2], packets[3:]...) // the empty one keeps the connection alive and is none
		ms := make([]Message, 4)
		for i := range ms {
			ms[i].Buf = make([]byte, MaxStreamPacket)
		}
		for len(packets) > 0 {
			n, err := s.ReadBatch(ms)
			if err != nil {
				t.Fatalf("in steps of %d: %v", step, err)
			}
			for _, m := range ms[:n] {
				if !bytes.Equal(m.Buf[:m.N], packets[0]) {
					t.Fatalf("in steps of %d: got %d bytes of %d", step, m.N, len(packets[0]))
				}
				if m.Addr != s.RemoteAddr() {
					t.Fatalf("from %v", m.Addr)
				}
				packets = packets[1:]
			}
		}
	}
}

func TestWhatIsNoPacketStreamEnds(t *testing.T) {
	s, peer := pair(t)
	peer.Write([]byte("GET / HTTP/1.1\r\n\r\n")) // 18245 bytes, by its first two
	ms := []Message{{Buf: make([]byte, MaxStreamPacket)}}
	if _, err := s.ReadBatch(ms); !errors.Is(err, ErrStreamPacket) {
		t.Errorf("got %v", err)
	}
}

func TestTrainsLeaveAsFrames(t *testing.T) {
	s, peer := pair(t)
	train := []byte("aaaabbbbcc")
	m := Message{Buf: train, N: len(train), Segment: 4}
	if n, err := s.WriteBatch([]Message{message([]byte("x")), m}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	want := bytes.Join([][]byte{framedAs([]byte("x")), framedAs([]byte("aaaa")), framedAs([]byte("bbbb")), framedAs([]byte("cc"))}, nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q: %v", got, err)
	}
}

// stuckPipe takes nothing until it is let.
type stuckPipe struct {
	slowPipe
	let chan struct{}
}

func (p *stuckPipe) WriteFrames([]byte) error {
	select {
	case <-p.let:
		return nil
	case <-p.over:
		return net.ErrClosed
	}
}

// TestAStreamNeverWaits: nobody reads, and the writer goes on; what is queued is bounded; room is told once
// there is some again.
func TestAStreamNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &stuckPipe{slowPipe{over: make(chan struct{})}, make(chan struct{})}
		s := NewStream(p, StreamConfig{})
		packet := make([]byte, 1200)
		for range 1000 {
			if n, err := s.WriteBatch([]Message{message(packet)}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			synctest.Wait()
		}
		if n := s.Refused(); n < 1000-maxQueued/1200-1 {
			t.Errorf("%d of 1000 packets refused", n)
		}
		if room := s.Room(); room > 0 {
			t.Errorf("room for %d bytes on a full stream", room)
		}
		told := false
		s.Notify(func() { told = true })
		time.Sleep(time.Second)
		if told || s.Stuck(time.Now()) < time.Second {
			t.Errorf("told of room before there was any: %v; stuck for %v", told, s.Stuck(time.Now()))
		}
		p.let <- struct{}{}
		p.let <- struct{}{}
		synctest.Wait()
		if !told || s.Room() <= 0 || s.Stuck(time.Now()) != 0 {
			t.Errorf("told of room: %v, there is %d", told, s.Room())
		}
		// The end of a stream is told like room: whoever waits must not wait for ever.
		told = false
		s.WriteBatch([]Message{message(packet)})
		s.Notify(func() { told = true })
		s.Close()
		if _, err := s.WriteBatch([]Message{message(packet)}); !errors.Is(err, net.ErrClosed) || !told {
			t.Errorf("after Close: %v, told %v", err, told)
		}
	})
}

// slowPipe takes so many bytes a second.
type slowPipe struct {
	rate   int
	limits []int
	over   chan struct{}
}

func (p *slowPipe) ReadPacket([]byte) (int, bool, error) { <-p.over; return 0, false, net.ErrClosed }
func (p *slowPipe) Conn() net.Conn                       { return nil }

func (p *slowPipe) WriteFrames(b []byte) error {
	time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(p.rate))
	return nil
}
func (p *slowPipe) SetReadDeadline(time.Time) error { return nil }
func (p *slowPipe) Limit(n int)                     { p.limits = append(p.limits, n) }
func (p *slowPipe) Mark(uint8)                      {}
func (p *slowPipe) Close() error                    { close(p.over); return nil }

// TestRoomFollowsTheSpeed: what may be written ahead is worth about as much time on a slow path as on a quick one.
func TestRoomFollowsTheSpeed(t *testing.T) {
	for _, c := range []struct {
		rate, least, most int
	}{{62_500, minUnsent, minUnsent}, {250_000, 4000, 5600}, {10_000_000, maxRoom, maxRoom}} {
		synctest.Test(t, func(t *testing.T) {
			p := &slowPipe{rate: c.rate, over: make(chan struct{})}
			s := NewStream(p, StreamConfig{})
			packet := make([]byte, 1000)
			worst := time.Duration(0)
			for began, n := time.Now(), 0; n < 300 || time.Since(began) < 3*measureFor; n++ {
				for s.Room() >= len(packet) {
					s.WriteBatch([]Message{message(packet)})
				}
				room := make(chan struct{})
				s.Notify(func() { close(room) })
				<-room
				worst = max(worst, s.Stuck(time.Now()))
			}
			if s.room < c.least || s.room > c.most {
				t.Errorf("%d bytes a second: room %d, want %d to %d", c.rate, s.room, c.least, c.most)
			}
			if last := p.limits[len(p.limits)-1]; last < c.least || last > maxUnsent {
				t.Errorf("%d bytes a second: the system may hold %d", c.rate, last)
			}
			s.Close()
		})
	}
}
