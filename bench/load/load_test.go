package load

import (
	"context"
	"encoding/binary"
	"net"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"parley/core/forward"
	"parley/mmr"
	"parley/node"
	"parley/sys/link"
	"parley/wire/proto"
	"parley/wire/rtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a whole Parley in this process until the test ends.
func serve(t *testing.T, shards int) node.Ready { return serveWith(t, shards, nil) }

// serveWith is serve with a media plane of a test's own.
func serveWith(t *testing.T, shards int, plane func(*mmr.PlaneConfig)) node.Ready {
	t.Helper()
	n, ready, err := node.Up(t.Context(), node.UpConfig{
		Data: t.TempDir(), HTTPS: "127.0.0.1:0", HTTP: "-", Media: []string{"127.0.0.1:0"}, Shards: shards, Admin: "127.0.0.1:0",
	}, node.Deps{UI: fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}}, Build: "test", Plane: plane})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ready
}

// run loads a server of its own for a moment.
func run(t *testing.T, cfg Config) Result {
	t.Helper()
	return runOn(t, 1, cfg)
}

// runOn is run with a server of several shards.
func runOn(t *testing.T, shards int, cfg Config) Result {
	t.Helper()
	r, err := Run(t.Context(), config(t, shards, cfg))
	if err != nil {
		t.Fatal(err)
	}
	if r.Failures > 0 || r.Forged > 0 {
		t.Errorf("%d failures %v, %d packets that did not decrypt", r.Failures, r.Errors, r.Forged)
	}
	return r
}

// config is cfg for a moment at a server of its own.
func config(t *testing.T, shards int, cfg Config) Config {
	t.Helper()
	needTryRead(t)
	return configWith(cfg, serve(t, shards))
}

// needTryRead skips a test where the load's sockets can't do what it needs.
func needTryRead(t *testing.T) {
	t.Helper()
	if c, err := link.Real().ListenPacket(loopbackPort0); err != nil {
		t.Fatal(err)
	} else if _, ok, _ := link.TryRead(c, nil); !ok {
		c.Close()
		t.Skip("this system can't read without waiting")
	} else {
		c.Close()
	}
}

// configWith is cfg for a moment at a server.
func configWith(cfg Config, ready node.Ready) Config {
	cfg.Site, cfg.Token, cfg.TLS = ready.Site, ready.Token, link.ClientTLS(nil)
	cfg.TLS.InsecureSkipVerify = true
	cfg.Settle, cfg.Warm, cfg.Measure = 100*time.Millisecond, 500*time.Millisecond, max(cfg.Measure, time.Second)
	return cfg
}

func TestEverybodyGetsTheCamera(t *testing.T) {
	for _, each := range []bool{false, true} {
		phases := 0
		r := run(t, Config{
			Each: each, Members: []Member{{Count: 1, Video: OneLayer()}, {Count: 3}},
			At: func(Phase) { phases++ },
		})
		if r.People != 4 || r.Transports != 12 || r.Streams != 3 {
			t.Errorf("each %v: %d people, %d transports, %d streams; want 4, 12, 3", each, r.People, r.Transports, r.Streams)
		}
		if r.Published == 0 || r.Packets == 0 || r.Samples == 0 || r.P50 <= 0 {
			t.Errorf("each %v: nothing measured: %+v", each, r)
		}
		if phases != int(Measured)+1 {
			t.Errorf("%d phases told, want %d", phases, Measured+1)
		}
	}
}

func TestEachWindowIsMeasuredForItself(t *testing.T) {
	cfg := config(t, 1, Config{Members: []Member{{Count: 1, Video: OneLayer()}, {Count: 3}}})
	var phases []Phase
	cfg.At = func(p Phase) { phases = append(phases, p) }
	merges := []bool{true, false, true}
	all, err := Windows(t.Context(), cfg, merges)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(merges) {
		t.Fatalf("%d windows, want %d", len(all), len(merges))
	}
	for i, r := range all {
		if r.Streams != 3 || r.Published == 0 || r.Packets == 0 || r.Packets > 3*r.Published+100 || r.Seconds < 1 {
			t.Errorf("window %d: %d streams, %d packets of %d published in %.2f s; want those of one window of 1 s", i, r.Streams, r.Packets, r.Published, r.Seconds)
		}
		// A frame is six packets of one send: merged they are one message, else each is its own.
		if merged := r.Sends < r.Packets*9/10; merged != merges[i] {
			t.Errorf("window %d: %d packets in %d messages, with UDP_GRO %v", i, r.Packets, r.Sends, merges[i])
		}
	}
	want := []Phase{Joining, Joined, Publishing}
	for range merges {
		want = append(want, Steady, Measuring, Measured)
	}
	if !slices.Equal(phases, want) {
		t.Errorf("phases %v, want %v", phases, want)
	}
}

func TestEverybodyIsHeardAndSeenInAMeeting(t *testing.T) {
	r := run(t, Config{
		Nack: 1, Uplink: 50, Churn: 0, Measure: 4 * time.Second, // of each stream one packet in a hundred, at least, is asked for
		Members: []Member{{Count: 3, Audio: true, Video: TileLayers(), Layout: OneLarge}},
	})
	// Of each of the two others a picture and a voice.
	if r.Streams < 9 || r.Packets == 0 {
		t.Errorf("%d streams, %d packets; want 12 streams at most one a person missing", r.Streams, r.Packets)
	}
	if r.Nacked == 0 {
		t.Error("nobody asked for anything again")
	}
}

func TestEverybodyIsServedByWhicheverShard(t *testing.T) {
	r := runOn(t, 3, Config{
		Count: 3, Nack: 0.5, Members: []Member{{Count: 3, Audio: true, Video: TileLayers(), Layout: OneLarge}, {Count: 4}},
	})
	// Everybody of a meeting hears three and sees what is published: two others, or three.
	if want := 3 * (3*(2+2) + 4*(3+3)); r.Streams < want*9/10 || r.Loss() > 0.02 {
		t.Errorf("%d streams, %.1f %% lost; want about %d, and hardly any on a slow machine", r.Streams, 100*r.Loss(), want)
	}
	if r.Repaired == 0 {
		t.Error("nothing was sent again")
	}
}

func TestReceiversComeAndGo(t *testing.T) {
	r := run(t, Config{Churn: 10, Members: []Member{{Count: 1, Video: OneLayer()}, {Count: 4}}})
	if r.Churned == 0 {
		t.Error("nobody left")
	}
}

func TestNothingIsLostByAPortThatMoves(t *testing.T) {
	for shards, each := range []bool{false, true, true} {
		r := runOn(t, shards+1, Config{Each: each, Movers: 2, Members: []Member{{Count: 1, Audio: true, Video: OneLayer()}, {Count: 3}}})
		if r.Moves < 6 {
			t.Errorf("each %v: %d transports moved, want all 6 of two people", each, r.Moves)
		}
		if r.Streams != 6 || r.Lost > 0 {
			t.Errorf("each %v: %d streams, %d packets lost; want 6 and none", each, r.Streams, r.Lost)
		}
	}
}

// Shards that hold packets and are busy, with people of one meeting on both, who come, go, move, ask again and lie: the
// router loses nothing, forges nothing, and in the end has nothing left.
func TestBusyShardsLoseAndKeepNothing(t *testing.T) {
	needTryRead(t)
	ready := serveWith(t, 2, func(c *mmr.PlaneConfig) { c.HoldFrom, c.Together = 200, 1 })
	var empty int64 // with room to receive, and nothing published yet
	var holding float64
	r, err := Run(t.Context(), configWith(Config{
		Each: true, Nack: 0.5, Churn: 4, Movers: 2, Liars: 3,
		Members: []Member{{Count: 3, Audio: true, Video: OneLayer()}, {Count: 7}},
		At: func(p Phase) {
			switch p {
			case Joined:
				empty = keeps(t, ready.Debug)
			case Measured:
				holding = gauge(t, ready.Debug, "parley_media_holding_shards")
			}
		},
	}, ready))
	if err != nil {
		t.Fatal(err)
	}
	if holding != 2 {
		t.Errorf("%v shards held packets, want both", holding)
	}
	t.Logf("%d packets of %d streams, %d lost, %d by sockets, %d lies, %d moves, %d came and went, %d asked again", r.Packets, r.Streams, r.Lost, r.Overflow, r.Lies, r.Moves, r.Churned, r.Nacked)
	if r.Failures > 0 || r.Forged > 0 || r.Packets == 0 {
		t.Errorf("%d packets, %d failures %v, %d packets that did not decrypt", r.Packets, r.Failures, r.Errors, r.Forged)
	}
	if r.Lies == 0 || r.Churned == 0 || r.Moves == 0 || r.Nacked == 0 {
		t.Errorf("%d lies, %d came and went, %d moves, %d asked again; want some of each", r.Lies, r.Churned, r.Moves, r.Nacked)
	}
	// The last to leave are forgotten within a while; a packet kept for ever would still be there.
	for until := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		left := keeps(t, ready.Debug) - empty
		if left <= 2*2*forward.BlockLen { // what each shard has begun to fill, of either kind
			break
		}
		if time.Now().After(until) {
			t.Errorf("%d bytes of packets are kept in the end", left)
			break
		}
	}
	if r.Lost > r.Overflow {
		t.Errorf("%d packets of the honest lost, %d by their own sockets", r.Lost, r.Overflow)
	}
}

func TestRunSaysWhyItCanNot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = Run(t.Context(), Config{Site: "https://" + l.Addr().String(), Token: "x", Members: []Member{{Count: 1}}})
	if err == nil {
		t.Error("a site that is not there was loaded")
	}
}

func TestLossIsCountedAroundWraps(t *testing.T) {
	for _, c := range []struct {
		name string
		seqs []rtp.Seq
		lost int64
	}{
		{"in order", []rtp.Seq{7, 8, 9}, 0},
		{"a hole", []rtp.Seq{7, 8, 11, 12}, 2},
		{"a late one", []rtp.Seq{7, 9, 8, 10}, 0},
		{"across the wrap", []rtp.Seq{65534, 65535, 0, 1}, 0},
		{"a hole at the wrap", []rtp.Seq{65534, 1, 2}, 2},
		{"a late one at the wrap", []rtp.Seq{65534, 0, 65535, 1}, 0},
	} {
		g := &generator{phase: Measuring}
		tr := &transport{person: &person{}, group: proto.GroupVideo}
		for _, seq := range c.seqs {
			g.media(tr, rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: seq, SSRC: 9}, nil))
		}
		if g.lost != c.lost || g.res.Packets != uint64(len(c.seqs)) {
			t.Errorf("%s: lost %d of %d, want %d of %d", c.name, g.lost, g.res.Packets, c.lost, len(c.seqs))
		}
		expected := uint32(c.seqs[len(c.seqs)-1]-c.seqs[0]) + 1
		if b := tr.streams[0].block(0); int64(b.Lost) != c.lost || tr.streams[0].prior.expected != expected {
			t.Errorf("%s: report says lost %d, expected %d; want %d, %d", c.name, b.Lost, tr.streams[0].prior.expected, c.lost, expected)
		}
	}
}

func TestWhoGetsLessThanIsDueIsNotServed(t *testing.T) {
	for _, c := range []struct {
		name    string
		streams [][]uint32 // of each transport, packets of each stream while measuring
		want    int
	}{
		{"all", [][]uint32{{500, 100}, {1800}}, 0},
		{"a frame less", [][]uint32{{500, 100}, {1794}}, 0},
		{"no picture, and nothing missing in what came", [][]uint32{{500, 100}, {}}, 1},
		{"a stream that fell silent before", [][]uint32{{500, 0}, {1900}}, 1},
		{"half the packets", [][]uint32{{500, 100}, {600}}, 1},
		{"nothing", nil, 1},
	} {
		g := &generator{}
		g.res.Seconds = 10
		asked, other := &person{member: &Member{Due: Due{Streams: 3, PerSecond: 240}}}, &person{member: &Member{}}
		liar := &person{member: asked.member, lie: dead}
		for i, streams := range c.streams {
			asked.transports[i] = &transport{}
			for _, n := range streams {
				asked.transports[i].streams = append(asked.transports[i].streams, stream{measured: n})
			}
		}
		g.people = []*person{asked, other, liar}
		if g.finish(); g.res.Unserved != c.want {
			t.Errorf("%s: %d are not served, want %d", c.name, g.res.Unserved, c.want)
		}
	}
}

func TestTransportSeqInBothForms(t *testing.T) {
	number := rtp.Ext{ID: proto.ExtTransportSeq, Data: []byte{0x12, 0x34}}
	for _, c := range []struct {
		name string
		exts []rtp.Ext
		want bool
	}{
		{"none", nil, false},
		{"alone", []rtp.Ext{number}, true},
		{"behind another", []rtp.Ext{{ID: proto.ExtMID, Data: []byte("v0")}, number}, true},
		{"two-byte form", []rtp.Ext{{ID: proto.ExtAllocation, Data: make([]byte, 20)}, number}, true},
		{"another alone", []rtp.Ext{{ID: proto.ExtMID, Data: []byte("v0")}}, false},
	} {
		b := rtp.AppendHeader(nil, rtp.Fields{CSRC: 5}, c.exts)
		got, ok := transportSeq(append(b, 1, 2, 3))
		if ok != c.want || ok && got != 0x1234 {
			t.Errorf("%s: %#x %v", c.name, got, ok)
		}
		for i := range len(b) {
			if i >= rtp.MinHeaderLen {
				transportSeq(b[:i])
			}
		}
	}
}

func TestFramesAreSplitAsLibwebrtcDoes(t *testing.T) {
	for range 1000 {
		x := &pub{kind: proto.Video, layer: OneLayer()[0], period: 1}
		x.begin(0)
		if x.count != 6 || x.left != 6 || x.small >= x.count || x.size < 900 || x.size > 1150 {
			t.Fatalf("frame of %d, %d of them small, size %d", x.count, x.small, x.size)
		}
		x.key = true
		x.begin(0)
		if x.count != 6*keyFactor || !x.isKey {
			t.Fatalf("key frame of %d packets", x.count)
		}
		a := &pub{kind: proto.Audio, period: 1}
		if a.begin(0); a.left != 1 || a.size < audioLeast || a.size >= audioLeast+audioRange {
			t.Fatalf("audio packet of %d bytes", a.size)
		}
	}
}

func TestLayouts(t *testing.T) {
	people := []Seat{{0, 8}, {1, 16}, {2, 0}, {3, 24}}
	tiles := OneLarge(0, people)
	if len(tiles) != 2 || tiles[0] != (proto.Tile{Source: 16, Height: 720}) || tiles[1].Height != 180 {
		t.Errorf("one large: %v", tiles)
	}
	for self, want := range map[int]int{3: 720, 4: 360, 5: 180} {
		if tiles := ByThirds(self, people[:1]); len(tiles) != 1 || tiles[0].Height != want {
			t.Errorf("by thirds, %d: %v, want %d", self, tiles, want)
		}
	}
}

func TestTransportsFindTheirAddress(t *testing.T) {
	var k socket
	for i := range 300 {
		tr := &transport{sample: uint8(i)}
		k.port = append(k.port, tr)
	}
	for i := range 300 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], loopback0+uint32(i))
		if k.find(&link.Message{Local: addr4(a)}) != k.port[i] {
			t.Fatalf("transport %d is not found", i)
		}
	}
	if k.find(&link.Message{Local: addr4([4]byte{127, 0, 0, 1})}) != nil || k.find(&link.Message{}) != nil {
		t.Error("a stranger's address is somebody's")
	}
}

func TestAGentleGeneratorTakesEverythingAndMeasuresNoLatency(t *testing.T) {
	r := run(t, Config{Gentle: true, Members: []Member{{Count: 1, Audio: true, Video: OneLayer()}, {Count: 3}}})
	if r.Streams != 6 || r.Packets == 0 || r.Lost > r.Overflow {
		t.Errorf("%d packets of %d streams, %d lost, %d of them by its own sockets; want all of 6", r.Packets, r.Streams, r.Lost, r.Overflow)
	}
	// What has waited for a sleeper says nothing of the server.
	if r.Samples > 0 || r.Blind == 0 {
		t.Errorf("%d times measured, %d left out; want none measured", r.Samples, r.Blind)
	}
}

func TestLiarsTakeNothingFromTheOthers(t *testing.T) {
	const viewers, liars = 10, 5
	r := run(t, Config{Liars: liars, Each: true, Members: []Member{{Count: 1, Video: OneLayer()}, {Count: viewers}}})
	// Three of the sorts lie a thousand times a second, on a machine that lets them.
	if r.Lies < 200 {
		t.Errorf("%d lies, want thousands", r.Lies)
	}
	// All but the dead receive, and of what the honest have received nothing is missing.
	if r.Streams != viewers-1 || r.Lost > r.Overflow {
		t.Errorf("%d streams, %d packets of the honest lost; want %d and none", r.Streams, r.Lost, viewers-1)
	}
	if due := uint64(float64(viewers-1) * 0.5 * 180 * r.Seconds); r.Packets < due {
		t.Errorf("%d packets, want more than %d", r.Packets, due)
	}
}
