package zone

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"parley/wire/proto"
)

// maxRouteBody bounds the body of POST /route: a token and two short fields.
const maxRouteBody = 16 << 10

// servePing answers the performance test (S9): no token, no state, nothing to wait for.
func (s *Server) servePing(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, proto.PingAnswer{
		V: proto.Version, Zone: s.cfg.Zone, ID: s.cfg.ID, Time: time.Now().UnixMilli(), Load: s.loadNow(),
	})
}

// serveRoute tells a client which router to use (S10). The body is JSON whether it is called that or
// text/plain, the type that lets a page ask without a preflight.
func (s *Server) serveRoute(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	answer, err := s.routeHTTP(now, w, r)
	if err != nil {
		told, ok := errors.AsType[*proto.Error](err)
		if !ok {
			s.log.Error("route", "err", err)
			told = proto.NewError(proto.CodeInternal, "The zone controller has failed.")
		}
		s.routes.Add(1, string(told.Code))
		if told.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(told.RetryAfter))
		}
		writeJSON(w, told.Code.HTTPStatus(), told)
		return
	}
	s.routes.Add(1, "ok")
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) routeHTTP(now time.Time, w http.ResponseWriter, r *http.Request) (proto.RouteAnswer, error) {
	var none proto.RouteAnswer
	if from, ok := clientAddr(r); ok && !s.limit.allow(now, from) {
		e := proto.NewError(proto.CodeSlowDown, "Too many requests from your network; trying again in a moment.")
		e.RetryAfter = 1
		return none, e
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		if kind, _, err := mime.ParseMediaType(t); err != nil || kind != "application/json" && kind != "text/plain" {
			return none, proto.NewError(proto.CodeBadRequest, "The body must be JSON.")
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRouteBody))
	if err != nil {
		return none, proto.NewError(proto.CodeBadRequest, "The request could not be read, or is too long.")
	}
	var req proto.RouteRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return none, proto.NewError(proto.CodeBadRequest, "The request is not valid JSON.")
	}
	grant, err := s.route(r.Context(), now, req)
	return proto.RouteAnswer{V: proto.Version, Grant: grant}, err
}

// clientAddr is who is asked to be patient: an IPv4 address, or an IPv6 /64.
func clientAddr(r *http.Request) (netip.Prefix, bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}, false
	}
	ip, bits := ap.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	return p, err == nil
}

// writeJSON answers with headers that let any page read it: nothing here depends on cookies, and the
// token in the body is all the authority there is.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
	h.Set("Timing-Allow-Origin", "*")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone, or it is not; there is nobody else to tell
}
