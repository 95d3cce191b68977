package meeting

import (
	"testing"

	"parley/wire/proto"
)

func TestWhoMayDoWhat(t *testing.T) {
	all := []proto.Action{
		proto.ActMute, proto.ActMuteAll, proto.ActAskUnmute, proto.ActCohost, proto.ActAdmit, proto.ActEject,
		proto.ActLowerHand, proto.ActLock, proto.ActWaitingRoom, proto.ActMuteOnEntry, proto.ActEnd,
	}
	hostOnly := map[proto.Action]bool{proto.ActCohost: true, proto.ActEnd: true}
	for _, role := range []proto.Role{host, co, part} {
		for _, do := range all {
			t.Run(string(role)+" "+string(do), func(t *testing.T) {
				w := newWorld(t, Config{}, proto.Settings{JoinBeforeHost: true}).join(1, role).join(2, part).mic(2)
				target := proto.ParticipantID(2)
				if do == proto.ActAdmit {
					target = 0
				}
				w.act(1, do, target)
				if role == host || role == co && !hostOnly[do] {
					w.wantFine(1)
				} else {
					w.wantFailed(1, proto.CodeForbidden)
				}
			})
		}
	}
}

func TestRefusedActs(t *testing.T) {
	for _, c := range []struct {
		name string
		act  proto.Act
		want proto.Code
	}{
		{"no such action", proto.Act{Do: "dance"}, proto.CodeUnsupported},
		{"mute nobody", proto.Act{Do: proto.ActMute, Target: 77}, proto.CodeBadRequest},
		{"mute no kind", proto.Act{Do: proto.ActMute, Target: 3, Kind: 9}, proto.CodeBadRequest},
		{"mute who waits", proto.Act{Do: proto.ActMute, Target: 4}, proto.CodeBadRequest},
		{"co-host who waits", proto.Act{Do: proto.ActCohost, Target: 4, On: true}, proto.CodeBadRequest},
		{"demote host", proto.Act{Do: proto.ActCohost, Target: 2}, proto.CodeForbidden},
		{"eject host", proto.Act{Do: proto.ActEject, Target: 2}, proto.CodeForbidden},
		{"eject nobody", proto.Act{Do: proto.ActEject, Target: 77}, proto.CodeBadRequest},
		{"ask for a share", proto.Act{Do: proto.ActAskUnmute, Target: 3, Kind: proto.Content}, proto.CodeBadRequest},
		{"ask one without camera permission", proto.Act{Do: proto.ActAskUnmute, Target: 3, Kind: proto.Video}, proto.CodeForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{}, proto.Settings{WaitingRoom: true}).join(1, host).join(2, host)
			w.joinWith(3, 0, proto.PermAudio).act(1, proto.ActAdmit, 3).join(4, part)
			w.say(1, c.act).wantFailed(1, c.want)
			w.want("re", last[proto.Failed](w.client(1).inbox).Re, "act")
		})
	}
	w := open(t).join(1, host).join(2, co).join(3, part)
	w.act(2, proto.ActEject, 2).wantFailed(2, proto.CodeBadRequest)
	w.act(2, proto.ActEject, 1).wantFailed(2, proto.CodeForbidden)
}

func TestMutedByHostMayUnmute(t *testing.T) {
	w := open(t).join(1, host).join(2, part).mic(1).mic(2)
	w.act(1, proto.ActMute, 2)
	w.want("row", w.client(2).roster[2].Sources, []proto.SourceState{{Kind: proto.Audio, Muted: true, ByHost: true}})
	w.want("heard", len(w.hears(1)), 0)
	w.say(1, proto.Act{Do: proto.ActAskUnmute, Target: 2}).want("asked", last[proto.AskUnmute](w.client(2).inbox).By, proto.ParticipantID(1))

	// Saying that it is muted keeps the mark; unmuting takes it away.
	w.say(2, proto.Publish{Kind: proto.Audio, Active: true, Muted: true}).want("marked", w.client(1).roster[2].Sources[0].ByHost, true)
	w.mic(2).want("row", w.client(1).roster[2].Sources, []proto.SourceState{{Kind: proto.Audio}})
	w.pass(mapEvery).want("heard", w.hears(1), []proto.ParticipantID{2})

	w.join(3, part).mic(3).act(1, proto.ActMuteAll, 0).pass(mapEvery)
	w.want("1 hears", len(w.hears(1)), 0).want("2 hears the host", w.hears(2), []proto.ParticipantID{1})
}

func TestMuteOnEntry(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{JoinBeforeHost: true, MuteOnEntry: true}).join(1, host).mic(1).join(2, part).mic(2)
	w.want("host", w.client(2).roster[1].Sources, []proto.SourceState{{Kind: proto.Audio}})
	w.want("newcomer", w.client(2).roster[2].Sources, []proto.SourceState{{Kind: proto.Audio, Muted: true, ByHost: true}})
	w.mic(2).want("unmuted", w.client(2).roster[2].Sources, []proto.SourceState{{Kind: proto.Audio}})
}

func TestEjectedStaysOut(t *testing.T) {
	w := open(t).join(1, host).join(2, part).mic(2).act(1, proto.ActEject, 2)
	w.want("close", w.acts[0].(Close).Revoke, true)
	w.want("told", w.client(2).closed, proto.CodeEjected)
	w.join(2, part).want("refused", w.client(2).closed, proto.CodeEjected)
	w.join(3, part).do(Gone{3, proto.CodeLost}).act(1, proto.ActEject, 3)
	w.want("one who is away", count[Remove](w.acts), 1)
}

func TestCohostManagesWhileHostIsAway(t *testing.T) {
	w := open(t).join(1, host).join(2, part).join(3, part).act(1, proto.ActCohost, 2)
	w.want("role", w.client(3).roster[2].Role, co)
	w.do(Gone{1, proto.CodeLeft}).act(2, proto.ActLock, 0).wantFine(2)
	w.want("locked", last[proto.State](w.client(3).inbox).Locked, true)
	w.do(Gone{2, proto.CodeLeft}).act(3, proto.ActLock, 0).wantFailed(3, proto.CodeForbidden) // nobody is promoted
	w.join(1, host).want("host again", w.client(3).roster[1].Role, host)
	w.join(2, part).want("co-host again", w.client(2).welcome.Role, co)
	w.say(1, proto.Act{Do: proto.ActCohost, Target: 2}).act(2, proto.ActLock, 0).wantFailed(2, proto.CodeForbidden)
}

func TestHands(t *testing.T) {
	w := open(t).join(1, host).join(2, part).say(2, proto.Hand{Up: true})
	w.want("up", w.client(1).roster[2].Hand, start.UnixMilli())
	w.say(2, proto.Hand{Up: true}).want("again", len(w.client(1).inbox), 0)
	w.act(1, proto.ActLowerHand, 2).want("down", w.client(1).roster[2].Hand, int64(0))
}

func TestReactions(t *testing.T) {
	w := open(t).join(1, part).join(2, part).say(1, proto.React{Emoji: "👏", From: 2})
	w.want("told", last[proto.React](w.client(2).inbox), proto.React{From: 1, Emoji: "👏"})
	w.say(1, proto.React{Emoji: "<b>"}).wantFailed(1, proto.CodeBadRequest)
	for range 10 {
		w.say(1, proto.React{Emoji: "👏"})
	}
	w.want("nobody else is bothered", len(w.client(2).inbox), 0)
}

func TestMessagesThatAreNotForUs(t *testing.T) {
	w := open(t).join(1, part)
	w.say(1, proto.Unknown{T: "knit"}).wantFailed(1, proto.CodeUnsupported)
	w.want("re", last[proto.Failed](w.client(1).inbox).Re, "knit")
	w.say(1, proto.Welcome{}).wantFailed(1, proto.CodeBadRequest)
	w.say(1, proto.Answer{}).say(1, proto.Stats{}).say(1, proto.Pong{}).want("actions", len(w.acts), 0)
	w.say(99, proto.Said{Text: "boo"}).want("actions", len(w.acts), 0)
}

// What a host stopped while its person was away stays stopped when they come back; what they start
// themselves after that is not stopped again.
func TestStoppedWhileAwayIsStartedByOnePublish(t *testing.T) {
	dark := []proto.SourceState{{Kind: proto.Video, Muted: true, ByHost: true}}
	off := proto.Publish{Kind: proto.Video}
	away := func(t *testing.T) *world {
		w := open(t).join(1, host).join(2, part).cam(2).do(Gone{2, proto.CodeLost})
		return w.say(1, proto.Act{Do: proto.ActMute, Target: 2, Kind: proto.Video}).join(2, part)
	}
	shown := []proto.SourceState{{Kind: proto.Video}}
	for _, c := range []struct {
		name string
		back func(w *world)
	}{
		{"obeys, then starts", func(w *world) { w.say(2, off) }},
		{"did not know, is told, obeys, then starts", func(w *world) {
			w.cam(2).want("kept dark", w.client(1).roster[2].Sources, dark).say(2, off)
		}},
		{"obeys, is lost again, comes back, then starts", func(w *world) {
			w.say(2, off).do(Gone{2, proto.CodeLost}).join(2, part)
		}},
		{"says nothing about its camera, then starts", func(w *world) { w.pass(confirmFor) }},
		{"meanwhile on another router", func(w *world) { w.say(2, off).move().join(1, host).join(2, part) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := away(t)
			w.want("told on return", w.client(2).roster[2].Sources, dark)
			c.back(w)
			w.cam(2).want("started", w.client(1).roster[2].Sources, shown)
		})
	}
}

func TestMutedOnEntryOnceOnly(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{JoinBeforeHost: true, MuteOnEntry: true}).join(1, host).join(2, part)
	w.say(2, proto.Publish{Kind: proto.Audio}) // enters to listen
	w.mic(2).want("opened later, by their own hand", w.client(1).roster[2].Sources, []proto.SourceState{{Kind: proto.Audio}})
}
