package rtc

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"parley/sys/link"
	"parley/wire/stun"
)

// probe answers a zone probe (S9): never with more bytes than it had, so that a forged source address
// gains nothing, and with the same number where the request is padded, so that the prober learns the
// path's MTU both ways. Where it has a MARK the answer tells which mark (link.Message.Mark) the probe arrived with,
// and carries the one it wishes for, if media is marked so here.
func (m *Mux) probe(now time.Time, key pathKey, local netip.Addr, mark uint8, req stun.Message, dressed bool) {
	if len(req.AppendUnknown(nil)) > 0 {
		m.drop(ReasonMalformed)
		return
	}
	dst := m.scratch[:0]
	if dressed {
		dst = stun.AppendDress(dst)
	}
	res := stun.Build(dst, stun.BindingSuccess, req.TxID())
	res.XORMappedAddress(key.addr)
	out := link.Message{Addr: key.addr, Local: local}
	if wish, _, ok := req.Mark(); ok && req.Len()-res.Len() >= stun.MarkLen {
		if slices.Contains(m.cfg.Marks, wish) {
			out.DSCP = wish
		}
		res.Mark(mark-1, out.DSCP) // 0, unknown, becomes stun.MarkUnknown
	}
	room := req.Len() - res.Len()
	if room < 0 {
		m.drop(ReasonProbeSmall)
		return
	}
	if !m.probes.allow(now, key.addr.Addr()) {
		m.drop(ReasonProbeLimit)
		return
	}
	if req.Has(stun.AttrPadding) && room >= 4 {
		res.Padding(room - 4)
	}
	m.counters.Probes++
	out.Buf, out.N = res.Bytes(), len(res.Bytes())
	m.cfg.Send(key.via, out)
}

// handleDressed answers a probe that is dressed as media, in the same dress: where it is answered and media is not, the
// network is not to blame.
func (m *Mux) handleDressed(now time.Time, key pathKey, local netip.Addr, mark uint8, b []byte) {
	req, err := stun.Parse(b)
	if err != nil || req.Type() != stun.BindingRequest || req.Has(stun.AttrUsername) {
		m.drop(ReasonMalformed)
		return
	}
	m.probe(now, key, local, mark, req, true)
}

// limiterSize is the number of buckets. Networks that fall into the same one share it: the table neither
// grows nor evicts, whatever addresses are forged.
const limiterSize = 1024

// limiter counts probes by /24 or /64, with a token bucket for each.
type limiter struct {
	rate    float64 // per second; below zero refuses all
	burst   float64
	seed    maphash.Seed
	buckets [limiterSize]bucket
}

type bucket struct {
	at     time.Time
	tokens float64
}

func newLimiter(perSecond int) *limiter {
	return &limiter{rate: float64(perSecond), burst: 4 * float64(perSecond), seed: maphash.MakeSeed()}
}

// bucket is the one of an address's network.
func (l *limiter) bucket(addr netip.Addr) *bucket {
	bits := 64
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		bits = 24
	}
	network, _ := addr.Prefix(bits) // only an invalid address has none
	return &l.buckets[maphash.Comparable(l.seed, network)%limiterSize]
}

// allow takes a token of the address's network.
func (l *limiter) allow(now time.Time, addr netip.Addr) bool {
	if l.rate < 0 {
		return false
	}
	b := l.bucket(addr)
	if b.at.IsZero() {
		b.tokens = l.burst
	} else {
		b.tokens = min(l.burst, b.tokens+l.rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
