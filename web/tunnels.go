package web

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/sys/bus"
	"parley/wire/proto"
)

// maxTunnels bounds the tunnels one client is told of: it races three at a time.
const maxTunnels = 8

// tunnels is which HTTP tunnels announced themselves lately: soft state, complete a second after the start.
type tunnels struct {
	mu    sync.Mutex
	heard map[string]tunnelHeard // by id; guarded by mu
}

type tunnelHeard struct {
	said proto.TunnelAnnounce
	at   time.Time
}

// hearTunnel takes a tunnel's announcement in; the subject says who speaks.
func (s *Server) hearTunnel(subject string, data []byte) {
	var a proto.TunnelAnnounce
	err := json.Unmarshal(data, &a)
	if err != nil || !bus.ValidID(a.ID) || subject != fmt.Sprintf(proto.SubjectTunnel, a.ID) || !proto.Compatible(a.V) || a.URL == "" {
		s.log.Warn("announcement of a tunnel refused", "subject", subject, "version", a.V, "err", err)
		return
	}
	s.tunnels.mu.Lock()
	defer s.tunnels.mu.Unlock()
	s.tunnels.heard[a.ID] = tunnelHeard{a, s.now()}
}

// urls lists the tunnels that live, those with the least to do first.
func (t *tunnels) urls(now time.Time) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var live []proto.TunnelAnnounce
	for id, h := range t.heard {
		if now.Sub(h.at) > freshFor {
			delete(t.heard, id)
			continue
		}
		live = append(live, h.said)
	}
	slices.SortFunc(live, func(a, b proto.TunnelAnnounce) int {
		return cmp.Or(cmp.Compare(a.Load, b.Load), cmp.Compare(a.ID, b.ID))
	})
	urls := make([]string, len(live))
	for i, a := range live {
		urls[i] = a.URL
	}
	return urls
}

// tunnelsFor lists the tunnels a client of a meeting is told of. A connector's meetings stay in their
// organisation's network, which the operator's tunnels are not part of (design §6).
func (s *Server) tunnelsFor(now time.Time, hosting string) []string {
	if strings.HasPrefix(hosting, "connector:") {
		return nil
	}
	all := append(slices.Clone(s.cfg.Tunnels), s.tunnels.urls(now)...)
	return all[:min(len(all), maxTunnels)]
}

// siteKeys answers what anybody may know of the site.
func (s *Server) siteKeys(context.Context, []byte) (any, error) {
	return proto.SiteAnswer{Site: s.cfg.Site.ID(), Tokens: s.cfg.Site.Keys()}, nil
}

// binding is what both ends of a request's TLS derive alike (RFC 9266), "" where a balancer of ours ends it.
func (s *Server) binding(r *http.Request) string {
	if r.TLS == nil || s.cfg.Balancers.Sent(r) {
		return ""
	}
	b, err := r.TLS.ExportKeyingMaterial(proto.BindingLabel, nil, proto.BindingLen)
	if err != nil {
		return "" // TLS 1.2 without extended master secret
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
