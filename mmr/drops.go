package mmr

import (
	"strings"
	"sync/atomic"

	"parley/sys/rtc"
)

// Drop is the reason a packet, or a transport, went no further. Each is counted, none is logged.
type Drop uint8

// The reasons.
const (
	DropNotAdmitted   Drop = iota // media before the control channel has admitted the participant
	DropMalformed                 // not RTP or RTCP
	DropUnknownStream             // an SSRC nobody announced
	DropWrongGroup                // a kind on a transport of another group
	DropWrongPayload              // a payload type that its kind may not carry
	DropGateClosed                // muted, not permitted or not announced as active
	DropNoReceiver                // the receiver has left
	DropNoTransport               // the receiver's transport of that group is not up
	DropNoPath                    // the transport has no address to send to
	DropSeal                      // encryption refused (a repeated index: our bug)
	DropWrite                     // the socket refused
	DropFingerprint               // a transport with another certificate than the token's
	DropOrphan                    // a transport whose control channel never came
	DropEvents                    // a meeting's loop was too far behind for a note
	DropLatePicture               // waited too long for a path over TCP or TLS
	DropLateSound                 // a path over TCP or TLS has not moved for too long
	DropLane                      // another shard was too far behind
	DropRate                      // a source sends more than any browser does
	nDrops
)

// String is the metric label.
func (d Drop) String() string {
	names := [nDrops]string{"not_admitted", "malformed", "unknown_stream", "wrong_group", "wrong_payload",
		"gate_closed", "no_receiver", "no_transport", "no_path", "seal", "write", "fingerprint", "orphan", "events",
		"late_picture", "late_sound", "lane", "rate"}
	if d < nDrops {
		return names[d]
	}
	return "unknown"
}

// counters is what a shard publishes once per turn, for readers on other goroutines.
type counters struct {
	drops [nDrops]atomic.Uint64
	mux   [nMuxReasons]atomic.Uint64 // what never got as far as a participant
	peers atomic.Int64
	holds atomic.Bool // packets
}

// nMuxReasons is how many reasons a Mux counts.
const nMuxReasons = len(rtc.Counters{}.Dropped)

func (c *counters) store(s *shard) {
	for i := range s.drops {
		if c.drops[i].Load() != s.drops[i] {
			c.drops[i].Store(s.drops[i])
		}
	}
	mux := s.mux.Counters()
	for i := range mux.Dropped {
		if c.mux[i].Load() != mux.Dropped[i] {
			c.mux[i].Store(mux.Dropped[i])
		}
	}
	c.peers.Store(int64(len(s.peers)))
	if c.holds.Load() != s.holding {
		c.holds.Store(s.holding)
	}
}

// Drops are the plane's counted drops by reason, those of its transports as "rtc_" and the reason; zero
// counts are left out. Safe from any goroutine.
func (p *Plane) Drops() map[string]uint64 {
	out := make(map[string]uint64)
	for _, s := range p.shards {
		for i := range s.publish.drops {
			if n := s.publish.drops[i].Load(); n > 0 {
				out[Drop(i).String()] += n
			}
		}
		for i := range s.publish.mux {
			if n := s.publish.mux[i].Load(); n > 0 {
				out["rtc_"+strings.ReplaceAll(rtc.Reason(i).String(), " ", "_")] += n
			}
		}
	}
	p.streams.drops(out)
	return out
}

// Holding is how many shards have so much to send that packets wait for others. Safe from any goroutine.
func (p *Plane) Holding() (n int) {
	for _, s := range p.shards {
		if s.publish.holds.Load() {
			n++
		}
	}
	return n
}

// Peers is how many seats the plane holds. Safe from any goroutine.
func (p *Plane) Peers() (n int) {
	for _, s := range p.shards {
		n += int(s.publish.peers.Load())
	}
	return n
}
