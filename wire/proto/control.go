package proto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Message is one message of the control channel. On the wire it is a JSON object with its type in "t".
type Message interface {
	// Type is the value of "t".
	Type() string
}

// Hello opens the control channel; it is the first message, and the router answers Welcome, Waiting
// or Bye. Sig is made with the client's key over HelloText; At is server time in milliseconds (the
// lookup answer's ServerTime plus what has elapsed), good for 60 s either way.
type Hello struct {
	V     int    `json:"v"`
	Build string `json:"build"`
	Token string `json:"token"`
	Key   string `json:"key"` // as in LookupRequest; its hash must be the token's cnf.key
	At    int64  `json:"at"`
	Nonce string `json:"nonce"`
	Sig   string `json:"sig"` // base64url; Ed25519, or P-256 with SHA-256 as r || s
	Caps  Caps   `json:"caps"`
	// Name is what a guest typed after the lookup: it takes the place of the token's, in which a signed-in
	// user's stays. Ignored unless CleanName takes it.
	Name string `json:"name,omitempty"`
	// Peer is the random name of the client's peer connection: transports whose credentials come with
	// one Welcome or Grant belong together. Reserved; routers ignore it.
	Peer string `json:"peer,omitempty"`
}

// Caps is what a client can do.
type Caps struct {
	Client     string   `json:"client"`                // "native" or "web"
	Codecs     []string `json:"codecs,omitempty"`      // video codecs it decodes; empty: VP8
	VideoSlots int      `json:"video_slots,omitempty"` // 0: the router's default, 25
	OneGroup   bool     `json:"one_group,omitempty"`   // all media on the audio group's transport
	// SlotSeed is what the SSRCs of the slot table follow from (core/meeting SlotTable), so that a client can
	// make its transports before the welcome; 0: the router picks.
	SlotSeed uint32 `json:"slot_seed,omitempty"`
}

// Welcome admits a participant. Roster is the whole state; deltas follow with rising Version.
type Welcome struct {
	V           int           `json:"v"`
	Build       string        `json:"build"`
	Router      string        `json:"router"`
	Zone        string        `json:"zone"`
	Participant ParticipantID `json:"participant"`
	Role        Role          `json:"role"`
	Meeting     MeetingInfo   `json:"meeting"`
	Groups      []Credentials `json:"groups"`
	Candidates  []Candidate   `json:"candidates"`
	Fingerprint string        `json:"fingerprint"`
	Slots       []Slot        `json:"slots"`
	Roster      Roster        `json:"roster"`
	State       State         `json:"state"`
	Chat        []Chat        `json:"chat,omitempty"` // what was said to everyone, oldest first, and to this person
	Resumed     bool          `json:"resumed,omitempty"`
}

// Waiting says that the participant is in the waiting room. No roster, media, chat or slots until a
// Welcome follows.
type Waiting struct {
	Topic string `json:"topic"`
}

// Bye ends the control channel, from either side; the sender closes after it.
type Bye struct {
	Code Code   `json:"code"`
	Text string `json:"text,omitempty"`
	// Grant is the home router's, with CodeMoved.
	Grant SignedGrant `json:"grant,omitempty"`
}

// Failed answers a message that was refused; the channel goes on.
type Failed struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
	Re   string `json:"re,omitempty"` // type of the message it answers
}

// Ping is the heartbeat: from a client at most every two seconds, from a router to a client it has not
// heard for as long. Pong answers with the same N.
type Ping struct {
	N int64 `json:"n"`
}

// Pong answers Ping.
type Pong struct {
	N int64 `json:"n"`
}

// Answer states what the client's end of the media plane accepted. Media waits for the fingerprint,
// not for this.
type Answer struct {
	// TWCC lists the groups whose m-lines accepted the transport-wide sequence number.
	TWCC []Group `json:"twcc,omitempty"`
	// Streams lists the SSRCs a client knows it will send on; a browser's are learnt from MID and RID.
	Streams []Stream `json:"streams,omitempty"`
}

// Publish announces what a participant sends, and changes it: starting and stopping a source, or
// muting it. Packets of a source that is not active are dropped by the router.
type Publish struct {
	Kind    Kind     `json:"kind"`
	Active  bool     `json:"active"`           // there is such a source at all (device open, share running)
	Muted   bool     `json:"muted,omitempty"`  // it is there, but silent or dark on purpose
	Codec   string   `json:"codec,omitempty"`  // CodecName of what will be sent, for information
	Layers  []Layer  `json:"layers,omitempty"` // of a camera, lowest first; empty: one encoding
	Streams []Stream `json:"streams,omitempty"`
}

// Layer is one simulcast encoding as the sender intends it.
type Layer struct {
	RID    string `json:"rid,omitempty"`
	Width  int    `json:"width"`  // pixels
	Height int    `json:"height"` // pixels
}

// Wanted tells a sender which layers of a source anybody watches: it may stop the others.
type Wanted struct {
	Kind Kind     `json:"kind"`
	RIDs []string `json:"rids"` // empty list: nobody watches
}

// Layout is the whole wish of a receiver: which sources it shows, most important first, and how
// large. A client that has never sent one gets every camera at thumbnail size as far as slots reach.
// The router maps sources onto slots and answers with Slots. Audio and content need no wish.
type Layout struct {
	Version int    `json:"version"` // rises with every layout of this client
	Tiles   []Tile `json:"tiles"`
}

// Tile is one wished source.
type Tile struct {
	Source SourceID `json:"source"`
	Height int      `json:"height"` // of the tile in physical pixels; 0 asks for the smallest layer
}

// Slots tells which source each changed slot carries.
type Slots struct {
	Seq     uint64    `json:"seq"` // rises by one with every Slots message to this participant
	Changes []Mapping `json:"changes"`
}

// Speakers lists the loudest sources now, loudest first, and the active speaker. Sent on change, at
// most ten times a second.
type Speakers struct {
	Active  ParticipantID   `json:"active,omitempty"`
	Loudest []ParticipantID `json:"loudest"`
}

// Person is one row of the roster.
type Person struct {
	ID      ParticipantID `json:"id"`
	Name    string        `json:"name"`
	Role    Role          `json:"role"`
	Client  string        `json:"client,omitempty"`
	Hand    int64         `json:"hand,omitempty"`    // when raised, server ms; 0 down
	Sources []SourceState `json:"sources,omitempty"` // active ones
	Waiting bool          `json:"waiting,omitempty"` // in the waiting room; shown to hosts only
	Away    bool          `json:"away,omitempty"`    // control channel lost, seat kept for a while
}

// SourceState is one source of a person.
type SourceState struct {
	Kind   Kind `json:"kind"`
	Muted  bool `json:"muted,omitempty"`
	ByHost bool `json:"by_host,omitempty"` // muted by a host
}

// Roster is a change of the list of people: whole rows that are new or changed, and ids that are gone.
// A delta applies on top of Version−1; the one in Welcome is the whole list.
type Roster struct {
	Version uint64          `json:"version"`
	Put     []Person        `json:"put,omitempty"`
	Gone    []ParticipantID `json:"gone,omitempty"`
}

// State is the meeting's own switches; sent whole on every change.
type State struct {
	Locked      bool  `json:"locked,omitempty"`
	WaitingRoom bool  `json:"waiting_room,omitempty"`
	MuteOnEntry bool  `json:"mute_on_entry,omitempty"`
	StartedAt   int64 `json:"started_at"` // server ms
}

// Said is a chat message on its way to the router. To 0 is everyone.
type Said struct {
	To   ParticipantID `json:"to,omitempty"`
	Text string        `json:"text"`
}

// Chat is a chat message as delivered, in one order for all: Seq rises through the meeting.
type Chat struct {
	Seq  uint64        `json:"seq"`
	From ParticipantID `json:"from"`
	Name string        `json:"name"` // of the sender at that time
	To   ParticipantID `json:"to,omitempty"`
	Text string        `json:"text"`
	At   int64         `json:"at"` // server ms
}

// Hand raises or lowers one's own hand.
type Hand struct {
	Up bool `json:"up"`
}

// React shows a reaction for a few seconds; the router adds From and passes it to all.
type React struct {
	From  ParticipantID `json:"from,omitempty"`
	Emoji string        `json:"emoji"` // one of Reactions
}

// Reactions is the fixed set.
var Reactions = []string{"👍", "👏", "❤️", "😂", "😮", "🎉"}

// Act is a host action. What needs a target has one; a refused one is answered by Failed.
type Act struct {
	Do     Action        `json:"do"`
	Target ParticipantID `json:"target,omitempty"` // 0 for actions on the meeting
	Kind   Kind          `json:"kind,omitempty"`   // for mute
	On     bool          `json:"on,omitempty"`     // for the switches
}

// Action is what a host does.
type Action string

// The host actions. Role in brackets is who may.
const (
	ActMute        Action = "mute"          // target's source of Kind [host, co-host]
	ActMuteAll     Action = "mute_all"      // all microphones but the actor's [host, co-host]
	ActAskUnmute   Action = "ask_unmute"    // asks target to unmute Kind [host, co-host]
	ActCohost      Action = "cohost"        // target becomes co-host, or no longer, by On [host]
	ActAdmit       Action = "admit"         // target out of the waiting room; 0: all [host, co-host]
	ActEject       Action = "eject"         // target, who can't come back [host, co-host; never the host]
	ActLowerHand   Action = "lower_hand"    // target's hand [host, co-host]
	ActLock        Action = "lock"          // nobody new comes in, by On [host, co-host]
	ActWaitingRoom Action = "waiting_room"  // newcomers wait, by On [host, co-host]
	ActMuteOnEntry Action = "mute_on_entry" // newcomers are muted, by On [host, co-host]
	ActEnd         Action = "end"           // the meeting, for all [host]
)

// AskUnmute asks this participant to unmute.
type AskUnmute struct {
	Kind Kind          `json:"kind"`
	By   ParticipantID `json:"by"`
}

// Stats is what a client measured of its own media since it joined; sent every five seconds (S40).
type Stats struct {
	Media []MediaStats `json:"media"`
}

// MediaStats is one medium in one direction.
type MediaStats struct {
	Kind    Kind    `json:"kind"`
	Up      bool    `json:"up"` // sent by the client
	Path    Rung    `json:"path,omitempty"`
	Packets uint64  `json:"packets"`
	Bytes   uint64  `json:"bytes"`
	Lost    uint64  `json:"lost"`
	Jitter  float64 `json:"jitter_ms"`
	RTT     float64 `json:"rtt_ms"`
	Width   int     `json:"width,omitempty"`
	Height  int     `json:"height,omitempty"`
	FPS     float64 `json:"fps,omitempty"`
}

// Unknown is what Decode returns for a type this version does not have; answer Failed "unsupported".
type Unknown struct {
	T string
}

// The wire names of the messages.
func (Hello) Type() string     { return "hello" }
func (Welcome) Type() string   { return "welcome" }
func (Waiting) Type() string   { return "waiting" }
func (Bye) Type() string       { return "bye" }
func (Failed) Type() string    { return "error" }
func (Ping) Type() string      { return "ping" }
func (Pong) Type() string      { return "pong" }
func (Answer) Type() string    { return "answer" }
func (Publish) Type() string   { return "publish" }
func (Wanted) Type() string    { return "wanted" }
func (Layout) Type() string    { return "layout" }
func (Slots) Type() string     { return "slots" }
func (Speakers) Type() string  { return "speakers" }
func (Roster) Type() string    { return "roster" }
func (State) Type() string     { return "state" }
func (Said) Type() string      { return "say" }
func (Chat) Type() string      { return "chat" }
func (Hand) Type() string      { return "hand" }
func (React) Type() string     { return "react" }
func (Act) Type() string       { return "act" }
func (AskUnmute) Type() string { return "ask_unmute" }
func (Stats) Type() string     { return "stats" }
func (u Unknown) Type() string { return u.T }

// Encode makes the wire form: the message's own fields with its type in front. It panics on a type
// that does not marshal to an object, which is a bug of ours.
func Encode(m Message) []byte {
	switch m := m.(type) {
	case Ping:
		return appendBeat(make([]byte, 0, 40), pingHead, m.N)
	case Pong:
		return appendBeat(make([]byte, 0, 40), pongHead, m.N)
	case Roster:
		return encodeRoster(m)
	case Welcome:
		b, err := encodeWelcome(m)
		if err != nil {
			panic(fmt.Sprintf("proto: a welcome does not encode: %v", err))
		}
		return b
	}
	body, err := json.Marshal(m)
	if err != nil || len(body) < 2 || body[0] != '{' {
		panic(fmt.Sprintf("proto: message %T does not encode: %v", m, err))
	}
	out := make([]byte, 0, len(body)+len(m.Type())+8)
	out = append(out, `{"t":"`...)
	out = append(out, m.Type()...)
	out = append(out, '"')
	if len(body) > 2 {
		out = append(out, ',')
	}
	return append(out, body[1:]...)
}

// Decode reads one control message and returns it by value (Hello, not *Hello). A type it does not
// know gives Unknown and no error; malformed JSON, a missing type or a message over
// MaxServerMessageLen gives an *Error with CodeBadRequest; who reads from clients bounds the read itself.
func Decode(b []byte) (Message, error) {
	if len(b) > MaxServerMessageLen {
		return nil, NewError(CodeBadRequest, "message too long")
	}
	if n, ok := beat(b, pingHead); ok {
		return Ping{N: n}, nil
	}
	if n, ok := beat(b, pongHead); ok {
		return Pong{N: n}, nil
	}
	name, err := typeOf(b)
	if err != nil {
		return nil, err
	}
	switch name {
	case "hello":
		return decodeAs[Hello](b)
	case "welcome":
		return decodeAs[Welcome](b)
	case "waiting":
		return decodeAs[Waiting](b)
	case "bye":
		return decodeAs[Bye](b)
	case "error":
		return decodeAs[Failed](b)
	case "ping":
		return decodeAs[Ping](b)
	case "pong":
		return decodeAs[Pong](b)
	case "answer":
		return decodeAs[Answer](b)
	case "publish":
		return decodeAs[Publish](b)
	case "wanted":
		return decodeAs[Wanted](b)
	case "layout":
		return decodeAs[Layout](b)
	case "slots":
		return decodeAs[Slots](b)
	case "speakers":
		return decodeAs[Speakers](b)
	case "roster":
		return decodeAs[Roster](b)
	case "state":
		return decodeAs[State](b)
	case "say":
		return decodeAs[Said](b)
	case "chat":
		return decodeAs[Chat](b)
	case "hand":
		return decodeAs[Hand](b)
	case "react":
		return decodeAs[React](b)
	case "act":
		return decodeAs[Act](b)
	case "ask_unmute":
		return decodeAs[AskUnmute](b)
	case "stats":
		return decodeAs[Stats](b)
	}
	if !json.Valid(b) {
		return nil, NewError(CodeBadRequest, "message is not a JSON object")
	}
	return Unknown{T: name}, nil
}

// typeOf is a message's type. Where it comes first, as Encode and pages write it, what follows need not be JSON.
func typeOf(b []byte) (string, error) {
	if rest, first := bytes.CutPrefix(b, []byte(`{"t":"`)); first {
		if name, _, _ := bytes.Cut(rest, []byte(`"`)); len(name) > 0 && !bytes.ContainsRune(name, '\\') {
			return string(name), nil
		}
	}
	var head struct {
		T string `json:"t"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return "", NewError(CodeBadRequest, "message is not a JSON object")
	}
	if head.T == "" {
		return "", NewError(CodeBadRequest, `message without type "t"`)
	}
	return head.T, nil
}

// Heartbeats are most of what a quiet meeting says, so what everybody writes for one is read and written
// without the general way, which takes twenty allocations.
const (
	pingHead = `{"t":"ping","n":`
	pongHead = `{"t":"pong","n":`
)

// beat reads the number of a heartbeat as it is commonly written. ok is false for all else, valid or not.
func beat(b []byte, head string) (n int64, ok bool) {
	const most = 18 // digits that always fit
	if len(b) < len(head)+2 || len(b) > len(head)+1+most || string(b[:len(head)]) != head || b[len(b)-1] != '}' {
		return 0, false
	}
	digits := b[len(head) : len(b)-1]
	if digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + int64(d-'0')
	}
	return n, true
}

func appendBeat(dst []byte, head string, n int64) []byte {
	return append(strconv.AppendInt(append(dst, head...), n, 10), '}')
}

func decodeAs[M Message](b []byte) (Message, error) {
	var m M
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, NewError(CodeBadRequest, fmt.Sprintf("malformed %q: %v", m.Type(), err))
	}
	return m, nil
}
