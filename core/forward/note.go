package forward

import "parley/wire/rtp"

// Out collects what a call has to say. The caller owns and reuses it; calls append.
type Out struct {
	Descs []Desc
	Notes []Note
	Loans []Loan
}

// Reset empties all lists and keeps their room. References of descriptors and loans are not released: that is
// Done and Return.
func (o *Out) Reset() { o.Descs, o.Notes, o.Loans = o.Descs[:0], o.Notes[:0], o.Loans[:0] }

// Desc is one packet to be sent: which leg, which slab, under which number. It holds a reference to the
// slab until Done. It must be written at most once, and sent at most once.
type Desc struct {
	Leg      LegID
	Receiver uint32
	Slab     SlabRef
	Slot     uint16
	Size     int     // bytes Write will make, before sealing
	Seq      rtp.Seq // on the wire: of the media SSRC, or of the RTX SSRC
	OSN      rtp.Seq // of a retransmission: the number it repairs
	Time     rtp.Time
	RTX      bool
	Marker   bool
	End      bool   // last packet of a frame: the marker, or what the descriptors of a layered codec say
	Key      bool   // first packet of a key frame
	Audio    bool   // on an audio leg
	TWCC     bool   // the leg takes a transport-wide number
	Late     bool   // its number is below one that was given before
	TL0      uint8  // VP8 TL0PICIDX to write
	Pic      uint16 // VP8 picture id to write
	Frame    uint16 // dependency descriptor frame number to write
}

// NoteKind says what a note tells.
type NoteKind uint8

// The kinds of note, with the fields they set besides Stream and Source.
const (
	NoteLevel         NoteKind = iota + 1 // Level, Voice: of one audio packet
	NoteKeyFrame                          // Width, Height if known: a key frame has begun
	NoteSwitched                          // Leg, Receiver, Slot, Time, Layer: the leg's first packet of this stream is in Descs; a report is due (LegReport)
	NoteWantsKeyFrame                     // KeyFrameDue may be true now
	NoteGap                               // Count: packets are missing; Missing will list them
	NoteFallback                          // Leg, Receiver, Slot, Layer: the wanted layer does not flow and this one is taken
	NoteFlowing                           // Layer: packets come after there were none
	NoteStopped                           // Layer: no packets for half a second while another layer has some
	NoteRestarted                         // the sender began its numbers anew
)

// String is the name used in logs and tests.
func (k NoteKind) String() string {
	names := [...]string{"none", "level", "key-frame", "switched", "wants-key-frame", "gap", "fallback", "flowing", "stopped", "restarted"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Note is something control should know. Fields that a kind does not set are zero.
type Note struct {
	Kind     NoteKind
	Voice    bool
	Level    uint8 // -dBov: 0 loudest, 127 silence
	Layer    int8
	Slot     uint16
	Width    uint16
	Height   uint16
	Count    uint16
	Stream   StreamID
	Leg      LegID
	Receiver uint32
	Source   uint32
	Time     rtp.Time
}

// Reason says why a packet was not taken, or not sent on a leg.
type Reason uint8

// The reasons.
const (
	DropStale     Reason = iota // the stream handle is stale
	DropMalformed               // not an RTP packet
	DropPayload                 // payload type does not fit the kind of stream
	DropTooBig                  // longer than MaxPacket
	DropDuplicate               // already here
	DropOld                     // before the history
	DropJump                    // number far from the others; a second one in a row restarts the stream
	DropClosed                  // late, and its leg has gone on to another stream
	DropPadding                 // padding only, closed up
	DropNoHistory               // asked for again, but no longer or never here
	DropTooOften                // asked for again too soon or too often
	NReasons
)

// String is the name used in metrics and tests.
func (r Reason) String() string {
	names := [NReasons]string{"stale", "malformed", "payload", "too-big", "duplicate", "old", "jump", "closed", "padding", "no-history", "too-often"}
	if r < NReasons {
		return names[r]
	}
	return "unknown"
}

// Drops counts packets by Reason since New.
func (s *Shard) Drops() [NReasons]uint64 { return s.drops }

// Held is how many packets are kept: by the history of a stream, for descriptors that are not done, or lent and not
// returned. Without streams, all else done, there are none.
func (s *Shard) Held() int { return s.slabs.held }
