package tunnel

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"parley/wire/proto"
)

// lookupFor bounds a lookup at the site.
const lookupFor = 10 * time.Second

// lookup passes POST /lookup on to the site, for networks where that is out of reach. It needs no token, since
// it is where one comes from; so it goes nowhere else, and addresses are slowed.
func (s *Server) lookup(w http.ResponseWriter, r *http.Request) {
	addr := addrOf(r)
	if !s.limits.lookup(time.Now(), addr) {
		e := proto.NewError(proto.CodeSlowDown, "Too many lookups from this address. Wait a moment and try again.")
		e.RetryAfter = 60
		w.Header().Set("Retry-After", "60")
		render(w, e.Code.HTTPStatus(), e)
		return
	}
	if s.cfg.Lookup != nil {
		s.cfg.Lookup.ServeHTTP(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookupFor)
	defer cancel()
	body := http.MaxBytesReader(w, r.Body, proto.MaxMessageLen)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.cfg.Site, "/")+"/lookup", body)
	if err != nil {
		render(w, http.StatusInternalServerError, proto.NewError(proto.CodeInternal, "The tunnel has a problem."))
		return
	}
	for _, h := range []string{"Content-Type", "Authorization"} {
		if v := r.Header.Get(h); v != "" {
			req.Header.Set(h, v)
		}
	}
	if addr.IsValid() {
		req.Header.Set("X-Forwarded-For", addr.String()) // the site believes it where the tunnel is a balancer of its own
	}
	resp, err := s.site.Do(req)
	if err != nil {
		s.limits.count(ReasonDown)
		render(w, http.StatusBadGateway, proto.NewError(proto.CodeInternal, "The tunnel can't reach the site."))
		return
	}
	defer resp.Body.Close()
	for _, h := range []string{"Content-Type", "Cache-Control", "Access-Control-Allow-Origin", "Retry-After"} {
		if v := resp.Header.Get(h); v != "" {
			w.Header().Set(h, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, io.LimitReader(resp.Body, proto.MaxServerMessageLen))
}
