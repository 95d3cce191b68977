package interop

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// viewing is PARLEY_VIEWERS: a bench runs this package's test binary with it, to have receivers that are
// made of pion/webrtc, at a server of the bench's. Then this program says on its output when they are in
// ("viewers: ready"), measures from one line of input to the next, and says what it found ("viewers: " and
// a result).
type viewing struct {
	Site     string `json:"site"`
	Number   string `json:"number"`
	Passcode string `json:"passcode"`
	Count    int    `json:"count"`
}

// viewed is what came to all viewers. Times are in milliseconds.
type viewed struct {
	People   int     `json:"people"`
	Seconds  float64 `json:"seconds"`
	Packets  int     `json:"packets"`
	Bytes    int     `json:"bytes"` // of RTP in clear
	Lost     int     `json:"lost"`
	Repaired int     `json:"repaired"`
	Samples  int     `json:"samples"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
}

// viewer counts what one person receives. Guarded by mu.
type viewer struct {
	mu        sync.Mutex
	measuring bool
	streams   map[uint32]*span
	sum       viewed
	late      []float64
}

// span is what came of one SSRC while measuring.
type span struct {
	first, top uint16
	cycles     int
	packets    int
}

// latencyEvery is how many packets one is timed of.
const latencyEvery = 16

func (v *viewer) take(pkt *rtp.Packet, repaired bool) {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.measuring {
		return
	}
	if repaired {
		v.sum.Repaired++
	}
	v.sum.Packets++
	v.sum.Bytes += pkt.MarshalSize()
	s := v.streams[pkt.SSRC]
	if s == nil {
		s = &span{first: pkt.SequenceNumber, top: pkt.SequenceNumber}
		v.streams[pkt.SSRC] = s
	}
	s.packets++
	if ahead := int16(pkt.SequenceNumber - s.top); ahead > 0 {
		if pkt.SequenceNumber < s.top {
			s.cycles++
		}
		s.top = pkt.SequenceNumber
	}
	if n := len(pkt.Payload); v.sum.Packets%latencyEvery == 0 && n > 8 {
		sent := time.Unix(0, int64(binary.BigEndian.Uint64(pkt.Payload[n-8:])))
		if d := now.Sub(sent); d > 0 && d < time.Minute { // else it is not a time
			v.late = append(v.late, float64(d)/1e6)
		}
	}
}

func (v *viewer) measure(on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.measuring = on
}

// result sums up. late, as far as this viewer timed packets, is added to all.
func (v *viewer) result(all *viewed, late []float64) []float64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.streams {
		all.Lost += max(0, s.cycles<<16+int(s.top)-int(s.first)+1-s.packets)
	}
	all.People++
	all.Packets += v.sum.Packets
	all.Bytes += v.sum.Bytes
	all.Repaired += v.sum.Repaired
	return append(late, v.late...)
}

// view lets count viewers into a meeting, calls ready, measures from start to stop and says what came.
func view(t *testing.T, m meeting, count int, ready func(), start, stop <-chan struct{}) viewed {
	var all viewed
	viewers := make([]*viewer, count)
	var in sync.WaitGroup
	in.Add(count)
	measured := make(chan struct{})
	go func() {
		defer close(measured)
		in.Wait()
		ready()
		<-start
		begin := time.Now()
		for _, v := range viewers {
			v.measure(true)
		}
		<-stop
		for _, v := range viewers {
			v.measure(false)
		}
		all.Seconds = time.Since(begin).Seconds()
	}()
	var watching sync.WaitGroup
	for i := range count {
		v := &viewer{streams: map[uint32]*span{}}
		viewers[i] = v
		watching.Go(func() {
			t.Run(fmt.Sprintf("viewer %d", i), func(t *testing.T) {
				arrive := sync.OnceFunc(in.Done)
				defer arrive() // also where joining failed
				join(t, m, t.Name(), options{videoSlots: 1, watch: v.take})
				arrive()
				<-measured
			})
		})
	}
	watching.Wait()
	var late []float64
	for _, v := range viewers {
		late = v.result(&all, late)
	}
	slices.Sort(late)
	if n := len(late); n > 0 {
		all.Samples, all.P50, all.P99 = n, late[n/2], late[n*99/100]
	}
	return all
}

// viewForBench is this program's work where PARLEY_VIEWERS is set.
func viewForBench(t *testing.T, text string) {
	var cfg viewing
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		t.Fatal(err)
	}
	// The bench's server has a certificate of its own making, as has every other on this machine.
	conf := &tls.Config{InsecureSkipVerify: true}
	s := &site{url: cfg.Site, tls: conf, http: &http.Client{Transport: &http.Transport{TLSClientConfig: conf}, Timeout: 30 * time.Second}}
	defer s.http.CloseIdleConnections()
	start, stop := make(chan struct{}), make(chan struct{})
	go func() {
		input := bufio.NewScanner(os.Stdin)
		input.Scan()
		close(start)
		input.Scan()
		close(stop)
	}()
	m := meeting{site: s, number: cfg.Number, passcode: cfg.Passcode}
	b, err := json.Marshal(view(t, m, cfg.Count, func() { fmt.Println("viewers: ready") }, start, stop))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("viewers: %s\n", b)
}

// What a bench counts with these viewers is what was sent.
func TestViewersCountWhatArrives(t *testing.T) {
	if text := os.Getenv("PARLEY_VIEWERS"); text != "" {
		viewForBench(t, text)
		return
	}
	m := newMeeting(t)
	sender := join(t, m, "Sender", options{})
	sender.start(sender.cam)
	sender.pace()
	start, stop := make(chan struct{}), make(chan struct{})
	var sent, again int
	total := func() (n int) {
		sender.mu.Lock()
		defer sender.mu.Unlock()
		for _, l := range sender.cam.layers {
			n += l.packets
		}
		return n
	}
	got := view(t, m, 3, func() {
		sent = total()
		close(start)
		time.AfterFunc(2*time.Second, func() {
			again = total()
			close(stop)
		})
	}, start, stop)
	want := 3 * (again - sent)
	if got.People != 3 || got.Lost != 0 || want == 0 || got.Packets < want*8/10 || got.Packets > want*12/10 {
		t.Errorf("%+v, want about %d packets and none lost", got, want)
	}
}
