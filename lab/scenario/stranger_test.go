package scenario

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"parley/lab"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
)

// stranger speaks the protocol by hand, one request at a time, and may get it wrong on purpose.
type stranger struct {
	w       *world
	name    string
	host    *lab.Host
	http    *http.Client
	id      *trust.Identity
	cert    tls.Certificate
	answer  proto.LookupAnswer
	askedAt time.Time
}

// Stranger makes somebody with keys and a host.
func (w *world) Stranger(name string) *stranger {
	w.Helper()
	s := &stranger{w: w, name: name, host: w.host("host-"+name, nil)}
	s.http = link.HTTPClient(s.host, w.tls())
	w.onClose(s.http.CloseIdleConnections)
	var err error
	if s.id, err = trust.NewIdentity(); err != nil {
		w.Fatal(err)
	}
	if s.cert, err = rtc.NewCertificate(time.Now()); err != nil {
		w.Fatal(err)
	}
	return s
}

// post sends JSON and reads JSON. A refusal is its code.
func (s *stranger) post(url, bearer string, in, out any) proto.Code {
	s.w.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		s.w.Fatal(err)
	}
	req, err := http.NewRequest("POST", url, bytes.NewReader(b))
	if err != nil {
		s.w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.w.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var e proto.Error
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.Code.HTTPStatus() != resp.StatusCode {
			s.w.Errorf("POST %s = %d with code %q (%v)", url, resp.StatusCode, e.Code, err)
		}
		return e.Code
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		s.w.Fatal(err)
	}
	return ""
}

// Lookup is phase one; the answer is kept.
func (s *stranger) Lookup(m meetingInfo, bearer string) proto.Code {
	s.w.Helper()
	s.askedAt = time.Now()
	return s.post(siteURL+"/lookup", bearer, proto.LookupRequest{
		V: proto.Version, Build: "test", Number: m.number(), Passcode: m.Passcode, Name: s.name, Key: s.id.Key(),
		Fingerprint: rtc.Fingerprint(s.cert), Client: "native",
	}, &s.answer)
}

// MustLookup is Lookup where it must go well.
func (s *stranger) MustLookup(m meetingInfo) *stranger {
	s.w.Helper()
	if code := s.Lookup(m, ""); code != "" {
		s.w.Fatalf("lookup of %s refused: %s", s.name, code)
	}
	return s
}

// Route is phase three with a token, at a zone's controller.
func (s *stranger) Route(zone, token string) (proto.Grant, proto.Code) {
	s.w.Helper()
	var a proto.RouteAnswer
	if code := s.post("https://"+zone+"-zc/route", "", proto.RouteRequest{V: proto.Version, Token: token}, &a); code != "" {
		return proto.Grant{}, code
	}
	g, err := trust.ReadGrant(a.Grant)
	if err != nil {
		s.w.Fatal(err)
	}
	return g, ""
}

// Hello is a correct hello to a router, made now.
func (s *stranger) Hello(router string) proto.Hello {
	return s.sign(proto.Hello{
		V: proto.Version, Build: "test", Token: s.answer.Token, Key: s.id.Key(), Nonce: trust.NewNonce(),
		At: time.Now().UnixMilli(), Caps: proto.Caps{Client: "native"},
	}, router)
}

// sign makes the signature of a hello anew.
func (s *stranger) sign(h proto.Hello, router string) proto.Hello {
	h.Sig = s.id.SignHello(h.Token, router, h.At, h.Nonce)
	return h
}

// line is a control channel spoken by hand.
type line struct {
	w  *world
	ws *link.WebSocket

	mu    sync.Mutex
	heard []proto.Message
	ended bool
}

// Open opens a control channel and says nothing.
func (s *stranger) Open(router string) *line {
	s.w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ws, err := link.DialWebSocket(ctx, link.WSDial{
		Host: s.host, URL: "https://" + router + "/control", TLS: s.w.tls(), MaxMessage: proto.MaxServerMessageLen,
	})
	if err != nil {
		s.w.Fatalf("control channel of %s: %v", s.name, err)
	}
	l := &line{w: s.w, ws: ws}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.read()
	}()
	s.w.onClose(func() {
		ws.CloseNow()
		<-done
	})
	return l
}

// Say opens a control channel with this hello.
func (s *stranger) Say(router string, h proto.Hello) *line {
	s.w.Helper()
	l := s.Open(router)
	l.Send(h)
	return l
}

func (l *line) read() {
	for {
		b, err := l.ws.Read(context.Background())
		if err != nil {
			l.mu.Lock()
			l.ended = true
			l.mu.Unlock()
			return
		}
		m, err := proto.Decode(b)
		if err != nil {
			l.w.Errorf("a router said what can't be read: %v", err)
			continue
		}
		if p, ok := m.(proto.Ping); ok {
			l.ws.Write(context.Background(), proto.Encode(proto.Pong{N: p.N}))
		}
		l.mu.Lock()
		l.heard = append(l.heard, m)
		l.mu.Unlock()
	}
}

// Send writes a message; a channel that is closed meanwhile is not an error.
func (l *line) Send(m proto.Message) { l.SendBytes(proto.Encode(m)) }

// SendBytes writes anything.
func (l *line) SendBytes(b []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	l.ws.Write(ctx, b)
}

// messages are those heard of one type.
func messages[M proto.Message](l *line) (out []M) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.heard {
		if m, ok := m.(M); ok {
			out = append(out, m)
		}
	}
	return out
}

// Ended tells whether the channel is closed.
func (l *line) Ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// outcome waits for how a hello is answered: "welcome", "waiting", or the code of the refusal.
func (l *line) outcome() string {
	l.w.Helper()
	what := ""
	l.w.until(15*time.Second, "a hello is answered", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, m := range l.heard {
			switch m := m.(type) {
			case proto.Welcome:
				what = "welcome"
			case proto.Waiting:
				what = "waiting"
			case proto.Bye:
				what = string(m.Code)
			default:
				continue
			}
			return true
		}
		what = "closed without a word"
		return l.ended
	})
	return what
}

// Dial makes a media transport with credentials from a grant or a welcome.
func (s *stranger) Dial(candidates []proto.Candidate, fingerprint string, groups []proto.Credentials, g proto.Group) (*earpiece, error) {
	s.w.Helper()
	i := slices.IndexFunc(groups, func(c proto.Credentials) bool { return c.Group == g })
	if i < 0 {
		s.w.Fatalf("no credentials for %v", g)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := rtc.Dial(ctx, rtc.DialConfig{
		Host: s.host, Remote: candidates, Credentials: groups[i], Fingerprint: fingerprint, Certificate: s.cert,
	})
	if err != nil {
		return nil, err
	}
	e := &earpiece{Conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.listen()
	}()
	s.w.onClose(func() {
		conn.Close()
		<-done
	})
	return e, nil
}

// earpiece is a media transport that counts what arrives.
type earpiece struct {
	*rtc.Conn
	mu      sync.Mutex
	packets int
	reports int
	err     error
}

func (e *earpiece) listen() {
	buf := make([]byte, 2048)
	for {
		_, rtcp, err := e.Read(buf)
		e.mu.Lock()
		switch {
		case err != nil:
			e.err = err
			e.mu.Unlock()
			return
		case rtcp:
			e.reports++
		default:
			e.packets++
		}
		e.mu.Unlock()
	}
}

// Packets is how many RTP packets arrived so far, Lost whether the transport has ended.
func (e *earpiece) Packets() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.packets
}

// Lost tells whether the transport ended by itself.
func (e *earpiece) Lost() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err != nil && !errors.Is(e.err, rtc.ErrClosed)
}
