package link

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Unread counts requests over HTTP/1 that no handler saw: headers that are too long (431), can't be read (400) or
// never end. The server answers these by itself, without a word to anybody. Zero is ready; safe for concurrent use.
type Unread struct {
	n     atomic.Uint64
	conns sync.Map // net.Conn: *reading
}

// reading is where a connection's latest request is.
type reading struct{ begun, handled atomic.Bool }

type readingKey struct{}

// Total is how many there were.
func (u *Unread) Total() uint64 { return u.n.Load() }

// Watch makes a server count, before it serves. What it has for ConnContext is kept; it must have no ConnState.
func (u *Unread) Watch(srv *http.Server) {
	inner, next := srv.ConnContext, srv.Handler
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if inner != nil {
			ctx = inner(ctx, c)
		}
		r := &reading{}
		u.conns.Store(c, r)
		return context.WithValue(ctx, readingKey{}, r)
	}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r, ok := req.Context().Value(readingKey{}).(*reading); ok {
			r.handled.Store(true)
		}
		next.ServeHTTP(w, req)
	})
	srv.ConnState = func(c net.Conn, state http.ConnState) {
		v, ok := u.conns.Load(c)
		if !ok {
			return
		}
		r := v.(*reading)
		switch state {
		case http.StateActive:
			r.handled.Store(false)
			r.begun.Store(true)
		case http.StateIdle:
			r.begun.Store(false)
		case http.StateHijacked:
			u.conns.Delete(c)
		case http.StateClosed:
			u.conns.Delete(c)
			if r.begun.Load() && !r.handled.Load() {
				u.n.Add(1)
			}
		}
	}
}
