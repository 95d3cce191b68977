package mmr

import (
	"testing"
	"time"

	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Whoever has an open gate and keys can send whatever they like: the rest are spared what no browser sends.
func TestASourceSendsNoMoreThanABrowserCould(t *testing.T) {
	const sound, camera, repairs, screen, again = 11, 12, 13, 14, 15
	for _, tt := range []struct {
		name  string
		ssrc  uint32
		size  int           // of a packet
		n     int           // at once
		every time.Duration // between those
		times int
		want  int // at least; a second more at most
	}{
		{"sound of 10 ms", sound, 200, 1, 10 * time.Millisecond, 500, 500},
		{"sound held back for 4 s", sound, 200, 200, 0, 1, 200},
		{"sound without end", sound, 50, 1000, time.Second, 5, 1000},
		{"a camera at 8 Mbit/s", camera, 1200, 25, 30 * time.Millisecond, 100, 2500},
		{"a key frame of 4 MB", screen, 1200, 3500, 0, 1, 3500},
		{"a screen at 36 Mbit/s", screen, 1200, 62, 16500 * time.Microsecond, 100, 6200},
		{"small packets without end", camera, 60, 20_000, time.Second, 3, 18_000},
		{"large packets without end", camera, 1200, 20_000, time.Second, 3, 12_400},
		{"repairs without end", repairs, 1200, 20_000, time.Second, 3, 12_400},
	} {
		st := newStage(t, 1, PlaneConfig{HoldFrom: -1})
		s, key := st.s, st.room.key(1)
		s.attach(st.now, st.room, key, "")
		s.admitPeer(st.now, key, nil, false, 1)
		for k := range proto.Kind(proto.NKinds) {
			s.gate(st.now, key, k, true)
		}
		s.announce(st.now, key, []proto.Stream{{Kind: proto.Audio, SSRC: sound}, {Kind: proto.Video, SSRC: camera, RTX: repairs},
			{Kind: proto.Content, SSRC: screen}})
		c := &conn{peer: s.peers[key]}
		var number rtp.Seq
		send := func(ssrc uint32, size int) bool {
			k, pt := proto.Video, uint8(proto.PTVP8)
			switch ssrc {
			case sound, again:
				k, pt = proto.Audio, proto.PTOpus
			case repairs:
				pt = proto.PTVP8RTX
			case screen:
				k = proto.Content
			}
			number++
			b := make([]byte, size)
			rtp.AppendHeader(b[:0], rtp.Fields{PT: pt, Seq: number, SSRC: ssrc}, nil)
			s.unwrap = s.unwrap[:0]
			return len(s.media(st.now, c, &rtc.Transport{Tag: &association{group: c.peer.group(k)}}, b, nil)) > 0
		}
		got := 0
		for range tt.times {
			for range tt.n {
				if send(tt.ssrc, tt.size) {
					got++
				}
			}
			st.now = st.now.Add(tt.every)
		}
		all, most := tt.n*tt.times, tt.want+tt.want/max(tt.times-1, 1)
		if got < tt.want || got > most {
			t.Errorf("%s: %d of %d packets pass, want %d to %d", tt.name, got, all, tt.want, most)
		}
		if n := s.drops[DropRate]; int(n) != all-got {
			t.Errorf("%s: %d counted, want %d: %v", tt.name, n, all-got, s.drops)
		}
		other := uint32(sound)
		if tt.ssrc == sound {
			other = camera
		}
		if !send(other, 200) {
			t.Errorf("%s: another source pays for it", tt.name)
		}
		if tt.name == "sound held back for 4 s" {
			s.announce(st.now, key, []proto.Stream{{Kind: proto.Audio, SSRC: again}})
			if before := s.drops[DropRate]; send(again, 200) || s.drops[DropRate] != before+1 {
				t.Error("another SSRC has an allowance of its own")
			}
		}
	}
}
