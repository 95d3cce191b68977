package forward

import (
	"parley/wire/rtp"
)

// Restart takes back numbers that a leg's descriptors were given and that were not sent: from next on, none
// of them ever was. They are given again, so that the receiver sees no gap, which it would take for loss.
// The leg begins anew with a key frame, which Await asks for; until then nothing more is made for it.
func (s *Shard) Restart(id LegID, next rtp.Seq) {
	l := s.leg(id)
	if l == nil || !l.sent {
		return
	}
	n := l.top + int64(next.Diff(rtp.Seq(l.top)))
	if n > l.top+1 {
		return // never given
	}
	for i := range l.nIv {
		iv := &l.iv[i]
		if iv.last >= iv.first && iv.last+iv.off >= n {
			iv.last = max(n-1-iv.off, iv.first-1)
		}
	}
	l.top, l.cur = n-1, 0
}

// Await asks for the key frame that a leg waits for, and says of which stream; 0 where it waits for none.
func (s *Shard) Await(id LegID) StreamID {
	l := s.leg(id)
	if l == nil || l.cur != 0 || l.cfg.Kind.IsAudio() {
		return 0
	}
	st := s.stream(l.target)
	if st == nil {
		return 0
	}
	st.wantKey = true
	return l.target
}
