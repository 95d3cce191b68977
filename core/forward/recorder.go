package forward

import (
	"time"

	"parley/wire/rtp"
)

const (
	// recorderLen is how many packets a Recorder covers between two feedbacks: 100 ms at 80 Mbit/s.
	recorderLen = 1024
	// recorderFirst is how many it has room for at first: more than a camera sends in a second.
	recorderFirst = 256
)

// Recorder notes when the packets of one publisher's peer connection arrived, by transport-wide
// sequence number, and reports it (draft-holmer-rmcat-transport-wide-cc-extensions-01). One for each
// peer connection, whatever transports it has: the numbers are one space. The zero value is ready.
// Owned by the goroutine that reads the transports.
type Recorder struct {
	epoch  time.Time
	seqs   rtp.Unwrapper
	ring   []arrived
	from   int64 // first not yet reported
	number uint8
	any    bool
	news   bool // something arrived since the last feedback
}

type arrived struct {
	ext int64
	at  time.Duration
}

// Arrive notes that a packet with this number arrived. Of several copies the first counts.
func (r *Recorder) Arrive(now time.Time, twcc uint16) {
	if r.ring == nil {
		r.ring = newArrivals(recorderFirst)
		// The reference time of feedback has 64 ms steps; an epoch in the past keeps all times positive.
		r.epoch = now.Add(-time.Second)
	}
	top, _ := r.seqs.Top()
	ext := r.seqs.Unwrap(rtp.Seq(twcc))
	switch {
	case !r.any:
		r.any, r.from = true, ext
	case ext <= top-int64(len(r.ring)):
		return
	case ext < r.from:
		r.from = ext // it was reported as lost: report that stretch again
	case ext-r.from >= recorderLen:
		r.from = ext - recorderLen + 1 // too long without a feedback: the oldest go unreported
	}
	for ext-r.from >= int64(len(r.ring)) {
		r.widen()
	}
	e := &r.ring[ext&int64(len(r.ring)-1)]
	if e.ext == ext {
		return
	}
	*e = arrived{ext: ext, at: max(now.Sub(r.epoch), 0)}
	r.news = true
}

// widen doubles the ring.
func (r *Recorder) widen() {
	wide := newArrivals(2 * len(r.ring))
	for _, e := range r.ring {
		if e.ext != nothingArrived {
			wide[e.ext&int64(len(wide)-1)] = e
		}
	}
	r.ring = wide
}

// nothingArrived is the number of an empty place.
const nothingArrived = -1 << 62

func newArrivals(n int) []arrived {
	ring := make([]arrived, n)
	for i := range ring {
		ring[i].ext = nothingArrived
	}
	return ring
}

// AppendFeedback adds the feedback messages on what has arrived since the last call, usually one, and
// nothing when nothing has. Call it every 50 to 100 ms.
func (r *Recorder) AppendFeedback(dst []byte, now time.Time, sender, media uint32) []byte {
	if !r.news {
		return dst
	}
	r.news = false
	top, _ := r.seqs.Top()
	var at [400]time.Duration // about what one message can hold
	for r.from <= top {
		n := 0
		for ext := r.from; ext <= top && n < len(at); ext++ {
			at[n] = rtp.NotReceived
			if e := &r.ring[ext&int64(len(r.ring)-1)]; e.ext == ext {
				at[n] = e.at
			}
			n++
		}
		start := len(dst)
		var took int
		dst, took = rtp.AppendTransportFeedback(dst, sender, media, r.number, rtp.Seq(r.from), at[:n])
		if len(dst) > start {
			r.number++
		}
		r.from += int64(took)
	}
	return dst
}
