package zone

import (
	"context"
	"sync"
	"time"
)

// asker asks somebody else on behalf of many: who comes while the same question is out waits for its
// answer, and an answer is used again for as long as fn says. Safe for concurrent use.
type asker[K comparable, V any] struct {
	fn func(ctx context.Context, key K) (v V, keep time.Duration, err error)

	mu    sync.Mutex
	known map[K]*asked[V]
}

// asked is one question. done is closed when the rest is set, and never changed afterwards.
type asked[V any] struct {
	done  chan struct{}
	v     V
	err   error
	until time.Time
}

// maxAsked bounds the answers kept; at 10,000 all are dropped, which costs a question each.
const maxAsked = 10_000

func newAsker[K comparable, V any](fn func(context.Context, K) (V, time.Duration, error)) *asker[K, V] {
	return &asker[K, V]{fn: fn, known: make(map[K]*asked[V])}
}

// ask returns the answer for key, or ctx's error. The question itself does not end with the ctx of
// whoever happened to ask first: fn bounds it.
func (a *asker[K, V]) ask(ctx context.Context, key K) (V, error) {
	a.mu.Lock()
	q := a.known[key]
	if q == nil || q.old() {
		if len(a.known) >= maxAsked {
			a.forgetLocked()
		}
		q = &asked[V]{done: make(chan struct{})}
		a.known[key] = q
		a.mu.Unlock()
		v, keep, err := a.fn(context.WithoutCancel(ctx), key)
		q.v, q.err, q.until = v, err, time.Now().Add(keep)
		close(q.done)
		return v, err
	}
	a.mu.Unlock()
	select {
	case <-q.done:
		return q.v, q.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// old reports whether the answer is there and has lapsed.
func (q *asked[V]) old() bool {
	select {
	case <-q.done:
		return !time.Now().Before(q.until)
	default:
		return false
	}
}

// forgetLocked drops every answer that is there; questions that are out stay.
func (a *asker[K, V]) forgetLocked() {
	for k, q := range a.known {
		select {
		case <-q.done:
			delete(a.known, k)
		default:
		}
	}
}
