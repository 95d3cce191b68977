package zone

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds the addresses a limiter remembers; the one not seen for longest goes first.
const maxClients = 8192

// limiter allows each client address so many requests. Safe for concurrent use.
type limiter struct {
	rate  rate.Limit
	burst int

	mu    sync.Mutex
	by    map[netip.Prefix]*list.Element
	order *list.List // of *client, most recent first
}

type client struct {
	from netip.Prefix
	l    *rate.Limiter
}

// newLimiter allows perSecond requests a second and burst at once; negative: any number.
func newLimiter(perSecond float64, burst int) *limiter {
	l := &limiter{rate: rate.Limit(perSecond), burst: burst, by: make(map[netip.Prefix]*list.Element), order: list.New()}
	if perSecond < 0 || burst < 0 {
		l.rate = rate.Inf
	}
	return l
}

func (l *limiter) allow(now time.Time, from netip.Prefix) bool {
	if l.rate == rate.Inf {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.by[from]
	if e == nil {
		if len(l.by) >= maxClients {
			last := l.order.Back()
			delete(l.by, last.Value.(*client).from)
			l.order.Remove(last)
		}
		e = l.order.PushFront(&client{from: from, l: rate.NewLimiter(l.rate, l.burst)})
		l.by[from] = e
	}
	l.order.MoveToFront(e)
	return e.Value.(*client).l.AllowN(now, 1)
}
