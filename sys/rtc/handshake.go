package rtc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// handshake is one DTLS association of a transport while its state is kept. The goroutine that runs it
// speaks to the Mux by events only.
type handshake struct {
	t    *Transport
	pipe *pipe
	busy bool // counted in Mux.inFlight; owned by the Mux

	mu    sync.Mutex
	done  bool    // the keys are on their way to the Mux; guarded by mu
	final []event // our Finished, which must not go out before them; guarded by mu
}

// write is the pipe's writer. The Finished waits until the keys can go to the Mux in the same breath:
// else a peer near by would have its first media packets dropped for want of them.
func (h *handshake) write(b []byte) {
	e := event{h: h, data: append([]byte(nil), b...)}
	h.mu.Lock()
	if !h.done && hasEncrypted(b) {
		h.final = append(h.final, e)
		h.mu.Unlock()
		return
	}
	h.mu.Unlock()
	h.t.mux.mailTo(e)
}

// finish hands over the Finished and the keys.
func (h *handshake) finish(keys *keyed) {
	h.mu.Lock()
	events := append(h.final, event{h: h, keys: keys})
	h.done, h.final = true, nil
	h.mu.Unlock()
	h.t.mux.mailTo(events...)
}

// drop forgets the DTLS state. What it would still say is discarded.
func (h *handshake) drop() {
	h.pipe.mute()
	h.free()
}

func (h *handshake) free() {
	if !h.busy {
		return
	}
	m, seat := h.t.mux, h.t.seat
	h.busy = false
	m.inFlight--
	if seat == nil {
		return
	}
	if left := slices.DeleteFunc(m.seats[seat], func(x *handshake) bool { return x == h }); len(left) > 0 {
		m.seats[seat] = left
	} else {
		delete(m.seats, seat)
	}
}

// replace makes room for one more handshake of a seat, in place of its oldest where there are too many: else one
// participant with many tickets would keep everybody else out.
func (m *Mux) replace(seat any) {
	if of := m.seats[seat]; len(of) >= seatHandshakes {
		old := of[0].t
		old.hs.drop()
		old.hs = nil
		m.drop(ReasonSeat)
	}
}

// The parts of DTLS 1.2 records (RFC 6347 §4.1) this package looks at.
const (
	recordLen     = 13
	typeAlert     = 21
	typeHandshake = 22
	clientHello   = 1
)

// handleDTLS gives a datagram to the transport whose checked address it came from. A ClientHello begins a
// handshake; one from an unknown address may have overtaken its check and is held for a moment.
func (m *Mux) handleDTLS(now time.Time, key pathKey, b []byte) {
	if len(b) <= recordLen {
		m.drop(ReasonMalformed)
		return
	}
	clear0 := binary.BigEndian.Uint16(b[3:]) == 0 // epoch 0: not encrypted
	hello := clear0 && b[0] == typeHandshake && b[recordLen] == clientHello
	p := m.path(key)
	if p == nil {
		m.hold(now, key, b, hello)
		return
	}
	t := p.t
	p.received += len(b)
	// An alert in clear may come from anyone: it must end nothing.
	if clear0 && b[0] == typeAlert {
		m.drop(ReasonBadDTLS)
		return
	}
	if t.hs == nil {
		if t.in != nil || !hello {
			m.drop(ReasonBadDTLS)
			return
		}
		if t.tries >= maxHandshakes {
			t.down(now, ReasonHandshake)
			return
		}
		if t.seat != nil {
			m.replace(t.seat)
		}
		if m.inFlight >= m.cfg.MaxHandshakes {
			m.drop(ReasonHandshakes)
			return
		}
		m.begin(now, t, p)
	}
	if t.in == nil {
		t.dtlsPath = p
		if hasEncrypted(b) {
			t.finPath = p
		}
	}
	if !t.hs.pipe.push(b) {
		m.drop(ReasonQueue)
	}
}

// hasEncrypted reports whether a record of the datagram is encrypted: of a client, its Finished.
func hasEncrypted(b []byte) bool {
	for len(b) >= recordLen {
		if binary.BigEndian.Uint16(b[3:]) != 0 {
			return true
		}
		n := recordLen + int(binary.BigEndian.Uint16(b[11:]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return false
}

// hold keeps DTLS from an address whose check may still be on its way.
func (m *Mux) hold(now time.Time, key pathKey, b []byte, hello bool) {
	h := m.held[key]
	if h != nil && now.Sub(h.at) >= heldFor {
		m.counters.Dropped[ReasonHeldExpired] += uint64(len(h.data))
		delete(m.held, key)
		h = nil
	}
	switch {
	case !hello || len(b) > maxHeldLen:
		m.drop(ReasonUnknownAddr)
		return
	case h == nil && len(m.held) >= maxHeld, h != nil && len(h.data) >= heldPerAddr:
		m.drop(ReasonHeldFull)
		return
	case h == nil:
		h = &heldHello{at: now}
		m.held[key] = h
		m.wakeBy(now.Add(heldFor))
	}
	h.data = append(h.data, append([]byte(nil), b...))
}

// begin starts a handshake on a goroutine of its own.
func (m *Mux) begin(now time.Time, t *Transport, p *path) {
	h := &handshake{t: t, busy: true}
	h.pipe = newPipe(p.key.addr, h.write)
	t.hs = h
	if t.seat != nil {
		m.seats[t.seat] = append(m.seats[t.seat], h)
	}
	t.tries++
	m.inFlight++
	m.counters.Handshakes++
	if m.begunAt = now; m.collectAt.IsZero() {
		m.collectAt = now.Add(2 * pollEvery)
	}
	m.wg.Go(func() { m.run(h) })
}

// run is the goroutine of a handshake. Once keys stand it stays as long as the DTLS state is kept, to
// answer a peer whose last flight's answer was lost, and to hear its close_notify.
func (m *Mux) run(h *handshake) {
	ctx, cancel := context.WithTimeout(m.ctx, handshakeTimeout)
	defer cancel()
	conn, keys, err := serve(ctx, h.pipe, m.cfg.Certificate)
	if err != nil {
		h.pipe.mute() // an alert in clear would tell the peer nothing it can trust
		if conn != nil {
			conn.Close()
		}
		m.mailTo(event{h: h, err: err})
		return
	}
	h.finish(&keys)
	stop := context.AfterFunc(m.ctx, h.pipe.mute)
	defer stop()
	for buf := make([]byte, 2048); ; {
		if _, err := conn.Read(buf); errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			break // anything else concerns one record
		}
	}
	h.pipe.mute()
	conn.Close()
	m.mailTo(event{h: h, end: true})
}

// handleEvent takes one event of a handshake goroutine. Those of a handshake given up are ignored.
func (m *Mux) handleEvent(now time.Time, e event) {
	t := e.h.t
	if m.closed || t.hs != e.h {
		return
	}
	switch {
	case e.data != nil:
		t.sendDTLS(e.data)
	case e.keys != nil:
		e.h.free()
		t.keyed(now, e.keys)
	case e.err != nil:
		m.counters.Failed++
		m.cfg.Log.Debug("DTLS handshake failed", "err", e.err)
		e.h.free()
		t.hs = nil
	case e.end:
		t.down(now, ReasonPeerClosed)
	}
}

// sendDTLS answers where the peer's DTLS came from. Once keys stand only a peer is answered that asks again, since it
// has not got the end of the handshake where that went: then every path is tried.
func (t *Transport) sendDTLS(b []byte) {
	if t.in == nil {
		t.sendDTLSOn(t.dtlsPath, b)
		return
	}
	for _, p := range t.paths {
		t.sendDTLSOn(p, b)
	}
}

// sendDTLSOn sends on one path. Until it is proven it gets no more than three times what came from it: an address in
// a replayed check belongs to a victim.
func (t *Transport) sendDTLSOn(p *path, b []byte) {
	m := t.mux
	switch {
	case p == nil:
		m.drop(ReasonNoPath)
	case !p.proven && p.sent+len(b) > amplification*p.received:
		m.drop(ReasonAmplify)
	default:
		p.sent += len(b)
		m.send(p.key, p.local, b)
	}
}

// keyed takes the keys. The peer's Finished could only be made with our flight in hand, which proves the
// path it came on.
func (t *Transport) keyed(now time.Time, k *keyed) {
	elder := t.elder
	if elder != nil && !t.inherit(k.fingerprint) {
		t.down(now, ReasonHandshake)
		return
	}
	if elder != nil && elder.in != nil && now.Sub(elder.upAt) >= forgivenAfter {
		t.tries = 0 // what is bounded is what comes to nothing, and how fast the rest comes
	}
	t.in, t.out, t.peer, t.upAt, t.mediaAt = k.in, k.out, k.fingerprint, now, now
	p := t.finPath
	if p == nil {
		p = t.dtlsPath
	}
	if p != nil {
		p.mediaAt = now
		t.proved(now, p)
	}
	t.mux.wakeBy(now.Add(mediaLost))
	if t.mux.cfg.Up != nil {
		t.mux.cfg.Up(now, t, k.fingerprint)
	}
	if elder != nil {
		elder.down(now, ReasonAnew)
	}
}
