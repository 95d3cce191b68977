package mmr

import (
	"math/bits"
	"net/netip"
	"time"

	"parley/core/forward"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// lane is all that goes from one shard to another (design §5). Nothing else is shared: each end owns what
// its side is said to own, and bytes that are lent are changed by nobody.
type lane struct {
	to        *shard
	datagrams ring[handed]
	events    ring[event]
	returns   ring[forward.SlabRef] // loans of the other shard's that are no longer needed

	// Owned by the sending shard.
	backlog []event // what should not be lost, while events is full
	lost    uint64  // events for which there was no room there either; taken over by exchange.give
	lent    int     // loans the other side has not given back
	urgent  bool    // what was put since the last flush should not wait
}

const (
	// laneDatagrams, laneEvents: what two shards, if there are two, may be apart by. A busy shard looks before half of it
	// is there (see shard.filled): 512 datagrams in 7 ms are 70,000 a second.
	laneDatagrams = 512
	laneEvents    = 4096
	// From jamFrom of a lane taken on a shard leaves its sockets unread, for jamMost at most: a turn of the other as long
	// as they get, and as long again for what has collected. jamLook is how often it looks meanwhile.
	jamFrom = 0.75
	jamMost = 2 * paceFull * time.Millisecond
	jamLook = time.Millisecond
	// maxLaneBacklog bounds what waits for a shard that does not look at its lanes: paths of ten thousand people who come
	// and go. One that far behind serves nobody any more.
	maxLaneBacklog = 1 << 16
	// maxLent is how many packets one may have of the other: more than half a second of 100,000 a
	// second. Returns have room for all, so none is ever lost.
	maxLent = 1 << 16
)

// handed is a datagram that came to one shard's socket for a participant of the other.
type handed struct {
	via   int // which of the plane's addresses
	addr  netip.AddrPort
	local netip.Addr
	n     int
	buf   [maxDatagram]byte
}

// eventKind says which fields of an event are set.
type eventKind uint8

const (
	eventLoan    eventKind = iota + 1 // a packet of a stream that is mirrored there
	eventWant                         // the mirror of a stream needs a key frame newer than known
	eventReport                       // the sender's report on a stream that is mirrored there
	eventFollow                       // from now on (on), or no more, the shard follows a source
	eventStreams                      // the streams a followed source has now
	eventEnded                        // a stream is no more
	eventPath                         // the shard has (on), or no more, a path from an address
)

// event is one thing that one shard tells another.
type event struct {
	kind   eventKind
	on     bool
	known  bool
	stream forward.StreamID // the telling shard's; of a want: the told one's
	ext    int64            // of a want: the newest key frame there is
	loan   forward.Loan
	info   rtp.SenderInfo
	at     time.Time
	room   *room
	source proto.SourceID
	layers *[3]mirrored
	addr   netip.AddrPort
}

// mirrored is one layer of a source that another shard follows.
type mirrored struct {
	stream forward.StreamID // 0: none
	state  forward.State
}

// newLane makes one of a plane of so many shards: the more there are, the less goes between any two.
func newLane(to *shard, shards int) *lane {
	less := min(bits.Len(uint(shards-1))-1, 3)
	return &lane{
		to: to, datagrams: newRing[handed](laneDatagrams >> less), events: newRing[event](laneEvents >> less),
		returns: newRing[forward.SlabRef](maxLent >> less),
	}
}

// tell puts an event that should not be lost. While the other shard is too far behind, wishes for key frames,
// which are repeated, and senders' reports, of which the next is as good, are not kept for it.
func (l *lane) tell(e event) {
	if len(l.backlog) == 0 {
		if at := l.events.put(); at != nil {
			*at, l.urgent = e, true
			return
		}
	}
	if e.kind == eventWant || e.kind == eventReport || len(l.backlog) >= maxLaneBacklog {
		l.lost++
		return
	}
	l.backlog = append(l.backlog, e)
}

// lend puts a packet, and reports whether there was room for it.
func (l *lane) lend(loan *forward.Loan) bool {
	if len(l.backlog) > 0 || l.lent == len(l.returns.slots) {
		return false
	}
	e := l.events.put()
	if e == nil {
		return false
	}
	e.kind, e.loan = eventLoan, *loan // the rest is zero: see exchange.take
	l.lent++
	l.urgent = l.urgent || !loan.Audio // sound waits for other sound anyway, see patient
	return true
}

// flush shows the other side what was put, and wakes it where it sleeps and should not.
func (l *lane) flush() {
	for len(l.backlog) > 0 {
		e := l.events.put()
		if e == nil {
			break
		}
		*e, l.backlog, l.urgent = l.backlog[0], l.backlog[1:], true
		if len(l.backlog) == 0 {
			l.backlog = nil // and the room of all there were
		}
	}
	any := l.datagrams.flush()
	any = l.events.flush() || any
	l.returns.flush() // alone they can wait
	if any {
		l.to.nudge(l.urgent)
	}
	l.urgent = false
}

// waiting reports whether there is anything for the other side.
func (l *lane) waiting() bool { return l.datagrams.waiting() || l.events.waiting() }
