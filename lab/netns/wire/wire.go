package wire

import (
	"io"
	"net/netip"
	"sync"
	"time"

	"parley/lab/heap"
)

// Direction is one of the two ways over a wire.
type Direction uint8

// The directions: from the near interface to the far one, and back.
const (
	Up Direction = iota
	Down
)

// String names the direction.
func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// Class is a kind of packets and what happens to them. Zero fields match everything.
type Class struct {
	Net   netip.Prefix // of the far side: destination upwards, source downwards
	Proto Proto
	Port  uint16 // of the far side
	// Up and Down are the two directions. Each has its own rate and queue.
	Up, Down Link
}

// Both is a class with the same link in both directions.
func Both(l Link) Class { return Class{Up: l, Down: l} }

func (c *Class) matches(p *Packet, d Direction) bool {
	far := p.Dst
	if d == Down {
		far = p.Src
	}
	return (!c.Net.IsValid() || c.Net.Contains(far.Addr())) &&
		(c.Proto == 0 || c.Proto == p.Proto) && (c.Port == 0 || c.Port == far.Port())
}

// Config describes a Wire.
type Config struct {
	// Near and Far take and give one IP packet in each call. Closing them ends a blocked Read.
	Near, Far io.ReadWriteCloser
	Seed      uint64
	// Tap, if any, sees every packet as it is sent, before anything happens to it. It must be quick, and is
	// called for both directions at once.
	Tap func(d Direction, p *Packet)
}

// maxPacket is the longest packet read; TUN devices have an MTU of 1500 by default.
const maxPacket = 2048

// Wire moves packets between two interfaces. Safe for concurrent use.
type Wire struct {
	cfg Config
	t0  time.Time
	wg  sync.WaitGroup

	// mu guards what follows. It is held over writes to Near and Far, so that arrivals keep their order.
	mu      sync.Mutex
	classes []class
	queue   heap.Heap[arrival, *arrival]
	seq     uint64
	timer   *time.Timer
	spare   [][]byte
	fates   [2][nFates]uint64
	at      []time.Duration // scratch
	closed  bool
}

type class struct {
	Class
	pipes [2]*Pipe
}

// New starts a wire. The first class that matches a packet decides about it; what matches none passes
// at once.
func New(cfg Config, classes ...Class) *Wire {
	w := &Wire{cfg: cfg, t0: time.Now()}
	w.Set(classes...)
	w.wg.Go(func() { w.read(Up, cfg.Near) })
	w.wg.Go(func() { w.read(Down, cfg.Far) })
	return w
}

// Set replaces the classes. Those that keep their place in the list keep their queues; packets under
// way are not touched.
func (w *Wire) Set(classes ...Class) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.classes
	w.classes = make([]class, len(classes))
	for i, c := range classes {
		w.classes[i].Class = c
		for d, l := range [2]Link{c.Up, c.Down} {
			if i < len(old) {
				w.classes[i].pipes[d] = old[i].pipes[d]
				w.classes[i].pipes[d].Change(l)
				continue
			}
			w.classes[i].pipes[d] = NewPipe(l, w.cfg.Seed, uint64(i)<<1|uint64(d))
		}
	}
}

// Count is how many packets met a fate in one direction.
func (w *Wire) Count(d Direction, f Fate) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fates[d][f]
}

// Close closes both interfaces and returns when nothing moves any more. What was under way is lost.
func (w *Wire) Close() error {
	w.mu.Lock()
	w.closed, w.queue = true, nil
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.cfg.Near.Close()
	w.cfg.Far.Close()
	w.wg.Wait()
	return nil
}

// read takes packets of one interface until it closes.
func (w *Wire) read(d Direction, from io.Reader) {
	buf := make([]byte, maxPacket)
	var p Packet
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		ok := Parse(buf[:n], &p)
		if ok && w.cfg.Tap != nil {
			w.cfg.Tap(d, &p)
		}
		if !w.take(d, &p, ok) {
			return
		}
	}
}

// take decides about one packet and sends it on its way. False: the wire is closed.
func (w *Wire) take(d Direction, p *Packet, parsed bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	if !parsed {
		w.fates[d][Malformed]++
		return true
	}
	for i := range w.classes {
		c := &w.classes[i]
		if !c.matches(p, d) {
			continue
		}
		now := time.Since(w.t0)
		at, fate := c.pipes[d].Offer(w.at[:0], now, len(p.Bytes))
		w.at = at
		w.fates[d][fate]++
		if fate == Told {
			if m := AppendTooBig(nil, p, c.pipes[d].link.MTU); len(m) > 0 {
				w.schedule(1-d, now, now, m)
			}
		}
		for _, when := range at {
			w.schedule(d, now, when, p.Bytes)
		}
		return true
	}
	w.fates[d][Passed]++
	w.write(d, p.Bytes)
	return true
}

// schedule writes a packet when it is due, at once if that is now. w.mu is held.
func (w *Wire) schedule(d Direction, now, when time.Duration, b []byte) {
	if when <= now && (len(w.queue) == 0 || w.queue[0].at > now) {
		w.write(d, b)
		return
	}
	var buf []byte
	if k := len(w.spare); k > 0 {
		buf, w.spare = w.spare[k-1], w.spare[:k-1]
	}
	w.seq++
	if !w.queue.Push(arrival{at: when, seq: w.seq, dir: d, data: append(buf[:0], b...)}) {
		return
	}
	if w.timer == nil {
		w.timer = time.AfterFunc(when-now, w.run)
	} else {
		w.timer.Reset(when - now)
	}
}

// run writes what is due.
func (w *Wire) run() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	now := time.Since(w.t0)
	for len(w.queue) > 0 && w.queue[0].at <= now {
		a := w.queue.Pop()
		w.write(a.dir, a.data)
		if len(w.spare) < 1024 {
			w.spare = append(w.spare, a.data)
		}
	}
	if len(w.queue) > 0 {
		w.timer.Reset(w.queue[0].at - now)
	}
}

// write hands a packet to the other interface, which may be gone already: then it is lost.
func (w *Wire) write(d Direction, b []byte) {
	to := w.cfg.Far
	if d == Down {
		to = w.cfg.Near
	}
	_, _ = to.Write(b)
}

// arrival is a packet under way.
type arrival struct {
	at   time.Duration
	seq  uint64
	dir  Direction
	data []byte
}

// Before makes arrivals a heap, the earliest first.
func (a *arrival) Before(b *arrival) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }
