package tunnel

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parley/sys/link"
)

// lateAfter is how long a datagram may wait for a slow client: late sound is useless, so the oldest go first.
const lateAfter = 150 * time.Millisecond

// maxQueued bounds what waits for one client, datagrams: 150 ms of 8 Mbit/s.
const maxQueued = 128

// batch is how many datagrams one read takes.
const batch = 16

// flow is a media transport under way: WebSocket messages (native) or TURN (pages) on one side, UDP on the other.
//
//	client ◀── Stream ◀── queue (150 ms, oldest dropped first) ◀── UDP ◀── router
//	client ──▶ Stream ──────────────────────────────────────────▶ UDP ──▶ router
type flow struct {
	s      *Server
	use    *use
	client *link.Stream
	socket link.PacketConn
	remote netip.AddrPort
	mark   atomic.Uint32 // DSCP of what goes to the router, and on to the client (S12)
	page   *target       // the router, where a page can't say which mark it wishes for: it has that of what comes
	once   sync.Once
	wake   chan struct{} // there may be room, or something to send

	mu    sync.Mutex
	queue []datagram // guarded by mu
	over  bool       // guarded by mu
}

type datagram struct {
	at   time.Time
	data []byte
}

// Close ends both sides.
func (f *flow) Close() error {
	f.once.Do(func() {
		f.mu.Lock()
		f.over = true
		f.mu.Unlock()
		f.socket.Close()
		f.client.Close()
		f.nudge()
	})
	return nil
}

func (f *flow) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// spend counts bytes; false where the holder has had enough.
func (f *flow) spend(n int) bool {
	if f.use.bytes.Add(int64(n)) <= f.s.limits.Bytes {
		return true
	}
	f.s.limits.count(ReasonBytes)
	return false
}

func (f *flow) run() {
	var wg sync.WaitGroup
	idle := time.AfterFunc(f.s.limits.Idle, func() { f.Close() })
	defer idle.Stop()
	wg.Go(func() { f.up(idle) })
	wg.Go(f.down)
	f.send()
	wg.Wait()
}

func room() []link.Message {
	ms := make([]link.Message, batch)
	for i := range ms {
		ms[i].Buf = make([]byte, link.MaxStreamPacket)
	}
	return ms
}

// up carries what the client says. A client that says nothing keeps nothing open.
func (f *flow) up(idle *time.Timer) {
	defer f.Close()
	ms := room()
	for {
		n, err := f.client.ReadBatch(ms)
		if err != nil {
			return
		}
		idle.Reset(f.s.limits.Idle)
		total := 0
		for i := range ms[:n] {
			total += ms[i].N
			ms[i].Addr, ms[i].Local, ms[i].DSCP = f.remote, netip.Addr{}, uint8(f.mark.Load())
		}
		if !f.spend(total) {
			return
		}
		if _, err := f.socket.WriteBatch(ms[:n]); err != nil {
			return
		}
	}
}

// down takes what the router says, and nobody else.
func (f *flow) down() {
	defer f.Close()
	ms := room()
	for {
		n, err := f.socket.ReadBatch(ms)
		if err != nil {
			return
		}
		now, total := time.Now(), 0
		f.mu.Lock()
		for _, m := range ms[:n] {
			if m.Addr != f.remote {
				continue
			}
			total += m.N
			if f.page != nil && m.Mark > 0 {
				f.mark.Store(uint32(f.page.grants(int(m.Mark) - 1)))
			}
			f.queue = append(f.queue, datagram{now, append([]byte(nil), m.Buf[:m.N]...)})
		}
		f.dropLocked(now)
		f.mu.Unlock()
		if !f.spend(total) {
			return
		}
		f.nudge()
	}
}

// dropLocked gives up what has waited too long, and the oldest of what is too much; and all while the client answers
// nothing, since what is sent then comes later still.
func (f *flow) dropLocked(now time.Time) {
	n := max(0, len(f.queue)-maxQueued)
	if len(f.queue) > 0 && f.client.Stuck(now) > link.SoundLate {
		n = len(f.queue)
	}
	for n < len(f.queue) && now.Sub(f.queue[n].at) > lateAfter {
		n++
	}
	for range n {
		f.s.limits.count(ReasonLate)
	}
	f.queue = append(f.queue[:0], f.queue[n:]...)
}

// send hands datagrams to the client as it takes them.
func (f *flow) send() {
	defer f.Close()
	one := make([]link.Message, 1)
	for range f.wake {
		for {
			f.mu.Lock()
			if f.over {
				f.mu.Unlock()
				return
			}
			f.dropLocked(time.Now())
			if len(f.queue) == 0 || f.client.Room() <= 0 {
				waiting := len(f.queue) > 0
				f.mu.Unlock()
				if waiting {
					f.client.Notify(f.nudge)
				}
				break
			}
			d := f.queue[0].data
			f.queue = f.queue[1:]
			f.mu.Unlock()
			one[0] = link.Message{Buf: d, N: len(d), DSCP: uint8(f.mark.Load())}
			if _, err := f.client.WriteBatch(one); err != nil {
				return
			}
		}
	}
}
