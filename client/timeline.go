package client

import (
	"slices"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// timeline puts frames of many sources on the recording's one clock.
//
// A sender report ties a stream's time stamps to its sender's clock; sound and picture of one person
// share that clock, so placed by it they are exactly as far apart as when they were captured, however
// different their ways were. The sender's clock itself is tied to ours by the fastest packet: the
// smallest difference between arrival and sender time, one for all streams of a person. A stream
// without reports is placed by the arrival of its own fastest packet. Owned by the recorder.
type timeline struct {
	stretches map[uint64]*stretchClock
	people    map[proto.ParticipantID]*personClock
}

// stretchClock is one source's time in one slot.
type stretchClock struct {
	clock   uint32
	anchors []anchor
	zero    rtp.Time  // of the first frame
	fastest time.Time // arrival of zero, had all packets been as fast as the fastest
	any     bool
}

// anchor is one sender report.
type anchor struct {
	ntp  time.Time
	time rtp.Time
}

// personClock is where a sender's clock lies on ours.
type personClock struct {
	offset time.Duration // ours minus theirs, with the fastest packet's delay
	known  bool
	fixed  bool // frames have been written with it: it does not move any more
}

// Numbers of the timeline.
const (
	maxAnchors  = 8
	anchorSlack = 250 * time.Millisecond // a report further off the last one belongs to something new
	offsetSlack = 2 * time.Second        // a sender clock that moved more was set
)

func newTimeline() *timeline {
	return &timeline{stretches: map[uint64]*stretchClock{}, people: map[proto.ParticipantID]*personClock{}}
}

func (t *timeline) stretch(id uint64, clock uint32) *stretchClock {
	s := t.stretches[id]
	if s == nil {
		s = &stretchClock{clock: clock}
		t.stretches[id] = s
	}
	return s
}

// span is a difference of time stamps as a length of time.
func (s *stretchClock) span(from, to rtp.Time) time.Duration {
	return time.Duration(float64(to.Diff(from)) / float64(s.clock) * float64(time.Second))
}

// report takes a sender report.
func (t *timeline) report(id uint64, clock uint32, ntp time.Time, at rtp.Time) {
	s := t.stretch(id, clock)
	if n := len(s.anchors); n > 0 {
		last := s.anchors[n-1]
		if d := last.ntp.Add(s.span(last.time, at)).Sub(ntp); d > anchorSlack || d < -anchorSlack {
			s.anchors = s.anchors[:0]
		}
	}
	s.anchors = append(s.anchors, anchor{ntp, at})
	if len(s.anchors) > maxAnchors {
		s.anchors = slices.Delete(s.anchors, 0, 1)
	}
}

// sender is a time stamp on the sender's clock, by the nearest report.
func (s *stretchClock) sender(at rtp.Time) (time.Time, bool) {
	if len(s.anchors) == 0 {
		return time.Time{}, false
	}
	best := s.anchors[0]
	for _, a := range s.anchors[1:] {
		if abs32(at.Diff(a.time)) < abs32(at.Diff(best.time)) {
			best = a
		}
	}
	return best.ntp.Add(s.span(best.time, at)), true
}

func abs32(x int32) int64 { return max(int64(x), -int64(x)) }

// arrived takes note of when a frame arrived.
func (t *timeline) arrived(id uint64, clock uint32, who proto.ParticipantID, at rtp.Time, now time.Time) {
	s := t.stretch(id, clock)
	if !s.any {
		s.any, s.zero, s.fastest = true, at, now
	}
	if zero := now.Add(-s.span(s.zero, at)); zero.Before(s.fastest) || zero.Sub(s.fastest) > offsetSlack {
		s.fastest = zero // faster than all before, or the stream has paused without its time stamps
	}
	theirs, ok := s.sender(at)
	if !ok {
		return
	}
	p := t.people[who]
	if p == nil {
		p = &personClock{}
		t.people[who] = p
	}
	offset := now.Sub(theirs)
	moved := offset - p.offset
	switch {
	case !p.known, moved > offsetSlack, moved < -offsetSlack:
		*p = personClock{offset: offset, known: true}
	case !p.fixed && moved < 0:
		p.offset = offset
	}
}

// place is when a frame belongs on our clock. From then on the person's clock keeps its place.
func (t *timeline) place(id uint64, who proto.ParticipantID, at rtp.Time) (time.Time, bool) {
	s := t.stretches[id]
	if s == nil || !s.any {
		return time.Time{}, false
	}
	if theirs, ok := s.sender(at); ok {
		if p := t.people[who]; p != nil && p.known {
			p.fixed = true
			return theirs.Add(p.offset), true
		}
	}
	return s.fastest.Add(s.span(s.zero, at)), true
}

// forget drops what a stretch needed, when it is over.
func (t *timeline) forget(id uint64) { delete(t.stretches, id) }
