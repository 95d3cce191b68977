package client

import (
	"encoding/json"
	"fmt"
	"time"

	"parley/core/join"
	"parley/sys/clip"
	"parley/wire/proto"
)

// Event is something a user may want to see. As JSON it is an object with its name in "event".
type Event interface{ Event() string }

// Phase tells how far the joining process got: "lookup", "zone", "route", "control", "media", "resume".
type Phase join.Progress

// Candidate tells what is known of one controller.
type Candidate join.Candidate

// Ready says that all is made ready for Enter that can be.
type Ready struct{}

// Waiting says that a host has to admit this participant first.
type Waiting struct {
	Topic string `json:"topic,omitempty"`
}

// Joined says that the participant is in the meeting, first or again.
type Joined struct {
	Participant proto.ParticipantID `json:"participant"`
	Router      string              `json:"router"`
	Zone        string              `json:"zone"`
	Resumed     bool                `json:"resumed,omitempty"`
	MS          int                 `json:"ms"`
}

// Media says that a media transport is up and in use.
type Media struct {
	Kind string     `json:"kind"` // "audio", "video", "content": the transport
	Path proto.Rung `json:"path"`
	MS   int        `json:"ms"` // since the start of joining
}

// Stats are the counts so far of each medium in each direction, every two seconds.
type Stats struct {
	Media []MediaStats `json:"media"`
}

// MediaStats is one medium in one direction, named for people.
type MediaStats struct {
	Kind    string     `json:"kind"`
	Dir     string     `json:"dir"` // "up" is sent by us
	Path    proto.Rung `json:"path,omitempty"`
	Packets uint64     `json:"packets"`
	Bytes   uint64     `json:"bytes"`
	Lost    uint64     `json:"lost"`
	Loss    float64    `json:"loss"` // lost share of all, 0 to 1
	Jitter  float64    `json:"jitter_ms"`
	RTT     float64    `json:"rtt_ms"`
	Width   int        `json:"width,omitempty"`
	Height  int        `json:"height,omitempty"`
	FPS     float64    `json:"fps,omitempty"`
}

// SlotChange says which source a receive slot carries from now on.
type SlotChange struct {
	Slot        int                 `json:"slot"`
	Kind        string              `json:"kind"`
	Source      proto.SourceID      `json:"source"`
	Participant proto.ParticipantID `json:"participant,omitempty"` // 0: nobody
	Who         string              `json:"name,omitempty"`
}

// RosterChange gives the rows that changed; People is how many there are now.
type RosterChange struct {
	People int                   `json:"people"`
	Put    []proto.Person        `json:"put,omitempty"`
	Gone   []proto.ParticipantID `json:"gone,omitempty"`
}

// ChatLine is a chat message.
type ChatLine proto.Chat

// Speakers are the loudest now.
type Speakers proto.Speakers

// Switches are the meeting's own.
type Switches proto.State

// Reaction is shown for some seconds.
type Reaction proto.React

// UnmuteAsked says that a host asks for microphone or camera.
type UnmuteAsked struct {
	Kind string              `json:"kind"`
	By   proto.ParticipantID `json:"by"`
}

// Wanted says which layers of an own source anybody watches.
type Wanted struct {
	Kind string   `json:"kind"`
	RIDs []string `json:"rids"`
}

// Denied says that the router refused a message of ours.
type Denied struct {
	Code proto.Code `json:"code"`
	Text string     `json:"text"`
	Re   string     `json:"re,omitempty"`
}

// Trouble is a problem that does not end the participation.
type Trouble struct {
	Text string `json:"text"`
}

// Ended is the last event.
type Ended struct {
	Reason string `json:"reason"` // a proto.Code, or "lost"
	Text   string `json:"text,omitempty"`
}

// The names in JSON.
func (Phase) Event() string        { return "phase" }
func (Candidate) Event() string    { return "candidate" }
func (Ready) Event() string        { return "ready" }
func (Waiting) Event() string      { return "waiting" }
func (Joined) Event() string       { return "joined" }
func (Media) Event() string        { return "media" }
func (Stats) Event() string        { return "stats" }
func (SlotChange) Event() string   { return "slot" }
func (RosterChange) Event() string { return "roster" }
func (ChatLine) Event() string     { return "chat" }
func (Speakers) Event() string     { return "speakers" }
func (Switches) Event() string     { return "state" }
func (Reaction) Event() string     { return "react" }
func (UnmuteAsked) Event() string  { return "ask_unmute" }
func (Wanted) Event() string       { return "wanted" }
func (Denied) Event() string       { return "error" }
func (Trouble) Event() string      { return "trouble" }
func (Ended) Event() string        { return "left" }

// EncodeEvent makes one line of JSON without its newline: "event", "ts" (milliseconds since 1970),
// and the event's own fields.
func EncodeEvent(e Event, at time.Time) []byte {
	body, err := json.Marshal(e)
	if err != nil || len(body) < 2 || body[0] != '{' {
		panic(fmt.Sprintf("client: event %T does not encode: %v", e, err))
	}
	out := fmt.Appendf(nil, `{"event":%q,"ts":%d`, e.Event(), at.UnixMilli())
	if len(body) > 2 {
		out = append(out, ',')
	}
	return append(out, body[1:]...)
}

// Frame is one whole encoded frame as received.
type Frame struct {
	Source proto.SourceID
	Slot   int
	Codec  clip.Codec
	Time   uint32 // RTP time stamp
	Key    bool
	Data   []byte
	At     time.Time // when it was complete
}
