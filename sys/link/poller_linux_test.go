package link

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// polled is a poller over one socket, and a socket that sends to it.
func polled(t *testing.T) (p *Poller, reader, sender PacketConn) {
	t.Helper()
	reader, sender = loopback(t), loopback(t)
	p, err := NewPoller([]PacketConn{reader})
	if err != nil || p == nil {
		t.Fatalf("poller %v, %v", p, err)
	}
	t.Cleanup(func() { p.Close() })
	return p, reader, sender
}

func say(t *testing.T, from, to PacketConn, text string) {
	t.Helper()
	if n, err := from.WriteBatch([]Message{{Buf: []byte(text), N: len(text), Addr: to.LocalAddr()}}); n != 1 || err != nil {
		t.Fatalf("sent %d, %v", n, err)
	}
}

func TestAPollerWakesForADatagram(t *testing.T) {
	p, reader, sender := polled(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Wait(-1)
	}()
	say(t, sender, reader, "hello")
	<-done
	ms := []Message{{Buf: make([]byte, 100)}}
	if n, ok, err := TryRead(reader, ms); n != 1 || !ok || err != nil || string(ms[0].Buf[:ms[0].N]) != "hello" {
		t.Errorf("read %d %v %v", n, ok, err)
	}
	if n, _, err := TryRead(reader, ms); n != 0 || err != nil {
		t.Errorf("an empty socket: %d, %v", n, err)
	}
	say(t, reader, sender, "back") // a polled socket sends as before
	sender.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := sender.ReadBatch(ms); n != 1 || err != nil {
		t.Errorf("the answer: %d, %v", n, err)
	}
}

func TestAPauseEndsByTimeOrWakeButNotByADatagram(t *testing.T) {
	p, reader, sender := polled(t)
	say(t, sender, reader, "early")
	const pause = 30 * time.Millisecond
	start := time.Now()
	p.Pause(pause)
	if took := time.Since(start); took < pause {
		t.Errorf("the pause ended after %v", took)
	}
	p.Wake() // before the wait: it counts for the next one
	p.Pause(time.Hour)
}

func TestAPolledSocketStillBlocksInReadBatch(t *testing.T) {
	_, reader, sender := polled(t)
	ms := []Message{{Buf: make([]byte, 100)}}
	reader.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := reader.ReadBatch(ms); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("at the deadline: %v", err)
	}
	reader.SetReadDeadline(time.Time{})
	say(t, sender, reader, "x")
	if n, err := reader.ReadBatch(ms); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	failed := make(chan error)
	go func() {
		_, err := reader.ReadBatch(ms)
		failed <- err
	}()
	reader.Close()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading a socket that is closed: %v", err)
	}
	if err := reader.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing twice: %v", err)
	}
}

func TestOtherConnsHaveNoPoller(t *testing.T) {
	if p, err := NewPoller([]PacketConn{stranger{}}); p != nil || err != nil {
		t.Errorf("poller %v, %v", p, err)
	}
}

// stranger is a PacketConn that is not of this kernel.
type stranger struct{ PacketConn }
