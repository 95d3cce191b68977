// Package load is a generator of participants: thousands of cheap ones on one core, each with a control
// channel over TLS and three media transports of its own, against a real server. It measures what
// arrives and is honest about what does not: loss is counted per stream from sequence numbers, latency
// from a time stamp the sender puts into the payload.
//
// One goroutine, the loop of Run, owns all transports and does all media. It never sleeps in the kernel
// while it measures (but where Config.Gentle asks for it), because on a machine shared with the server every
// wake-up of a sleeping reader is charged to the server's send. Control channels and handshakes have goroutines of their own, which
// speak to the loop by post.
//
// A transport needs an address of its own. Where the server is on this machine all transports share a
// few sockets, and each has an address out of 127.0.0.0/8; elsewhere each has a socket.
package load

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
)

// Config says whom to load and with what. Zero values are the documented defaults.
type Config struct {
	Site     string // base URL of the site
	Token    string // API token, to create the meetings with; not needed with Meetings
	TLS      *tls.Config
	Meetings []Meeting     // existing ones to use; empty: Count are created
	Count    int           // meetings to create; 0: 1
	Members  []Member      // of each meeting
	Spread   bool          // members join meeting by meeting in turn instead of one meeting after the other
	Merge    bool          // receive with UDP_GRO, as if the network card did it
	Each     bool          // a socket for each transport, on this machine too
	Gentle   bool          // sleep between looks at the sockets, for a machine that others use; no latency is measured then
	Parallel int           // joins under way at once; 0: 16
	JoinIn   time.Duration // spread the joins of all but publishers over this long; 0: as fast as they go

	Uplink   int           // Mbit/s at which a publisher's packets are spaced; 0: frames back to back
	Feedback time.Duration // interval of transport-wide feedback; 0: 100 ms
	Nack     float64       // fraction of receivers that ask for 1 % of their video packets again
	Churn    int           // receivers that leave and come back per second, while measuring
	Movers   int           // people whose ports change every second, while measuring
	Liars    int           // receivers that are dead, or say what is not so, of each sort in turn; loss, latency and what is due are the others'

	Settle  time.Duration // between the last join and publishing; 0: 1 s
	Warm    time.Duration // published before measuring; 0: 2 s
	Measure time.Duration // of each window; 0: 6 s
	// At is called by the loop at each change of phase.
	At  func(Phase)
	Log *slog.Logger
}

// Meeting is a place to join.
type Meeting struct{ Number, Passcode, Pwd string }

// Member is a sort of participant.
type Member struct {
	Count  int
	Audio  bool
	Video  []Layer                                    // lowest first; empty: no camera
	Layout func(self int, people []Seat) []proto.Tile // nil: none is sent, the server chooses
	Loud   int                                        // −dBov of a speaker; 0: 30
	Due    Due                                        // what each is to receive; zero: nothing is asked
}

// Seat is a participant as a Layout sees it.
type Seat struct {
	Index  int            // in the meeting, in order of Members
	Camera proto.SourceID // 0: none
}

// Due is what a participant has to receive, at least, to count as served.
type Due struct {
	Streams   int     // that carry something
	PerSecond float64 // packets of media, of which DueShare suffices: frames fall on both sides of the measured time
}

// DueShare is the part of the packets due that has to arrive.
const DueShare = 0.98

// Layer is one encoding of a camera.
type Layer struct {
	Height  int
	Packets int // of a frame, on average
	Size    int // payload bytes of a packet, about
	FPS     int // 0: 30
}

// Big is the 720p encoding of the measurements this project compares itself with: 30 frames of 6
// packets of 1050 bytes a second.
var big = Layer{Height: 720, Packets: 6, Size: 1050}

// OneLayer is a camera with a single 720p encoding.
func OneLayer() []Layer { return []Layer{big} }

// ThreeLayers is a simulcast camera with libwebrtc's packets for a frame (f 7, h 3, q 2).
func ThreeLayers() []Layer {
	return []Layer{{Height: 180, Packets: 2, Size: 350}, {Height: 360, Packets: 3, Size: 730}, {Height: 720, Packets: 7, Size: 1050}}
}

// TileLayers is a simulcast camera whose thumbnail is one packet a frame.
func TileLayers() []Layer {
	return []Layer{{Height: 180, Packets: 1, Size: 600}, {Height: 360, Packets: 3, Size: 730}, big}
}

// Phase is where a run is.
type Phase int

// The phases, in order. The last three come again for each window.
const (
	Joining Phase = iota
	Joined        // everybody is in, nothing is published
	Publishing
	Steady // soon it is measured: what takes long to read is to be read now
	Measuring
	Measured
)

// steadyFor is how long it is published between Steady and Measuring: enough for what reading has held up.
const steadyFor = 300 * time.Millisecond

// Result is what a run found in one window. Times are in milliseconds.
type Result struct {
	People     int      `json:"people"`
	Transports int      `json:"transports"`
	Seconds    float64  `json:"seconds"`
	Packets    uint64   `json:"packets"`   // RTP packets of media that arrived while measuring
	Bytes      uint64   `json:"bytes"`     // of UDP payload, in those
	Sends      uint64   `json:"sends"`     // messages they arrived in; with UDP_GRO the server's sends
	Lost       uint64   `json:"lost"`      // missing in the sequence numbers of any stream
	Repaired   uint64   `json:"repaired"`  // RTX packets
	Published  uint64   `json:"published"` // RTP packets sent while measuring
	Skipped    uint64   `json:"skipped"`   // times this program was 200 ms behind with publishing, and left out what was due
	Nacked     uint64   `json:"nacked"`
	Lies       uint64   `json:"lies"`     // packets of feedback that liars made up
	Overflow   uint64   `json:"overflow"` // lost in this program's own sockets; makes a run void
	Samples    int      `json:"samples"`  // packets decrypted for latency
	Blind      uint64   `json:"blind"`    // samples left out: another process had the processor when they came
	Forged     uint64   `json:"forged"`   // samples that did not decrypt
	P50        float64  `json:"p50_ms"`
	P99        float64  `json:"p99_ms"`
	Max        float64  `json:"max_ms"`
	SoundP50   float64  `json:"sound_p50_ms"` // the same of sound alone; 0: there was none
	SoundP99   float64  `json:"sound_p99_ms"`
	JoinP50    float64  `json:"join_p50_ms"` // grant in hand → keys of the first transport
	JoinP90    float64  `json:"join_p90_ms"`
	InP50      float64  `json:"in_p50_ms"` // lookup begun → all transports keyed and welcomed
	Failures   uint64   `json:"failures"`  // joins that failed or were cut off
	Churned    uint64   `json:"churned"`
	Moves      uint64   `json:"moves"`    // transports that were given a new port
	Streams    int      `json:"streams"`  // that carried something while measuring
	Unserved   int      `json:"unserved"` // people who did not receive what their Member is due
	Mbit       float64  `json:"mbit_s"`
	Errors     []string `json:"errors,omitempty"`
}

// Loss is the fraction of packets that should have come and did not.
func (r Result) Loss() float64 {
	if r.Packets+r.Lost == 0 {
		return 0
	}
	return float64(r.Lost) / float64(r.Packets+r.Lost)
}

// generator is one run. Owned by the loop but for what is said.
type generator struct {
	cfg    Config
	log    *slog.Logger
	host   link.Host
	cert   tls.Certificate
	http   *http.Client
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	net     sockets
	people  []*person
	rooms   []*roomState
	phase   Phase
	began   time.Time // of the loop; times of the loop are nanoseconds since
	now     int64
	pubs    pubHeap
	tick    int64 // milliseconds of housekeeping done
	res     Result
	latency []int32 // µs
	sound   []int32 // those of sound
	joinMS  []float64
	inMS    []float64
	failed  atomic.Uint64
	spin    bool
	blind   bool // the loop was kept from running before this poll
	lost    int64
	numbers int // last person number given
	moveAt  int64

	liars    []*person    // cfg.Liars, once they are chosen
	dieAt    int64        // when those of them that are dead close their ports
	checking []*transport // without an answered check
	run      [4]byte      // marks our own time stamps
	noise    []byte       // payload
	scratch  []byte
	sealed   []byte
	times    []time.Duration
	one      [1]link.Message

	inbox struct {
		sync.Mutex
		queue []func()
		full  atomic.Bool
	}
	errs struct {
		sync.Mutex
		list []string
	}
}

// roomState is what members of one meeting share. Owned by the loop.
type roomState struct {
	meeting Meeting
	people  []*person // by index; nil where not in yet
}

// Run joins everybody, publishes, measures, leaves.
func Run(ctx context.Context, cfg Config) (Result, error) {
	all, err := Windows(ctx, cfg, []bool{cfg.Merge})
	if len(all) == 0 {
		return Result{}, err
	}
	return all[0], err
}

// Windows is Run that measures as often as there are entries in merges, which say whether to receive with UDP_GRO
// then. With an error come those that were measured before.
func Windows(ctx context.Context, cfg Config, merges []bool) ([]Result, error) {
	g := &generator{cfg: cfg, log: cfg.Log, host: link.Real()}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.defaults()
	g.noise = make([]byte, 4096)
	for i := range g.noise {
		g.noise[i] = byte(random(256))
	}
	copy(g.run[:], g.noise)
	var err error
	if g.cert, err = rtc.NewCertificate(time.Now()); err != nil {
		return nil, err
	}
	g.ctx, g.cancel = context.WithCancel(ctx)
	defer g.cancel()
	g.http = link.HTTPClient(g.host, cfg.TLS)
	defer g.http.CloseIdleConnections()
	if err := g.meetings(); err != nil {
		return nil, err
	}
	g.net.merges, g.net.merge = slices.Contains(merges, true), merges[0]
	g.net.each, g.net.host = cfg.Each, g.host
	defer g.net.close()
	g.began = time.Now()
	windows, err := g.play(merges)
	g.cancel()
	g.wg.Wait()
	return windows, err
}

func (g *generator) defaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&g.cfg.Feedback, 100*time.Millisecond)
	def(&g.cfg.Settle, time.Second)
	def(&g.cfg.Warm, 2*time.Second)
	def(&g.cfg.Measure, 6*time.Second)
	if g.cfg.Parallel == 0 {
		g.cfg.Parallel = 16
	}
	if g.cfg.Count == 0 {
		g.cfg.Count = 1
	}
	if g.cfg.At == nil {
		g.cfg.At = func(Phase) {}
	}
}

// errStopped says that the run was cut short.
var errStopped = errors.New("load: stopped")

// play is the run from the first join to the last packet.
func (g *generator) play(merges []bool) ([]Result, error) {
	all := make(chan error, 1)
	g.cfg.At(Joining)
	g.spin = g.cfg.Parallel == 1 // one after the other is for timing
	g.wg.Go(func() { all <- g.joinAll() })
	err := g.loop(func() bool { return len(all) > 0 })
	if err == nil {
		err = <-all
	}
	if err != nil {
		return nil, err
	}
	g.spin = false
	g.layouts()
	if err := g.loopFor(g.cfg.Settle); err != nil {
		return nil, err
	}
	g.setPhase(Joined)
	if err := g.loopFor(g.cfg.Settle); err != nil {
		return nil, err
	}
	g.setPhase(Publishing)
	g.startPublishing()
	g.spin = true
	if err := g.loopFor(g.cfg.Warm); err != nil {
		return nil, err
	}
	var windows []Result
	for _, merge := range merges {
		g.net.setMerge(merge)
		if err := g.window(); err != nil {
			return windows, err
		}
		windows = append(windows, g.res)
	}
	return windows, nil
}

// window measures for a while.
func (g *generator) window() error {
	g.setPhase(Steady)
	if err := g.loopFor(steadyFor); err != nil {
		return err
	}
	g.beginMeasuring()
	g.setPhase(Measuring)
	start := time.Now()
	churning, stop := context.WithCancel(g.ctx)
	defer stop()
	if g.cfg.Churn > 0 {
		g.wg.Go(func() { g.churn(churning) })
	}
	err := g.loopFor(g.cfg.Measure)
	g.res.Seconds = time.Since(start).Seconds()
	g.setPhase(Measured)
	g.finish()
	return err
}

func (g *generator) setPhase(p Phase) {
	g.phase = p
	g.cfg.At(p)
}

func (g *generator) loopFor(d time.Duration) error {
	end := time.Since(g.began) + d
	return g.loop(func() bool { return time.Since(g.began) >= end })
}

// pollEvery is how often sockets are looked at: it bounds what polling adds to the latencies measured.
const pollEvery = 100 * time.Microsecond

// gentleEvery is how long a gentle loop sleeps: frames are published and fed back no more than so late.
const gentleEvery = 2 * time.Millisecond

// blindAfter is how long the loop may have been kept from running before what arrived meanwhile says
// nothing about the server's latency: those packets are counted, and their times left out.
const blindAfter = 500 * time.Microsecond

// processTime is the processor time this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// loop turns until done.
func (g *generator) loop(done func() bool) error {
	var polled int64
	var ran time.Duration
	for {
		g.now = int64(time.Since(g.began))
		if g.inbox.full.Load() {
			g.takeInbox()
		}
		busy := false
		if g.now-polled >= int64(pollEvery) {
			used := processTime()
			g.blind = time.Duration(g.now-polled)-(used-ran) > blindAfter
			polled, ran = g.now, used
			busy = g.net.poll(g)
			if done() {
				return nil
			}
			if g.ctx.Err() != nil {
				return errStopped
			}
		}
		g.publishDue()
		g.housekeep()
		switch {
		case g.cfg.Gentle:
			time.Sleep(gentleEvery)
		case g.spin:
			runtime.Gosched()
		case !busy:
			time.Sleep(200 * time.Microsecond)
		}
	}
}

// post runs f on the loop. Safe from any goroutine.
func (g *generator) post(f func()) {
	g.inbox.Lock()
	g.inbox.queue = append(g.inbox.queue, f)
	g.inbox.Unlock()
	g.inbox.full.Store(true)
}

func (g *generator) takeInbox() {
	g.inbox.full.Store(false)
	g.inbox.Lock()
	queue := g.inbox.queue
	g.inbox.queue = nil
	g.inbox.Unlock()
	for _, f := range queue {
		f()
	}
}

// fault keeps what went wrong, the first few of it in words.
func (g *generator) fault(err error) {
	if g.ctx.Err() != nil {
		return
	}
	g.failed.Add(1)
	g.errs.Lock()
	defer g.errs.Unlock()
	if len(g.errs.list) < 8 {
		g.errs.list = append(g.errs.list, err.Error())
	}
}
