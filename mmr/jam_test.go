package mmr

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"parley/core/forward"
	"parley/sys/link"
)

// jamStage is two shards, of which the first reads a socket on which there is always more for the other.
type jamStage struct {
	t     *testing.T
	a, b  *shard
	conn  *deafConn
	all   []*batch
	reads int
}

func newJamStage(t *testing.T) *jamStage {
	t.Helper()
	st := &jamStage{t: t, conn: &deafConn{}}
	st.a = &shard{fwd: forward.New(forward.Config{}), conns: []link.PacketConn{st.conn}, clock: time.Now}
	st.b = &shard{index: 1, fwd: forward.New(forward.Config{})}
	connectShards([]*shard{st.a, st.b})
	st.a.exchange.learn(1, stageAddr, true)
	st.all = []*batch{{via: st.conn, ms: make([]link.Message, batchLen)}}
	return st
}

// read is a turn of the first shard: half batches come until so many.
func (st *jamStage) read(most int) {
	st.t.Helper()
	_, err := st.a.readAll(st.all, func(_ link.PacketConn, ms []link.Message) (int, error) {
		if most -= len(ms); most < 0 {
			return 0, nil
		}
		st.reads += len(ms)
		for i := range ms {
			ms[i] = link.Message{Buf: []byte{0x80, 96, 0, 1}, N: 4, Addr: stageAddr, Local: netip.Addr{}}
		}
		return len(ms), nil
	})
	if err != nil {
		st.t.Fatal(err)
	}
	st.a.exchange.give()
}

// look is the other shard's turn.
func (st *jamStage) look() (got int) {
	l := st.b.exchange.in[0]
	for d := l.datagrams.get(); d != nil; d = l.datagrams.get() {
		got++
	}
	l.datagrams.release()
	return got
}

// While another shard is kept from its turn for as long as they get and more, what is for it stays in the socket, and nothing is lost.
func TestWhatALaneHasNoRoomForStaysInTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newJamStage(t)
		sent, got := 0, 0
		for ms := range 5000 {
			sent += 45
			st.read(sent - st.reads)
			if ms%5 == 4 && ms%200 > 24 {
				got += st.look()
			}
			time.Sleep(jamLook)
		}
		if n := st.a.drops[DropLane]; n > 0 {
			t.Errorf("%d of %d datagrams found no room", n, sent)
		}
		if want := sent - 5*45; got < want {
			t.Errorf("%d of %d datagrams were handed on, want %d", got, sent, want)
		}
	})
}

// A shard that does not look at its lanes holds nobody up for long: others go on reading, for their own people.
func TestAShardThatIsStuckHoldsNoSocketUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newJamStage(t)
		st.read(laneDatagrams)
		if n := st.a.drops[DropLane]; n > 0 || st.reads > laneDatagrams*7/8 {
			t.Fatalf("%d read and %d lost with nobody looking", st.reads, n)
		}
		longest, since := time.Duration(0), time.Now()
		for range 1000 {
			before := st.reads
			if st.read(batchLen); st.reads > before {
				longest, since = max(longest, time.Since(since)), time.Now()
			}
			time.Sleep(jamLook)
		}
		if longest > jamMost+2*jamLook || longest < jamMost/2 {
			t.Errorf("the socket was not read for %v, want %v", longest, jamMost)
		}
		if st.reads < 400*batchLen {
			t.Errorf("%d batches were read in a second, want half of a thousand", st.reads/batchLen)
		}
		for range 2 { // it looks again
			st.look()
			time.Sleep(jamMost)
		}
		before := st.a.drops[DropLane]
		st.read(laneDatagrams / 2)
		if st.a.drops[DropLane] > before || st.look() != laneDatagrams/2 {
			t.Error("what comes then is not handed on")
		}
	})
}
