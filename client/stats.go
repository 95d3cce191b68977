package client

import (
	"cmp"
	"slices"
	"time"

	"parley/sys/clip"
	"parley/wire/proto"
)

func sortFiles(files []clip.IndexFile) {
	slices.SortFunc(files, func(a, b clip.IndexFile) int {
		return cmp.Or(cmp.Compare(a.Participant, b.Participant), cmp.Compare(a.File, b.File))
	})
}

// sendStats tells the user, and less often the router, what has been sent and received so far (S40).
func (c *Client) sendStats(now time.Time) {
	list := c.measure(now)
	c.view.mu.Lock()
	c.view.stats = list
	c.view.mu.Unlock()
	e := Stats{}
	for _, s := range list {
		e.Media = append(e.Media, describe(s))
	}
	c.emit(e)
	if !now.Before(c.media.statsMsgAt) {
		c.media.statsMsgAt = now.Add(statsMsgEvery)
		c.send(proto.Stats{Media: list})
	}
}

func describe(s proto.MediaStats) MediaStats {
	m := MediaStats{
		Kind: s.Kind.String(), Dir: "down", Path: s.Path, Packets: s.Packets, Bytes: s.Bytes, Lost: s.Lost,
		Jitter: s.Jitter, RTT: s.RTT, Width: s.Width, Height: s.Height, FPS: s.FPS,
	}
	if s.Up {
		m.Dir = "up"
	}
	if all := s.Packets + s.Lost; all > 0 {
		m.Loss = float64(s.Lost) / float64(all)
		if s.Up {
			m.Loss = float64(s.Lost) / float64(max(s.Packets, 1))
		}
	}
	return m
}

// measure sums up each kind in both directions. Kinds that never had a packet are left out.
func (c *Client) measure(now time.Time) []proto.MediaStats {
	var out []proto.MediaStats
	seconds := now.Sub(c.media.lastStats).Seconds()
	c.media.lastStats = now
	fps := func(key uint32, frames uint64) float64 {
		n := frames - c.media.lastFrames[key]
		c.media.lastFrames[key] = frames
		if seconds <= 0 {
			return 0
		}
		return float64(int(float64(n)/seconds*10+0.5)) / 10
	}
	for _, o := range c.media.out {
		if o == nil || o.packets == 0 {
			continue
		}
		s := proto.MediaStats{
			Kind: o.kind, Up: true, Packets: o.packets, Bytes: o.bytes, Lost: uint64(max(o.report.Lost, 0)),
			Jitter: float64(o.report.Jitter) / float64(o.clock) * 1000, RTT: milliseconds(c.rtt(o.kind.Group())),
		}
		if !o.kind.IsAudio() {
			s.Width, s.Height, s.FPS = o.width, o.height, fps(o.ssrc, o.frames)
		}
		c.path(&s)
		out = append(out, s)
	}
	var down [proto.NKinds]proto.MediaStats
	var jitterN [proto.NKinds]int
	for _, slot := range c.media.slots {
		t := &slot.stats
		if !t.any {
			continue
		}
		k := slot.slot.Kind
		s := &down[k]
		s.Packets += t.received
		s.Bytes += t.bytes
		s.Lost += uint64(t.lost())
		s.Jitter += t.jitter / float64(slot.clock()) * 1000
		jitterN[k]++
		if !k.IsAudio() {
			s.FPS = max(s.FPS, fps(slot.slot.SSRC, t.frames))
			if t.height > s.Height {
				s.Width, s.Height = t.width, t.height
			}
		}
	}
	for k := range down {
		if jitterN[k] == 0 {
			continue
		}
		s := down[k]
		s.Kind = proto.Kind(k)
		s.Jitter /= float64(jitterN[k])
		s.RTT = milliseconds(c.rtt(s.Kind.Group()))
		c.path(&s)
		out = append(out, s)
	}
	return out
}

func (c *Client) path(s *proto.MediaStats) {
	if l := c.laneOf(s.Kind.Group()); l != nil {
		s.Path = l.rung
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
