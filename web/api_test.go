package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// refused decodes an error body.
func refused(t *testing.T, a answer) apiError {
	t.Helper()
	return into[apiError](t, a)
}

func TestTokensOfTheAPI(t *testing.T) {
	w := newTestSite(t, nil)
	for _, token := range []string{"", "wrong", testToken + "x"} {
		a := w.ask(token, "GET", "/v2/users", nil).want(t, 401)
		if e := refused(t, a); e.Code != 124 || e.Message != "Invalid access token." {
			t.Errorf("token %q: %+v", token, e)
		}
		if !strings.Contains(a.header.Get("x-zm-trackingid"), "rid=WEB_") {
			t.Errorf("tracking id %q", a.header.Get("x-zm-trackingid"))
		}
	}
	w.ask(testToken, "GET", "/v2/users/me", nil).want(t, 200)
	w.ask(testToken, "GET", "/v2/nothing", nil).want(t, 404)
	w.ask(testToken, "PUT", "/v2/users", nil).want(t, 404)
	w.ask("", "GET", "/v2/nothing", nil).want(t, 401)
}

func TestSignInAndOut(t *testing.T) {
	w := newTestSite(t, nil)
	id, token := w.member("mia@example.org")
	me := into[userBody](t, w.ask(token, "GET", "/v2/users/me", nil).want(t, 200))
	if me.ID != id || me.LastLoginTime != "2026-11-20T10:00:00Z" || me.RoleName != "Member" {
		t.Errorf("me: %+v", me)
	}
	w.ask(token, "GET", "/api/v1/session", nil).want(t, 200)
	a := w.ask("", "POST", "/api/v1/session", `{"email":"mia@example.org","password":"wrong"}`).want(t, 401)
	b := w.ask("", "POST", "/api/v1/session", `{"email":"nobody@example.org","password":"wrong"}`).want(t, 401)
	if string(a.body) != string(b.body) {
		t.Errorf("a known address is told from an unknown one: %s and %s", a.body, b.body)
	}
	w.ask("", "POST", "/api/v1/session", `{"email":7}`).want(t, 400)
	w.ask(token, "DELETE", "/api/v1/session", nil).want(t, 204)
	w.ask(token, "GET", "/v2/users/me", nil).want(t, 401)
	w.ask("", "DELETE", "/api/v1/session", nil).want(t, 401)

	_, token = w.member("noa@example.org")
	w.pass(sessionFor)
	w.ask(token, "GET", "/v2/users/me", nil).want(t, 401)
}

func TestGuessingPasswordsGetsSlow(t *testing.T) {
	w := newTestSite(t, nil)
	w.member("mia@example.org")
	try := func(password string) int {
		return w.ask("", "POST", "/api/v1/session", map[string]string{"email": "Mia@example.org", "password": password}).status
	}
	for i := range loginLimits.pair.free {
		if got := try("wrong"); got != 401 {
			t.Fatalf("try %d: %d", i, got)
		}
	}
	if got := try("a good password"); got != 429 {
		t.Errorf("right at once after %d wrong: %d, want 429", loginLimits.pair.free, got)
	}
	w.pass(loginLimits.pair.first)
	if got := try("a good password"); got != 200 {
		t.Errorf("right after the wait: %d", got)
	}
	if got := try("wrong"); got != 401 {
		t.Errorf("success did not clear the count: %d", got)
	}
}

func TestCreateUserValidation(t *testing.T) {
	w := newTestSite(t, nil)
	for _, c := range []struct {
		name, body string
		want       []fieldError // nil: the body itself is refused
	}{
		{"not JSON", `{"action":`, nil},
		{"not an object", `[]`, nil},
		{"null", `null`, nil},
		{"nothing", ``, nil},
		{"empty", `{}`, []fieldError{{"action", "Is required."}, {"user_info.email", "Is required."}, {"user_info.type", "Is required."}}},
		{"types", `{"action":1,"user_info":{"email":2,"type":"2","first_name":[]}}`, []fieldError{
			{"action", "Must be a string."}, {"user_info.email", "Must be a string."}, {"user_info.first_name", "Must be a string."},
			{"user_info.type", "Must be a whole number."}}},
		{"no object", `{"action":"create","user_info":"x"}`, []fieldError{
			{"user_info", "Must be a JSON object."}, {"user_info.email", "Is required."}, {"user_info.type", "Is required."}}},
		{"values", `{"action":"destroy","user_info":{"email":"Mia <mia@example.org>","type":9,"password":"short","timezone":"Mars/Olympus","role_id":"0"}}`,
			[]fieldError{
				{"action", "Must be one of create, autoCreate, custCreate, ssoCreate."}, {"user_info.email", "Must be a valid email address."},
				{"user_info.timezone", "Must be a time zone of the IANA database, such as Europe/Paris."},
				{"user_info.type", "Must be from 1 to 3."}, {"user_info.role_id", "Must be one of 1, 2."},
				{"user_info.password", "Must be at least 8 characters."}}},
		{"fraction", `{"action":"create","user_info":{"email":"a@b.c","type":1.5}}`, []fieldError{{"user_info.type", "Must be a whole number."}}},
		{"long name", `{"action":"create","user_info":{"email":"a@b.c","type":1,"first_name":"` + strings.Repeat("é", 65) + `"}}`,
			[]fieldError{{"user_info.first_name", "Must be at most 64 characters."}}},
	} {
		e := refused(t, w.ask(testToken, "POST", "/v2/users", c.body).want(t, 400))
		if e.Code != 300 {
			t.Errorf("%s: code %d", c.name, e.Code)
		}
		if c.want == nil && e.Message != "Request Body should be a valid JSON object." {
			t.Errorf("%s: message %q", c.name, e.Message)
		}
		if diff := cmp.Diff(c.want, e.Errors); diff != "" {
			t.Errorf("%s: errors (-want +got)\n%s", c.name, diff)
		}
	}
	a := w.ask(testToken, "POST", "/v2/users", `{"action":"create","extra":{},"user_info":{"email":"Mia@Example.org","type":2,"unknown":1}}`).want(t, 201)
	if u := into[userBody](t, a); u.Email != "mia@example.org" || u.Type != 2 || len(u.ID) != 22 {
		t.Errorf("created: %s", a.body)
	}
	a = w.ask(testToken, "POST", "/v2/users", `{"action":"create","user_info":{"email":"MIA@example.org","type":2}}`).want(t, 409)
	if e := refused(t, a); e.Code != 1005 {
		t.Errorf("second of one address: %+v", e)
	}
}

func TestUsers(t *testing.T) {
	w := newTestSite(t, nil)
	id, token := w.member("mia@example.org")
	for _, name := range []string{id, "mia@example.org", "MIA@example.org"} {
		if u := into[userBody](t, w.ask(testToken, "GET", "/v2/users/"+name, nil).want(t, 200)); u.ID != id {
			t.Errorf("%s is %q", name, u.ID)
		}
	}
	if e := refused(t, w.ask(testToken, "GET", "/v2/users/gone@example.org", nil).want(t, 404)); e.Code != 1001 || e.Message != "User does not exist: gone@example.org." {
		t.Errorf("unknown user: %+v", e)
	}
	w.ask(testToken, "PATCH", "/v2/users/"+id, `{"first_name":"Mia","timezone":"Asia/Taipei","type":3,"first":1}`).want(t, 204)
	u := into[userBody](t, w.ask(testToken, "GET", "/v2/users/"+id, nil).want(t, 200))
	if u.FirstName != "Mia" || u.Timezone != "Asia/Taipei" || u.Type != 3 || u.DisplayName != "Mia" {
		t.Errorf("patched: %+v", u)
	}
	w.ask(testToken, "PATCH", "/v2/users/"+id, `{"type":"3"}`).want(t, 400)

	// What a member may do: own profile and password, nothing else, and nobody learns who exists.
	w.ask(token, "PATCH", "/v2/users/me", `{"display_name":"Mia B."}`).want(t, 204)
	w.ask(token, "PATCH", "/v2/users/me", `{"role_id":"1"}`).want(t, 403)
	w.ask(token, "PATCH", "/v2/users/me", `{"type":2}`).want(t, 403)
	for _, c := range [][2]string{
		{"GET", "/v2/users"}, {"POST", "/v2/users"}, {"GET", "/v2/users/admin-id"}, {"GET", "/v2/users/nobody"}, {"DELETE", "/v2/users/me"},
		{"PUT", "/v2/users/admin-id/password"}, {"PUT", "/v2/users/me/status"}, {"GET", "/v2/users/email?email=admin@example.org"},
		{"GET", "/v2/users/admin-id/meetings"},
	} {
		if got := w.ask(token, c[0], c[1], `{}`); got.status != 403 {
			t.Errorf("member %s %s: %d, want 403", c[0], c[1], got.status)
		}
	}
	w.ask(token, "PUT", "/v2/users/me/password", `{"password":"short"}`).want(t, 400)
	w.ask(token, "PUT", "/v2/users/me/password", `{"password":"another password"}`).want(t, 204)
	w.ask(token, "GET", "/v2/users/me", nil).want(t, 401) // signed in with the old one

	if e := refused(t, w.ask(testToken, "DELETE", "/v2/users/me", nil).want(t, 409)); e.Code != codeLastAdmin {
		t.Errorf("last admin: %+v", e)
	}
	w.ask(testToken, "PATCH", "/v2/users/me", `{"role_id":"2"}`).want(t, 409)
	w.ask(testToken, "PUT", "/v2/users/me/status", `{"action":"deactivate"}`).want(t, 409)
	w.ask(testToken, "PUT", "/v2/users/"+id+"/status", `{"action":"deactivate"}`).want(t, 204)
	w.ask("", "POST", "/api/v1/session", `{"email":"mia@example.org","password":"another password"}`).want(t, 401)
	if a := w.ask(testToken, "GET", "/v2/users/email?email=mia@example.org", nil).want(t, 200); !strings.Contains(string(a.body), `"existed_email":true`) {
		t.Errorf("%s", a.body)
	}
	w.ask(testToken, "DELETE", "/v2/users/"+id, nil).want(t, 204)
	w.ask(testToken, "DELETE", "/v2/users/"+id, nil).want(t, 404)
}

func TestUserPages(t *testing.T) {
	w := newTestSite(t, nil)
	for i := range 6 {
		w.ask(testToken, "POST", "/v2/users", fmt.Sprintf(`{"action":"create","user_info":{"email":"u%d@example.org","type":1}}`, i)).want(t, 201)
	}
	type list struct {
		pageBody
		Users []userBody
	}
	var got []string
	path := "/v2/users?page_size=3"
	for range 4 {
		l := into[list](t, w.ask(testToken, "GET", path, nil).want(t, 200))
		if l.TotalRecords != 7 || l.PageCount != 3 || l.PageSize != 3 {
			t.Errorf("page: %+v", l.pageBody)
		}
		for _, u := range l.Users {
			got = append(got, u.Email[:2])
		}
		if l.NextPageToken == "" {
			break
		}
		path = "/v2/users?page_size=3&next_page_token=" + l.NextPageToken
	}
	if want := "ad u0 u1 u2 u3 u4 u5"; strings.Join(got, " ") != want {
		t.Errorf("pages gave %v, want %s", got, want)
	}
	l := into[list](t, w.ask(testToken, "GET", "/v2/users?page_size=3&page_number=3", nil).want(t, 200))
	if len(l.Users) != 1 || l.PageNumber != 3 || l.NextPageToken != "" {
		t.Errorf("third page by number: %+v", l)
	}
	if l := into[list](t, w.ask(testToken, "GET", "/v2/users?page_size=900&status=inactive", nil).want(t, 200)); l.PageSize != 300 || l.Users == nil {
		t.Errorf("empty list: %+v", l)
	}
	for _, bad := range []string{"page_size=0", "page_size=x", "page_number=0", "next_page_token=x.y", "status=odd"} {
		w.ask(testToken, "GET", "/v2/users?"+bad, nil).want(t, 400)
	}
	// A token is good for its list, and for a quarter of an hour.
	l = into[list](t, w.ask(testToken, "GET", "/v2/users?page_size=3", nil).want(t, 200))
	w.ask(testToken, "GET", "/v2/users?status=inactive&next_page_token="+l.NextPageToken, nil).want(t, 400)
	w.ask(testToken, "GET", "/v2/users/me/meetings?next_page_token="+l.NextPageToken, nil).want(t, 400)
	w.pass(pageTokenFor)
	w.ask(testToken, "GET", "/v2/users?page_size=3&next_page_token="+l.NextPageToken, nil).want(t, 400)
}

func TestMeetingValidation(t *testing.T) {
	w := newTestSite(t, nil)
	for _, c := range []struct {
		name, body string
		want       []fieldError
	}{
		{"types", `{"type":"2","topic":1,"duration":"x","settings":[],"start_time":0}`, []fieldError{
			{"type", "Must be a whole number."}, {"topic", "Must be a string."}, {"duration", "Must be a whole number."},
			{"start_time", "Must be a string."}, {"settings", "Must be a JSON object."}}},
		{"values", `{"type":4,"topic":"","duration":0,"password":"no spaces","start_time":"tomorrow","timezone":"Local","settings":{"waiting_room":"yes"}}`,
			[]fieldError{
				{"type", "Must be one of 1, 2, 3, 8."}, {"topic", "Must be at least 1 characters."},
				{"timezone", "Must be a time zone of the IANA database, such as Europe/Paris."}, {"duration", "Must be from 1 to 1440."},
				{"password", "May have letters, digits and @ - _ * only."},
				{"start_time", "Must be yyyy-MM-ddTHH:mm:ssZ, or without Z in the meeting's time zone."},
				{"settings.waiting_room", "Must be true or false."}}},
		{"long", `{"password":"12345678901","topic":"` + strings.Repeat("x", 201) + `"}`, []fieldError{
			{"topic", "Must be at most 200 characters."}, {"password", "Must be at most 10 characters."}}},
	} {
		e := refused(t, w.ask(testToken, "POST", "/v2/users/me/meetings", c.body).want(t, 400))
		if diff := cmp.Diff(c.want, e.Errors); diff != "" {
			t.Errorf("%s: errors (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestMeetings(t *testing.T) {
	w := newTestSite(t, nil)
	id, token := w.member("mia@example.org")
	a := w.ask(token, "POST", "/v2/users/me/meetings", `{"topic":"Überblick <Q4>","type":2,"start_time":"2026-12-01T09:30:00","timezone":"Europe/Paris",
		"duration":45,"agenda":"a","settings":{"waiting_room":true,"join_before_host":true,"mute_upon_entry":true,"jbh_time":5},"recurrence":{}}`).want(t, 201)
	m := into[meetingBody](t, a)
	want := m
	want.Topic, want.Type, want.Status, want.StartTime, want.Duration = "Überblick <Q4>", 2, "waiting", "2026-12-01T08:30:00Z", 45
	want.Timezone, want.Agenda, want.HostID, want.HostEmail, want.CreatedAt = "Europe/Paris", "a", id, "mia@example.org", "2026-11-20T10:00:00Z"
	want.Settings.WaitingRoom, want.Settings.JoinBeforeHost, want.Settings.MuteUponEntry, want.Settings.HostVideo = true, true, true, false
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("meeting (-want +got)\n%s", diff)
	}
	if m.ID < 1e10 || m.ID >= 1e11 || len(m.UUID) != 22 || len(m.Password) != 6 ||
		m.JoinURL != fmt.Sprintf("%s/j/%d?pwd=%s", testURL, m.ID, m.EncryptedPassword) || strings.Contains(m.JoinURL, m.Password) {
		t.Errorf("meeting: %+v", m)
	}
	if !strings.Contains(string(a.body), "<Q4>") {
		t.Errorf("topic is escaped: %s", a.body)
	}
	path := fmt.Sprintf("/v2/meetings/%d", m.ID)
	got := into[meetingBody](t, w.ask(token, "GET", path, nil).want(t, 200))
	if diff := cmp.Diff(m, got); diff != "" {
		t.Errorf("read back (-want +got)\n%s", diff)
	}
	w.ask(testToken, "GET", path, nil).want(t, 200) // an administrator sees all

	// Somebody else's meeting does not exist.
	_, other := w.member("noa@example.org")
	for _, c := range [][3]string{{"GET", path, ""}, {"PATCH", path, "{}"}, {"DELETE", path, ""}, {"PUT", path + "/status", `{"action":"end"}`},
		{"GET", "/v2/meetings/99999999999", ""}, {"GET", "/v2/meetings/abc", ""}} {
		if e := refused(t, w.ask(other, c[0], c[1], c[2]).want(t, 404)); e.Code != 3001 || !strings.HasPrefix(e.Message, "Meeting does not exist: ") {
			t.Errorf("%s %s: %+v", c[0], c[1], e)
		}
	}

	w.ask(token, "PATCH", path, `{"topic":"New","password":"abc","settings":{"waiting_room":false}}`).want(t, 204)
	got = into[meetingBody](t, w.ask(token, "GET", path, nil).want(t, 200))
	if got.Topic != "New" || got.Password != "abc" || got.JoinURL == m.JoinURL || got.Settings.WaitingRoom || !got.Settings.JoinBeforeHost || got.Duration != 45 {
		t.Errorf("patched: %+v", got)
	}
	w.ask(token, "PATCH", path, `{"password":""}`).want(t, 400)
	w.ask(token, "PATCH", path, `{"topic":"x","type":5}`).want(t, 400)
	if got = into[meetingBody](t, w.ask(token, "GET", path, nil)); got.Topic != "New" {
		t.Errorf("a refused patch changed the topic to %q", got.Topic)
	}

	w.ask(token, "PUT", path+"/status", `{"action":"pause"}`).want(t, 400)
	w.ask(token, "DELETE", path, nil).want(t, 204)
	w.ask(token, "GET", path, nil).want(t, 404)
	w.ask(token, "DELETE", path, nil).want(t, 404)
	w.ask(other, "PUT", path+"/status", `{"action":"recover"}`).want(t, 404)
	w.ask(token, "PUT", path+"/status", `{"action":"recover"}`).want(t, 204)
	w.ask(token, "PUT", path+"/status", `{"action":"recover"}`).want(t, 404)
	if got = into[meetingBody](t, w.ask(token, "GET", path, nil).want(t, 200)); got.Status != "waiting" {
		t.Errorf("recovered: %+v", got)
	}
}

func TestAMeetingBeginsWithoutItsHostUnlessTheHostAsksForMore(t *testing.T) {
	w := newTestSite(t, nil)
	m := w.meeting(testToken, nil)
	if !m.Settings.JoinBeforeHost || m.Settings.WaitingRoom {
		t.Errorf("a meeting made without settings keeps its guests waiting: %+v", m.Settings)
	}
	if m := w.meeting(testToken, map[string]any{"settings": map[string]any{"join_before_host": false}}); m.Settings.JoinBeforeHost {
		t.Error("a host who wants to begin was not heard")
	}
}

func TestMeetingDefaultsAndTypes(t *testing.T) {
	w := newTestSite(t, nil)
	m := w.meeting(testToken, nil)
	if m.Type != 2 || m.StartTime != "2026-11-20T10:00:00Z" || m.Duration != 60 || m.Topic != "Ada's meeting" {
		t.Errorf("default: %+v", m)
	}
	for kind, start := range map[int]string{1: "", 3: "", 8: "2026-12-01T09:30:00Z"} {
		m := w.meeting(testToken, map[string]any{"type": kind, "start_time": "2026-12-01T09:30:00Z", "password": ""})
		if m.Type != kind || m.StartTime != start || len(m.Password) != 6 {
			t.Errorf("type %d: %+v", kind, m)
		}
	}
	type list struct {
		pageBody
		Meetings []meetingRow
	}
	for kind, want := range map[string]int{"scheduled": 3, "live": 0, "upcoming": 3, "previous_meetings": 0} {
		l := into[list](t, w.ask(testToken, "GET", "/v2/users/me/meetings?type="+kind, nil).want(t, 200))
		if l.TotalRecords != want || len(l.Meetings) != want || l.Meetings == nil {
			t.Errorf("%s: %+v", kind, l)
		}
	}
	w.ask(testToken, "GET", "/v2/users/me/meetings?type=odd", nil).want(t, 400)
	var seen []int64
	path := "/v2/users/me/meetings?page_size=1"
	for range 4 {
		l := into[list](t, w.ask(testToken, "GET", path, nil).want(t, 200))
		for _, m := range l.Meetings {
			seen = append(seen, m.ID)
		}
		if l.NextPageToken == "" {
			break
		}
		path = "/v2/users/me/meetings?page_size=1&next_page_token=" + l.NextPageToken
	}
	if len(seen) != 3 || seen[0] == seen[1] || seen[1] == seen[2] {
		t.Errorf("pages gave %v", seen)
	}
	w.pass(72 * time.Hour)
	if l := into[list](t, w.ask(testToken, "GET", "/v2/users/me/meetings?type=upcoming", nil).want(t, 200)); l.TotalRecords != 2 {
		t.Errorf("upcoming three days later: %+v", l)
	}
}

func TestDeletedUsersMeetings(t *testing.T) {
	w := newTestSite(t, nil)
	id, token := w.member("mia@example.org")
	m := w.meeting(token, nil)
	path := fmt.Sprintf("/v2/meetings/%d", m.ID)
	w.ask(testToken, "DELETE", "/v2/users/"+id+"?transfer_meeting=true&transfer_email=nobody@example.org", nil).want(t, 400)
	w.ask(testToken, "DELETE", "/v2/users/"+id+"?transfer_meeting=true&transfer_email=mia@example.org", nil).want(t, 400)
	w.ask(testToken, "DELETE", "/v2/users/"+id+"?transfer_meeting=true&transfer_email=admin@example.org", nil).want(t, 204)
	if got := into[meetingBody](t, w.ask(testToken, "GET", path, nil).want(t, 200)); got.HostID != "admin-id" {
		t.Errorf("host %q", got.HostID)
	}
}
