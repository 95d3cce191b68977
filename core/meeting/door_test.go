package meeting

import (
	"testing"
	"time"

	"parley/wire/proto"
)

const (
	host = proto.RoleHost
	co   = proto.RoleCohost
	part = proto.RoleParticipant
)

func TestNewcomerGetsWelcomeAndOthersADelta(t *testing.T) {
	w := open(t).join(1, part)
	c := w.client(1)
	w.want("role", c.welcome.Role, part)
	w.want("topic", c.welcome.Meeting.Topic, "Tea")
	w.want("slots", len(c.welcome.Slots), 25+3+25+2+1)
	w.want("resumed", c.welcome.Resumed, false)
	w.want("started", c.welcome.State.StartedAt, start.UnixMilli())
	w.want("first action", w.acts[0].(Admit).ID, proto.ParticipantID(1))

	w.join(2, part)
	w.want("rows of 1", len(w.client(1).roster), 2)
	w.want("rows of 2", len(w.client(2).roster), 2)
	w.want("name", w.client(1).roster[2].Name, "P2")
	w.want("client", w.client(1).roster[2].Client, "native")
}

func TestJoinChecks(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   proto.Settings
		story func(w *world)
		id    proto.ParticipantID
		role  proto.Role
		want  string // "in", "waiting", or the code of Bye
	}{
		{"open", proto.Settings{JoinBeforeHost: true}, nil, 9, part, "in"},
		{"no seat", proto.Settings{JoinBeforeHost: true}, nil, 0, part, "token_invalid"},
		{"seat over 29 bits", proto.Settings{JoinBeforeHost: true}, nil, proto.MaxParticipantID + 1, part, "token_invalid"},
		{"before host", proto.Settings{}, nil, 9, part, "waiting"},
		{"host starts", proto.Settings{}, nil, 9, host, "in"},
		{"co-host by token starts", proto.Settings{}, nil, 9, co, "in"},
		{"host is there", proto.Settings{}, func(w *world) { w.join(1, host) }, 9, part, "in"},
		{"host was there", proto.Settings{}, func(w *world) { w.join(1, host); w.do(Gone{1, proto.CodeLeft}) }, 9, part, "in"},
		{"waiting room", proto.Settings{WaitingRoom: true}, func(w *world) { w.join(1, host) }, 9, part, "waiting"},
		{"waiting room, co-host", proto.Settings{WaitingRoom: true}, func(w *world) { w.join(1, host) }, 9, co, "in"},
		{"waiting room, admitted before", proto.Settings{WaitingRoom: true}, func(w *world) {
			w.join(1, host).join(9, part).act(1, proto.ActAdmit, 9).do(Gone{9, proto.CodeLeft})
		}, 9, part, "in"},
		{"locked", proto.Settings{JoinBeforeHost: true}, func(w *world) { w.join(1, host).act(1, proto.ActLock, 0) }, 9, part, "meeting_locked"},
		{"locked, host", proto.Settings{JoinBeforeHost: true}, func(w *world) { w.join(1, host).act(1, proto.ActLock, 0) }, 9, host, "in"},
		{"locked, seat kept", proto.Settings{JoinBeforeHost: true}, func(w *world) {
			w.join(1, host).join(9, part).act(1, proto.ActLock, 0).do(Gone{9, proto.CodeLost})
		}, 9, part, "in"},
		{"locked, seat given up", proto.Settings{JoinBeforeHost: true}, func(w *world) {
			w.join(1, host).join(9, part).act(1, proto.ActLock, 0).do(Gone{9, proto.CodeLeft})
		}, 9, part, "meeting_locked"},
		{"full", proto.Settings{JoinBeforeHost: true, MaxPeople: 2}, func(w *world) { w.join(1, part).join(2, part) }, 9, part, "meeting_full"},
		{"full, host too", proto.Settings{JoinBeforeHost: true, MaxPeople: 2}, func(w *world) { w.join(1, part).join(2, part) }, 9, host, "meeting_full"},
		{"full, seat kept", proto.Settings{JoinBeforeHost: true, MaxPeople: 2}, func(w *world) {
			w.join(1, part).join(9, part).do(Gone{9, proto.CodeLost})
		}, 9, part, "in"},
		{"full of waiting people, host", proto.Settings{MaxPeople: 1}, func(w *world) { w.join(1, part) }, 9, host, "in"},
		{"ejected", proto.Settings{JoinBeforeHost: true}, func(w *world) { w.join(1, host).join(9, part).act(1, proto.ActEject, 9) }, 9, part, "ejected"},
		{"ejected, locked and full", proto.Settings{JoinBeforeHost: true, MaxPeople: 2}, func(w *world) {
			w.join(1, host).join(9, part).act(1, proto.ActEject, 9).join(3, part).act(1, proto.ActLock, 0)
		}, 9, part, "ejected"},
		{"locked and full", proto.Settings{JoinBeforeHost: true, MaxPeople: 1}, func(w *world) { w.join(1, host).act(1, proto.ActLock, 0) }, 9, part, "meeting_locked"},
		{"ended", proto.Settings{JoinBeforeHost: true}, func(w *world) { w.join(1, host).act(1, proto.ActEnd, 0) }, 1, host, "meeting_ended"},
		{"ended by the web", proto.Settings{JoinBeforeHost: true}, func(w *world) { w.do(Command{CommandEnd}) }, 1, host, "meeting_ended"},
		{"emptied", proto.Settings{JoinBeforeHost: true}, func(w *world) { w.pass(61 * time.Second) }, 1, host, "meeting_ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{}, c.set)
			if c.story != nil {
				c.story(w)
			}
			w.join(c.id, c.role)
			got := string(w.client(c.id).closed)
			if got != "" {
				w.want("transports that came early go", w.acts[len(w.acts)-1], Action(Remove{ID: c.id}))
			}
			switch {
			case w.client(c.id).in:
				got = "in"
			case w.client(c.id).waiting:
				got = "waiting"
			}
			w.want("door", got, c.want)
		})
	}
}

func TestHostsArrivalOpensTheMeeting(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{}).join(1, part).join(2, part)
	w.want("1 waits", w.client(1).waiting, true)
	w.join(3, host)
	w.want("1 in", w.client(1).in, true).want("2 in", w.client(2).in, true)
	w.want("host sees", len(w.client(3).roster), 3)

	w = newWorld(t, Config{}, proto.Settings{WaitingRoom: true}).join(1, part).join(3, host)
	w.want("still waits", w.client(1).waiting, true)
	w.want("host sees who waits", w.client(3).roster[1].Waiting, true)
}

func TestWaitingRoom(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{WaitingRoom: true}).join(1, host).join(2, co).join(3, part).act(1, proto.ActAdmit, 3)
	w.join(10, part)
	w.want("host sees", w.client(1).roster[10].Waiting, true)
	w.want("co-host sees", w.client(2).roster[10].Waiting, true)
	_, seen := w.client(3).roster[10]
	w.want("participant sees", seen, false)

	// Who waits may only wait: nothing else is answered but with a refusal.
	w.say(10, proto.Said{Text: "hello?"}).wantFailed(10, proto.CodeForbidden)
	w.say(10, proto.Hand{Up: true}).wantFailed(10, proto.CodeForbidden)
	// But what comes right behind a hello is sent again after the welcome.
	w.say(10, proto.Publish{Kind: proto.Audio, Active: true}).wantFine(10)
	w.say(10, proto.Ping{N: 4}).want("pong", last[proto.Pong](w.client(10).inbox).N, int64(4))
	w.say(3, proto.Said{To: 10, Text: "psst"}).wantFailed(3, proto.CodeBadRequest)

	// Promotion shows the waiting people, and demotion hides them, with versions going on.
	w.act(1, proto.ActCohost, 3).want("promoted sees", w.client(3).roster[10].Waiting, true)
	w.say(1, proto.Act{Do: proto.ActCohost, Target: 3})
	_, seen = w.client(3).roster[10]
	w.want("demoted sees", seen, false)

	w.join(11, part).act(2, proto.ActAdmit, 0)
	w.want("10 in", w.client(10).in, true).want("11 in", w.client(11).in, true)

	w.join(12, part).act(1, proto.ActEject, 12).want("turned away", w.client(12).closed, proto.CodeEjected)
	w.join(13, part).do(Gone{13, proto.CodeLost})
	_, seen = w.client(1).roster[13]
	w.want("host still sees 13", seen, false)

	w.join(14, part).say(1, proto.Act{Do: proto.ActWaitingRoom, On: false})
	w.want("admitted when the room is closed", w.client(14).in, true)
	w.want("state", last[proto.State](w.client(3).inbox).WaitingRoom, false)
}

func TestAdmitAllStopsWhenFull(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{WaitingRoom: true, MaxPeople: 2}).join(1, host).join(2, part).join(3, part)
	w.act(1, proto.ActAdmit, 0).wantFailed(1, proto.CodeFull)
	w.want("2 in", w.client(2).in, true).want("3 waits", w.client(3).waiting, true)
	w.act(1, proto.ActAdmit, 3).wantFailed(1, proto.CodeFull)
	w.act(1, proto.ActAdmit, 2).wantFine(1) // let in already
	w.act(1, proto.ActAdmit, 77).wantFailed(1, proto.CodeBadRequest)
}

func TestSameSeatTakesOver(t *testing.T) {
	w := open(t).join(1, part).join(2, part).mic(2).cam(2).pass(time.Second)
	before := w.slotOf(1, 2, proto.Video)
	seq := w.client(1).slotSeq
	w.join(1, part)
	w.want("old channel", w.acts[0].(Close).Bye.Code, proto.CodeReplaced)
	w.want("resumed", w.client(1).welcome.Resumed, true)
	w.want("slot kept", w.slotOf(1, 2, proto.Video), before)
	w.want("slots seq goes on", w.client(1).slotSeq, seq+1)

	// A publisher that resumes keeps what it publishes again; the rest ends after a while.
	w.join(2, part).want("still shown", w.slotOf(1, 2, proto.Video), before)
	w.mic(2).pass(confirmFor)
	w.want("camera gone", w.slotOf(1, 2, proto.Video), "")
	w.want("microphone stays", w.hears(1), []proto.ParticipantID{2})

	// Another number of slots is another table.
	w.joinWith(1, 4).pass(mapEvery)
	w.want("slots", len(w.slots[1]), 4+3+4+2+1)
	w.want("hears", w.hears(1), []proto.ParticipantID{2})
}

func TestLostPersonIsAwayThenGone(t *testing.T) {
	w := open(t).join(1, part).join(2, part).mic(2).pass(mapEvery).do(Gone{2, proto.CodeLost})
	w.want("away", w.client(1).roster[2].Away, true)
	w.want("media goes on", w.hears(1), []proto.ParticipantID{2})
	w.pass(44*time.Second).want("kept", len(w.client(1).roster), 2)
	w.pass(time.Second).want("given up", len(w.client(1).roster), 1)
	w.want("unwired", len(w.hears(1)), 0)
	w.join(2, part).want("new seat", w.client(2).welcome.Resumed, false)

	w.do(Gone{2, proto.CodeLost}).pass(30*time.Second).join(2, part)
	w.want("resumed", w.client(2).welcome.Resumed, true)
	w.pass(time.Minute).want("stays", len(w.client(1).roster), 2)
}

func TestLeaving(t *testing.T) {
	w := open(t).join(1, part).join(2, part).say(2, proto.Bye{Code: proto.CodeLeft})
	w.want("rows", len(w.client(1).roster), 1)
	w.want("removes", count[Remove](w.acts), 1)
	w.do(Gone{2, proto.CodeLeft}) // its channel closing is no news
	w.want("actions", len(w.acts), 0)
}

func TestEmptyMeetingEnds(t *testing.T) {
	w := open(t).join(1, part).pass(10 * time.Minute)
	w.want("over", w.m.Over(), false)
	w.do(Gone{1, proto.CodeLost}).pass(59*time.Second).want("over", w.m.Over(), false)
	w.pass(time.Second).want("over", w.m.Over(), true)
	w.want("by host", w.acts[len(w.acts)-1], Action(Ended{ByHost: false}))
	at, why := w.m.Wake()
	w.want("wake", at.IsZero(), true).want("why", why.String(), "never")
}

func TestHostEndsMeeting(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{WaitingRoom: true}).join(1, host).join(2, part)
	w.act(1, proto.ActEnd, 0)
	w.want("host", w.client(1).closed, proto.CodeEnded).want("waiting", w.client(2).closed, proto.CodeEnded)
	w.want("last", w.acts[len(w.acts)-1], Action(Ended{ByHost: true}))
	w.do(Received{1, proto.Said{Text: "x"}}).do(Gone{1, proto.CodeLost}).do(Tick{})
	w.want("silence", len(w.acts), 0)
}
