package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/sys/geo"
	"parley/sys/trust"
	"parley/wire/proto"
)

// person is a client's side of a lookup.
type person struct {
	name string
	id   *trust.Identity
}

func newPerson(t *testing.T, name string) person {
	t.Helper()
	id, err := trust.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return person{name, id}
}

var testFingerprint = "sha-256 " + strings.TrimSuffix(strings.Repeat("AB:", 32), ":")

// request is what this person sends to join m by passcode.
func (p person) request(m meetingBody) proto.LookupRequest {
	return proto.LookupRequest{V: proto.Version, Build: "test", Number: strconv.FormatInt(m.ID, 10), Passcode: m.Password, Name: p.name,
		Key: p.id.Key(), Fingerprint: testFingerprint, Client: "native"}
}

func (w *testSite) lookup(token string, q proto.LookupRequest) answer {
	w.Helper()
	return w.ask(token, "POST", "/lookup", q)
}

// joined is a lookup that is let in.
func (w *testSite) joined(token string, q proto.LookupRequest) proto.LookupAnswer {
	w.Helper()
	return into[proto.LookupAnswer](w.T, w.lookup(token, q).want(w.T, 200))
}

func (w *testSite) claims(a proto.LookupAnswer) proto.Claims {
	w.Helper()
	v, err := trust.NewVerifier(w.site.Keys())
	if err != nil {
		w.Fatal(err)
	}
	c, err := v.Claims(a.Token, w.now(), "")
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// grants verifies an answer's grants by the keys that came with it.
func (w *testSite) grants(a proto.LookupAnswer) []proto.Grant {
	w.Helper()
	v, err := trust.NewVerifier(a.Keys[:1])
	if err != nil {
		w.Fatal(err)
	}
	var out []proto.Grant
	for _, g := range a.Grants {
		grant, err := v.Grant(g)
		if err != nil {
			w.Fatal(err)
		}
		out = append(out, grant)
	}
	return out
}

func code(t *testing.T, a answer) proto.Code {
	t.Helper()
	return into[proto.Error](t, a).Code
}

func TestLookupAnswer(t *testing.T) {
	w := newTestSite(t, func(c *Config) { c.Tunnels = []string{"https://tunnel.example.org"}; c.Build = "9" })
	w.zone("par", 48.85, 2.35, "par-1 0/200", "par-2 0/200")
	m := w.meeting(testToken, map[string]any{"topic": "Weekly", "duration": 60, "settings": map[string]any{"waiting_room": true, "mute_upon_entry": true}})
	ann := newPerson(t, "Ann Ångström")
	q := ann.request(m)
	q.Number = fmt.Sprintf(" %s-%s %s ", q.Number[:3], q.Number[3:7], q.Number[7:]) // as people write it
	a := w.joined("", q)

	if a.V != proto.Version || a.Build != "9" || a.Role != proto.RoleParticipant || a.ServerTime != w.now().UnixMilli() ||
		a.YourAddr != "192.0.2.1" || a.WebURL != m.JoinURL || a.Participant == 0 || a.Participant > proto.MaxParticipantID ||
		!slices.Equal(a.Tunnels, []string{"https://tunnel.example.org"}) {
		t.Errorf("answer: %+v", a)
	}
	want := proto.MeetingInfo{ID: proto.MeetingID(m.UUID), Number: strconv.FormatInt(m.ID, 10), Topic: "Weekly", Hosting: "cloud"}
	if a.Meeting != want {
		t.Errorf("meeting %+v, want %+v", a.Meeting, want)
	}
	if len(a.Zones) != 1 || a.Zones[0].ID != "par" || !slices.Equal(a.Zones[0].Controllers, []string{"https://par.example.org/zone"}) ||
		!slices.Equal(a.Zones[0].Probes, []string{"203.0.113.7:8801"}) {
		t.Errorf("zones: %+v", a.Zones)
	}
	if len(a.Keys) < 2 || a.Keys[0] != w.site.GrantSigner().Key() || !slices.ContainsFunc(a.Keys, func(k proto.SigningKey) bool { return k.ID == "zc-par" }) {
		t.Errorf("keys: %+v", a.Keys)
	}

	c := w.claims(a)
	wantClaims := proto.Claims{Issuer: w.site.ID(), Audience: []string{"zone:par"}, Meeting: want.ID, Number: want.Number, Topic: "Weekly", Participant: a.Participant,
		Name: ann.name, Role: proto.RoleParticipant, Permissions: []string{"audio", "video", "share", "chat"}, Hosting: "cloud",
		Issued: w.now().Unix(), Expires: w.now().Add(time.Hour + tokenGrace).Unix(),
		Confirm:  proto.Confirm{Key: trust.KeyHash(ann.id.Key()), Fingerprint: testFingerprint},
		Settings: proto.Settings{WaitingRoom: true, MuteOnEntry: true, JoinBeforeHost: true}}
	if diff := cmp.Diff(wantClaims, c); diff != "" {
		t.Errorf("claims (-want +got)\n%s", diff)
	}

	g := w.grants(a)
	if len(g) != 1 || g[0].Zone != "par" || g[0].Home || g[0].Epoch != 0 || g[0].Participant != a.Participant || g[0].Meeting != want.ID ||
		g[0].Expires != w.now().Add(10*time.Second).UnixMilli() || len(g[0].Groups) != 3 || len(g[0].Candidates) != 2 ||
		g[0].URL != "https://"+g[0].Router+".example.org/mmr" || g[0].Fingerprint != "sha-256 AB" {
		t.Fatalf("grants: %+v", g)
	}
	for i, cred := range g[0].Groups {
		ticket, password, ok := w.site.ZoneKey("par").Open(cred.Ufrag)
		if !ok || password != cred.Password || ticket.Group != proto.Group(i) || cred.Group != proto.Group(i) || ticket.Participant != a.Participant ||
			ticket.Meeting != trust.MeetingTag(want.ID) || ticket.Router != trust.RouterTag(g[0].Router) ||
			ticket.Expires.UnixMilli() != g[0].Expires {
			t.Errorf("group %d: %+v %v", i, ticket, ok)
		}
	}

	// The same key is the same seat; everybody else gets another, and the same router.
	if again := w.joined("", ann.request(m)); again.Participant != a.Participant {
		t.Errorf("seat %d, then %d", a.Participant, again.Participant)
	}
	bob := w.joined("", newPerson(t, "Bob").request(m))
	if bob.Participant == a.Participant {
		t.Error("two people on one seat")
	}
	if got := w.grants(bob)[0].Router; got != g[0].Router {
		t.Errorf("two first people on %s and %s", g[0].Router, got)
	}
}

func TestLookupRefusals(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200")
	m := w.meeting(testToken, nil)
	ann := newPerson(t, "Ann")
	for _, c := range []struct {
		name   string
		change func(*proto.LookupRequest)
		status int
		code   proto.Code
	}{
		{"good", func(q *proto.LookupRequest) {}, 200, ""},
		{"old", func(q *proto.LookupRequest) { q.V = 0 }, 426, proto.CodeTooOld},
		{"newer", func(q *proto.LookupRequest) { q.V = 99 }, 200, ""},
		{"number of letters", func(q *proto.LookupRequest) { q.Number = "abcdefghi" }, 400, proto.CodeBadRequest},
		{"short number", func(q *proto.LookupRequest) { q.Number = "12345678" }, 400, proto.CodeBadRequest},
		{"long number", func(q *proto.LookupRequest) { q.Number = "123456789012" }, 400, proto.CodeBadRequest},
		{"no name", func(q *proto.LookupRequest) { q.Name = "  " }, 400, proto.CodeBadRequest},
		{"64 characters", func(q *proto.LookupRequest) { q.Name = strings.Repeat("鮑", 64) }, 200, ""},
		{"65 characters", func(q *proto.LookupRequest) { q.Name = strings.Repeat("鮑", 65) }, 400, proto.CodeBadRequest},
		{"control character", func(q *proto.LookupRequest) { q.Name = "a\nb" }, 400, proto.CodeBadRequest},
		{"no key", func(q *proto.LookupRequest) { q.Key = "" }, 400, proto.CodeBadRequest},
		{"no fingerprint", func(q *proto.LookupRequest) { q.Fingerprint = "" }, 400, proto.CodeBadRequest},
		{"short fingerprint", func(q *proto.LookupRequest) { q.Fingerprint = "sha-256 AB:CD" }, 400, proto.CodeBadRequest},
		{"odd fingerprint", func(q *proto.LookupRequest) { q.Fingerprint = strings.Replace(testFingerprint, "B", "X", 1) }, 400, proto.CodeBadRequest},
		{"odd client", func(q *proto.LookupRequest) { q.Client = "phone" }, 400, proto.CodeBadRequest},
		{"wrong passcode", func(q *proto.LookupRequest) { q.Passcode = "wrong" }, 404, proto.CodeNoSuchMeeting},
		{"no passcode", func(q *proto.LookupRequest) { q.Passcode = "" }, 404, proto.CodeNoSuchMeeting},
		{"pwd of the link", func(q *proto.LookupRequest) { q.Passcode, q.Pwd = "", m.EncryptedPassword }, 200, ""},
		{"pwd as passcode", func(q *proto.LookupRequest) { q.Passcode = m.EncryptedPassword }, 404, proto.CodeNoSuchMeeting},
		{"passcode as pwd", func(q *proto.LookupRequest) { q.Passcode, q.Pwd = "", m.Password }, 404, proto.CodeNoSuchMeeting},
	} {
		q := ann.request(m)
		c.change(&q)
		a := w.lookup("", q)
		if a.status != c.status || c.code != "" && code(t, a) != c.code {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		if a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: a page of another origin could not read this", c.name)
		}
	}
	for name, body := range map[string]string{"not JSON": "{", "array": "[]", "type": `{"v":"1"}`, "too long": `{"v":1,"x":"` + strings.Repeat("x", 64<<10) + `"}`} {
		if a := w.ask("", "POST", "/lookup", body); a.status != 400 || code(t, a) != proto.CodeBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	body, _ := json.Marshal(ann.request(m))
	for kind, status := range map[string]int{"application/json": 200, "text/plain;charset=UTF-8": 200, "application/x-www-form-urlencoded": 400} {
		a := w.askFrom("192.0.2.1:1", "", "POST", "/lookup", string(body), http.Header{"Content-Type": {kind}})
		if a.status != status {
			t.Errorf("%s: %d, want %d", kind, a.status, status)
		}
	}
	if a := w.lookup("stale", ann.request(m)); a.status != 401 || code(t, a) != proto.CodeTokenInvalid {
		t.Errorf("a stale sign-in: %d %s", a.status, a.body)
	}
}

func TestUnknownNumberAndWrongPasscodeAreOneAnswer(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200")
	m := w.meeting(testToken, nil)
	gone := w.meeting(testToken, nil)
	w.ask(testToken, "DELETE", fmt.Sprintf("/v2/meetings/%d", gone.ID), nil).want(t, 204)
	q := newPerson(t, "Eve").request(m)
	q.Passcode = "wrong"
	wrong := w.lookup("", q)
	q.Number = "99999999999"
	unknown := w.lookup("", q)
	deleted := w.lookup("", newPerson(t, "Eve").request(gone))
	for name, a := range map[string]answer{"unknown": unknown, "deleted": deleted} {
		if a.status != wrong.status || string(a.body) != string(wrong.body) || !cmp.Equal(a.header, wrong.header) {
			t.Errorf("%s: %d %s %v\nwrong:   %d %s %v", name, a.status, a.body, a.header, wrong.status, wrong.body, wrong.header)
		}
	}
}

func TestHostJoinsAndStartsTheMeeting(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200")
	_, token := w.member("mia@example.org")
	m := w.meeting(token, nil)
	path := fmt.Sprintf("/v2/meetings/%d", m.ID)
	status := func() string { return into[meetingBody](t, w.ask(token, "GET", path, nil).want(t, 200)).Status }

	w.joined("", newPerson(t, "Guest").request(m))
	_, other := w.member("noa@example.org")
	if a := w.joined(other, newPerson(t, "Noa").request(m)); a.Role != proto.RoleParticipant || w.claims(a).User == "" {
		t.Errorf("another account: role %v", a.Role)
	}
	if a := w.joined(testToken, newPerson(t, "Admin").request(m)); a.Role != proto.RoleParticipant {
		t.Errorf("an administrator is host of somebody else's meeting")
	}
	if got := status(); got != "waiting" {
		t.Errorf("status %s before the host", got)
	}
	q := newPerson(t, "Mia").request(m)
	q.Passcode = "" // the host needs none
	a := w.joined(token, q)
	if a.Role != proto.RoleHost || w.claims(a).Role != proto.RoleHost {
		t.Errorf("host's role %v", a.Role)
	}
	if got := status(); got != "started" {
		t.Errorf("status %s with the host", got)
	}
}

func TestEndedMeetingsAndTheirNextInstance(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200")
	_, token := w.member("mia@example.org")
	m := w.meeting(token, nil)
	first := w.joined(token, newPerson(t, "Mia").request(m))
	var home proto.ClaimAnswer
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: first.Meeting.ID, Router: "par-1", Zone: "par"}, &home)

	ordered := make(chan proto.Command, 1)
	stop, err := w.bus.Serve(fmt.Sprintf(proto.SubjectCommand, "par-1"), "x", func(_ context.Context, data []byte) (any, error) {
		var c proto.Command
		err := json.Unmarshal(data, &c)
		ordered <- c
		return proto.CommandAnswer{Done: true}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	revoked := make(chan proto.Revoke, 1)
	stop, err = w.bus.Subscribe(proto.SubjectRevoke, func(_ string, data []byte) {
		var r proto.Revoke
		json.Unmarshal(data, &r)
		revoked <- r
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	w.ask(token, "PUT", fmt.Sprintf("/v2/meetings/%d/status", m.ID), `{"action":"end"}`).want(t, 204)
	if got, want := <-ordered, (proto.Command{Do: "end", Meeting: first.Meeting.ID}); got != want {
		t.Errorf("order %+v, want %+v", got, want)
	}
	if got := <-revoked; got.Meeting != first.Meeting.ID || got.Seat != 0 || got.Expires < w.claims(first).Expires+int64(trust.Leeway.Seconds()) {
		t.Errorf("tombstone %+v", got)
	}
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: first.Meeting.ID, Router: "par-1", Zone: "par"}, &home)
	if !home.Ended {
		t.Errorf("an ended meeting was claimed: %+v", home)
	}
	guest := newPerson(t, "Guest").request(m)
	if a := w.lookup("", guest); a.status != 410 || code(t, a) != proto.CodeEnded {
		t.Errorf("guest after the end: %d %s", a.status, a.body)
	}
	second := w.joined(token, newPerson(t, "Mia").request(m))
	if second.Meeting.ID == first.Meeting.ID {
		t.Error("the ended instance came back to life")
	}
	if a := w.joined("", guest); a.Meeting.ID != second.Meeting.ID {
		t.Errorf("guest in %v, host in %v", a.Meeting.ID, second.Meeting.ID)
	}
}

// request asks the bus as a server of the zone would.
func (w *testSite) request(subject string, in, out any) {
	w.Helper()
	if err := w.bus.Request(w.Context(), subject, in, out); err != nil {
		w.Fatal(err)
	}
}

func TestZonesAreRankedForTheClient(t *testing.T) {
	db, err := geo.Open("../sys/geo/testdata/city.mmdb") // 10.1/16 Paris, 10.2/16 Taipei
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := newTestSite(t, func(c *Config) {
		c.Geo, c.ZoneOrder = db, []string{"nyc", "tpe", "par"}
		c.Ranges = testRanges(t, "10.1.99.0/24", "nyc")
	})
	w.zone("par", 48.85, 2.35, "par-1 0/200")
	w.zone("tpe", 25.04, 121.5, "tpe-1 0/200")
	w.zone("nyc", 40.7, -74, "nyc-1 0/200")
	onPrem := w.zone("hq", 48.85, 2.35, "hq-1 0/200")
	onPrem.Hosting = "connector:hq"
	w.announce(onPrem)
	m := w.meeting(testToken, nil)
	for _, c := range []struct{ name, addr, last, want string }{
		{"Paris", "10.1.0.1", "", "par nyc tpe"},
		{"Taipei", "10.2.0.1", "", "tpe par nyc"},
		{"nowhere", "192.0.2.1", "", "nyc tpe par"}, // the operator's order
		{"office", "10.1.99.1", "", "nyc par tpe"},  // the operator's range, whatever the distance
	} {
		q := newPerson(t, "Ann").request(m)
		q.Network.LastZone = c.last
		a := into[proto.LookupAnswer](t, w.askFrom(c.addr+":1", "", "POST", "/lookup", q, nil).want(t, 200))
		var got []string
		for _, z := range a.Zones {
			got = append(got, z.ID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: zones %v, want %s", c.name, got, c.want)
		}
		if g := w.grants(a); len(g) != 3 || g[0].Zone != got[0] {
			t.Errorf("%s: grants %+v", c.name, g)
		}
		if aud := w.claims(a).Audience; slices.Contains(aud, "zone:hq") || len(aud) != 3 {
			t.Errorf("%s: audience %v", c.name, aud)
		}
	}
}
