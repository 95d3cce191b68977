package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/sys/link"
	"parley/sys/rtc"
	"parley/sys/rtc/srtp"
	"parley/sys/trust"
	"parley/wire/proto"
)

// person is one participant. Owned by the loop but for what its own goroutines hold.
type person struct {
	g        *generator
	number   int // of all
	room     *roomState
	index    int // in the meeting
	member   *Member
	identity *trust.Identity
	grant    proto.Grant
	token    string
	skew     int64 // server time minus own, ms
	id       proto.ParticipantID
	ws       *link.WebSocket
	leave    context.CancelFunc
	gone     atomic.Bool

	transports [proto.NGroups]*transport
	pubs       []*pub
	reporter   uint32
	twcc       arrivals
	sentSeq    uint16
	nacks      bool
	lie        lie
	deaf       atomic.Bool // its control channel is read no more
}

// transport is one media transport of a person. Owned by the loop.
type transport struct {
	person  *person
	group   proto.Group
	socket  int
	ports   [2]int // sockets of its last two moves; 0: none
	local   netip.Addr
	remote  netip.AddrPort
	bare    *rtc.Bare
	in, out *srtp.Context
	answers int
	checkAt int64 // of the next check while none was answered
	streams []stream
	last    int // index in streams of the latest packet
	sample  uint8
}

// meetings makes the rooms.
func (g *generator) meetings() error {
	for _, m := range g.cfg.Meetings {
		g.rooms = append(g.rooms, &roomState{meeting: m})
	}
	for i := len(g.rooms); len(g.cfg.Meetings) == 0 && i < g.cfg.Count; i++ {
		m, err := g.create(g.ctx)
		if err != nil {
			return err
		}
		g.rooms = append(g.rooms, &roomState{meeting: m})
	}
	n := 0
	for i := range g.cfg.Members {
		n += g.cfg.Members[i].Count
	}
	for _, r := range g.rooms {
		r.people = make([]*person, n)
	}
	return nil
}

// create makes a meeting.
func (g *generator) create(ctx context.Context) (Meeting, error) {
	var made struct {
		ID       int64  `json:"id"`
		Password string `json:"password"`
	}
	body := map[string]any{"topic": "load", "type": 1, "settings": map[string]any{"join_before_host": true}}
	if err := g.call(ctx, "/v2/users/me/meetings", g.cfg.Token, body, &made); err != nil {
		return Meeting{}, fmt.Errorf("creating a meeting: %w", err)
	}
	return Meeting{Number: fmt.Sprint(made.ID), Passcode: made.Password}, nil
}

// Create makes a meeting at cfg's site with its token, for cfg.Meetings of several loads.
func Create(ctx context.Context, cfg Config) (Meeting, error) {
	g := &generator{cfg: cfg, http: link.HTTPClient(link.Real(), cfg.TLS)}
	defer g.http.CloseIdleConnections()
	return g.create(ctx)
}

// call makes one JSON request.
func (g *generator) call(ctx context.Context, path, token string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", g.absolute(path), bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := g.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		var pe proto.Error
		if json.Unmarshal(text, &pe) == nil && pe.Code != "" {
			return &pe
		}
		return fmt.Errorf("%s: status %d: %.200s", path, resp.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}

// absolute resolves an address against the site.
func (g *generator) absolute(s string) string {
	base, err := url.Parse(strings.TrimSuffix(g.cfg.Site, "/") + "/")
	if err != nil {
		return s
	}
	u, err := base.Parse(strings.TrimPrefix(s, "/"))
	if err != nil || strings.Contains(s, "://") {
		return s
	}
	return u.String()
}

// joinAll brings everybody in: publishers first, one meeting's first member before its others, so that
// the meeting has its home.
func (g *generator) joinAll() error {
	var order []*person
	add := func(r *roomState, index int, m *Member) {
		order = append(order, &person{g: g, number: len(order), room: r, index: index, member: m, reporter: 1 + uint32(len(order))})
	}
	each := func(f func(index int, m *Member)) {
		index := 0
		for i := range g.cfg.Members {
			for range g.cfg.Members[i].Count {
				f(index, &g.cfg.Members[i])
				index++
			}
		}
	}
	if g.cfg.Spread {
		each(func(index int, m *Member) {
			for _, r := range g.rooms {
				add(r, index, m)
			}
		})
	} else {
		for _, r := range g.rooms {
			each(func(index int, m *Member) { add(r, index, m) })
		}
	}
	for i, p := range order {
		g.numbers = p.number
		p.nacks = g.cfg.Nack > 0 && float64(i%100) < 100*g.cfg.Nack
	}
	begun := make(map[*roomState]bool)
	var rest []*person
	turns := make(chan struct{}, g.cfg.Parallel)
	var group sync.WaitGroup
	var bad atomic.Int64
	start := func(p *person) {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			if err := p.joinTimed(); err != nil {
				bad.Add(1)
				g.fault(fmt.Errorf("join %d: %w", p.number, err))
			}
		})
	}
	for _, p := range order {
		if !begun[p.room] {
			begun[p.room] = true
			start(p)
		} else {
			rest = append(rest, p)
		}
	}
	group.Wait()
	begin := time.Now()
	for i, p := range rest {
		if g.cfg.JoinIn > 0 {
			due := begin.Add(g.cfg.JoinIn * time.Duration(i) / time.Duration(len(rest)))
			if !pause(g.ctx, time.Until(due)) {
				break
			}
		}
		if g.ctx.Err() != nil || bad.Load() > 20 {
			break
		}
		start(p)
	}
	group.Wait()
	if n := bad.Load(); n > 0 && int(n)*20 > len(order) {
		g.errs.Lock()
		defer g.errs.Unlock()
		return fmt.Errorf("%d of %d joins failed, such as: %s", n, len(order), strings.Join(g.errs.list, "; "))
	}
	return g.ctx.Err()
}

func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// joinTimeout bounds one join; much of it is for a server that is being loaded.
const joinTimeout = 30 * time.Second

func (p *person) joinTimed() error {
	ctx, cancel := context.WithTimeout(p.g.ctx, joinTimeout)
	defer cancel()
	start := time.Now()
	if err := p.lookup(ctx); err != nil {
		return err
	}
	granted := time.Now()
	var keyed time.Duration
	var group sync.WaitGroup
	var mu sync.Mutex
	var failed error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = err
		}
	}
	for grp := range proto.Group(proto.NGroups) {
		group.Go(func() {
			if err := p.dial(ctx, grp); err != nil {
				fail(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if keyed == 0 {
				keyed = time.Since(granted)
			}
		})
	}
	group.Go(func() {
		if err := p.control(ctx); err != nil {
			fail(err)
		}
	})
	group.Wait()
	if failed != nil {
		return failed
	}
	in := time.Since(start)
	p.g.post(func() {
		p.g.joinMS = append(p.g.joinMS, float64(keyed)/1e6)
		p.g.inMS = append(p.g.inMS, float64(in)/1e6)
		p.room.people[p.index] = p
		p.g.people = append(p.g.people, p)
		p.makePubs()
		if p.g.phase >= Publishing {
			p.startPubs()
			p.g.layout(p)
		}
	})
	return nil
}

// lookup is phase one, and takes the grant that came with it.
func (p *person) lookup(ctx context.Context) error {
	var err error
	if p.identity, err = trust.NewIdentity(); err != nil {
		return err
	}
	req := proto.LookupRequest{
		V: proto.Version, Build: "load", Number: p.room.meeting.Number, Passcode: p.room.meeting.Passcode, Pwd: p.room.meeting.Pwd,
		Name: fmt.Sprintf("Load %d", p.number), Key: p.identity.Key(), Fingerprint: rtc.Fingerprint(p.g.cert), Client: "native",
	}
	var answer proto.LookupAnswer
	for {
		// A site that has just started may not know its routers yet.
		if err = p.g.call(ctx, "/lookup", "", req, &answer); err != nil {
			err = fmt.Errorf("lookup: %w", err)
		} else {
			err = p.take(ctx, answer)
		}
		if !hasCode(err, proto.CodeNoRouter) || !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

func hasCode(err error, code proto.Code) bool {
	var pe *proto.Error
	return errors.As(err, &pe) && pe.Code == code
}

// take reads the grant of an answer, or asks for one.
func (p *person) take(ctx context.Context, answer proto.LookupAnswer) (err error) {
	p.token, p.id, p.skew = answer.Token, answer.Participant, answer.ServerTime-time.Now().UnixMilli()
	if len(answer.Grants) > 0 {
		p.grant, err = trust.ReadGrant(answer.Grants[0])
		return err
	}
	if len(answer.Zones) == 0 || len(answer.Zones[0].Controllers) == 0 {
		return errors.New("lookup: no zone and no grant")
	}
	var routed proto.RouteAnswer
	route := proto.RouteRequest{V: proto.Version, Token: p.token}
	if err := p.g.call(ctx, answer.Zones[0].Controllers[0]+"/route", "", route, &routed); err != nil {
		return fmt.Errorf("route: %w", err)
	}
	p.grant, err = trust.ReadGrant(routed.Grant)
	return err
}

// dial makes one media transport.
func (p *person) dial(ctx context.Context, group proto.Group) error {
	var remote netip.AddrPort
	for _, c := range p.grant.Candidates {
		a, err := netip.ParseAddrPort(c.Addr)
		if err == nil && c.Rung == proto.UDP8801 && a.Addr().Is4() && !remote.IsValid() {
			remote = a
		}
	}
	var cred proto.Credentials
	for _, c := range p.grant.Groups {
		if c.Group == group {
			cred = c
		}
	}
	if !remote.IsValid() || cred.Ufrag == "" {
		return errors.New("the grant has no UDP candidate or no credentials")
	}
	t := &transport{person: p, group: group}
	t.bare = rtc.NewBare(rtc.DialConfig{Credentials: cred, Fingerprint: p.grant.Fingerprint, Certificate: p.g.cert}, func(b []byte) {
		b = bytes.Clone(b)
		p.g.post(func() { p.g.net.put(t, b); p.g.net.flush() })
	})
	opened := make(chan error, 1)
	p.g.post(func() {
		err := p.g.net.open(t, remote)
		if err == nil {
			p.transports[group] = t
			p.g.check(t)
			t.checkAt = p.g.now + int64(50*time.Millisecond)
			p.g.checking = append(p.g.checking, t)
		}
		opened <- err
	})
	select {
	case err := <-opened:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	in, out, err := t.bare.Handshake(ctx)
	if err != nil {
		return err
	}
	p.g.post(func() {
		t.in, t.out = in, out
		p.g.report(t)
		p.g.net.flush()
	})
	return nil
}

// control opens the control channel and keeps it until the run ends.
func (p *person) control(ctx context.Context) error {
	ws, err := link.DialWebSocket(ctx, link.WSDial{
		Host: p.g.host, URL: p.g.absolute(p.grant.URL) + "/control", TLS: p.g.cfg.TLS, MaxMessage: proto.MaxServerMessageLen,
	})
	if err != nil {
		return err
	}
	at, nonce := time.Now().UnixMilli()+p.skew, trust.NewNonce()
	err = ws.Write(ctx, proto.Encode(proto.Hello{
		V: proto.Version, Build: "load", Token: p.token, Key: p.identity.Key(), At: at, Nonce: nonce,
		Sig:  p.identity.SignHello(p.token, p.grant.Router, at, nonce),
		Caps: proto.Caps{Client: "native", Codecs: []string{"VP8"}},
	}))
	if err == nil {
		err = p.welcomed(ctx, ws)
	}
	if err != nil {
		ws.CloseNow()
		return err
	}
	p.ws = ws
	sctx, cancel := context.WithCancel(p.g.ctx)
	p.leave = cancel
	p.g.wg.Go(func() { p.listen(sctx) })
	return nil
}

// welcomed waits for the Welcome and answers it.
func (p *person) welcomed(ctx context.Context, ws *link.WebSocket) error {
	for {
		b, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		m, err := proto.Decode(b)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case proto.Welcome:
			return ws.Write(ctx, proto.Encode(proto.Answer{TWCC: []proto.Group{proto.GroupVideo, proto.GroupContent}}))
		case proto.Bye:
			return fmt.Errorf("the server said goodbye: %s: %s", m.Code, m.Text)
		case proto.Ping:
			if err := ws.Write(ctx, proto.Encode(proto.Pong{N: m.N})); err != nil {
				return err
			}
		}
	}
}

// listen answers what must be answered. Everything else is skipped without decoding it: a thousand
// clients of one core can't read each other's roster.
func (p *person) listen(ctx context.Context) {
	defer p.ws.CloseNow()
	for {
		b, err := p.ws.Read(ctx)
		if err != nil {
			if ctx.Err() == nil && !p.gone.Load() {
				p.g.fault(fmt.Errorf("control channel %d: %w", p.number, err))
			} else if p.g.ctx.Err() == nil {
				p.gone.Store(true)
			}
			return
		}
		if p.deaf.Load() {
			<-ctx.Done()
			return
		}
		if !interesting(b) {
			continue
		}
		m, err := proto.Decode(b)
		if err != nil {
			continue
		}
		switch m := m.(type) {
		case proto.Ping:
			p.say(proto.Pong{N: m.N})
		case proto.Wanted:
			p.g.post(func() { p.wanted(m) })
		case proto.Failed:
			p.g.fault(fmt.Errorf("the server refused %s: %s", m.Re, m.Text))
		case proto.Bye:
			p.g.fault(fmt.Errorf("the server said goodbye: %s: %s", m.Code, m.Text))
			return
		}
	}
}

func interesting(b []byte) bool {
	for _, t := range [...]string{`{"t":"ping"`, `{"t":"wanted"`, `{"t":"error"`, `{"t":"bye"`} {
		if bytes.HasPrefix(b, []byte(t)) {
			return true
		}
	}
	return false
}

// say writes a control message.
func (p *person) say(m proto.Message) {
	ctx, cancel := context.WithTimeout(p.g.ctx, 5*time.Second)
	defer cancel()
	p.ws.Write(ctx, proto.Encode(m))
}

// sayLater writes from a goroutine of its own: the loop waits for nobody.
func (p *person) sayLater(ms ...proto.Message) {
	p.g.wg.Go(func() {
		for _, m := range ms {
			p.say(m)
		}
	})
}
