package tunnel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
)

// askFor bounds one request that the tunnel makes for a page.
const askFor = 5 * time.Second

// anyPage: a page of any origin may come; its token is what counts.
var anyPage = []string{"*"}

// checked dials servers for pages: the same addresses that streams may go to.
type checked struct {
	link.Host
	s *Server
}

// Dial implements link.Host.
func (c checked) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	return c.s.dialChecked(ctx, host, port)
}

// errHere says that a server shares the tunnel's own origin: who reaches the one reaches the other.
var errHere = errors.New("it is at the tunnel's own address")

// at is the URL of a path of a server. Where its base is a path on the site, that is another machine's, or the
// page needs no tunnel.
func (s *Server) at(t target, path string) (string, error) {
	u, err := url.Parse(t.url)
	switch {
	case err != nil:
		return "", errForbidden
	case u.Host != "":
		return strings.TrimSuffix(t.url, "/") + path, nil
	case s.cfg.Lookup != nil:
		return "", errHere
	case !strings.HasPrefix(u.Path, "/"):
		return "", errForbidden
	}
	return strings.TrimSuffix(s.cfg.Site, "/") + strings.TrimSuffix(u.Path, "/") + path, nil
}

// request takes a page's request up to the point where its server is to be asked. ok is false where it has been
// refused, told and counted. It counts as a stream until release.
func (s *Server) request(w http.ResponseWriter, r *http.Request, of kind) (m proto.TunnelRequest, o opened, ok bool) {
	proven, ok := s.limits.arrive(addrOf(r))
	if !ok {
		render(w, http.StatusTooManyRequests, proto.NewError(proto.CodeSlowDown, "Too many connections from this address."))
		return m, o, false
	}
	defer proven()
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, proto.MaxMessageLen)).Decode(&m); err != nil {
		s.refuse(w, ReasonSilent, http.StatusBadRequest, proto.NewError(proto.CodeBadRequest, "this is no request of a page"))
		return m, o, false
	}
	o, no := s.admit(proto.TunnelOpen{V: m.V, Token: m.Token, Zone: r.PathValue("zone"), Server: r.PathValue("server")}, of)
	if no != nil {
		s.refuse(w, no.why, no.err.Code.HTTPStatus(), no.err)
		return m, o, false
	}
	return m, o, true
}

func (s *Server) pagePing(w http.ResponseWriter, r *http.Request) {
	if _, o, ok := s.request(w, r, aController); ok {
		defer o.release()
		s.ask(w, r, o, http.MethodGet, "/ping", nil)
	}
}

func (s *Server) pageRoute(w http.ResponseWriter, r *http.Request) {
	if m, o, ok := s.request(w, r, aController); ok {
		defer o.release()
		body, err := json.Marshal(m.Route)
		if err != nil {
			s.refuse(w, ReasonSilent, http.StatusBadRequest, proto.NewError(proto.CodeBadRequest, "this is no request of a page"))
			return
		}
		s.ask(w, r, o, http.MethodPost, "/route", body)
	}
}

// ask makes a page's request of a server. Nothing of the page's goes along but the body and its address.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, o opened, method, path string, body []byte) {
	ctx, cancel := context.WithTimeout(r.Context(), askFor)
	defer cancel()
	at, err := s.at(o.target, path)
	var resp *http.Response
	if err == nil {
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body)); err == nil {
			req.Header.Set("Content-Type", "application/json")
			if a := addrOf(r); a.IsValid() {
				req.Header.Set("X-Forwarded-For", a.String()) // as with lookups
			}
			resp, err = s.servers.Do(req)
		}
	}
	var answer []byte
	if err == nil {
		defer resp.Body.Close()
		answer, err = io.ReadAll(io.LimitReader(resp.Body, proto.MaxServerMessageLen))
	}
	if err != nil {
		no := unreachable(err)
		s.refuse(w, no.why, no.err.Code.HTTPStatus(), no.err)
		return
	}
	o.use.bytes.Add(int64(len(body) + len(answer)))
	if v := resp.Header.Get("Retry-After"); v != "" {
		w.Header().Set("Retry-After", v)
	}
	render(w, resp.StatusCode, json.RawMessage(answer))
}

// unreachable is how it is told that a server can't be spoken with.
func unreachable(err error) *refusal {
	if errors.Is(err, errForbidden) || errors.Is(err, errHere) {
		return refuse(ReasonAddress, proto.CodeForbidden, "no server of this name for this meeting")
	}
	return refuse(ReasonDown, proto.CodeInternal, "the server does not answer")
}

// pageControl carries the messages of a control channel between a page and a router. What goes wrong is said as
// the router would: by a bye.
func (s *Server) pageControl(w http.ResponseWriter, r *http.Request) {
	proven, ok := s.limits.arrive(addrOf(r))
	if !ok {
		render(w, http.StatusTooManyRequests, proto.NewError(proto.CodeSlowDown, "Too many connections from this address."))
		return
	}
	defer proven()
	page, err := link.AcceptWebSocket(w, r, link.WSAccept{Origins: anyPage})
	if err != nil {
		return // it has answered
	}
	defer page.CloseNow()
	ctx, cancel := context.WithTimeout(r.Context(), openFor)
	defer cancel()
	var m proto.TunnelRequest
	b, err := page.Read(ctx)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		s.limits.count(ReasonSilent)
		return
	}
	o, no := s.admit(proto.TunnelOpen{V: m.V, Token: m.Token, Zone: r.PathValue("zone"), Server: r.PathValue("server")}, aRouter)
	if no != nil {
		s.bye(ctx, page, no)
		return
	}
	defer o.release()
	proven()
	router, err := s.dialControl(r.Context(), o.target)
	if err != nil {
		s.bye(ctx, page, unreachable(err))
		return
	}
	defer router.CloseNow()
	c := &channel{s: s, use: o.use, page: page, router: router}
	if !s.enter(c) {
		return
	}
	defer s.exit(c)
	life := time.AfterFunc(s.limits.Life, func() { s.limits.count(ReasonLife); c.Close() })
	defer life.Stop()
	c.run()
}

func (s *Server) bye(ctx context.Context, page *link.WebSocket, no *refusal) {
	s.limits.count(no.why)
	if page.Write(ctx, proto.Encode(proto.Bye{Code: no.err.Code, Text: no.err.Text})) == nil {
		page.Close(closePolicy, no.why.String())
	}
}

func (s *Server) dialControl(ctx context.Context, t target) (*link.WebSocket, error) {
	ctx, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	at, err := s.at(t, "/control")
	if err != nil {
		return nil, err
	}
	return link.DialWebSocket(ctx, link.WSDial{Host: checked{s.cfg.Host, s}, URL: at, TLS: s.cfg.TLS, MaxMessage: proto.MaxServerMessageLen})
}

// channel is a page's control channel under way.
type channel struct {
	s            *Server
	use          *use
	page, router *link.WebSocket
	once         sync.Once
}

// Close cuts both ends.
func (c *channel) Close() error {
	c.once.Do(func() {
		c.page.CloseNow()
		c.router.CloseNow()
	})
	return nil
}

func (c *channel) run() {
	var wg sync.WaitGroup
	wg.Go(func() { c.copy(c.router, c.page) })
	c.copy(c.page, c.router)
	wg.Wait()
}

// copy hands messages on as they come; a close is told on, so that the page learns why.
func (c *channel) copy(to, from *link.WebSocket) {
	defer c.Close()
	idle := time.AfterFunc(c.s.limits.Idle, func() { c.Close() })
	defer idle.Stop()
	ctx := context.Background()
	for {
		b, err := from.Read(ctx)
		if code := link.CloseCode(err); code != 0 {
			to.Close(max(code, closeNormal), "")
			return
		}
		if err != nil {
			return
		}
		if c.use.bytes.Add(int64(len(b))) > c.s.limits.Bytes {
			c.s.limits.count(ReasonBytes)
			return
		}
		idle.Reset(c.s.limits.Idle)
		if to.Write(ctx, b) != nil {
			return
		}
	}
}

// closeNormal is the close code of an end in order (RFC 6455 §7.4.1).
const closeNormal = 1000
