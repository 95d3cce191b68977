package link

import (
	"net/http"
	"net/netip"
	"strings"
)

// Balancers are the addresses whose X-Forwarded-For is believed; nobody else's is.
type Balancers []netip.Prefix

// Has reports whether an address is a balancer's.
func (b Balancers) Has(a netip.Addr) bool {
	for _, p := range b {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Sent reports whether a balancer passed a request on.
func (b Balancers) Sent(r *http.Request) bool { return b.Has(peerOf(r)) }

// Client is the address a request comes from: the peer's, or, where that is a balancer, the last address in
// X-Forwarded-For that is not one. What stands further left anybody may have written. Zero where the peer has none.
func (b Balancers) Client(r *http.Request) netip.Addr {
	addr := peerOf(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && b.Has(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
	}
	return addr
}

// Behind is a handler that finds in RemoteAddr whom the balancers speak for. The port is 0 then.
func (b Balancers) Behind(h http.Handler) http.Handler {
	if len(b) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := b.Client(r); a != peerOf(r) {
			r = r.WithContext(r.Context()) // a copy
			r.RemoteAddr = netip.AddrPortFrom(a, 0).String()
		}
		h.ServeHTTP(w, r)
	})
}

func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}
