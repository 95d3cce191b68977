// Package proto holds every message that crosses a network in Parley, as Go structs, together with
// the numbers both ends must agree on. PROTOCOL.md beside it is the same in prose, complete enough to
// write a client from; testdata holds golden vectors that Go and TypeScript both check.
//
// The package knows bytes only: no clock, no socket, no goroutine. Unknown JSON fields are ignored
// and unknown control messages are answered with code "unsupported" (S41).
package proto

import "strconv"

//go:generate go test -run TestTypeScript . -update

// Version is the protocol version this build speaks. A peer one version away works together with it;
// anything further apart is refused with CodeTooOld (S41).
const Version = 1

// Compatible reports whether a peer that says version v may be talked to (S41: N works with N−1,
// and a newer peer is trusted to know how to talk to us).
func Compatible(v int) bool { return v >= Version-1 && v > 0 }

const (
	// MaxMessageLen bounds one control message of a client and every JSON request body, in bytes.
	MaxMessageLen = 64 << 10
	// MaxServerMessageLen bounds one message of a router, in bytes: the Welcome of a large meeting
	// carries its roster and its chat.
	MaxServerMessageLen = 1 << 20
)

// MeetingID is the identity of one meeting: 16 random bytes, written as 22 base64url characters.
type MeetingID string

// ParticipantID names one seat of a meeting. 29 bits, never 0, unique in the meeting, fixed by the
// meeting token and never by a router.
type ParticipantID uint32

// MaxParticipantID is the largest participant id: 29 bits, so that a SourceID holds it with its kind.
const MaxParticipantID ParticipantID = 1<<29 - 1

// SourceID names one thing a participant sends: participant id << 3 | kind. It is the CSRC of every
// packet a router forwards, and never 0 for a real source.
type SourceID uint32

// Kind says what a source carries.
type Kind uint8

// The kinds of source. The wire value is the number.
const (
	Audio        Kind = 0 // microphone
	Video        Kind = 1 // camera
	Content      Kind = 2 // shared screen
	ContentAudio Kind = 3 // sound of the shared screen
	NKinds            = 4
)

// String is the name used in JSON events, logs and metrics.
func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	case Content:
		return "content"
	case ContentAudio:
		return "content-audio"
	}
	return "unknown"
}

// IsAudio reports whether packets of this kind are Opus.
func (k Kind) IsAudio() bool { return k == Audio || k == ContentAudio }

// Group is the media transport this kind travels on (S12).
func (k Kind) Group() Group {
	switch k {
	case Audio:
		return GroupAudio
	case Video:
		return GroupVideo
	}
	return GroupContent
}

// Source makes the source id of a participant's kind.
func Source(p ParticipantID, k Kind) SourceID { return SourceID(p)<<3 | SourceID(k&7) }

// Participant is whose source this is.
func (s SourceID) Participant() ParticipantID { return ParticipantID(s >> 3) }

// Kind is what this source carries.
func (s SourceID) Kind() Kind { return Kind(s & 7) }

// Group is one of the three media transports of a participant, each with its own five-tuple,
// ICE credentials, DTLS association and DSCP mark (S11, S12).
type Group uint8

// The groups, in order of priority.
const (
	GroupAudio   Group = 0
	GroupVideo   Group = 1
	GroupContent Group = 2
	NGroups            = 3
)

// MarshalJSON writes the number, so that a list of groups is an array of numbers: encoding/json makes
// base64 text of a slice of plain bytes.
func (g Group) MarshalJSON() ([]byte, error) { return strconv.AppendUint(nil, uint64(g), 10), nil }

// String is the name used in JSON events, logs and metrics.
func (g Group) String() string {
	switch g {
	case GroupAudio:
		return "audio"
	case GroupVideo:
		return "video"
	case GroupContent:
		return "content"
	}
	return "unknown"
}

// Rung is one step of the media ladder of S11, best first.
type Rung string

// The rungs.
const (
	UDP8801 Rung = "udp-8801"
	TCP8801 Rung = "tcp-8801"
	TLS443  Rung = "tls-443"
)

// Role is what a participant may do in a meeting. The token fixes it at entry; a host may change it
// while the meeting runs.
type Role string

// The roles (S36 adds those of webinars).
const (
	RoleHost        Role = "host"
	RoleCohost      Role = "cohost"
	RoleParticipant Role = "participant"
)

// Manages reports whether the role may use host actions.
func (r Role) Manages() bool { return r == RoleHost || r == RoleCohost }
