package meeting

import "parley/wire/proto"

// Event is one fact a Meeting is told.
type Event interface{ isEvent() }

// Join says that a control channel's hello was verified. The same participant again takes its seat
// over in place: the older channel is closed with CodeReplaced and the new one resumes.
type Join struct {
	Claims proto.Claims
	Caps   proto.Caps
	Seed   uint32 // random, or the client's choice; the SSRCs of the slot table are derived from it
}

// Gone says that the control channel of a seat was closed or lost. It must not be reported for a
// channel that another one has replaced, nor need it be for one closed by a Close action.
type Gone struct {
	ID  proto.ParticipantID
	Why proto.Code // CodeLeft gives the seat up at once, everything else keeps it for a while
}

// Received is a decoded control message. Messages about media (Answer, Stats) and Pong change nothing
// here; a Ping is answered.
type Received struct {
	From proto.ParticipantID
	Msg  proto.Message
}

// Level is the audio level of one packet (RFC 6464). It may come for every packet.
type Level struct {
	Source proto.SourceID
	DBov   uint8 // 0 loud … 127 silent
	Voice  bool
}

// Command is an order of the web infrastructure.
type Command struct {
	Do string // CommandEnd
}

// CommandEnd ends the meeting for all.
const CommandEnd = "end"

// Mapped says that the first packet of a source is out in a receiver's slot.
type Mapped struct {
	ID     proto.ParticipantID
	Slot   int
	Source proto.SourceID
	Time   uint32 // RTP time stamp of that packet, as sent
}

// Tick says only what time it is; send it when Wake's time has come.
type Tick struct{}

func (Join) isEvent()     {}
func (Gone) isEvent()     {}
func (Received) isEvent() {}
func (Level) isEvent()    {}
func (Command) isEvent()  {}
func (Mapped) isEvent()   {}
func (Tick) isEvent()     {}

// Action is one thing a Meeting wants done, in order.
type Action interface{ isAction() }

// Send is a message to one person.
type Send struct {
	To  proto.ParticipantID
	Msg proto.Message
}

// Broadcast is one message to several people: encode it once. To is never changed afterwards, is never
// empty and never holds a waiting person.
type Broadcast struct {
	Msg proto.Message
	To  []proto.ParticipantID
}

// Admit opens media for a seat: its transports are released and its slots made. Whatever the seat had
// before (when it resumes), all its slots start unwired and all its gates closed; the Wire and Gate
// actions that follow say otherwise. A Welcome follows, in which the router fills in what only it knows.
type Admit struct {
	ID    proto.ParticipantID
	Slots []proto.Slot
}

// Close sends Bye and closes a control channel. With CodeReplaced it means the channel before the
// newest one. It may name someone who got no seat, a Join that was refused, or someone away, who has no
// channel now.
type Close struct {
	ID     proto.ParticipantID
	Bye    proto.Bye
	Revoke bool // tombstone this participant: removed by a host
}

// Remove says that a seat is gone: transports, legs and streams go with it, but not the tombstone of a
// Close with Revoke before it. It also follows the Close of a refused Join.
type Remove struct {
	ID proto.ParticipantID
}

// Gate says whether packets of a source may pass. All are closed at first.
type Gate struct {
	Source proto.SourceID
	Open   bool
}

// Wire puts a source into a receiver's slot, or with Source 0 takes it out. Only sources whose gate is
// open are ever wired, and a source is taken out of all slots when its gate closes.
type Wire struct {
	ID     proto.ParticipantID
	Slot   int
	Source proto.SourceID
	Layer  int8 // index in proto.RIDs; 0 for a source of one encoding
}

// Ended is the last action of a meeting; all channels are closed and all seats removed before it.
type Ended struct {
	ByHost bool // ended for all, by a host or by the web infrastructure; not merely emptied
}

// Persist says that Snapshot would now give something new.
type Persist struct{}

func (Send) isAction()      {}
func (Broadcast) isAction() {}
func (Admit) isAction()     {}
func (Close) isAction()     {}
func (Remove) isAction()    {}
func (Gate) isAction()      {}
func (Wire) isAction()      {}
func (Ended) isAction()     {}
func (Persist) isAction()   {}

// Reason says what a Wake is for.
type Reason uint8

// The reasons to wake.
const (
	WakeNever    Reason = iota
	WakeMapping         // sources are to be mapped onto slots anew
	WakeSpeakers        // who speaks is to be told, or has fallen silent
	WakeWanted          // a sender may stop a layer nobody watched for a while
	WakeSeat            // a lost person's seat is to be given up, or a resumed one's old sources
	WakeEmpty           // nobody came back
	WakePersist         // the snapshot has changed
	WakeRoster          // people have come and gone since they were last told of
)

// String is the name used on debug pages and in test failures.
func (r Reason) String() string {
	switch r {
	case WakeMapping:
		return "mapping"
	case WakeSpeakers:
		return "speakers"
	case WakeWanted:
		return "wanted"
	case WakeSeat:
		return "seat"
	case WakeEmpty:
		return "empty"
	case WakeRoster:
		return "roster"
	case WakePersist:
		return "persist"
	}
	return "never"
}
