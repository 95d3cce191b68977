package rtc

import "time"

// One set of credentials may come from several peer connections, one after the other: a page makes one again that has
// had no answer, while its browser still goes on with the first. Each has its own ICE user name fragment, so its
// checks make a transport of its own, the heir, beside the one that the credentials stand for, the elder.
//
//	heir ── has keys, and the elder has none or its peer the same certificate ──▶ takes the elder's place
//	     ── the elder ends by itself ──▶ takes its place, keys or not
//	     ── no keys, another certificate, a still newer one ──▶ down
//
// A check may be replayed from anywhere. What comes of it ends nothing that has keys, for whoever replays it can't
// show the same certificate.

// heirOf is the transport of another peer connection with an elder's credentials, nil where there may be none. The
// newest has it.
func (m *Mux) heirOf(now time.Time, elder *Transport, agent string) *Transport {
	if h := elder.heir; h != nil {
		if h.agent == agent {
			return h
		}
		h.down(now, ReasonAnew)
	}
	adm, ok := m.cfg.Admit(now, elder.ufrag)
	if !ok || adm.Expired {
		m.drop(ReasonUnknownUser)
		return nil
	}
	if elder.tries >= maxHandshakes {
		m.drop(ReasonHandshakes)
		return nil
	}
	h := m.newTransport(now, elder.ufrag, agent, adm)
	h.tries = elder.tries // what is bounded is handshakes for one set of credentials
	h.elder, elder.heir = elder, h
	return h
}

// inherit puts an heir whose peer has shown a certificate in its elder's place. False: it may not be.
func (t *Transport) inherit(fingerprint string) bool {
	e := t.elder
	if e.in != nil && e.peer != fingerprint {
		return false
	}
	e.heir, t.elder = nil, nil
	t.mux.transports[t.ufrag] = t
	return true
}

// bequeath takes a transport that ends out of where it stood. An heir takes its place, unless the owner wants it to
// end.
func (t *Transport) bequeath(now time.Time, why Reason) {
	e, h := t.elder, t.heir
	t.elder, t.heir = nil, nil
	switch {
	case e != nil:
		e.heir = nil
		e.tries = t.tries
	case t.mux.transports[t.ufrag] != t: // its heir has its place already
	case h != nil && why != ReasonClosed && why != ReasonShutdown:
		h.elder = nil
		t.mux.transports[t.ufrag] = h
		t.mux.wakeBy(now)
	default:
		delete(t.mux.transports, t.ufrag)
		if h != nil {
			h.elder = nil
			h.down(now, why)
		}
	}
}
