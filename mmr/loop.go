package mmr

import (
	"context"
	"fmt"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
)

// run is the shard's loop where readers hand it what arrives: take what is there, decide, send, sleep
// until the next thing is due.
func (s *shard) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if !s.resting(restIdle) {
			s.turn(time.Now())
			continue
		}
		timer.Reset(time.Until(s.wake(time.Now())))
		select {
		case a := <-s.in:
			s.receive(time.Now(), a.via, a.ms[:a.n])
			a.home <- a.batch
		case <-s.cmds.wake:
			s.runCommands(time.Now())
		case <-timer.C:
		case <-ctx.Done():
			s.close()
			return
		}
		s.rested()
		s.turn(time.Now())
	}
}

const (
	// readsPerTurn bounds what one socket may bring before the shard looks at everything else: what 1,000 people in
	// meetings of ten send in twenty milliseconds.
	readsPerTurn = 256
	// asideEvery is how often a busy shard reads what is set aside while nobody speaks. It bounds how late a request for
	// a lost packet is answered, and every look is a wake-up: at 10 ms, and none of them left to turns for pictures, a
	// hundred receivers took 6 % more (bench "video 1→100", 20 November 2026).
	asideEvery = 16 * time.Millisecond
)

// patient is what a busy shard is not woken for: checks, RTCP (RFC 5761 §4), and sound, which waits for
// other sound anyway (see holdAudio). Its sender's frames, DTLS and everything else come at once.
var patient = [...]link.Sieve{
	{First: [2]byte{0, 3}, Second: [2]byte{0, 255}},
	{First: [2]byte{128, 191}, Second: [2]byte{192, 223}},
	{First: [2]byte{128, 191}, Second: [2]byte{proto.PTOpus, proto.PTOpus}},
	{First: [2]byte{128, 191}, Second: [2]byte{proto.PTOpus | 0x80, proto.PTOpus | 0x80}},
}

// runPolled is the shard's loop on sockets of this kernel: it reads them itself, on one thread, and waits
// in the kernel. What it is about is to be woken seldom, for a change from idle to busy costs as much as
// sending twenty packets (bench "video 1→100", 20 November 2026: 27 µs). So what comes thick is left to
// collect for a moment; and a shard with much to do is woken by pictures alone, and finds the rest, which
// the kernel has set aside, every 5 or 16 ms.
func (s *shard) runPolled(ctx context.Context, poller *link.Poller) error {
	s.cmds.Lock()
	s.cmds.poller = poller
	s.cmds.Unlock()
	defer context.AfterFunc(ctx, poller.Wake)()
	for _, c := range s.plane.readBy(s) {
		s.batches = append(s.batches, newBatch(c, s.plane.memory.Take))
	}
	gather := max(s.plane.cfg.Gather, 0)
	// A shard that reads no socket is handed what is for it, and need not be woken for what can wait either.
	s.asides = (poller.SetsAside() || len(s.batches) == 0) && gather > 0 && s.plane.cfg.HoldAudio > 0
	pace, room := pace{least: gather}, 0 // datagrams that may wait unread; 0: any number
	if granted, ok := s.plane.Sockets(); ok {
		room = granted.Receive / datagramRoom
	}
	for ctx.Err() == nil {
		began := time.Now()
		more, err := s.readAll(s.batches, tryRead)
		now := time.Now()
		if err == nil && s.looks(now, gather) {
			var rest bool
			rest, err = s.readAside(now)
			more, now = more || rest, time.Now()
		}
		if err != nil {
			s.close()
			return fmt.Errorf("reading media: %w", err)
		}
		s.runCommands(now)
		s.turn(now)
		ended := time.Now()
		next, thick := s.paced(&pace, began, ended, room)
		left := max(s.wake(now).Sub(ended), 0)
		switch _, held := s.heldVideo.first(); {
		case s.exchange != nil && s.exchange.jammed:
			poller.Pause(min(left, jamLook))
		case more:
		case thick:
			s.collect(&pace, poller.Pause, next, ended.Add(left))
		case s.busy(now) && held:
			poller.Pause(min(left, gather))
		case s.busy(now) && s.resting(restUrgent):
			poller.WaitUrgent(left)
		case !s.busy(now) && s.resting(restIdle):
			poller.Wait(left)
		}
		s.rested()
	}
	s.close()
	return nil
}

// collect waits for the next turn, and while it does, sends what sound there is.
func (s *shard) collect(p *pace, pause func(time.Duration), next, wake time.Time) {
	for now := s.clock(); ; {
		until := wake
		if next.Before(until) {
			until = next
		}
		sound := s.soundApart(now) && s.asideAt.Before(until)
		if sound {
			until = s.asideAt
		}
		pause(max(until.Sub(now), 0))
		now = s.clock()
		if !sound || now.Before(until) { // or something wants a turn now
			return
		}
		s.listen()
		began := now
		now = s.clock()
		p.work += now.Sub(began)
	}
}

// soundApart reports whether sound is sent between the turns, and within those that take long.
func (s *shard) soundApart(now time.Time) bool {
	return s.asides && s.holding && now.Before(s.soundUntil)
}

// listen sends what sound has come, if it is time to, and pictures leave when the turn is there that is for them.
// It is called where a turn takes long.
func (s *shard) listen() {
	if !s.asides || s.listening {
		return
	}
	now := s.clock()
	if !s.soundApart(now) || now.Before(s.asideAt) {
		return
	}
	s.listening = true
	read := s.read
	s.readAside(now) // what fails is met again in the next turn
	s.read = read    // what is said of the pace is about pictures
	if s.exchange != nil {
		s.exchange.take(now)
	}
	s.releaseSound(now)
	if s.exchange != nil {
		s.exchange.give()
	}
	s.listening = false
	if ended := s.clock(); s.asideAt.Before(ended.Add(ended.Sub(now))) {
		s.asideAt = ended.Add(ended.Sub(now)) // where that much is set aside, half of the time is for pictures yet
	}
}

// readAside reads what has been set aside.
func (s *shard) readAside(now time.Time) (more bool, err error) {
	more, err = s.readAll(s.batches, s.tryAside)
	s.asideAt = now.Add(s.asideWait(now))
	return more, err
}

// paced notes a turn, and when the next is to follow at the earliest where things come thick; no hold ends before.
func (s *shard) paced(p *pace, began, ended time.Time, room int) (next time.Time, thick bool) {
	most := paceFull * p.least
	if !s.asides && ended.Before(s.soundUntil) { // it comes with pictures
		most = max(s.plane.cfg.HoldAudio, p.least)
	}
	next, thick = p.turned(began, ended, s.filled(room), most)
	if s.pacedAt = (time.Time{}); thick {
		s.pacedAt = next
	}
	return next, thick
}

// filled is how much of the room for what arrives the turn has found taken, of what may be: half of the sockets'
// buffers, where room datagrams are that, and half of each lane.
func (s *shard) filled(room int) (fill float64) {
	if room > 0 {
		fill = float64(s.read) / float64(room)
	}
	s.read = 0
	if s.exchange != nil {
		fill = max(fill, s.exchange.fill)
		s.exchange.fill = 0
	}
	return fill
}

// busy reports whether the shard is woken only by what is urgent. Who is just joining is not kept waiting.
func (s *shard) busy(now time.Time) bool {
	return s.asides && s.holding && !s.mux.Handshaking(now)
}

// looks reports whether a turn reads what is set aside, too: where that is due before the next turn may be, or nobody
// speaks and it has waited half of its time, for then it needs no wake-up of its own.
func (s *shard) looks(now time.Time, gather time.Duration) bool {
	early := max(gather, s.asideWait(now)-asideEvery/2)
	return !s.busy(now) || !now.Add(early).Before(s.asideAt)
}

// asideWait is how long what is set aside may wait: sound no longer than its hold.
func (s *shard) asideWait(now time.Time) time.Duration {
	if now.Before(s.soundUntil) {
		return min(asideEvery, s.plane.cfg.HoldAudio)
	}
	return asideEvery
}

// readAll takes in what has come, as far as lanes have room. more says that there was more than a turn may take.
func (s *shard) readAll(batches []*batch, read func(link.PacketConn, []link.Message) (int, error)) (more bool, err error) {
	for _, b := range batches {
		for n := range readsPerTurn {
			if s.exchange != nil && s.exchange.jam(s.clock()) {
				return more, nil
			}
			got, err := read(b.via, b.ms)
			if err != nil {
				return false, err
			}
			if got > 0 {
				s.receive(s.clock(), b.via, b.ms[:got])
			}
			if got < len(b.ms) {
				break
			}
			s.listen()
			more = more || n == readsPerTurn-1
		}
	}
	return more, nil
}

func tryRead(c link.PacketConn, ms []link.Message) (int, error) {
	n, _, err := link.TryRead(c, ms)
	return n, err
}

// turn does what is due by time, and sends what this turn of the loop has made.
func (s *shard) turn(now time.Time) {
	if s.exchange != nil {
		s.exchange.take(now)
	}
	if w := s.mux.Wake(); !w.IsZero() && !now.Before(w) {
		s.mux.Tick(now)
	}
	s.expire(now)
	s.publishTables(now)
	s.judgeLoad(now)
	s.release(now)
	if s.exchange != nil {
		s.exchange.give()
	}
	if !s.busy(now) || !now.Before(s.tellAt) { // who is busy soon turns again
		s.tellAt = now.Add(tellEvery)
		s.publish.store(s)
	}
}

// tellEvery is how often a busy shard's counts are copied for others to read: each turn it was 2 % of what a hundred
// receivers cost.
const tellEvery = 20 * time.Millisecond

// wake is when the loop must turn even if nothing arrives. An empty shard sleeps on its mux alone.
func (s *shard) wake(now time.Time) time.Time {
	w := s.mux.Wake()
	earlier := func(t time.Time) {
		if !t.IsZero() && (w.IsZero() || t.Before(w)) {
			w = t
		}
	}
	timers := s.timers.wake()
	if s.busy(now) {
		aside := s.asideAt
		if aside.Before(s.pacedAt) {
			aside = s.pacedAt // sound is looked for before: see collect
		}
		earlier(aside)
		if !timers.IsZero() && timers.Before(aside) {
			timers = aside // they can wait as long
		}
	}
	earlier(timers)
	if len(s.peers) > 0 || s.untidy {
		earlier(s.sweepAt)
	}
	for _, t := range s.dirty {
		earlier(t.due)
	}
	if s.exchange != nil {
		earlier(s.exchange.wake())
	}
	earlier(s.heldUntil())
	if w.IsZero() {
		return now.Add(time.Hour)
	}
	return w
}
