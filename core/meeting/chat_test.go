package meeting

import (
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

func texts(cs []proto.Chat) string {
	var out []string
	for _, c := range cs {
		out = append(out, c.Text)
	}
	return strings.Join(out, " ")
}

func TestChat(t *testing.T) {
	w := open(t).join(1, part).join(2, part).join(3, part)
	w.say(1, proto.Said{Text: "  one\n"}).say(2, proto.Said{To: 1, Text: "two"}).say(3, proto.Said{Text: "three"})
	w.say(3, proto.Said{To: 3, Text: "four"})
	w.want("1", texts(w.client(1).chat), "one two three")
	w.want("2", texts(w.client(2).chat), "one two three")
	w.want("3", texts(w.client(3).chat), "one three four")
	w.want("name", w.client(2).chat[0].Name, "P1")

	// Later: the public ones, and one's own private ones.
	w.join(4, part).want("4", texts(w.client(4).welcome.Chat), "one three")
	w.join(2, part).want("2 again", texts(w.client(2).welcome.Chat), "one two three")
}

func TestRefusedChat(t *testing.T) {
	w := open(t).join(1, part).joinWith(2, 0, proto.PermAudio)
	w.say(2, proto.Said{Text: "x"}).wantFailed(2, proto.CodeForbidden)
	w.say(1, proto.Said{Text: " \n "}).wantFailed(1, proto.CodeBadRequest)
	w.say(1, proto.Said{Text: strings.Repeat("é", 4001)}).wantFailed(1, proto.CodeBadRequest)
	w.say(1, proto.Said{Text: strings.Repeat("é", 4000)}).wantFine(1)
	w.say(1, proto.Said{To: 99, Text: "x"}).wantFailed(1, proto.CodeBadRequest)
}

func TestChatIsLimited(t *testing.T) {
	w := open(t).join(1, part).join(2, part)
	for range 10 {
		w.say(1, proto.Said{Text: "x"}).wantFine(1)
	}
	w.say(1, proto.Said{Text: "x"}).wantFailed(1, proto.CodeSlowDown)
	w.say(2, proto.Said{Text: "y"}).wantFine(2) // only its own
	w.pass(200*time.Millisecond).say(1, proto.Said{Text: "x"}).wantFine(1)
	w.say(1, proto.Said{Text: "x"}).wantFailed(1, proto.CodeSlowDown)
	// Refusals are limited as well.
	for range 20 {
		w.say(1, proto.Said{Text: "x"})
	}
	w.want("answers", len(w.client(1).inbox), 0)
}

func TestLongChatReachesLatecomersInOrder(t *testing.T) {
	w := newWorld(t, Config{ChatKept: 20}, proto.Settings{JoinBeforeHost: true}).join(1, part)
	for range 30 {
		w.say(1, proto.Said{Text: strings.Repeat("<", 4000)}).wantFine(1)
		w.pass(time.Second)
	}
	w.say(1, proto.Said{Text: "last"})
	w.join(2, part)
	w.want("in welcome", len(w.client(2).welcome.Chat) < 20, true)
	w.want("all", len(w.client(2).chat), 20)
	w.want("last", w.client(2).chat[19].Text, "last")
}

func TestChatKeptIsBounded(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{JoinBeforeHost: true}).join(1, part)
	for range 100 {
		w.say(1, proto.Said{Text: strings.Repeat("é", 4000)}).wantFine(1)
		w.pass(time.Second)
	}
	w.want("bounded", w.m.chatLen <= maxChatKept, true)
	w.want("kept", len(w.m.chat), maxChatKept/8000)
}
