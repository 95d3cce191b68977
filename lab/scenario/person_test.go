package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/clip"
	"parley/wire/proto"
)

// logger writes a host's log into the test's where PARLEY_SCENARIO_LOG asks for it.
func logger(t *testing.T, host string) *slog.Logger {
	if !verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("host", host)
}

// talk is a synthetic microphone and camera. Every packet says whose it is and which in the row, so
// that what arrives can be told from what only claims to be.
type talk struct {
	name           string
	sound, picture bool
	nSound, nVideo int
	wantKey        bool
}

const (
	soundEvery   = 20 * time.Millisecond
	pictureEvery = 100 * time.Millisecond
	pictureLen   = 1800 // two packets
	picturePad   = 10   // of a VP8 key frame's header
)

// Tracks implements client.Source.
func (s *talk) Tracks() (out []clip.Track) {
	if s.sound {
		out = append(out, clip.Track{Kind: clip.Audio, Codec: clip.Opus})
	}
	if s.picture {
		out = append(out, clip.Track{Kind: clip.Video, Codec: clip.VP8, Width: 640, Height: 360})
	}
	return out
}

// Next implements client.Source: the next frame in time.
func (s *talk) Next() (clip.Frame, error) {
	at, vt := time.Duration(s.nSound)*soundEvery, time.Duration(s.nVideo)*pictureEvery
	switch {
	case s.sound && (!s.picture || at <= vt):
		s.nSound++
		return clip.Frame{Kind: clip.Audio, Codec: clip.Opus, PTS: at, Key: true, Data: sound(s.name, s.nSound)}, nil
	case s.picture:
		key := s.nVideo%50 == 0 || s.wantKey
		s.wantKey = false
		s.nVideo++
		return clip.Frame{Kind: clip.Video, Codec: clip.VP8, PTS: vt, Key: key, Data: picture(s.name, s.nVideo, key)}, nil
	}
	return clip.Frame{}, io.EOF
}

// NextKey implements client.Source.
func (s *talk) NextKey() bool { s.wantKey = true; return true }

// Close implements client.Source.
func (s *talk) Close() error { return nil }

// sound is an Opus packet as far as a router looks.
func sound(name string, n int) []byte { return fmt.Appendf(nil, "%s|%d|sound", name, n) }

// picture is a VP8 frame as far as a router looks: the frame tag and, of a key frame, the start code
// and the size (RFC 6386 section 9.1).
func picture(name string, n int, key bool) []byte {
	head := []byte{0x11, 0x40, 0x01, 0, 0, 0, 0, 0, 0, 0}
	if key {
		head = []byte{0x10, 0x40, 0x01, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}
	}
	b := fmt.Appendf(head, "%s|%d|picture", name, n)
	return append(b, make([]byte, pictureLen-len(b))...)
}

// maker reads whose a frame is out of its content.
func maker(codec clip.Codec, data []byte) string {
	if codec != clip.Opus {
		data = data[min(len(data), picturePad):]
	}
	name, _, ok := strings.Cut(string(data[:min(len(data), 64)]), "|")
	if !ok {
		return "?"
	}
	return name
}

// person is a native client with a name, on a host of its own, and what it went through.
type person struct {
	*client.Client
	w    *world
	name string
	host *lab.Host

	cancel context.CancelFunc
	ended  chan struct{}
	err    error // why it ended; read after ended

	mu     sync.Mutex
	events []stamped
	got    map[stream]int // whole frames, by whose they are
	wrong  []string       // frames that came under another's name
	ssrcs  map[uint32]proto.Group
}

// stamped is an event with its time since the person set out.
type stamped struct {
	after time.Duration
	e     client.Event
}

// stream is one thing somebody sends.
type stream struct {
	name string
	kind proto.Kind
}

// option changes what a person brings.
type option func(*person, *client.Config)

// shows brings a camera, performs a microphone too, shares a screen; hosts is the meeting's host.
func shows(p *person, c *client.Config) { c.Publish = &talk{name: p.name, picture: true} }
func performs(p *person, c *client.Config) {
	c.Publish = &talk{name: p.name, sound: true, picture: true}
}
func shares(p *person, c *client.Config) { c.Share = &talk{name: p.name, picture: true} }
func hosts(_ *person, c *client.Config)  { c.Bearer = apiToken }

// at gives the delays to zones that differ from the zones' own.
func at(delays map[string]time.Duration) option {
	return func(p *person, _ *client.Config) { p.host = p.w.host("host-"+p.name, delays) }
}

// near is at one zone's door and half the world from the others.
func near(zone string) option {
	return func(p *person, c *client.Config) {
		delays := map[string]time.Duration{zone: 10 * time.Millisecond}
		far := []time.Duration{80 * time.Millisecond, 200 * time.Millisecond}
		for _, z := range p.w.zones {
			if z.name != zone && len(far) > 0 {
				delays[z.name], far = far[0], far[1:]
			}
		}
		at(delays)(p, c)
	}
}

// Person makes somebody who has not set out yet.
func (w *world) Person(name string, m meetingInfo, opts ...option) *person {
	w.Helper()
	p := &person{w: w, name: name, ended: make(chan struct{}), got: map[stream]int{}, ssrcs: map[uint32]proto.Group{}}
	cfg := client.Config{
		Site: siteURL, Number: m.number(), Passcode: m.Passcode, Name: name, TLS: w.tls(), Log: logger(w.T, name),
		OnFrame: p.frame, OnPacket: p.packet,
	}
	for _, o := range opts {
		o(p, &cfg)
	}
	if p.host == nil {
		p.host = w.host("host-"+name, nil)
	}
	cfg.Host = p.host
	var began time.Time
	cfg.Events = func(e client.Event) {
		if began.IsZero() {
			began = time.Now()
		}
		p.event(time.Since(began), e)
	}
	c, err := client.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	p.Client = c
	return p
}

// Join makes somebody set out for a meeting.
func (w *world) Join(name string, m meetingInfo, opts ...option) *person {
	w.Helper()
	p := w.Person(name, m, opts...)
	p.SetOut()
	return p
}

// SetOut starts joining.
func (p *person) SetOut() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.w.people = append(p.w.people, p)
	go func() {
		defer close(p.ended)
		p.err = p.Run(ctx)
	}()
}

// Leave says goodbye and waits until the client has ended.
func (p *person) Leave() {
	p.cancel()
	<-p.ended
}

// WaitEnd is why the client ended by itself.
func (p *person) WaitEnd(limit time.Duration) error {
	p.w.Helper()
	select {
	case <-p.ended:
		return p.err
	case <-time.After(limit):
		p.w.Fatalf("%s is still there after %v", p.name, limit)
		return nil
	}
}

func (p *person) event(after time.Duration, e client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j, ok := e.(client.Joined); ok {
		p.w.seats.Store(p.name, j.Participant)
	}
	p.events = append(p.events, stamped{after, e})
	if verbose {
		p.w.Logf("%v %s %s", p.w.net.Now(), p.name, client.EncodeEvent(e, time.Now()))
	}
}

// frame counts a whole frame, and notes one that came under another's name.
func (p *person) frame(f client.Frame) {
	who := maker(f.Codec, f.Data)
	seat, known := p.w.seats.Load(who)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got[stream{who, f.Source.Kind()}]++
	if known && seat != f.Source.Participant() && len(p.wrong) < 10 {
		p.wrong = append(p.wrong, fmt.Sprintf("a frame of %s under source %d", who, f.Source))
	}
}

func (p *person) packet(g proto.Group, rtcp bool, b []byte) {
	if rtcp || len(b) < 12 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ssrcs[uint32(b[8])<<24|uint32(b[9])<<16|uint32(b[10])<<8|uint32(b[11])] = g
}

// find is the first event of a kind.
func find[E client.Event](p *person) (e E, after time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.events {
		if e, ok := s.e.(E); ok {
			return e, s.after, true
		}
	}
	return e, 0, false
}

// every is all events of a kind.
func every[E client.Event](p *person) (out []E) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.events {
		if e, ok := s.e.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

// count is how many events of a kind there were.
func count[E client.Event](p *person) int { return len(every[E](p)) }

// WaitJoined waits until the person is in, and returns where.
func (p *person) WaitJoined() client.Joined {
	p.w.Helper()
	p.w.until(20*time.Second, p.name+" has joined", func() bool {
		_, _, ok := find[client.Joined](p)
		if !ok {
			select {
			case <-p.ended:
				p.w.Fatalf("%s did not get in: %v", p.name, p.err)
			default:
			}
		}
		return ok
	})
	j, _, _ := find[client.Joined](p)
	return j
}

// WaitMedia waits until sound and picture have their transports.
func (p *person) WaitMedia() {
	p.w.Helper()
	p.WaitJoined()
	p.w.until(10*time.Second, p.name+" has media transports", func() bool {
		up := p.paths()
		return up["audio"] && up["video"]
	})
}

func (p *person) paths() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	up := map[string]bool{}
	for _, s := range p.events {
		if m, ok := s.e.(client.Media); ok {
			up[m.Kind] = true
		}
	}
	return up
}

// phase is what a phase of joining came to ("lookup", "zone", …) and when.
func (p *person) phase(name string) (detail string, after time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.events {
		if ph, is := s.e.(client.Phase); is && ph.Phase == name {
			return ph.Detail, time.Duration(ph.MS) * time.Millisecond, true
		}
	}
	return "", 0, false
}

// ZoneChosen is the zone that won phase two.
func (p *person) ZoneChosen() string {
	detail, _, _ := p.phase("zone")
	zone, _, _ := strings.Cut(detail, ",")
	return zone
}

// Forget makes the ears empty: what is asked afterwards is what arrived since.
func (p *person) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.got)
	clear(p.ssrcs)
}

// Hears and Sees are how many frames of somebody's sound and picture arrived.
func (p *person) Hears(name string) int { return p.frames(name, proto.Audio) }

// Sees counts pictures.
func (p *person) Sees(name string) int { return p.frames(name, proto.Video) }

func (p *person) frames(name string, k proto.Kind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[stream{name, k}]
}

// Everything is all that arrived, as "name kind".
func (p *person) Everything() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for s, n := range p.got {
		if n > 0 {
			out = append(out, s.name+" "+s.kind.String())
		}
	}
	slices.Sort(out)
	return out
}

// Mistaken lists frames that came under another's name.
func (p *person) Mistaken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.wrong)
}

// refusal is the code a server refused or ended a person with, "" for another reason.
func refusal(err error) proto.Code {
	var left *client.Left
	var refused *client.Refused
	switch {
	case errors.As(err, &left):
		return left.Code
	case errors.As(err, &refused):
		return refused.Code
	}
	return ""
}
