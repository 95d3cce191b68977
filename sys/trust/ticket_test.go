package trust

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

func someTicket() Ticket {
	return Ticket{Router: RouterTag("mmr1"), Meeting: MeetingTag("AAAAAAAAAAAAAAAAAAAAAA"),
		Participant: proto.MaxParticipantID, Group: proto.GroupContent, Expires: time.Unix(1772366410, 0), Nonce: 0xdeadbeef}
}

// The vector (made by an independent program) fixes the layout: routers and controllers of neighbouring versions must agree on it.
func TestTicketVector(t *testing.T) {
	var k ZoneKey
	for i := range k {
		k[i] = byte(i)
	}
	c := k.Credentials(someTicket())
	raw, err := base64.StdEncoding.DecodeString(c.Ufrag)
	if err != nil {
		t.Fatal(err)
	}
	const wantBody = "01" + "4f2f5359" + "8a5bdb4cc1516412" + "fffffffa" + "69a42a4a" + "deadbeef"
	if got := hex.EncodeToString(raw[:25]); got != wantBody {
		t.Errorf("body %s\nwant %s", got, wantBody)
	}
	if got, want := hex.EncodeToString(raw[25:]), "20f451b44628a0b9fe553d"; got != want {
		t.Errorf("MAC %s, want %s", got, want)
	}
	if got, want := c.Password, "42gZt1d63p0Q6IhC0DDRcTbL"; got != want {
		t.Errorf("password %s, want %s", got, want)
	}
}

func TestTicketRoundTrip(t *testing.T) {
	k := ZoneKey{1}
	for g := proto.Group(0); g < proto.NGroups; g++ {
		want := someTicket()
		want.Group = g
		c := k.Credentials(want)
		if c.Group != g || len(c.Ufrag) != 48 || len(c.Password) != 24 {
			t.Errorf("credentials %+v", c)
		}
		const iceChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		if strings.Trim(c.Ufrag+c.Password, iceChars) != "" {
			t.Errorf("%q %q: not only ice-char", c.Ufrag, c.Password)
		}
		got, pwd, ok := k.Open(c.Ufrag)
		if !ok || pwd != c.Password || !got.Expires.Equal(want.Expires) {
			t.Fatalf("Open: %+v %q %v", got, pwd, ok)
		}
		got.Expires = want.Expires
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestTicketForged(t *testing.T) {
	k := ZoneKey{1}
	ufrag := k.Credentials(someTicket()).Ufrag
	if _, _, ok := (ZoneKey{2}).Open(ufrag); ok {
		t.Error("opened with another zone's key")
	}
	for i := range ufrag {
		if _, _, ok := k.Open(ufrag[:i]); ok {
			t.Errorf("opened when cut at %d", i)
		}
		for _, c := range "A/\n=-" {
			b := []byte(ufrag)
			if b[i] == byte(c) {
				continue
			}
			b[i] = byte(c)
			if _, _, ok := k.Open(string(b)); ok {
				t.Errorf("opened with %q at %d", c, i)
			}
		}
	}
	if _, _, ok := k.Open(ufrag + "\n\n\n\n"); ok {
		t.Error("opened with line ends behind it")
	}
	for _, bad := range []Ticket{{Group: proto.GroupAudio}, {Participant: 1, Group: 3}} {
		if _, _, ok := k.Open(k.Credentials(bad).Ufrag); ok {
			t.Errorf("opened %+v", bad)
		}
	}
}

func TestZoneKeyGrant(t *testing.T) {
	k := ZoneKey{1}
	meeting := NewMeetingID()
	r := proto.RouterAnnounce{ID: "mmr1", Zone: "fra", URL: "/mmr/1", Fingerprint: "sha-256 AB", Marks: []int{56, 40, 40},
		Candidates: []proto.Candidate{{Rung: proto.UDP8801, Addr: "192.0.2.1:8801"}}}
	now := start.Add(300 * time.Millisecond)
	g := k.Grant(r, meeting, 9, true, 2, now)
	if g.Router != "mmr1" || g.Zone != "fra" || !g.Home || g.Epoch != 2 || g.Fingerprint != "sha-256 AB" || len(g.Marks) != 3 ||
		g.Expires != now.Add(GrantLife).UnixMilli() || len(g.Groups) != 3 || len(g.Candidates) != 1 {
		t.Errorf("grant %+v", g)
	}
	var nonce uint32
	for i, c := range g.Groups {
		got, _, ok := k.Open(c.Ufrag)
		if !ok || got.Group != proto.Group(i) || got.Participant != 9 || got.Router != RouterTag("mmr1") ||
			got.Meeting != MeetingTag(meeting) {
			t.Errorf("group %d: %+v %v", i, got, ok)
		}
		if end := now.Add(GrantLife); got.Expires.Before(end) || got.Expires.Sub(end) >= time.Second {
			t.Errorf("ticket ends at %v, grant at %v", got.Expires, end)
		}
		if i > 0 && got.Nonce != nonce {
			t.Error("the groups of one grant have different nonces")
		}
		nonce = got.Nonce
	}
	if again, _, _ := k.Open(k.Grant(r, meeting, 9, true, 2, now).Groups[0].Ufrag); again.Nonce == nonce {
		t.Error("two grants have one nonce")
	}
}

func BenchmarkTicketOpen(b *testing.B) {
	k := ZoneKey{1}
	ufrag := k.Credentials(someTicket()).Ufrag
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := k.Open(ufrag); !ok {
			b.Fatal("refused")
		}
	}
}

func TestPeekTicket(t *testing.T) {
	ufrag := ZoneKey{1}.Credentials(someTicket()).Ufrag
	if got, ok := PeekTicket([]byte(ufrag)); !ok || got != someTicket() {
		t.Errorf("got %+v, %v, want %+v", got, ok, someTicket())
	}
	if n := testing.AllocsPerRun(100, func() { PeekTicket([]byte(ufrag)) }); n > 1 { // the conversion here
		t.Errorf("%g allocations", n)
	}
	for _, bad := range []string{"", ufrag[:47], "AA" + ufrag[2:], "\n\n\n\n\n\n\n\n" + ufrag[8:], "!!!!!!!!" + ufrag[8:]} {
		if _, ok := PeekTicket([]byte(bad)); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzTicketOpen(f *testing.F) {
	k := ZoneKey{1}
	f.Add(k.Credentials(someTicket()).Ufrag)
	f.Add(strings.Repeat("A", ufragLen))
	f.Fuzz(func(t *testing.T, ufrag string) {
		got, pwd, ok := k.Open(ufrag)
		if !ok {
			return
		}
		// Only what the key's holder made is taken, and it has one spelling.
		if c := k.Credentials(got); c.Ufrag != ufrag || c.Password != pwd {
			t.Errorf("%q opens to %+v, which is %q", ufrag, got, c.Ufrag)
		}
	})
}
