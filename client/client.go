// Package client is the native client as a library: it joins a meeting, publishes files, receives what
// the others send and can record it. core/join decides how to get in and how to get back in; this
// package is its hands, and carries the media.
//
// One goroutine, the loop of Run, owns everything that changes. Hands (requests, dials, readers of
// sockets) work in goroutines of their own and post what they found to the loop; all of them end with
// Run. Time comes from timers only and sockets from Config.Host only, so a client runs unchanged in a
// simulated internet.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"parley/core/join"
	"parley/sys/link"
	"parley/sys/proxy"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
)

// Config says which meeting to join and how. Zero values are the documented defaults.
type Config struct {
	Site     string // base URL of the web infrastructure, "https://meet.example.org"
	Number   string // meeting number; spaces and dashes are ignored
	Passcode string // as typed; or
	Pwd      string // the derived value of a link
	Name     string // shown to the others; "" is "Guest"
	Bearer   string // session or API token of a signed-in user; "" joins as a guest

	Host  link.Host    // nil: link.Real()
	TLS   *tls.Config  // for every HTTPS connection; nil: the system's roots
	Proxy proxy.Config // proxies on the way (S13); its Host is the one above, and so is TLS by default
	// State is a directory for what is worth knowing the next time: the site's tunnels, what this network
	// chokes on. "" remembers nothing.
	State string
	Build string       // told to servers; "" is "dev"
	Log   *slog.Logger // nil: discard

	LastZone string       // zone that worked from this network before (S7); "": the one remembered
	LastRung proto.Rung   // the same of the media path
	Rungs    []proto.Rung // media paths to try; nil: the whole ladder (S11)
	OneGroup bool         // all media on one transport
	Slots    int          // video slots wanted; 0: the router's default

	Wait Wait // what is made ready before Enter is called; "": nobody waits, Run joins at once

	Publish Source // microphone and camera; nil: nothing is sent
	Share   Source // shared screen and its sound; nil: nothing
	// Level gives the audio level of a packet in −dBov (RFC 6464); nil: 30, which is speech.
	Level func(kind proto.Kind, packet []byte) uint8
	// Marking is the DSCP profile (S12): "" is the site's, as its routers say, or else "rfc8837" (46, 34, 26),
	// "original" (56, 40, 40), "none".
	Marking string

	Record string // directory for one file per participant and an index; "": none

	// Events, OnFrame and OnPacket are called by the loop; they must not block, and may call the
	// methods of the client.
	Events   func(Event)
	OnFrame  func(Frame)
	OnPacket func(g proto.Group, rtcp bool, packet []byte) // every packet received; valid during the call
}

// Client is one participant. Its methods are safe for concurrent use; those that act in the meeting do
// nothing before it is joined.
type Client struct {
	cfg      Config
	site     *url.URL
	log      *slog.Logger
	identity *trust.Identity
	cert     tls.Certificate
	host     *proxy.Host // cfg.Host through what stands in the way
	families *families   // cfg.Host, with its choice between IPv4 and IPv6
	memory   memory
	short    bool // that long datagrams get lost is what is remembered of this network
	requests *requests
	tunnels  tunnels
	mind     *join.Mind

	patient bool // a hello waits for the channel to stand: sent at once it was not answered

	inbox   chan func(now time.Time)
	packets chan received
	ctx     context.Context // of all hands; ends when the loop does
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	started bool

	lobby    lobby
	hands    hands
	control  control
	room     room
	media    media
	recorder *recorder // nil where nothing is recorded
	over     error     // why the loop ends
	timer    *time.Timer

	view view
}

// view is what methods may read while the loop runs. Guarded by mu.
type view struct {
	mu       sync.Mutex
	people   []proto.Person
	self     proto.ParticipantID
	state    proto.State
	joined   bool
	stats    []proto.MediaStats
	report   join.Report
	recorded []string
}

// Left says that the participation has ended in an orderly way: by own wish, or because the meeting
// is over or somebody ended it for this participant.
type Left struct {
	Code proto.Code
	Text string
}

// Error is the reason in words.
func (l *Left) Error() string { return "left the meeting: " + l.Text }

// Refused says that a server does not let this client in.
type Refused struct {
	Code proto.Code
	Text string
}

// Error is the server's text.
func (r *Refused) Error() string { return r.Text }

// ConnectError says that the meeting could not be reached, or not again.
type ConnectError struct {
	Text   string
	Tried  []string // what was tried, one line each
	WebURL string   // where a browser may still succeed (S15)
}

// Error is the text with all that was tried and the way out.
func (e *ConnectError) Error() string {
	var b strings.Builder
	b.WriteString(e.Text)
	for _, t := range e.Tried {
		b.WriteString("\n  " + t)
	}
	if e.WebURL != "" {
		b.WriteString("\nJoin with the web client instead: " + e.WebURL)
	}
	return b.String()
}

// New checks the configuration and makes the client's keys.
func New(cfg Config) (*Client, error) {
	site, err := url.Parse(cfg.Site)
	if err != nil || site.Host == "" || site.Scheme != "https" && site.Scheme != "http" {
		return nil, fmt.Errorf("site %q is not an https:// address", cfg.Site)
	}
	if cfg.Number, err = CleanNumber(cfg.Number); err != nil {
		return nil, err
	}
	if cfg.Host == nil {
		cfg.Host = link.Real()
	}
	if cfg.Name == "" {
		cfg.Name = "Guest"
	}
	if cfg.Build == "" {
		cfg.Build = "dev"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Rungs) == 0 {
		cfg.Rungs = []proto.Rung{proto.UDP8801, proto.TCP8801, proto.TLS443}
	}
	switch cfg.Wait {
	case "", WaitSite, WaitLobby:
	default:
		return nil, fmt.Errorf("waiting for Enter: %q is neither %q nor %q", cfg.Wait, WaitSite, WaitLobby)
	}
	if cfg.Events == nil {
		cfg.Events = func(Event) {}
	}
	if _, err := marks(cfg.Marking, nil); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, site: site, log: cfg.Log}
	if c.identity, err = trust.NewIdentity(); err != nil {
		return nil, fmt.Errorf("making keys: %w", err)
	}
	if c.cert, err = rtc.NewCertificate(time.Now()); err != nil {
		return nil, fmt.Errorf("making keys: %w", err)
	}
	here := lastNetwork(cfg.State, time.Now())
	if cfg.LastRung == "" {
		cfg.LastRung = here.Rung
		c.cfg.LastRung = cfg.LastRung
	}
	c.short = here.Short
	if cfg.LastZone == "" {
		c.cfg.LastZone = lastZone(cfg.State, site.String(), time.Now())
	}
	c.memory = remember(cfg.State, site.String())
	c.tunnels.know(c.memory.Tunnels)
	if err := c.openWay(); err != nil {
		return nil, err
	}
	c.requests = newRequests(c.host, cfg.TLS)
	c.inbox = make(chan func(time.Time), 256)
	c.packets = make(chan received, 2048)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.mind = c.newMind()
	c.lobby.entered = make(chan struct{})
	c.hands.init()
	c.room.init()
	return c, c.initMedia()
}

func (c *Client) newMind() *join.Mind {
	return join.New(join.Config{
		Rungs: c.cfg.Rungs, OneGroup: c.cfg.OneGroup, LastZone: c.cfg.LastZone, LastRung: c.cfg.LastRung, Short: c.short,
		WebURL: c.site.JoinPath("j", c.cfg.Number).String(),
	})
}

// Run joins, stays, and returns when it is over: *Left, *Refused or *ConnectError. When ctx ends the
// client says goodbye and returns *Left with CodeLeft. Everything it started has ended then. A client
// runs once.
func (c *Client) Run(ctx context.Context) error {
	if c.started {
		return errors.New("client: Run called twice")
	}
	c.started = true
	c.timer = time.NewTimer(time.Hour)
	defer c.timer.Stop()
	stop := context.AfterFunc(ctx, func() { c.Leave() })
	defer stop()
	now := time.Now()
	c.media.startedAt = now
	if err := c.startRecording(now); err != nil {
		c.cancel()
		return err
	}
	c.await(now)
	for c.over == nil {
		c.act(now)
		if c.over != nil {
			break
		}
		c.arm(now)
		select {
		case f := <-c.inbox:
			now = time.Now()
			f(now)
		case p := <-c.packets:
			now = time.Now()
			c.receive(now, p)
			c.receiveMore(now)
		case <-c.timer.C:
			now = time.Now()
			c.mind.Handle(now, join.Tick{})
		}
		c.tickMedia(now)
		c.tickControl(now)
		c.tickLobby(now)
	}
	c.shutdown(time.Now())
	return c.over
}

// receiveMore takes packets that have queued up meanwhile, some at a time.
func (c *Client) receiveMore(now time.Time) {
	for range 63 {
		select {
		case p := <-c.packets:
			c.receive(now, p)
		default:
			return
		}
	}
}

// arm sets the timer to the earliest time something is due.
func (c *Client) arm(now time.Time) {
	at, _ := c.mind.Wake()
	for _, t := range [...]time.Time{c.wakeMedia(), c.wakeControl(), c.lobby.until} {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if at.IsZero() {
		at = now.Add(time.Hour)
	}
	c.timer.Reset(max(at.Sub(now), 0))
}

// post hands something to the loop; it is dropped when the loop has ended.
func (c *Client) post(f func(now time.Time)) {
	select {
	case c.inbox <- f:
	case <-c.ctx.Done():
	}
}

// tell posts an event for the mind.
func (c *Client) tell(e join.Event) {
	c.post(func(now time.Time) { c.mind.Handle(now, e) })
}

// act does what the mind wants.
func (c *Client) act(now time.Time) {
	c.keepShort(now)
	c.keepFamilies(now)
	for n := 0; ; n++ {
		a, ok := c.mind.Next()
		if !ok {
			if _, left := c.over.(*Left); n > 0 && !left { // what stood until the end is the report
				c.keepReport()
			}
			return
		}
		switch a := a.(type) {
		case join.Lookup:
			c.lookup(a)
		case join.Ping:
			c.ping(a)
		case join.Probe:
			c.probe(a)
		case join.DialTunnel:
			c.dialTunnel(a)
		case join.Prepare:
			c.prepare(a)
		case join.Cancel:
			if a.What == "prepare" {
				c.dropAhead()
			} else {
				c.hands.stop(a.What)
			}
		case join.Route:
			c.route(a)
		case join.OpenControl:
			c.openControl(a, now)
		case join.CloseControl:
			if c.mind.State() == join.Over {
				c.closeControl(a.Attempt)
			} else {
				c.dropControl(a.Attempt) // a goodbye would give the seat up
			}
		case join.StartTransport:
			c.startTransport(a)
		case join.UseTransport:
			c.useTransport(a, now)
		case join.CloseTransport:
			c.closeTransport(a.Attempt)
		case join.Progress:
			a.MS = c.sinceClick(a.MS)
			c.emit(Phase(a))
		case join.Candidate:
			c.emit(Candidate(a))
		case join.Waiting:
			c.emit(Waiting{Topic: a.Topic})
		case join.Joined:
			c.keepZone(now, a.Zone)
			c.emit(Joined{Participant: c.room.self, Router: a.Router, Zone: a.Zone, Resumed: a.Resumed, MS: c.sinceClick(a.MS)})
		case join.Failed:
			if c.lobby.waits && !(a.Refused && a.Code != proto.CodeNotStarted) {
				c.startOver() // Enter tries anew, and tells
				return
			}
			c.fail(a)
		case join.Left:
			if c.lobby.released {
				c.startOver()
				return
			}
			if c.over == nil {
				c.over = &Left{Code: proto.CodeLeft, Text: "as you asked"}
			}
		}
	}
}

// fail ends the client with the kind of error that says whose turn it is.
func (c *Client) fail(f join.Failed) {
	switch {
	case c.over != nil:
	case f.Refused && c.room.everJoined:
		c.over = &Left{Code: f.Code, Text: f.Text}
	case f.Refused:
		c.over = &Refused{Code: f.Code, Text: f.Text}
	default:
		c.over = &ConnectError{Text: f.Text, Tried: f.Tried, WebURL: f.WebURL}
	}
}

// shutdown ends all that runs and waits for it.
func (c *Client) shutdown(now time.Time) {
	c.closeControl(0)
	c.finishGoodbye()
	c.closeMedia(now)
	reason := Ended{Reason: "lost", Text: c.over.Error()}
	switch over := c.over.(type) {
	case *Left:
		reason = Ended{Reason: string(over.Code), Text: over.Text}
	case *Refused:
		reason = Ended{Reason: string(over.Code), Text: over.Text}
	}
	c.cancel()
	c.wg.Wait()
	c.requests.close()
	c.tunnels.close()
	c.host.Close()
	c.families.wg.Wait()
	c.emit(reason)
}

func (c *Client) emit(e Event) { c.cfg.Events(e) }
