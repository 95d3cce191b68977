package forward

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"parley/wire/proto"
)

// lender is a Memory that knows what is out, and spoils what comes back.
type lender struct {
	t   *testing.T
	out map[*byte]bool
}

func (l *lender) Take(n int) []byte {
	b := make([]byte, n)
	l.out[&b[0]] = true
	return b
}

func (l *lender) Give(b []byte) {
	if !l.out[&b[0]] {
		l.t.Error("given back what was not out")
	}
	delete(l.out, &b[0])
	for i := range b {
		b[i] = 0xee
	}
}

func TestSlabReleasedTooOftenIsABug(t *testing.T) {
	a := arena{memory: collected{}}
	ref, _ := a.take([]byte("x"), historyAge)
	a.drop(ref)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	a.drop(ref)
}

// Packets of all lengths are held for all kinds of times, and stay what they are until they are let go.
func TestSlabsKeepWhatTheyHold(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		mem := &lender{t, map[*byte]bool{}}
		a := arena{memory: mem}
		type held struct {
			ref  SlabRef
			want []byte
		}
		var all []held
		for step := range 5000 {
			switch n := r.IntN(10); {
			case n < 5 && step < 4000:
				b := make([]byte, r.IntN(MaxPacket+1))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				ref, m := a.take(b, time.Duration(r.IntN(1200))*time.Millisecond)
				if int(m.length) != len(b) {
					t.Fatalf("seed %d: %d bytes taken as %d", seed, len(b), m.length)
				}
				all = append(all, held{ref, b})
			case n < 9 && len(all) > 0:
				i := r.IntN(min(len(all), 50)) // mostly in order
				if got := a.bytes(all[i].ref); !bytes.Equal(got, all[i].want) || cap(got) != len(got) {
					t.Fatalf("seed %d, step %d: a packet changed while it was held", seed, step)
				}
				a.drop(all[i].ref)
				all = append(all[:i], all[i+1:]...)
			case n == 9:
				a.trim()
			}
		}
		for _, h := range all {
			if !bytes.Equal(a.bytes(h.ref), h.want) {
				t.Fatalf("seed %d: a packet changed while it was held", seed)
			}
			a.drop(h.ref)
		}
		if a.held != 0 {
			t.Errorf("seed %d: %d held in the end", seed, a.held)
		}
		a.trim()
		a.trim()
		if len(mem.out) > nLanes {
			t.Errorf("seed %d: %d blocks for nothing", seed, len(mem.out))
		}
		a.close()
		if len(mem.out) != 0 {
			t.Errorf("seed %d: %d blocks are out in the end", seed, len(mem.out))
		}
	}
}

// What a burst needed goes when it is over; what comes and goes all the time stays.
func TestSlabsGiveBackWhatABurstNeeded(t *testing.T) {
	mem := &lender{t, map[*byte]bool{}}
	a := arena{memory: mem}
	packet := make([]byte, 1000)
	hold := func(n int) {
		var refs []SlabRef
		for range n {
			ref, _ := a.take(packet, historyAge)
			refs = append(refs, ref)
		}
		for _, ref := range refs {
			a.drop(ref)
		}
	}
	hold(3200)
	a.trim()
	hold(320)
	a.trim()
	if n := len(mem.out); n < 10 || n > 12 {
		t.Errorf("%d blocks of %d bytes are kept where 320 packets of 1,000 come and go", n, BlockLen)
	}
	hold(3200)
	if n := len(mem.out); n < 100 || n > 105 {
		t.Errorf("%d blocks for 3,200 packets", n)
	}
}

// Giving much back takes several sweeps: a shard has more to do meanwhile.
func TestGivingBackTakesNoTurnLong(t *testing.T) {
	mem := &lender{t, map[*byte]bool{}}
	a := arena{memory: mem}
	var refs []SlabRef
	for range 5 * trimMost * BlockLen / 2000 {
		ref, _ := a.take(make([]byte, 2000), historyAge)
		refs = append(refs, ref)
	}
	for _, ref := range refs {
		a.drop(ref)
	}
	a.trim() // until now they were needed
	for range 10 {
		before := len(mem.out)
		a.trim()
		if n := before - len(mem.out); n > trimMost {
			t.Fatalf("%d blocks were given back at once", n)
		}
	}
	if n := len(mem.out); n > nLanes {
		t.Errorf("%d blocks for nothing", n)
	}
}

// A camera that was switched off holds nothing, and goes on when it is switched on again.
func TestSilentStreamsKeepNothing(t *testing.T) {
	for _, start := range starts {
		sc := newScene(t)
		c := sc.camera(0x20, 0, start)
		leg := sc.leg(proto.Video, 7)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
		sc.admit(c.id, c.frame(true, 10)...)
		sc.wait(200 * time.Millisecond)
		sc.s.Sweep(sc.now)
		if sc.s.Held() != 10 {
			t.Errorf("from %d: %d held after 200 ms, want 10", start, sc.s.Held())
		}
		dup := c.packet(false, false, false)
		sc.admit(c.id, dup)
		sc.wait(time.Second)
		sc.s.Sweep(sc.now)
		if sc.s.Held() != 0 {
			t.Errorf("from %d: %d held after a second of silence", start, sc.s.Held())
		}
		sc.s.Sweep(sc.now)
		if again := sc.s.Sweep(sc.now); again {
			t.Errorf("from %d: never done", start)
		}
		if got := sc.nack(leg, 9); len(got) != 0 {
			t.Errorf("from %d: a packet that is gone was repeated", start)
		}
		if got := sc.admit(c.id, dup); len(got) != 0 {
			t.Errorf("from %d: a packet came twice", start)
		}
		if got := sc.admit(c.id, c.frame(false, 3)...); len(got) != 3 {
			t.Errorf("from %d: %d of 3 packets went on", start, len(got))
		}
		if got := sc.nack(leg, 7+12); len(got) != 1 {
			t.Errorf("from %d: %d repairs of a new packet, want 1", start, len(got))
		}
		sc.s.RemoveStream(c.id)
		if sc.s.Held() != 0 {
			t.Errorf("from %d: %d held in the end", start, sc.s.Held())
		}
	}
}
