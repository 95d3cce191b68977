package srtp

// windowWords is the ring's size. The word of the newest index is filling, so the window is one less.
const windowWords = 8

// windowLen is how far behind the newest index a packet may always arrive, in packets. RFC 3711 §3.3.2
// asks for 64 at least; a key frame that overtakes its predecessors on another path is larger than that.
const windowLen = 64 * (windowWords - 1)

// window remembers which of the newest indices were used, as a ring of bits.
// The zero value has seen none.
type window struct {
	seen bool
	top  uint64 // newest index
	bits [windowWords]uint64
}

// fresh reports whether an index is neither used nor too old to tell.
func (w *window) fresh(index uint64) bool {
	if !w.seen || index > w.top {
		return true
	}
	if w.top-index > windowLen {
		return false
	}
	return w.bits[index/64%windowWords]&(1<<(index%64)) == 0
}

// use marks a fresh index as used, and reports whether it is the newest so far.
func (w *window) use(index uint64) (newest bool) {
	if !w.seen || index > w.top {
		w.advance(index)
		newest = true
	}
	w.bits[index/64%windowWords] |= 1 << (index % 64)
	return newest
}

// advance moves the top up and clears the words that come into use again.
func (w *window) advance(index uint64) {
	from, to := w.top/64, index/64
	if !w.seen || to-from >= windowWords {
		w.bits = [windowWords]uint64{}
	} else {
		for word := from + 1; word <= to; word++ {
			w.bits[word%windowWords] = 0
		}
	}
	w.seen, w.top = true, index
}

// guess finds the 48-bit index a 16-bit sequence number stands for (RFC 3711 §3.3.1): the one nearest to
// the newest. ok is false for a number from before the first roll-over counter.
func (w *window) guess(seq uint16) (index uint64, ok bool) {
	if !w.seen {
		return uint64(seq), true
	}
	delta := int16(seq - uint16(w.top))
	if delta < 0 && w.top < uint64(-int64(delta)) {
		return 0, false
	}
	return w.top + uint64(int64(delta)), true
}

// ahead is by how much an index is newer than the newest, 0 where it is not. The first of all is the next.
func (w *window) ahead(index uint64) uint64 {
	switch {
	case !w.seen:
		return 1
	case index <= w.top:
		return 0
	}
	return index - w.top
}
