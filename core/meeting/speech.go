package meeting

import (
	"slices"
	"time"

	"parley/wire/proto"
)

// Who speaks. A fixed number of people, the loudest, are forwarded to everybody; they hold a place. An
// open microphone takes a free place at once, so that in a small meeting everybody has one and no word
// is lost. When all are taken, somebody who speaks takes the place of
//
//   - one who is silent and has held it for placeHold: at once;
//   - one who is softer by easyMargin and has held it for placeHold: after speaking for spurtHold;
//   - one who is softer by clearMargin: after speaking for spurtHold.
//
// Packets without voice, or below silentBelow, never move anybody.
const (
	silentBelow = 55 // −dBov
	levelFloor  = 127 - silentBelow
	smoothing   = 1.0 / 8 // of the level, per packet: about 160 ms of 20 ms packets
	easyMargin  = 3       // dB
	clearMargin = 6       // dB
	placeHold   = 2 * time.Second
	spurtHold   = 300 * time.Millisecond
	spurtGap    = 300 * time.Millisecond // a pause this long ends a spurt
	talkHold    = time.Second            // one who paused this long is not named as speaking
)

// voice is what is known of how a person speaks.
type voice struct {
	level    float32   // smoothed, dB above −127 dBov; levelFloor: silent
	at       time.Time // last packet with voice
	since    time.Time // start of the spurt it belongs to
	placed   bool
	placedAt time.Time
}

// now is the level at a time: silent, after a pause.
func (v *voice) now(now time.Time) float32 {
	if v.at.IsZero() || now.Sub(v.at) > spurtGap {
		return levelFloor
	}
	return v.level
}

func (v *voice) spurt(now time.Time) time.Duration { return now.Sub(v.since) }

// speechState is who is forwarded, and who was last said to speak.
type speechState struct {
	places   []*person
	turns    uint64
	talk     []*person // those with a place who speak, loudest first
	active   *person
	activeAt time.Time
	at       time.Time // next report, zero: nothing to report
	last     time.Time
	sent     proto.Speakers
}

// told reports whether anybody was ever said to speak.
func (s *speechState) told() bool { return s.sent.Active != 0 || len(s.sent.Loudest) > 0 }

func (s *speechState) message() proto.Speakers {
	return proto.Speakers{Active: s.sent.Active, Loudest: slices.Clone(s.sent.Loudest)}
}

// level takes the level of one packet. It reports whether that is cause to settle.
func (m *Meeting) level(now time.Time, e Level) bool {
	p := m.people[e.Source.Participant()]
	if p == nil || e.Source.Kind() != proto.Audio || !p.src[proto.Audio].open {
		return false
	}
	v := &p.voice
	loud := float32(levelFloor)
	voiced := e.Voice && e.DBov < silentBelow
	if voiced {
		loud = float32(127 - e.DBov)
	}
	v.level += (loud - v.level) * smoothing
	if !voiced {
		return false
	}
	pause := now.Sub(v.at)
	if v.at.IsZero() || pause > spurtGap {
		v.since = now
		v.level = loud // a new spurt starts at its own level, not at the silence before
	}
	v.at = now
	changed := false
	if v.placed {
		if v.since.Equal(now) && (p.spoke == 0 || pause > pairIdle) {
			m.tookTurn(now, p) // its place came without speaking, or it spoke long ago
			changed = true
		}
	} else if changed = m.takePlace(now, p); !changed {
		return false
	}
	if m.speech.at.IsZero() {
		m.speech.at = later(now, m.speech.last.Add(speakEvery))
	}
	return changed
}

// takePlace gives a speaker a place if the rules above allow it.
func (m *Meeting) takePlace(now time.Time, p *person) bool {
	if len(m.speech.places) < m.cfg.Loudest {
		m.place(now, p)
		m.tookTurn(now, p)
		return true
	}
	var victim *person
	var softest float32
	for _, q := range m.speech.places {
		l := q.voice.now(now)
		held := now.Sub(q.voice.placedAt) >= placeHold
		margin := p.voice.level - l
		long := p.voice.spurt(now) >= spurtHold
		may := held && l <= levelFloor ||
			held && long && margin >= easyMargin ||
			long && margin >= clearMargin
		if may && (victim == nil || l < softest || l == softest && q.voice.at.Before(victim.voice.at)) {
			victim, softest = q, l
		}
	}
	if victim == nil {
		return false
	}
	m.unplace(victim)
	m.place(now, p)
	m.tookTurn(now, p)
	return true
}

func (m *Meeting) place(now time.Time, p *person) {
	p.voice.placed, p.voice.placedAt = true, now
	m.speech.places = append(m.speech.places, p)
	m.mapAll(now)
}

func (m *Meeting) unplace(p *person) {
	p.voice.placed = false
	if i := slices.Index(m.speech.places, p); i >= 0 {
		m.speech.places = slices.Delete(m.speech.places, i, i+1)
	}
}

// tookTurn moves a person to the front of those who spoke last.
func (m *Meeting) tookTurn(now time.Time, p *person) {
	m.speech.turns++
	p.spoke = m.speech.turns
	if p.src[proto.Video].open {
		m.mapping.camsDirty = true
		m.mapAll(now)
	}
}

// fillPlaces gives free places to open microphones: who spoke last first, then who came first.
func (m *Meeting) fillPlaces(now time.Time) {
	for len(m.speech.places) < m.cfg.Loudest {
		var best *person
		for _, p := range m.list {
			if p.src[proto.Audio].open && !p.voice.placed && (best == nil || p.voice.at.After(best.voice.at)) {
				best = p
			}
		}
		if best == nil {
			return
		}
		m.place(now, best)
	}
}

// leaveSpeech takes a closed microphone out of everything.
func (m *Meeting) leaveSpeech(now time.Time, p *person) {
	p.voice.level, p.voice.at, p.voice.since = levelFloor, time.Time{}, time.Time{}
	if p.voice.placed {
		m.unplace(p)
		m.fillPlaces(now)
	}
	if i := slices.Index(m.speech.talk, p); i >= 0 || m.speech.active == p {
		if i >= 0 {
			m.speech.talk = slices.Delete(m.speech.talk, i, i+1)
		}
		if m.speech.at.IsZero() {
			m.speech.at = later(now, m.speech.last.Add(speakEvery))
		}
	}
}

// reportSpeakers says who speaks if that has changed, and looks again while somebody does.
func (m *Meeting) reportSpeakers(now time.Time) {
	sp := &m.speech
	sp.last, sp.at = now, time.Time{}
	talks := func(p *person) bool {
		return p.voice.placed && !p.voice.at.IsZero() && now.Sub(p.voice.at) <= talkHold
	}
	sp.talk = slices.DeleteFunc(sp.talk, func(p *person) bool { return !talks(p) })
	for _, p := range sp.places {
		if talks(p) && !slices.Contains(sp.talk, p) {
			sp.talk = append(sp.talk, p)
		}
	}
	// Neighbours change places only where the one behind is clearly louder: no flicker.
	for i := 1; i < len(sp.talk); i++ {
		for j := i; j > 0 && sp.talk[j].voice.now(now) >= sp.talk[j-1].voice.now(now)+easyMargin; j-- {
			sp.talk[j], sp.talk[j-1] = sp.talk[j-1], sp.talk[j]
		}
	}
	m.chooseActive(now)

	msg := proto.Speakers{Loudest: make([]proto.ParticipantID, 0, len(sp.talk))}
	if sp.active != nil {
		msg.Active = sp.active.id
	}
	for _, p := range sp.talk {
		msg.Loudest = append(msg.Loudest, p.id)
	}
	if msg.Active != sp.sent.Active || !slices.Equal(msg.Loudest, sp.sent.Loudest) {
		sp.sent = msg
		m.broadcast(sp.message())
	}
	if len(sp.talk) > 0 {
		sp.at = now.Add(speakEvery)
	}
}

// chooseActive picks the one whose picture is shown large. Whoever spoke last stays until another
// speaks, also after muting; leaving ends it.
func (m *Meeting) chooseActive(now time.Time) {
	sp := &m.speech
	if sp.active != nil && m.people[sp.active.id] != sp.active {
		sp.active = nil
	}
	if len(sp.talk) == 0 {
		return
	}
	first := sp.talk[0]
	if first == sp.active {
		return
	}
	if sp.active != nil && slices.Contains(sp.talk, sp.active) {
		margin := first.voice.now(now) - sp.active.voice.now(now)
		if first.voice.spurt(now) < spurtHold || margin < easyMargin ||
			margin < clearMargin && now.Sub(sp.activeAt) < placeHold {
			return
		}
	}
	sp.active, sp.activeAt = first, now
}
