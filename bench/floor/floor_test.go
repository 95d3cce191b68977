package floor

import (
	"sync"
	"testing"
	"time"

	"parley/sys/link"
)

func TestFloorIsMeasured(t *testing.T) {
	for _, merge := range []bool{false, true} {
		stop := make(chan struct{})
		var reader sync.WaitGroup
		ports, err := Sink(merge, stop, &reader)
		if err != nil {
			t.Skipf("merge %v: %v", merge, err)
		}
		for _, s := range []Shape{{Receivers: 20, Burst: 6, Len: 1080}, {Receivers: 300, Burst: 1, Len: 100}} {
			cost, n, err := s.Send(ports, 20*time.Millisecond)
			if err != nil || cost <= 0 || n == 0 || n%(s.Receivers*s.Burst) != 0 {
				t.Errorf("%+v, merge %v: %v for each of %d packets, %v", s, merge, cost, n, err)
			}
		}
		close(stop)
		reader.Wait()
	}
}

func TestSealerMakesWhatASocketTakes(t *testing.T) {
	c, p, err := sealer()
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.SealRTP(nil, p[:packetLen])
	if err != nil || len(b) != packetLen+TagLen {
		t.Errorf("%d bytes, %v; want %d", len(b), err, packetLen+TagLen)
	}
	if len(b) > link.MergeBufLen {
		t.Error("longer than a datagram")
	}
}
