package scenario

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/sys/trust"
	"parley/wire/proto"
)

// A token without its key, a hello twice, and everything else that is not a fresh hello of the token's own
// holder is refused with the code that says so (S10, S37, S41).
func TestOnlyAFreshHelloOfTheTokensOwnHolderOpensTheDoor(t *testing.T) {
	inWorld(t, threeZones(2), func(t *testing.T, w *world) {
		m, other := w.Meeting(nil), w.Meeting(nil)
		helen := w.Join("helen", m, hosts)
		home := helen.WaitJoined().Router
		elsewhere := w.Join("olga", other, near("tokyo")).WaitJoined().Router
		if home == elsewhere {
			t.Fatalf("both meetings are on %s", home)
		}
		w.pass(steady)
		site := w.site.Site()

		victim := w.Stranger("victim").MustLookup(m)
		thief := w.Stranger("thief").MustLookup(m)
		outsider := w.Stranger("outsider").MustLookup(other)
		signed := func(change func(*proto.Claims)) string {
			v, err := trust.NewVerifier(site.Keys())
			if err != nil {
				t.Fatal(err)
			}
			c, err := v.Claims(victim.answer.Token, time.Now(), "")
			if err != nil {
				t.Fatal(err)
			}
			change(&c)
			token, err := site.SignClaims(c)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		foreign, err := trust.OpenSite(t.TempDir(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		forged := func() string {
			v, _ := trust.NewVerifier(site.Keys())
			c, _ := v.Claims(victim.answer.Token, time.Now(), "")
			token, err := foreign.SignClaims(c)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		unsigned := func() string {
			_, body, _ := strings.Cut(victim.answer.Token, ".")
			body, _, _ = strings.Cut(body, ".")
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"meeting+jwt"}`)) + "." + body + "."
		}
		with := func(token string) proto.Hello {
			h := victim.Hello(home)
			h.Token = token
			return victim.sign(h, home)
		}
		once := victim.Hello(home)

		for _, c := range []struct {
			name   string
			router string
			hello  func() proto.Hello
			want   string
		}{
			{"the holder", home, func() proto.Hello { return once }, "welcome"},
			{"the same hello again", home, func() proto.Hello { return once }, "replayed"},
			{"the same nonce with another time", home, func() proto.Hello {
				h := once
				h.At++
				return victim.sign(h, home)
			}, "replayed"},
			{"stolen token, signed with the thief's key", home, func() proto.Hello {
				h := thief.Hello(home)
				h.Token = victim.answer.Token
				return thief.sign(h, home)
			}, "token_invalid"},
			{"stolen token and public key, signed with the thief's key", home, func() proto.Hello {
				h := thief.Hello(home)
				h.Token, h.Key = victim.answer.Token, victim.id.Key()
				return thief.sign(h, home)
			}, "token_invalid"},
			{"unsigned", home, func() proto.Hello { h := victim.Hello(home); h.Sig = ""; return h }, "token_invalid"},
			{"made for another router", home, func() proto.Hello { return victim.Hello(elsewhere) }, "token_invalid"},
			{"made two minutes ago", home, func() proto.Hello {
				h := victim.Hello(home)
				h.At -= 120_000
				return victim.sign(h, home)
			}, "token_expired"},
			{"made in two minutes", home, func() proto.Hello {
				h := victim.Hello(home)
				h.At += 120_000
				return victim.sign(h, home)
			}, "token_expired"},
			{"made at the end of time", home, func() proto.Hello {
				h := victim.Hello(home)
				h.At = -1 << 63
				return victim.sign(h, home)
			}, "token_expired"},
			{"expired token", home, func() proto.Hello {
				return with(signed(func(c *proto.Claims) { c.Expires = time.Now().Add(-3 * time.Minute).Unix() }))
			}, "token_expired"},
			{"forged by another site", home, func() proto.Hello { return with(forged()) }, "token_invalid"},
			{"not signed at all", home, func() proto.Hello { return with(unsigned()) }, "token_invalid"},
			{"for other zones", home, func() proto.Hello {
				return with(signed(func(c *proto.Claims) { c.Audience = []string{"zone:elsewhere"} }))
			}, "token_invalid"},
			{"a grant instead of a token", home, func() proto.Hello { return with(string(victim.answer.Grants[0])) }, "token_invalid"},
			{"rubbish", home, func() proto.Hello { return with("rubbish") }, "token_invalid"},
			{"too old a client", home, func() proto.Hello { h := victim.Hello(home); h.V = 0; return h }, "too_old"},
			{"another meeting's token", home, func() proto.Hello { return outsider.Hello(home) }, "moved"},
		} {
			l := w.Stranger(strings.ReplaceAll(c.name, " ", "-")).Say(c.router, c.hello())
			if got := l.outcome(); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
			for _, bye := range messages[proto.Bye](l) {
				if bye.Text == "" {
					t.Errorf("%s: no words for a person", c.name)
				}
				if c.want == "moved" {
					g, err := trust.ReadGrant(bye.Grant)
					if err != nil || g.Router != elsewhere || g.Meeting != other.ID {
						t.Errorf("%s: moved to %s (%v), want the home of its own meeting, %s", c.name, g.Router, err, elsewhere)
					}
				}
			}
			w.pass(100 * time.Millisecond)
			if c.want != "welcome" && !l.Ended() {
				t.Errorf("%s: the channel stays open", c.name)
			}
		}
		if n := len(helen.Roster()); n != 2 {
			t.Errorf("the host sees %d people, want herself and the victim", n)
		}

		for _, c := range []struct {
			name, token string
			want        proto.Code
		}{
			{"the holder", victim.answer.Token, ""},
			{"expired", signed(func(c *proto.Claims) { c.Expires = time.Now().Add(-3 * time.Minute).Unix() }), "token_expired"},
			{"forged", forged(), "token_invalid"},
			{"unsigned", unsigned(), "token_invalid"},
			{"for other zones", signed(func(c *proto.Claims) { c.Audience = []string{"zone:elsewhere"} }), "token_invalid"},
		} {
			if _, got := thief.Route("oslo", c.token); got != c.want {
				t.Errorf("route with a token %s: %q, want %q", c.name, got, c.want)
			}
		}
	})
}

// A stolen token's grant brings media credentials, but DTLS needs the certificate the token names (S10, S11).
func TestAStolenTokensMediaIsNeverReleased(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna := w.Join("anna", m, performs)
		home := anna.WaitJoined().Router
		w.pass(steady)
		victim, thief := w.Stranger("victim").MustLookup(m), w.Stranger("thief")
		grant, code := thief.Route("oslo", victim.answer.Token)
		if code != "" {
			t.Fatal(code)
		}
		ear, err := thief.Dial(grant.Candidates, grant.Fingerprint, grant.Groups, proto.GroupVideo)
		if err != nil {
			t.Fatal(err) // the router can't know yet
		}
		w.pass(time.Second)
		l := victim.Say(home, victim.Hello(home))
		if got := l.outcome(); got != "welcome" {
			t.Fatal(got)
		}
		if n := w.dropped("fingerprint", func() { w.pass(2 * time.Second) }) + w.Drops("fingerprint"); n == 0 {
			t.Errorf("a transport with another certificate was not dropped\n%v", w.drops())
		}
		if n := ear.Packets(); n > 0 {
			t.Errorf("%d packets reached the thief", n)
		}
		// And once the victim is in, the thief's transport is refused at once.
		again, err := thief.Dial(grant.Candidates, grant.Fingerprint, grant.Groups, proto.GroupAudio)
		if err == nil {
			w.pass(2 * time.Second)
			if n := again.Packets(); n > 0 {
				t.Errorf("%d packets reached the thief", n)
			}
		}
	})
}

// Ended meetings and ejected people are tombstones: tokens that are still good admit nobody any more.
func TestTokensOfAnEndedMeetingAndOfAnEjectedPersonAdmitNobody(t *testing.T) {
	inWorld(t, threeZones(2), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		helen := w.Join("helen", m, hosts)
		home := helen.WaitJoined().Router
		w.pass(steady)
		rude, late := w.Stranger("rude").MustLookup(m), w.Stranger("late").MustLookup(m)
		l := rude.Say(home, rude.Hello(home))
		if got := l.outcome(); got != "welcome" {
			t.Fatal(got)
		}
		welcome := messages[proto.Welcome](l)[0]
		ear, err := rude.Dial(welcome.Candidates, welcome.Fingerprint, welcome.Groups, proto.GroupAudio)
		if err != nil {
			t.Fatal(err)
		}
		helen.Act(proto.Act{Do: proto.ActEject, Target: welcome.Participant})
		w.until(2*time.Second, "the ejected is told", func() bool { return len(messages[proto.Bye](l)) > 0 })
		if got := messages[proto.Bye](l)[0].Code; got != proto.CodeEjected {
			t.Errorf("ejected with %s", got)
		}
		w.pass(time.Second)
		if n := len(helen.Roster()); n != 1 {
			t.Errorf("%d people in the roster after the ejection, want 1", n)
		}
		if got := rude.Say(home, rude.Hello(home)).outcome(); got != "ejected" {
			t.Errorf("the ejected says hello again: %s", got)
		}
		for _, z := range []string{"oslo", "tokyo"} {
			if _, got := rude.Route(z, rude.answer.Token); got != proto.CodeEjected {
				t.Errorf("the ejected asks %s for a route: %q", z, got)
			}
		}
		if got := rude.Lookup(m, ""); got != proto.CodeEjected {
			t.Errorf("the ejected looks the meeting up: %q", got)
		}
		if _, err := rude.Dial(welcome.Candidates, welcome.Fingerprint, welcome.Groups, proto.GroupVideo); err == nil {
			t.Error("the ejected's tickets still open a transport")
		}
		w.pass(12 * time.Second)
		if !ear.Lost() {
			t.Error("the ejected's transport still stands")
		}

		w.End(m)
		w.until(2*time.Second, "the host is out", func() bool {
			select {
			case <-helen.ended:
				return true
			default:
				return false
			}
		})
		if got := refusal(helen.err); got != proto.CodeEnded {
			t.Errorf("the host was put out with %q: %v", got, helen.err)
		}
		for _, router := range []string{home, "paris-1"} {
			if got := late.Say(router, late.Hello(router)).outcome(); got != "meeting_ended" {
				t.Errorf("a token of an ended meeting at %s: %s", router, got)
			}
		}
		for _, z := range []string{"oslo", "paris"} {
			if _, got := late.Route(z, late.answer.Token); got != proto.CodeEnded {
				t.Errorf("route to an ended meeting at %s: %q", z, got)
			}
		}
		if got := late.Lookup(m, ""); got != proto.CodeEnded {
			t.Errorf("lookup of an ended meeting: %q", got)
		}
	})
}

// S37: a wrong passcode and an unknown number get the same answer; a locked meeting takes nobody new.
func TestWrongPasscodesAndLockedDoors(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		helen := w.Join("helen", m, hosts)
		helen.WaitJoined()
		wrong, unknown := m, m
		wrong.Passcode = "not-this"
		unknown.Number ^= 1
		s := w.Stranger("guesser")
		if a, b := s.Lookup(wrong, ""), s.Lookup(unknown, ""); a != proto.CodeNoSuchMeeting || b != a {
			t.Errorf("wrong passcode: %q, unknown number: %q", a, b)
		}
		p := w.Join("forgetful", wrong)
		if got := refusal(p.WaitEnd(10 * time.Second)); got != proto.CodeNoSuchMeeting {
			t.Errorf("a client with a wrong passcode ends with %q", got)
		}
		helen.Act(proto.Act{Do: proto.ActLock, On: true})
		w.pass(time.Second)
		p = w.Join("late", m)
		if got := refusal(p.WaitEnd(10 * time.Second)); got != proto.CodeLocked {
			t.Errorf("at a locked door: %q", got)
		}
		if n := len(helen.Roster()); n != 1 {
			t.Errorf("%d people in a locked meeting of one", n)
		}
	})
}

// A second control channel with the same key takes over in place: nobody leaves, media goes on (S10).
func TestASecondControlChannelWithTheSameKeyTakesOverInPlace(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna := w.Join("anna", m, performs)
		home := anna.WaitJoined().Router
		w.pass(steady)
		s := w.Stranger("switcher").MustLookup(m)
		first := s.Say(home, s.Hello(home))
		if got := first.outcome(); got != "welcome" {
			t.Fatal(got)
		}
		welcome := messages[proto.Welcome](first)[0]
		var ears []*earpiece
		for _, g := range []proto.Group{proto.GroupAudio, proto.GroupVideo} {
			ear, err := s.Dial(welcome.Candidates, welcome.Fingerprint, welcome.Groups, g)
			if err != nil {
				t.Fatal(err)
			}
			ears = append(ears, ear)
		}
		first.Send(proto.Said{Text: "before"})
		first.Send(proto.Hand{Up: true})
		w.pass(2 * time.Second)
		for i, ear := range ears {
			if ear.Packets() == 0 {
				t.Fatalf("no media on transport %d before the takeover", i)
			}
		}

		second := s.Say(home, s.Hello(home))
		if got := second.outcome(); got != "welcome" {
			t.Fatal(got)
		}
		again := messages[proto.Welcome](second)[0]
		w.until(time.Second, "the first channel is told", func() bool { return len(messages[proto.Bye](first)) > 0 })
		if got := messages[proto.Bye](first)[0].Code; got != proto.CodeReplaced {
			t.Errorf("the first channel ended with %s", got)
		}
		if !again.Resumed || again.Participant != welcome.Participant {
			t.Errorf("the second welcome: resumed %v, seat %d; want the same seat %d", again.Resumed, again.Participant, welcome.Participant)
		}
		if len(again.Chat) == 0 || again.Chat[0].Text != "before" {
			t.Errorf("the chat was lost: %v", again.Chat)
		}
		if len(again.Slots) != len(welcome.Slots) || again.Slots[0] != welcome.Slots[0] {
			t.Error("the slots changed")
		}
		for i, ear := range ears {
			before := ear.Packets()
			w.pass(2 * time.Second)
			if ear.Packets()-before < 10 || ear.Lost() {
				t.Errorf("media on transport %d after the takeover: %d packets", i, ear.Packets()-before)
			}
		}
		roster := anna.Roster()
		i := slices.IndexFunc(roster, func(p proto.Person) bool { return p.ID == welcome.Participant })
		if len(roster) != 2 || i < 0 || roster[i].Hand == 0 || roster[i].Away {
			t.Errorf("after the takeover the others see %+v", roster)
		}
		for _, e := range every[client.RosterChange](anna) {
			if len(e.Gone) > 0 {
				t.Errorf("the others saw %v leave", e.Gone)
			}
		}
		second.Send(proto.Said{Text: "after"})
		w.until(time.Second, "the new channel works", func() bool { return len(messages[proto.Chat](second)) > 0 })
	})
}
