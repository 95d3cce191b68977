package mmr

import (
	"time"

	"parley/core/forward"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Paths that queue (TCP, TLS, TURN): what they can't take waits here, before it is numbered and sealed,
// and not for long. Sound goes first and never waits behind pictures. Pictures that have waited too long
// are dropped by whole frames, and their slot begins anew with a key frame: the numbers go to what is sent
// instead, so that nobody asks again for what was left out on purpose.

const (
	// lateAfter is how long a picture may wait for its path (design §4).
	lateAfter = 150 * time.Millisecond
	// maxBacklog bounds what may wait for one path, packets: a key frame of 600 KB.
	maxBacklog = 512
	// sealedOver is what sealing and framing add at most to a packet, bytes.
	sealedOver = 32
	// Key frames are asked for on behalf of a path that was late at once the first time, then after 1 s, 2 s
	// and so on: each costs everybody else who watches the same source.
	patienceFirst = time.Second
	patienceMost  = 8 * time.Second
	// patienceOver is how long a path must not have been late for its slots to be asked for at once again.
	patienceOver = 10 * time.Second
)

// backlog is what waits for one receiver's path of one group. Owned by the shard.
type backlog struct {
	video []waiting
	late  map[uint16]*lateness // by slot
	poke  func()               // there is room again; called by the stream's goroutine
}

// waiting is a descriptor and since when it waits.
type waiting struct {
	d  forward.Desc
	at time.Time
}

// lateness is what a slot remembers of having been late.
type lateness struct {
	frame    rtp.Time // the last frame of which a packet was sent over a path that queues
	begun    bool     // and not its last packet
	patience time.Duration
	at       time.Time // last drop
}

// of is what a slot remembers.
func (q *backlog) of(slot uint16) *lateness {
	l := q.late[slot]
	if l == nil {
		l = &lateness{}
		q.late[slot] = l
	}
	return l
}

// sendSlow gives a path that queues what it takes now.
func (s *shard) sendSlow(now time.Time, p *peer, g proto.Group, t *rtc.Transport, st *link.Stream) {
	box := &p.out[g]
	q := box.slow
	if q == nil {
		q = &backlog{late: map[uint16]*lateness{}}
		wake := func(time.Time) {
			if box.slow == q {
				s.ripen(p, g, ripeAtEnd)
			}
		}
		q.poke = func() { s.do(wake) }
		box.slow = q
	}
	before := s.sent.packets
	defer func() {
		if s.sent.packets != before {
			p.sentAt[g] = now
		}
	}()
	stuck := st.Stuck(now) > link.SoundLate
	for i := range box.descs {
		d := &box.descs[i]
		switch {
		case d.Size+sealedOver > link.MaxStreamPacket: // of no sender of ours: it would wait for room for ever
			s.drops[DropWrite]++
			s.discard(d)
		case !d.Audio:
			q.video = append(q.video, waiting{*d, now})
		case stuck:
			s.drops[DropLateSound]++
			s.discard(d)
		default:
			s.sealSlow(p, g, t, st, d)
		}
	}
	box.descs = box.descs[:0]
	if len(q.video) == 0 {
		return
	}
	if len(q.video) > maxBacklog || now.Sub(q.video[0].at) > lateAfter {
		s.dropLate(now, q)
	}
	room, n := st.Room(), 0
	for ; n < len(q.video); n++ {
		d := &q.video[n].d
		if room -= d.Size + sealedOver; room < 0 {
			break
		}
		if !d.RTX && !d.Late {
			l := q.of(d.Slot)
			l.frame, l.begun = d.Time, !d.End
		}
		s.sealSlow(p, g, t, st, d)
	}
	left := copy(q.video, q.video[n:])
	clear(q.video[left:])
	q.video = q.video[:left]
	if left > 0 {
		st.Notify(q.poke)
	}
}

// dropLate leaves out all pictures that wait, but for the rest of frames that are partly sent and there in
// full. On a path that is too slow for its pictures that leaves stills, as fast as it carries them.
func (s *shard) dropLate(now time.Time, q *backlog) {
	whole := func(slot uint16) bool {
		l := q.of(slot)
		if !l.begun {
			return false
		}
		for i := range q.video {
			if d := &q.video[i].d; d.Slot == slot && d.Time == l.frame && d.End && !d.RTX {
				return true
			}
		}
		return false
	}
	kept := q.video[:0]
	for i := range q.video {
		w := q.video[i]
		l := q.of(w.d.Slot)
		if !w.d.RTX && len(q.video) <= maxBacklog && w.d.Time == l.frame && whole(w.d.Slot) {
			kept = append(kept, w)
			continue
		}
		s.drops[DropLatePicture]++
		if !w.d.RTX && !w.d.Late && l.at != now {
			s.restart(now, l, &w.d)
		}
		s.discard(&w.d)
	}
	clear(q.video[len(kept):])
	q.video = kept
	for i := range kept {
		kept[i].at = now // its time is that of its path: nothing else waits behind it
	}
}

// restart makes a slot begin anew, in place of the packet given and all after it.
func (s *shard) restart(now time.Time, l *lateness, d *forward.Desc) {
	s.fwd.Restart(d.Leg, d.Seq)
	if now.Sub(l.at) > patienceOver {
		l.patience = 0
	}
	l.at, l.begun = now, false
	leg, wait := d.Leg, l.patience
	l.patience = min(max(2*wait, patienceFirst), patienceMost)
	ask := func(now time.Time) {
		if id := s.fwd.Await(leg); id != 0 {
			s.askSenderOf(now, id)
		}
	}
	if wait == 0 {
		ask(now)
		return
	}
	time.AfterFunc(wait, func() { s.do(ask) })
}

// sealSlow numbers, seals and writes one packet, and lets go of it.
func (s *shard) sealSlow(p *peer, g proto.Group, t *rtc.Transport, st *link.Stream, d *forward.Desc) {
	defer s.discard(d)
	c := connOf(t)
	if c == nil {
		return
	}
	if len(s.arena)+d.Size+2*sealedOver > cap(s.arena) {
		s.flush()
	}
	at := len(s.arena)
	b := s.fwd.Write(s.arena, d, c.sent, d.TWCC)
	if len(b) == at {
		return // its leg has gone
	}
	sealed, err := t.SealRTP(b[:at], b[at:])
	if err != nil {
		s.drops[DropSeal]++
		return
	}
	m := [1]link.Message{{Buf: sealed[at:], N: len(sealed) - at, DSCP: s.plane.cfg.DSCP[g]}}
	if _, err := st.WriteBatch(m[:]); err != nil {
		s.drops[DropWrite]++
	}
	s.arena = sealed[:at]
	if d.TWCC {
		c.sent++
	}
	p.sentPackets++
	p.sentBytes += uint64(len(b) - at)
	s.sent.packets++
	s.sent.sends++
}

// recall gives what waited for a path that queues back to its outbox, when media goes another way.
func (box *outbox) recall() {
	if box.slow == nil {
		return
	}
	back := make([]forward.Desc, 0, len(box.slow.video)+len(box.descs))
	for i := range box.slow.video {
		back = append(back, box.slow.video[i].d)
	}
	box.descs = append(back, box.descs...)
	box.slow = nil
}
