package forward

// Table is the topology of one meeting: who follows what. Immutable once given to Publish.
type Table struct {
	Sources []SourceRow
}

// SourceRow is one source: its streams by layer, lowest first, and the legs that follow it.
type SourceRow struct {
	Streams [3]StreamID // 0 where there is no such layer
	Legs    []Want
	Pipes   uint64 // other shards that follow it, one bit each: its packets are lent to them
}

// Want is one leg that follows a source, and the layer it is to have.
type Want struct {
	Leg   LegID
	Layer int8 // 0 lowest; beyond the highest means the highest
}

// Publish makes t the topology of a meeting in place of what it had; nil, or one without sources, ends it. Legs that left a
// source stop at once; legs that follow a new one begin with its next packet if a key frame has just
// gone by, else with the next key frame (audio: with any packet); legs that want another layer keep
// what they have until a key frame of that comes; legs no longer named become idle. Call KeyFrameDue for the meeting's streams afterwards. A leg is to be named
// once; further mentions are ignored.
func (s *Shard) Publish(meeting uint32, t *Table) {
	s.round++
	old := s.tables[meeting]
	if old != nil {
		for i := range old.Sources {
			for _, id := range old.Sources[i].Streams {
				if st := s.stream(id); st != nil && st.row == &old.Sources[i] {
					st.row = nil
				}
			}
		}
	}
	delete(s.tables, meeting)
	if t != nil && len(t.Sources) > 0 {
		s.tables[meeting] = t
		for i := range t.Sources {
			s.publishRow(meeting, &t.Sources[i])
		}
	}
	if old == nil {
		return
	}
	for i := range old.Sources {
		for _, w := range old.Sources[i].Legs {
			if l := s.leg(w.Leg); l != nil && l.round != s.round && l.meeting == meeting {
				l.rowN, l.cur, l.target = 0, 0, 0
			}
		}
	}
}

func (s *Shard) publishRow(meeting uint32, row *SourceRow) {
	s.rows++
	for _, id := range row.Streams {
		if st := s.stream(id); st != nil {
			st.row, st.rowN = row, s.rows
		}
	}
	for _, w := range row.Legs {
		l := s.leg(w.Leg)
		if l == nil || l.round == s.round {
			continue
		}
		l.round, l.rowN, l.meeting, l.want = s.round, s.rows, meeting, w.Layer
		if l.cur != 0 && !row.has(l.cur) {
			l.cur = 0
		}
		l.target = 0
		s.retarget(row, l)
	}
}

func (r *SourceRow) has(id StreamID) bool {
	return r.Streams[0] == id || r.Streams[1] == id || r.Streams[2] == id
}

// retarget sets which stream of the row a leg is to have: the wanted layer if it flows, else the
// nearest that does, else the wanted one or the nearest there is. It reports whether that changed.
func (s *Shard) retarget(row *SourceRow, l *leg) bool {
	target := s.nearest(row, l)
	if target == l.target {
		return false
	}
	l.target = target
	if target != l.cur && target != 0 && !l.cfg.Kind.IsAudio() {
		s.stream(target).wantKey = true
	}
	return true
}

// layerOrder lists the layers to try for each wanted one: the nearest first, the lower of two.
var layerOrder = [3][3]int{{0, 1, 2}, {1, 0, 2}, {2, 1, 0}}

func (s *Shard) nearest(row *SourceRow, l *leg) StreamID {
	var there StreamID
	for _, layer := range layerOrder[min(max(l.want, 0), 2)] {
		id := row.Streams[layer]
		st := s.stream(id)
		if st == nil || st.cfg.Kind.IsAudio() != l.cfg.Kind.IsAudio() {
			continue
		}
		if st.flowing {
			return id
		}
		if there == 0 {
			there = id
		}
	}
	return there
}
