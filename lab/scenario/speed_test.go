package scenario

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/clip"
	"parley/wire/proto"
	"parley/wire/rtp"
	"parley/wire/stun"
)

// sealings remembers under which index each SRTP and SRTCP packet of a world was sealed. Two with the same
// key, SSRC and index would give the key away (RFC 7714 §8.4), whatever the sealer itself believes.
type sealings struct {
	mu    sync.Mutex
	flows map[flow]map[uint32]*indices
	bad   []string
}

// flow is one direction between two sockets: one key, until a handshake makes another.
type flow struct{ src, dst netip.AddrPort }

type indices struct {
	order rtp.Unwrapper
	rtp   map[int64]bool
	rtcp  map[uint32]bool
}

// watchSealing notes every index in use from now on. Routers are watched always, others once the router
// has shaken hands with them: whoever replays what he has recorded has sealed nothing.
func (w *world) watchSealing() {
	s := &sealings{flows: map[flow]map[uint32]*indices{}}
	w.net.Tap(func(k lab.Packet) {
		if k.Event == lab.Sent && k.Proto == lab.UDP && len(k.Data) > 13 {
			s.note(k)
		}
	})
	w.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.bad) > 0 {
			w.Errorf("sealed twice under one key: %v", s.bad)
		}
	})
}

const mediaPort = 8801

func (s *sealings) note(k lab.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := flow{k.Src, k.Dst}
	const handshake, serverHello = 22, 2
	if k.Data[0] == handshake && k.Data[13] == serverHello {
		s.flows[f], s.flows[flow{f.dst, f.src}] = map[uint32]*indices{}, map[uint32]*indices{}
		return
	}
	if _, probe := stun.Undress(k.Data); probe || k.Data[0]>>6 != 2 {
		return // a probe that is dressed as media is sealed under no key
	}
	if s.flows[f] == nil {
		if k.Src.Port() != mediaPort {
			return
		}
		s.flows[f] = map[uint32]*indices{}
	}
	at := 8
	if rtp.IsRTCP(k.Data) {
		at = 4
	}
	ssrc := binary.BigEndian.Uint32(k.Data[at:])
	u := s.flows[f][ssrc]
	if u == nil {
		u = &indices{rtp: map[int64]bool{}, rtcp: map[uint32]bool{}}
		s.flows[f][ssrc] = u
	}
	again := false
	if at == 4 {
		i := binary.BigEndian.Uint32(k.Data[len(k.Data)-4:])
		again, u.rtcp[i] = u.rtcp[i], true
	} else {
		i := u.order.Unwrap(rtp.Seq(binary.BigEndian.Uint16(k.Data[2:])))
		again, u.rtp[i] = u.rtp[i], true
	}
	if again && len(s.bad) < 5 {
		s.bad = append(s.bad, fmt.Sprintf("%s to %s, SSRC %x, % x", k.From, k.To, ssrc, k.Data[:12]))
	}
}

// gaps is the longest pause between two frames of somebody's sound and picture at one person.
type gaps struct {
	mu   sync.Mutex
	last map[proto.Kind]time.Time
	max  map[proto.Kind]time.Duration
}

// timing measures pauses between the frames of one name.
func (g *gaps) timing(name string) option {
	g.last, g.max = map[proto.Kind]time.Time{}, map[proto.Kind]time.Duration{}
	return func(_ *person, c *client.Config) {
		next := c.OnFrame
		c.OnFrame = func(f client.Frame) {
			next(f)
			if maker(f.Codec, f.Data) != name {
				return
			}
			k := proto.Video
			if f.Codec == clip.Opus {
				k = proto.Audio
			}
			now := time.Now()
			g.mu.Lock()
			defer g.mu.Unlock()
			if last := g.last[k]; !last.IsZero() {
				g.max[k] = max(g.max[k], now.Sub(last))
			}
			g.last[k] = now
		}
	}
}

// take returns the longest pauses and begins anew.
func (g *gaps) take() (sound, picture time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sound, picture = g.max[proto.Audio], g.max[proto.Video]
	clear(g.max)
	return sound, picture
}

// withShards tells a story in a world whose routers have one shard, and in one where they have three.
func withShards(t *testing.T, story func(t *testing.T, w *world)) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("shards %d", n), func(t *testing.T) {
			places := threeZones(1)
			for i := range places {
				places[i].shards = n
			}
			inWorld(t, places, story)
		})
	}
}

// A receiver whose link is too slow, who has died, or who lies about what arrived, costs the others no
// frame and no millisecond, and the sender no more than a few questions.
func TestASlowADeadAndALyingReceiverCostTheOthersNothing(t *testing.T) {
	withShards(t, func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna := w.Join("anna", m, performs)
		var pauses gaps
		ben := w.Join("ben", m, pauses.timing("anna"))
		slow, dead, liar := w.Join("slow", m), w.Join("dead", m), w.Join("liar", m)
		for _, p := range []*person{anna, ben, slow, dead, liar} {
			p.WaitMedia()
		}
		var toAnna atomic.Int64
		w.net.Tap(func(k lab.Packet) {
			if k.Event == lab.Sent && k.To == anna.host.Name() && k.Src.Port() == mediaPort && rtp.IsRTCP(k.Data) {
				toAnna.Add(1)
			}
		})
		w.pass(5 * time.Second)

		const stretch = 5 * time.Second
		measured := func(during func()) (sounds, pictures int, sound, picture time.Duration, asked int64) {
			ben.Forget()
			pauses.take()
			before := toAnna.Load()
			began := time.Now()
			during()
			w.pass(stretch - time.Since(began))
			sound, picture = pauses.take()
			return ben.Hears("anna"), ben.Sees("anna"), sound, picture, toAnna.Load() - before
		}
		s0, p0, sound0, picture0, asked0 := measured(func() {})

		for _, h := range w.Zone("oslo").hosts {
			w.net.Change(slow.host, h, func(l *lab.Link) { l.Rate, l.Queue = 40_000, 8<<10 })
		}
		dead.host.Down()
		s1, p1, sound1, picture1, asked1 := measured(func() {
			for range 100 {
				liar.lie()
				w.pass(30 * time.Millisecond)
			}
		})
		if s1 < s0-2 || p1 < p0-1 {
			t.Errorf("ben got %d sounds and %d pictures in %v, %d and %d before", s1, p1, stretch, s0, p0)
		}
		if sound1 > sound0+2*time.Millisecond || picture1 > picture0+2*time.Millisecond {
			t.Errorf("pauses of %v and %v, %v and %v before", sound1, picture1, sound0, picture0)
		}
		// A key frame each 300 ms is the most that receivers can ask for together.
		if most := asked0 + int64(stretch/(300*time.Millisecond)) + 5; asked1 > most {
			t.Errorf("anna was sent %d reports and questions, %d before, want %d at most", asked1, asked0, most)
		}
		t.Logf("before %d/%d frames, pauses %v/%v, %d asked; with the three %d/%d, %v/%v, %d",
			s0, p0, sound0, picture0, asked0, s1, p1, sound1, picture1, asked1)
		if n := w.Drops("seal"); n > 0 {
			t.Errorf("%d packets would have been sealed twice", n)
		}
	})
}

// lie tells the router that nothing arrives: all is lost, all is asked for again, and a key frame too.
func (p *person) lie() {
	p.mu.Lock()
	ssrcs := map[uint32]proto.Group{}
	for ssrc, g := range p.ssrcs {
		ssrcs[ssrc] = g
	}
	p.mu.Unlock()
	for ssrc, g := range ssrcs {
		var all []rtp.Seq
		for i := range 2000 {
			all = append(all, rtp.Seq(i*33))
		}
		b := rtp.AppendRR(nil, 77, rtp.ReportBlock{SSRC: ssrc, FractionLost: 255, Lost: 1 << 20, Jitter: 1 << 30})
		b = rtp.AppendPLI(b, 77, ssrc)
		b = rtp.AppendFIR(b, 77, ssrc, byte(rand.Uint32()))
		p.SendRTCP(g, b)
		for i := 0; i < len(all); i += 200 {
			p.SendRTCP(g, rtp.AppendNack(nil, 77, ssrc, all[i:i+200]))
		}
	}
}

// Joins, leaves, layouts, muting, sharing and people put out, all at once while media flows: whoever stays
// goes on without a frame lost or under another's name. With the race detector it shows that control and
// media share nothing by mistake.
func TestControlChangesUnderLoadDisturbNobody(t *testing.T) {
	withShards(t, func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		helen := w.Join("helen", m, hosts, performs)
		helen.WaitMedia()
		watcher := w.Join("watcher", m)
		watcher.WaitMedia()
		var crowd []*person
		hostsOf := []*lab.Host{}
		for i := range 5 {
			h := w.host(fmt.Sprintf("churn-%d", i), nil)
			hostsOf = append(hostsOf, h)
			p := w.Join(fmt.Sprintf("c%d-0", i), m, from(h), performs, shares)
			p.WaitMedia()
			crowd = append(crowd, p)
		}
		watcher.Layout(proto.Tile{Source: proto.Source(mustSelf(helen), proto.Video), Height: 360})
		w.pass(3 * time.Second)
		watcher.Forget()
		began := time.Now()
		rnd := rand.New(rand.NewPCG(7, 7))
		for step := range 60 {
			i := rnd.IntN(len(crowd))
			p := crowd[i]
			switch rnd.IntN(6) {
			case 0, 1: // leaves, and another comes from the same machine
				p.Leave()
				w.Dismiss(p)
				crowd[i] = w.Join(fmt.Sprintf("c%d-%d", i, step+1), m, from(hostsOf[i]), performs, shares)
			case 2:
				p.Mute(proto.Audio, step%2 == 0)
				p.Mute(proto.Video, step%3 == 0)
			case 3:
				var tiles []proto.Tile
				for _, q := range crowd {
					if id, ok := q.Self(); ok && q != p {
						tiles = append(tiles, proto.Tile{Source: proto.Source(id, proto.Video), Height: []int{90, 180, 360}[rnd.IntN(3)]})
					}
				}
				if _, ok := p.Self(); ok {
					p.Layout(tiles...)
				}
			case 4:
				if id, ok := p.Self(); ok {
					helen.Act(proto.Act{Do: proto.ActMute, Target: id})
				}
			case 5:
				p.React("👍")
				p.Hand(step%2 == 0)
			}
			w.pass(time.Duration(20+rnd.IntN(150)) * time.Millisecond)
		}
		w.pass(time.Second)
		took := time.Since(began)
		if got, want := watcher.Sees("helen"), int(took/pictureEvery); got < want-3 {
			t.Errorf("the watcher saw %d pictures of helen in %v, want %d", got, took, want)
		}
		for _, p := range append(slices.Clone(crowd), helen, watcher) {
			if bad := p.Mistaken(); len(bad) > 0 {
				t.Errorf("%s: %s", p.name, strings.Join(bad, "; "))
			}
		}
		if n := w.Drops("seal"); n > 0 {
			t.Errorf("%d packets would have been sealed twice", n)
		}
	})
}

// The watch itself notices a repeated index, on either side of a wrap, and only under the same key.
func TestARepeatedIndexIsNoticed(t *testing.T) {
	s := &sealings{flows: map[flow]map[uint32]*indices{}}
	router, other := netip.MustParseAddrPort("192.0.2.1:8801"), netip.MustParseAddrPort("192.0.2.2:5000")
	send := func(seq rtp.Seq) int {
		b := rtp.AppendHeader(nil, rtp.Fields{Seq: seq, SSRC: 9}, nil)
		s.note(lab.Packet{Src: router, Dst: other, Data: append(b, 1, 2)})
		return len(s.bad)
	}
	for _, seq := range []rtp.Seq{0xfffe, 0, 0xffff, 2, 1} {
		if send(seq) != 0 {
			t.Fatalf("number %d was new: %v", seq, s.bad)
		}
	}
	if send(0xffff) != 1 || send(1) != 2 {
		t.Errorf("repeated numbers were not noticed: %v", s.bad)
	}
	hello := make([]byte, 20)
	hello[0], hello[13] = 22, 2
	s.note(lab.Packet{Src: router, Dst: other, Data: hello})
	if send(1) != 2 {
		t.Error("a new key's first index was taken for a repeated one")
	}
}
