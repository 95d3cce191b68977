package mmr

import (
	"net/netip"
	"slices"
	"time"

	"parley/core/forward"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// The way out: descriptors are queued for each receiver and group, released together, and leave as runs
// of equal size, one kernel entry each (UDP_SEGMENT). The kernel's path for one datagram costs more than
// everything we do with it (performance notes of 20 November 2026: 2 µs against 0.4), so what leaves
// together is what the router's cost is about.
//
// A receiver's group is released when a frame of it ends, when a packet has waited its hold, or when a
// run could not grow. Nothing is held on a shard with little to do: there the hold would only cost time.

const (
	// holdVideo bounds how long a packet waits for the rest of its frame: libwebrtc sends a frame back
	// to back, and on a 20 Mbit/s uplink 2.6 of its packets arrive within a millisecond.
	holdVideo = time.Millisecond
	// holdAudio bounds how long one speaker's packet waits for another's. Two of three speakers' packets
	// fall within 5 ms of each other in half of all cases.
	holdAudio = 5 * time.Millisecond
	// holdFrom is how many packets a second make holding worth its delay: at 2 µs each, a few percent of
	// a core.
	holdFrom = 10_000
	// maxPad is how much RTP padding makes a packet fit its run: libwebrtc splits a frame into parts that
	// differ by one byte; 16 catches nearly all there is (gso notes §3).
	maxPad = 16
	// maxRun is what UDP_SEGMENT takes at once; maxRunLen bounds its bytes.
	maxRun    = 64
	maxRunLen = 65_000
	// maxBox is how many packets wait for one receiver and group; more are released at once.
	maxBox = 64
	// keptRoom is of how many packets an outbox's room is kept for the next. A turn that takes long may need more, and
	// hundreds of such rooms would stay for ever: 80 MB of two hundred people that a shard had been too slow for.
	keptRoom = 4 * maxBox
	// sendBatch and arenaLen bound what is sealed before it is handed to the kernel, so that the arena
	// stays in the processor's cache.
	sendBatch = 64
	arenaLen  = 256 << 10
)

// outbox is what waits for one receiver on one group.
type outbox struct {
	descs []forward.Desc
	turn  uint32    // rises with every release: a hold that belongs to an earlier turn is void
	held  bool      // has an entry in a hold queue
	ripe  ripeness  // has an entry in shard.ripe, or in shard.ripeSound
	until time.Time // while held: when the earliest such entry is due
	slow  *backlog  // what waits for a path that queues; nil on one that does not
}

// hold is an entry of a hold queue. All entries of a queue wait equally long, so the queue is in order.
type hold struct {
	at    time.Time
	peer  *peer
	group proto.Group
	turn  uint32
}

// holdQueue is a first-in first-out queue that reuses its room.
type holdQueue struct {
	list []hold
	head int
}

func (q *holdQueue) push(h hold) { q.list = append(q.list, h) }

func (q *holdQueue) first() (h hold, ok bool) {
	if q.head == len(q.list) {
		return hold{}, false
	}
	return q.list[q.head], true
}

func (q *holdQueue) pop() {
	q.list[q.head] = hold{}
	q.head++
	if q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	} else if q.head >= 4096 && q.head*2 >= len(q.list) {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
}

// ripeBox names an outbox to be released at the end of this turn.
type ripeBox struct {
	peer  *peer
	group proto.Group
}

// ripeness says how soon an outbox is to be released.
type ripeness uint8

const (
	unripe      ripeness = iota
	ripeAtEnd            // of the turn
	ripeAtSound          // when sound leaves next
)

// enqueue puts a descriptor into its receiver's outbox.
func (s *shard) enqueue(now time.Time, d *forward.Desc) {
	p := s.receiver(d.Receiver)
	if p == nil {
		s.drops[DropNoReceiver]++
		s.discard(d)
		return
	}
	g := p.group(p.slots[d.Slot].kind)
	if p.active[g] == nil {
		s.drops[DropNoTransport]++
		s.discard(d)
		return
	}
	box := &p.out[g]
	if n := len(s.spare); box.descs == nil && n > 0 {
		box.descs, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	box.descs = append(box.descs, *d)
	how := ripeAtEnd
	if d.Audio {
		how = ripeAtSound
	}
	if !s.holding || d.End || d.RTX || len(box.descs) >= maxBox {
		s.ripen(p, g, how)
		return
	}
	if box.ripe >= how {
		return
	}
	q, wait := &s.heldVideo, s.plane.cfg.HoldVideo
	if d.Audio {
		q, wait = &s.heldAudio, s.plane.cfg.HoldAudio
		if s.asides {
			wait = -1 // it has waited, unread
		}
	}
	if wait < 0 {
		s.ripen(p, g, how)
		return
	}
	// With one group for everything a picture may come to a box that waits for sound, which may wait longer.
	at := now.Add(wait)
	if box.held && !at.Before(box.until) {
		return
	}
	box.held, box.until = true, at
	q.push(hold{at, p, g, box.turn})
}

// ripen marks an outbox for release.
func (s *shard) ripen(p *peer, g proto.Group, how ripeness) {
	box := &p.out[g]
	if box.ripe >= how {
		return
	}
	box.ripe = how
	if how == ripeAtSound {
		s.ripeSound = append(s.ripeSound, ripeBox{p, g})
	} else {
		s.ripe = append(s.ripe, ripeBox{p, g})
	}
}

// discard gives back a descriptor that is not sent.
func (s *shard) discard(d *forward.Desc) {
	one := [1]forward.Desc{*d}
	s.fwd.Done(one[:])
}

// release sends what is ripe, and what has waited its hold.
func (s *shard) release(now time.Time) {
	s.due(now, &s.heldVideo, ripeAtEnd)
	s.releaseSound(now)
	for i := 0; i < len(s.ripe); i++ { // sound that is looked for meanwhile may bring more
		if i%betweenBoxes == betweenBoxes-1 {
			s.listen()
		}
		s.fetchAhead(s.ripe, i)
		s.sendBox(now, s.ripe[i].peer, s.ripe[i].group)
	}
	clear(s.ripe)
	s.ripe = s.ripe[:0]
	s.flush()
}

// betweenBoxes is after how many receivers' pictures sound may be looked for: some 8 µs each.
const betweenBoxes = 16

// releaseSound is release for sound.
func (s *shard) releaseSound(now time.Time) {
	s.due(now, &s.heldAudio, ripeAtSound)
	for i, r := range s.ripeSound {
		s.fetchAhead(s.ripeSound, i)
		s.sendBox(now, r.peer, r.group)
	}
	clear(s.ripeSound)
	s.ripeSound = s.ripeSound[:0]
	s.flush()
}

// due ripens what has waited its hold.
func (s *shard) due(now time.Time, q *holdQueue, how ripeness) {
	for {
		h, ok := q.first()
		if !ok || now.Before(h.at) && s.holding {
			return
		}
		q.pop()
		if h.peer.out[h.group].turn == h.turn {
			s.ripen(h.peer, h.group, how)
		}
	}
}

// fetchAhead has what the next receivers' packets are sealed with brought near while this one's are: what is
// known of a hundred of them is in no processor's cache when the next frame comes.
func (s *shard) fetchAhead(ripe []ripeBox, i int) {
	const steps = 4
	for step := range steps {
		at := i + steps - step
		if i == 0 { // all that would have been done before
			for k := 1; k < at && k < len(ripe); k++ {
				fetch(ripe[k], step)
			}
		}
		if at < len(ripe) {
			fetch(ripe[at], step)
		}
	}
}

func fetch(r ripeBox, step int) {
	if r.peer.active[r.group] != nil {
		r.peer.active[r.group].Fetch(step)
	}
}

// heldUntil is when the next hold ends, zero if nothing is held.
func (s *shard) heldUntil() (at time.Time) {
	if h, ok := s.heldVideo.first(); ok {
		at = h.at
	}
	if h, ok := s.heldAudio.first(); ok && (at.IsZero() || h.at.Before(at)) {
		at = h.at
	}
	if !at.IsZero() && at.Before(s.pacedAt) {
		at = s.pacedAt
	}
	return at
}

// clearBox drops what waits for a receiver that leaves, or whose transport has gone.
func (s *shard) clearBox(p *peer, g proto.Group) {
	box := &p.out[g]
	box.recall()
	s.fwd.Done(box.descs)
	s.emptied(box)
	box.turn++
	box.held = false
}

// emptied takes an outbox's room for the next that needs some: most hold nothing most of the time, and room
// used a moment ago is in the processor's cache.
func (s *shard) emptied(box *outbox) {
	if n := cap(box.descs); n > 0 && n <= keptRoom {
		s.spare = append(s.spare, box.descs[:0])
	}
	box.descs = nil
}

// tidySpare lets go of room that those who are there can't need all at once.
func (s *shard) tidySpare() {
	if most := proto.NGroups * len(s.peers); len(s.spare) > most {
		clear(s.spare[most:])
		s.spare = s.spare[:most]
	}
}

// sendBox seals an outbox into runs of equal size. Packets of one SSRC keep their order; SSRCs go by
// size, largest first, so that whatever differs comes last and needs no padding.
func (s *shard) sendBox(now time.Time, p *peer, g proto.Group) {
	box := &p.out[g]
	box.ripe, box.held = unripe, false
	box.turn++
	if len(box.descs) == 0 && box.slow == nil {
		return
	}
	t := p.active[g]
	if t == nil {
		s.drops[DropNoTransport] += uint64(len(box.descs))
		s.clearBox(p, g)
		return
	}
	via, to, from, ok := t.Path()
	if !ok {
		s.drops[DropNoPath] += uint64(len(box.descs))
		s.clearBox(p, g)
		return
	}
	if st, slow := via.(*link.Stream); slow {
		s.sendSlow(now, p, g, t, st)
		return
	}
	box.recall()
	descs := box.descs
	if len(descs) > 1 {
		s.order(descs)
	}
	for i := 0; i < len(descs); {
		n, size := run(descs[i:])
		s.sealRun(p, g, t, descs[i:i+n], size, via, to, from)
		i += n
	}
	s.fwd.Done(descs)
	s.emptied(box)
	p.sentAt[g] = now
}

// order brings descriptors of several SSRCs together, the SSRC with the largest packet first.
func (s *shard) order(descs []forward.Desc) {
	first := key(&descs[0])
	same := true
	for i := range descs {
		if key(&descs[i]) != first {
			same = false
			break
		}
	}
	if same {
		return
	}
	largest := s.largest[:0]
	for i := range descs {
		k := key(&descs[i])
		at := slices.IndexFunc(largest, func(l keySize) bool { return l.key == k })
		if at < 0 {
			largest = append(largest, keySize{k, descs[i].Size})
		} else {
			largest[at].size = max(largest[at].size, descs[i].Size)
		}
	}
	s.largest = largest
	rank := func(d *forward.Desc) (int, uint32) {
		k := key(d)
		for i := range largest {
			if largest[i].key == k {
				return largest[i].size, k
			}
		}
		return 0, k
	}
	slices.SortStableFunc(descs, func(a, b forward.Desc) int {
		as, ak := rank(&a)
		bs, bk := rank(&b)
		switch {
		case as != bs:
			return bs - as
		case ak < bk:
			return -1
		case ak > bk:
			return 1
		}
		return 0
	})
}

type keySize struct {
	key  uint32
	size int
}

// key tells the SSRCs of one receiver apart: its slots, and their retransmissions.
func key(d *forward.Desc) uint32 {
	k := uint32(d.Slot) << 1
	if d.RTX {
		k |= 1
	}
	return k
}

// run finds how many of the next packets fit one send, and the size all but the last are padded to: all
// within maxPad of the largest, then one shorter packet of any size. Padding the last is never needed.
func run(descs []forward.Desc) (n int, size int) {
	lo, hi := int(descs[0].Size), int(descs[0].Size)
	n = 1
	for n < len(descs) && n < maxRun && (n+1)*(hi+64) < maxRunLen {
		next := int(descs[n].Size)
		if low, high := min(lo, next), max(hi, next); high-low <= maxPad {
			lo, hi = low, high
			n++
			continue
		}
		if next < hi {
			n++ // shorter: it may be the last
		}
		break
	}
	return n, hi
}

// sealRun writes, numbers and seals one run into the arena, as one message.
func (s *shard) sealRun(p *peer, g proto.Group, t *rtc.Transport, descs []forward.Desc, size int,
	via link.PacketConn, to netip.AddrPort, from netip.Addr) {
	c := connOf(t)
	if c == nil {
		return
	}
	if len(s.arena)+len(descs)*(size+64) > cap(s.arena) {
		s.flush()
	}
	start := len(s.arena)
	segment, sent := 0, 0
	for i := range descs {
		d := &descs[i]
		at := len(s.arena)
		var number uint16
		if d.TWCC {
			number = c.sent
		}
		b := s.fwd.Write(s.arena, d, number, d.TWCC)
		if len(b) == at {
			continue // its leg has gone
		}
		if pad := size - (len(b) - at); i < len(descs)-1 && pad > 0 && pad <= maxPad && len(descs) > 1 {
			b = rtp.AppendPadding(b, at, uint8(pad))
		}
		plain := len(b) - at
		sealed, err := t.SealRTP(b[:at], b[at:])
		if err != nil {
			s.drops[DropSeal]++
			continue
		}
		length := len(sealed) - at
		switch {
		case segment == 0:
			segment = length
		case length != segment && i < len(descs)-1 || length > segment:
			// What was to be equal is not (a leg left in between): send what there is and begin anew.
			s.queueRun(via, to, from, g, s.arena[start:at:at], segment, sent)
			start, segment, sent = at, length, 0
		}
		s.arena = sealed
		sent++
		if d.TWCC {
			c.sent++
		}
		p.sentPackets++
		p.sentBytes += uint64(plain)
	}
	if sent > 0 {
		s.queueRun(via, to, from, g, s.arena[start:len(s.arena):len(s.arena)], segment, sent)
	}
}

// queueRun makes one message of sealed packets.
func (s *shard) queueRun(via link.PacketConn, to netip.AddrPort, from netip.Addr, g proto.Group, buf []byte, segment, n int) {
	m := link.Message{Buf: buf, N: len(buf), Addr: to, Local: from, DSCP: s.plane.cfg.DSCP[g]}
	if n > 1 {
		m.Segment = segment
	}
	s.sent.packets += uint64(n)
	s.sent.sends++
	s.queueMessage(via, m)
}

// queueMessage hands a message to the next flush.
func (s *shard) queueMessage(via link.PacketConn, m link.Message) {
	for i := range s.sends {
		if q := &s.sends[i]; q.via == via {
			q.ms = append(q.ms, m)
			if len(q.ms) >= sendBatch {
				s.flush()
			}
			return
		}
	}
	s.sends = append(s.sends, sendQueue{via, append(make([]link.Message, 0, sendBatch), m)})
}

// sendQueue is what the next flush gives to one socket.
type sendQueue struct {
	via link.PacketConn
	ms  []link.Message
}

// flush hands the queued messages to the sockets and empties the arena.
func (s *shard) flush() {
	for i := range s.sends {
		q := &s.sends[i]
		for rest := q.ms; len(rest) > 0; {
			n, err := q.via.WriteBatch(rest)
			if err != nil {
				s.drops[DropWrite] += uint64(len(rest) - n)
				break
			}
			rest = rest[n:]
		}
		q.ms = q.ms[:0]
	}
	if cap(s.arena) > arenaLen {
		s.arena = nil // one huge run grew it
	}
	if s.arena == nil {
		s.arena = make([]byte, 0, arenaLen)
	}
	s.arena = s.arena[:0]
}

// judgeLoad decides once a second whether holding pays.
func (s *shard) judgeLoad(now time.Time) {
	if now.Before(s.judgeAt) {
		return
	}
	s.judgeAt = now.Add(time.Second)
	s.holding = s.plane.cfg.HoldFrom/len(s.plane.shards) <= int(s.sent.packets-s.judged)
	s.judged = s.sent.packets
}
