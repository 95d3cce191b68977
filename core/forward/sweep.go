package forward

import "time"

// Sweep lets go of the packets of streams that have fallen silent, which nobody can want any more, and gives back
// memory that was not needed since the last time. more says that there may be something to do the next time, too.
// Call it every second or so.
func (s *Shard) Sweep(now time.Time) (more bool) {
	at := s.since(now)
	for i := range s.streams {
		if st := &s.streams[i]; st.started && st.oldest <= st.top && at-st.lastAt > historyAgeMost {
			s.release(st)
			st.oldest = st.top + 1
		}
	}
	s.slabs.trim()
	return s.slabs.held > 0 || len(s.slabs.spare) > 0
}

// release lets a stream's packets go.
func (s *Shard) release(st *stream) {
	for i := range st.history {
		if k := &st.history[i]; k.slab != 0 {
			s.slabs.drop(k.slab)
			k.slab = 0
		}
	}
}

// Close gives all memory back. Nothing of the shard may be used any more, nor what it has lent.
func (s *Shard) Close() { s.slabs.close() }
