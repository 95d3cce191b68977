package client_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/client"
	"parley/lab"
	"parley/mmr"
	"parley/sys/bus"
	"parley/sys/clip"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
	"parley/zone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	meetingID proto.MeetingID = "AAAAAAAAAAAAAAAAAAAAAA"
	oneWay                    = 25 * time.Millisecond
)

// world is one zone with one router on a simulated internet, and a site that is no more than its
// lookup: the first to join is the host.
type world struct {
	t       *testing.T
	net     *lab.Net
	site    *trust.Site
	srv     *lab.Host
	router  *mmr.Server
	dscp    mmr.DSCP
	refusal *proto.Error                                  // the lookup's answer; nil: the meeting
	door    func(http.ResponseWriter) http.ResponseWriter // between clients and the router; nil: nothing
	lookups []proto.LookupRequest                         // guarded by mu

	mu      sync.Mutex
	joined  int
	signer  proto.SigningKey
	started time.Time
}

// inWorld runs f in a bubble.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) { inMarkedWorld(t, mmr.DSCP{}, f) }

// inMarkedWorld runs f where the router marks media in its own way.
func inMarkedWorld(t *testing.T, dscp mmr.DSCP, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: lab.NewNet(1), dscp: dscp}
		w.net.Default(lab.Link{Delay: oneWay})
		w.start()
		f(t, w)
	})
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) start() {
	t, now := w.t, time.Now()
	w.site = must(trust.OpenSite(t.TempDir(), now))(t)
	w.srv = w.net.Host("site", lab.HostOpts{Names: []string{"meet.test"}})
	b := must(bus.Start(bus.Config{}))(t)
	v := must(trust.NewVerifier(w.site.Keys()))(t)
	plane := must(mmr.NewPlane(mmr.PlaneConfig{
		Host: w.srv, Listen: []netip.AddrPort{netip.AddrPortFrom(w.srv.Addr(), 8801)},
		Certificate: must(rtc.NewCertificate(now))(t), DSCP: w.dscp,
	}))(t)
	key := w.site.ZoneKey("z1")
	m := must(mmr.New(mmr.Config{ID: "m1", Zone: "z1", URL: "/mmr/m1", TLS: "meet.test:443", Plane: plane, Bus: b, Verifier: v, ZoneKey: key}))(t)
	w.router = m
	z := must(zone.New(zone.Config{Zone: "z1", ID: "c1", URL: "/zone/z1/c1", Bus: b, Verifier: v, ZoneKey: key}))(t)
	answer := func(a proto.ClaimAnswer) func(context.Context, []byte) (any, error) {
		return func(context.Context, []byte) (any, error) { return a, nil }
	}
	must(b.Serve(proto.SubjectClaim, "test", answer(proto.ClaimAnswer{Router: "m1", Zone: "z1", Epoch: 1})))(t)
	must(b.Serve(proto.SubjectHome, "test", answer(proto.ClaimAnswer{})))(t)
	must(b.Subscribe(fmt.Sprintf(proto.SubjectController, "*", "*"), func(_ string, data []byte) {
		var a proto.ControllerAnnounce
		if json.Unmarshal(data, &a) == nil {
			w.mu.Lock()
			w.signer = a.Key
			w.mu.Unlock()
		}
	}))(t)
	mux := http.NewServeMux()
	mux.Handle("/zone/z1/c1/", http.StripPrefix("/zone/z1/c1", z.Handler()))
	router := http.StripPrefix("/mmr/m1", m.Handler())
	mux.HandleFunc("/mmr/m1/", func(rw http.ResponseWriter, r *http.Request) {
		if w.door != nil {
			rw = w.door(rw)
		}
		router.ServeHTTP(rw, r)
	})
	mux.HandleFunc("POST /lookup", w.lookup)
	cert := must(w.site.CA().Issue([]string{"meet.test"}, nil, now))(t)
	https := must(lab.Serve(w.srv, netip.AddrPortFrom(w.srv.Addr(), 443), mux, cert))(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	for _, run := range []func(context.Context) error{plane.Run, m.Run, z.Run} {
		go func() { ended <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		https.Close()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		b.Close()
		w.net.Close()
		time.Sleep(time.Second)
	})
	time.Sleep(1500 * time.Millisecond) // a round of announcements
	w.started = time.Now()
}

func (w *world) lookup(rw http.ResponseWriter, r *http.Request) {
	var req proto.LookupRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	w.lookups = append(w.lookups, req)
	w.mu.Unlock()
	if w.refusal != nil && (w.refusal.Code != proto.CodeNotStarted || req.Lobby) {
		rw.WriteHeader(w.refusal.Code.HTTPStatus())
		json.NewEncoder(rw).Encode(w.refusal)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.joined++
	now := time.Now()
	c := proto.Claims{
		Audience: []string{"zone:z1"}, Meeting: meetingID, Number: req.Number, Participant: proto.ParticipantID(100 + w.joined),
		Name: req.Name, Role: proto.RoleParticipant, Hosting: "cloud", Expires: now.Add(time.Hour).Unix(), Issued: now.Unix(),
		Confirm:  proto.Confirm{Key: trust.KeyHash(req.Key), Fingerprint: req.Fingerprint},
		Settings: proto.Settings{JoinBeforeHost: true},
	}
	if w.joined == 1 {
		c.Role = proto.RoleHost
	}
	token, err := w.site.SignClaims(c)
	if err != nil {
		w.t.Error(err)
	}
	json.NewEncoder(rw).Encode(proto.LookupAnswer{
		V: proto.Version, Meeting: proto.MeetingInfo{ID: meetingID, Number: req.Number}, Token: token,
		Participant: c.Participant, Role: c.Role, ServerTime: now.UnixMilli(),
		Zones: []proto.Zone{{ID: "z1", Name: "One", Controllers: []string{"/zone/z1/c1"},
			Probes: []string{netip.AddrPortFrom(w.srv.Addr(), 8801).String()}}},
		Keys: append(w.site.Keys(), w.signer), WebURL: "https://meet.test/j/" + req.Number,
	})
}

// person is a client in the world, with what it saw.
type person struct {
	*client.Client
	w      *world
	ended  chan error
	mu     sync.Mutex
	events []seen
	frames []client.Frame
}

type seen struct {
	ms int // since the start of the client
	e  client.Event
}

// join starts a client on a host of its own.
func (w *world) join(name string, change func(*client.Config)) *person {
	w.t.Helper()
	p := &person{w: w, ended: make(chan error, 1)}
	start := time.Now()
	cfg := client.Config{
		Site: "https://meet.test", Number: "123-456-789", Name: name, Host: w.net.Host(name, lab.HostOpts{}),
		TLS: &tls.Config{RootCAs: w.site.CA().Pool(), MinVersion: tls.VersionTLS12},
		Events: func(e client.Event) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.events = append(p.events, seen{int(time.Since(start).Milliseconds()), e})
			client.EncodeEvent(e, time.Now())
		},
		OnFrame: func(f client.Frame) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.frames = append(p.frames, f)
		},
	}
	if change != nil {
		change(&cfg)
	}
	p.Client = must(client.New(cfg))(w.t)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { p.ended <- p.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	return p
}

// publish is a change of the configuration: a pattern goes out.
func publish(c *client.Config) { c.Publish = clip.NewPattern(clip.PatternConfig{}) }

// end waits for the client to end by itself.
func (p *person) end() error {
	err := <-p.ended
	p.ended <- err
	return err
}

// saw lists the events of one type.
func saw[E client.Event](p *person) (out []E, at []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.events {
		if e, ok := s.e.(E); ok {
			out, at = append(out, e), append(at, s.ms)
		}
	}
	return out, at
}

// got lists the frames of one kind from one participant.
func (p *person) got(from proto.ParticipantID, k proto.Kind) (out []client.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.frames {
		if f.Source == proto.Source(from, k) {
			out = append(out, f)
		}
	}
	return out
}

// number is the number a pattern gave a frame.
func number(f client.Frame) int {
	return int(clip.PatternNumber(clip.Frame{Kind: f.Codec.Kind(), Data: f.Data}))
}
