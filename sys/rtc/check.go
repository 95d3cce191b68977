package rtc

import (
	"bytes"
	"net/netip"
	"time"

	"parley/wire/stun"
)

// handleSTUN takes a Binding request: a connectivity or consent check of a transport (RFC 8445 §7.3,
// RFC 7675), or without a user name a zone probe. Everything else is of no use to an ICE-lite server.
func (m *Mux) handleSTUN(now time.Time, key pathKey, local netip.Addr, mark uint8, b []byte) {
	req, err := stun.Parse(b)
	if err != nil || req.Type() != stun.BindingRequest {
		m.drop(ReasonMalformed)
		return
	}
	if present, ok := req.CheckFingerprint(); present && !ok {
		m.drop(ReasonMalformed)
		return
	}
	user, ok := req.Username()
	if !ok {
		m.probe(now, key, local, mark, req, false)
		return
	}
	ufrag, agent, _ := bytes.Cut(user, []byte(":"))
	t := m.transports[string(ufrag)]
	var adm Admission
	if t != nil {
		adm.Password = t.password
	} else if adm, ok = m.cfg.Admit(now, string(ufrag)); !ok || adm.Expired {
		m.drop(ReasonUnknownUser)
		return
	}
	if !req.CheckIntegrity([]byte(adm.Password)) {
		m.drop(ReasonIntegrity)
		return
	}
	if m.refuse(key, local, req, adm.Password) {
		return
	}
	if t != nil && t.agent != string(agent) {
		if t = m.heirOf(now, t, string(agent)); t == nil {
			return
		}
	}
	p := m.paths[key]
	if p != nil && p.t != t {
		if p == p.t.sendPath && now.Sub(p.mediaAt) < rebindQuiet {
			m.drop(ReasonBusyAddress)
			return
		}
		m.unbind(now, p)
		p = nil
	}
	if t == nil {
		t = m.newTransport(now, string(ufrag), string(agent), adm)
		m.transports[t.ufrag] = t
	}
	if p == nil {
		p = t.addPath(now, key)
	}
	m.counters.Checks++
	t.checkedAt, p.checkedAt = now, now
	if !p.proven {
		p.local = local
	}
	p.priority, _ = req.Priority()
	p.nominated = p.nominated || req.Has(stun.AttrUseCandidate)
	p.received += len(b)

	res := stun.Build(m.scratch[:0], stun.BindingSuccess, req.TxID())
	res.XORMappedAddress(key.addr)
	res.Integrity([]byte(t.password))
	res.Fingerprint()
	p.sent += res.Len()
	m.send(key, local, res.Bytes())

	if h := m.held[key]; h != nil {
		delete(m.held, key)
		for _, b := range h.data {
			m.handleDTLS(now, key, b)
		}
	}
}

// refuse answers checks that are authentic but can't be served, and reports whether it did.
func (m *Mux) refuse(key pathKey, local netip.Addr, req stun.Message, password string) bool {
	unknown := req.AppendUnknown(nil)
	_, controlled := req.Controlled()
	if len(unknown) == 0 && !controlled {
		return false
	}
	res := stun.Build(m.scratch[:0], stun.BindingError, req.TxID())
	if len(unknown) > 0 {
		res.ErrorCode(420, "Unknown Attribute")
		res.Unknown(unknown)
	} else {
		res.ErrorCode(487, "Role Conflict") // a lite agent is always controlled (RFC 8445 §6.1.1)
	}
	res.Integrity([]byte(password))
	res.Fingerprint()
	if res.Len() <= amplification*req.Len() {
		m.send(key, local, res.Bytes())
	}
	m.drop(ReasonMalformed)
	return true
}
