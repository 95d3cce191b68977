package mmr

import (
	"math/bits"
	"slices"
	"time"

	"parley/core/forward"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Following a source of another shard's: the first leg here that wants it makes this shard follow it, and
// the last that does not makes it stop. Owner and follower tell each other by events, in order with the
// packets:
//
//	follower                         owner
//	   │ eventFollow on ───────────────▶ │ row.pipes
//	   │ ◀─────────────── eventStreams   │ mirrors begin as the streams are now
//	   │ ◀────────────────── eventLoan … │ since the last key frame if that is recent, then as they come
//	   │ eventWant ────────────────────▶ │ a key frame
//	   │ ◀──────── eventStreams, eventReport as they change
//	   │ eventFollow off ──────────────▶ │

// lingerFor is how long a source is followed after nobody here wants it: who looks away and back within
// that has what one shard would have kept, packets to repeat and the key frame to begin with.
const lingerFor = time.Second

// lingering is a source that is not wanted here any more.
type lingering struct {
	t   *topology
	src proto.SourceID
	at  time.Time // when it is not followed any more
}

// follow tells a source's owner that somebody here wants it, or soon that nobody does.
func (x *exchange) follow(now time.Time, t *topology, src proto.SourceID, r *row) {
	switch wanted := len(r.wants) > 0; {
	case wanted && !r.following:
		r.following, r.owner = true, x.ownerOf(t, src)
		x.out[r.owner].tell(event{kind: eventFollow, on: true, room: t.room, source: src})
	case wanted == r.lingers:
		r.lingers = !wanted
		if r.lingers {
			x.lingering = append(x.lingering, lingering{t, src, now.Add(lingerFor)})
		}
	}
}

// ownerOf is the shard of a source's sender.
func (x *exchange) ownerOf(t *topology, src proto.SourceID) int {
	return x.s.plane.shardOf(t.room.key(src.Participant())).index
}

// unfollow ends the following of what nobody has wanted for long.
func (x *exchange) unfollow(now time.Time) {
	for len(x.lingering) > 0 && !now.Before(x.lingering[0].at) {
		l := x.lingering[0]
		x.lingering = x.lingering[1:]
		r := l.t.rows[l.src]
		switch {
		case r == nil || !r.lingers:
		case len(r.wants) > 0:
			r.lingers = false // wanted again, which the next table says
		case slices.ContainsFunc(x.lingering, func(m lingering) bool { return m.t == l.t && m.src == l.src }):
			// wanted and given up again meanwhile: the newer time counts
		default:
			if r.following {
				x.out[r.owner].tell(event{kind: eventFollow, room: l.t.room, source: l.src})
				x.unmirror(r.owner, r)
			}
			delete(l.t.rows, l.src)
			l.t.touched[l.src] = true
			x.s.markDirty(l.t, now)
		}
	}
}

// tableOut tells other shards what the row of a source that was just published means to them.
func (x *exchange) tableOut(now time.Time, t *topology, src proto.SourceID) {
	switch r := t.rows[src]; {
	case x.ownerOf(t, src) == x.s.index && (r == nil || !r.following):
		x.published(now, t, src, r)
	case r != nil:
		x.follow(now, t, src, r)
	}
}

// followed is an owner's: another shard follows a source, or no more.
func (x *exchange) followed(now time.Time, from int, e *event) {
	t := x.s.topos[e.room]
	if t == nil {
		// The meeting has been opened here before the other shard was told of it, so word of that waits at least.
		x.s.runCommands(now)
		if t = x.s.topos[e.room]; t == nil {
			return
		}
	}
	r := t.row(e.source)
	bit := uint64(1) << from
	r.pipes &^= bit
	r.fresh &^= bit
	if e.on {
		r.pipes |= bit
		r.fresh |= bit
	} else if r.pipes == 0 && r.streams == [3]forward.StreamID{} && len(r.wants) == 0 {
		delete(t.rows, e.source) // of a sender who has left
	}
	x.s.publishNow(t, now)
}

// published tells those who follow a source of ours what streams it has, and lends newcomers what they
// may begin with. r is nil when its sender has left.
func (x *exchange) published(now time.Time, t *topology, src proto.SourceID, r *row) {
	if r == nil {
		for _, l := range x.out {
			if l != nil {
				l.tell(event{kind: eventStreams, room: t.room, source: src})
			}
		}
		return
	}
	told := r.pipes
	if r.told == r.streams {
		told = r.fresh
	}
	if told == 0 {
		return
	}
	r.told = r.streams
	layers := &[3]mirrored{}
	for i, id := range r.streams {
		if state, ok := x.s.fwd.State(id); ok {
			layers[i] = mirrored{id, state}
		}
	}
	for p := told; p != 0; p &= p - 1 {
		x.out[bits.TrailingZeros64(p)].tell(event{kind: eventStreams, on: true, room: t.room, source: src, layers: layers})
	}
	for _, id := range r.streams {
		x.s.fwd.Lend(now, id, told, &x.s.out)
	}
	r.fresh = 0
	x.s.emit(now)
}

// mirror is a follower's: the streams a source has now.
func (x *exchange) mirror(now time.Time, from int, e *event) {
	t := x.s.topos[e.room]
	if t == nil {
		return
	}
	r := t.rows[e.source]
	if r == nil || !r.following {
		return // not wanted any more, which is on its way
	}
	if !e.on { // the sender has left: followed again should it come back
		x.unmirror(from, r)
		r.following = false
	} else {
		for i, m := range e.layers {
			if old, ok := x.origins[r.streams[i]]; ok && old.stream == m.stream {
				continue
			}
			x.drop(r.streams[i])
			r.streams[i] = 0
			if m.stream != 0 {
				id := x.s.fwd.Mirror(m.state)
				x.mirrors[origin{from, m.stream}], x.origins[id] = id, origin{from, m.stream}
				r.streams[i] = id
			}
		}
	}
	t.touched[e.source] = true
	x.s.publishNow(t, now)
}

// unmirror lets the mirrors of a row go.
func (x *exchange) unmirror(from int, r *row) {
	for i, id := range r.streams {
		if x.origins[id].shard == from {
			x.drop(id)
			r.streams[i] = 0
		}
	}
}

func (x *exchange) drop(id forward.StreamID) {
	o, ok := x.origins[id]
	if !ok {
		return
	}
	x.s.fwd.RemoveStream(id)
	delete(x.origins, id)
	delete(x.mirrors, o)
	x.asking = slices.DeleteFunc(x.asking, func(a forward.StreamID) bool { return a == id })
}

// ended tells all that a stream of ours is no more: what its sender sent is not repeated either.
func (x *exchange) ended(id forward.StreamID) {
	for _, l := range x.out {
		if l != nil {
			l.tell(event{kind: eventEnded, stream: id})
		}
	}
}

// forget lets all mirrors of a meeting go.
func (x *exchange) forget(t *topology) {
	x.lingering = slices.DeleteFunc(x.lingering, func(l lingering) bool { return l.t == t })
	for _, r := range t.rows {
		for _, id := range r.streams {
			x.drop(id)
		}
	}
}

// ask tells a mirror's owner that a key frame is wanted, if one is due.
func (x *exchange) ask(now time.Time, id forward.StreamID) {
	o, ok := x.origins[id]
	if !ok {
		return
	}
	if x.s.fwd.KeyFrameDue(now, id) {
		ext, known := x.s.fwd.NewestKeyFrame(id)
		x.out[o.shard].tell(event{kind: eventWant, stream: o.stream, ext: ext, known: known})
	}
	if x.s.fwd.Wanting(id) && !slices.Contains(x.asking, id) {
		if len(x.asking) == 0 {
			x.askAt = now.Add(x.s.plane.cfg.Tick)
		}
		x.asking = append(x.asking, id)
	}
}

// askAgain asks for the mirrors that still need a key frame.
func (x *exchange) askAgain(now time.Time) {
	x.askAt = now.Add(x.s.plane.cfg.Tick)
	again := slices.Clone(x.asking)
	x.asking = x.asking[:0]
	for _, id := range again {
		x.ask(now, id)
	}
}

// reported passes a sender's report to those who follow the stream.
func (x *exchange) reported(now time.Time, p *peer, b *binding, info rtp.SenderInfo) {
	t := x.s.topos[p.room]
	if t == nil {
		return
	}
	r := t.rows[proto.Source(p.key.id, b.kind)]
	if r == nil {
		return
	}
	for pipes := r.pipes; pipes != 0; pipes &= pipes - 1 {
		x.out[bits.TrailingZeros64(pipes)].tell(event{kind: eventReport, stream: b.stream, info: info, at: now})
	}
}
