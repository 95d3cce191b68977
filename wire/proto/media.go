package proto

// Payload types and header extension ids are fixed for all participants, so that a router forwards
// without translating either. PROTOCOL.md "Media" has the table.
const (
	PTOpus    = 111
	PTVP8     = 96
	PTVP8RTX  = 97
	PTVP9     = 98
	PTVP9RTX  = 99
	PTH264    = 102
	PTH264RTX = 103
	PTAV1     = 45
	PTAV1RTX  = 46
)

// Header extension ids (RFC 8285).
const (
	ExtAudioLevel   = 1  // RFC 6464
	ExtTransportSeq = 3  // draft-holmer-rmcat-transport-wide-cc-extensions-01; never on audio
	ExtMID          = 4  // RFC 9143
	ExtRID          = 5  // RFC 8852
	ExtRepairedRID  = 6  // RFC 8852
	ExtCaptureTime  = 7  // abs-capture-time
	ExtDependency   = 8  // AV1 RTP dependency descriptor
	ExtAllocation   = 9  // video-layers-allocation00
	ExtPlayoutDelay = 10 // playout-delay
)

// Clock rates in Hz.
const (
	ClockAudio = 48000
	ClockVideo = 90000
)

// RTXOf is the retransmission payload type (RFC 4588) of a media payload type, or 0 where it has none.
func RTXOf(pt uint8) uint8 {
	switch pt {
	case PTVP8, PTVP9, PTH264, PTAV1:
		return pt + 1
	}
	return 0
}

// OriginalOf is the media payload type a retransmission payload type repairs, or 0.
func OriginalOf(rtx uint8) uint8 {
	switch rtx {
	case PTVP8RTX, PTVP9RTX, PTH264RTX, PTAV1RTX:
		return rtx - 1
	}
	return 0
}

// CodecName is the SDP name of a media payload type, or "".
func CodecName(pt uint8) string {
	switch pt {
	case PTOpus:
		return "opus"
	case PTVP8:
		return "VP8"
	case PTVP9:
		return "VP9"
	case PTH264:
		return "H264"
	case PTAV1:
		return "AV1"
	}
	return ""
}

// Kinds a payload type may be sent as: audio codecs for audio kinds, video codecs for the others.
func PayloadFits(pt uint8, k Kind) bool {
	if k.IsAudio() {
		return pt == PTOpus
	}
	switch pt {
	case PTVP8, PTVP9, PTH264, PTAV1, PTVP8RTX, PTVP9RTX, PTH264RTX, PTAV1RTX:
		return true
	}
	return false
}

// The mids of a participant's own m-lines, and the rids of its camera's simulcast layers, lowest
// first. Slot mids are in the slot table.
const (
	MIDAudio        = "ua"
	MIDVideo        = "uv"
	MIDContent      = "uc"
	MIDContentAudio = "uca"
)

// RIDs are the simulcast layers of a camera, lowest resolution first; the index is the layer number.
var RIDs = [3]string{"q", "h", "f"}

// MIDOf is the mid of a participant's own m-line of kind k.
func MIDOf(k Kind) string {
	switch k {
	case Audio:
		return MIDAudio
	case Video:
		return MIDVideo
	case Content:
		return MIDContent
	}
	return MIDContentAudio
}

// KindOfMID is the reverse of MIDOf.
func KindOfMID(mid string) (Kind, bool) {
	switch mid {
	case MIDAudio:
		return Audio, true
	case MIDVideo:
		return Video, true
	case MIDContent:
		return Content, true
	case MIDContentAudio:
		return ContentAudio, true
	}
	return 0, false
}

// Candidate is one address of a router's media transports.
type Candidate struct {
	Rung Rung   `json:"rung"`
	Addr string `json:"addr"` // "ip:port", v6 in brackets
}

// Credentials are the ICE credentials of one group of one participant, made by a server for the
// client to use as the *remote* credentials. The server needs none of the client's.
type Credentials struct {
	Group    Group  `json:"group"`
	Ufrag    string `json:"ufrag"`
	Password string `json:"pwd"`
}

// Slot is one receive slot of a participant: a fixed SSRC on which the router sends one source after
// another. A slot with RTX 0 has no retransmissions.
type Slot struct {
	ID   int    `json:"id"`            // index in the table
	Mid  string `json:"mid"`           // m-line: "a0"…, "v0"…, "f0"… (floating audio), "c0"…, "ca0"
	Kind Kind   `json:"kind"`          // what the slot can carry
	SSRC uint32 `json:"ssrc"`          // of the media packets
	RTX  uint32 `json:"rtx,omitempty"` // of retransmissions, RFC 4588
	Msid string `json:"msid"`          // slots with the same msid are played in sync
}

// Mapping says which source a slot carries from now on. Source 0 unmaps.
type Mapping struct {
	Slot   int      `json:"slot"`
	Source SourceID `json:"source"`
	// Time is the RTP time stamp of the first packet of this source in the slot, so that a page never
	// shows the last frame of the old source under the new name. Absent until the first packet is out.
	Time uint32 `json:"time,omitempty"`
}

// Stream is one RTP stream a participant sends, for clients that know their SSRCs. A browser leaves
// them out and is recognised by MID and RID.
type Stream struct {
	Kind Kind   `json:"kind"`
	RID  string `json:"rid,omitempty"` // simulcast layer, empty where there is one encoding
	SSRC uint32 `json:"ssrc"`
	RTX  uint32 `json:"rtx,omitempty"`
}
