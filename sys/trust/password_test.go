package trust

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"parley/wire/proto"
)

func TestPassword(t *testing.T) {
	h, ctx := NewHasher(1), t.Context()
	hash, err := h.HashPassword(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %s", hash)
	}
	cheap := "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" // filled below from a run with these costs
	key, err := h.run(ctx, "old", params{64, 1, 1, []byte("somesalt"), 32})
	if err != nil {
		t.Fatal(err)
	}
	cheap += strings.TrimRight(stdBase64(key), "=")

	for _, c := range []struct {
		name, hash, password string
		ok, rehash, fails    bool
	}{
		{"right", hash, "correct horse", true, false, false},
		{"wrong", hash, "incorrect horse", false, false, false},
		{"empty", hash, "", false, false, false},
		{"no such user", "", "", false, false, false},
		{"older cost", cheap, "old", true, true, false},
		{"older cost, wrong", cheap, "new", false, false, false},
		{"endless", hash, strings.Repeat("x", 2000), false, false, false},
		{"damaged row", "$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$AAAA", "x", false, false, true},
		{"bcrypt", "$2a$10$abcdefghijklmnopqrstuv", "x", false, false, true},
	} {
		ok, rehash, err := h.CheckPassword(ctx, c.hash, c.password)
		if ok != c.ok || rehash != c.rehash || (err != nil) != c.fails {
			t.Errorf("%s: %v %v %v", c.name, ok, rehash, err)
		}
	}
	again, err := h.HashPassword(ctx, "correct horse")
	if err != nil || again == hash {
		t.Errorf("the same salt twice: %v", err)
	}
}

func TestHasherWaitsForASlot(t *testing.T) {
	h := NewHasher(1)
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.HashPassword(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestPasscodeAndLink(t *testing.T) {
	s := openSite(t)
	m, other := NewMeetingID(), NewMeetingID()
	link := s.LinkPwd(m, "123456")
	if len(link) < 22 || link != s.LinkPwd(m, "123456") || strings.Contains(link, "123456") {
		t.Errorf("link value %q", link)
	}
	for _, c := range []struct {
		name, want, passcode, pwd string
		ok                        bool
	}{
		{"typed", "123456", "123456", "", true},
		{"by link", "123456", "", link, true},
		{"wrong", "123456", "123457", "", false},
		{"nothing", "123456", "", "", false},
		{"link of another meeting", "123456", "", s.LinkPwd(other, "123456"), false},
		{"link of an older passcode", "654321", "", link, false},
		{"link value typed", "123456", link, "", false},
		{"passcode as link", "123456", "", "123456", false},
		{"no passcode set", "", "", "", true},
	} {
		if got := s.CheckPasscode(m, c.want, c.passcode, c.pwd); got != c.ok {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestRandomNames(t *testing.T) {
	for range 200 {
		if n := NewMeetingNumber(); len(n) != 11 || n[0] < '1' || n[0] > '9' || strings.Trim(n, "0123456789") != "" {
			t.Fatalf("number %q", n)
		}
		if p := NewPasscode(); len(p) != 6 || strings.Trim(p, "0123456789") != "" {
			t.Fatalf("passcode %q", p)
		}
		if p := NewParticipantID(); p == 0 || p >= 1<<29 {
			t.Fatalf("participant %d", p)
		}
		if id := NewMeetingID(); !ValidMeetingID(id) {
			t.Fatalf("meeting %q", id)
		}
	}
	for _, id := range []string{"", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAA.A", "AAAAAAAAAAAAAAAAAAAA\nA"} {
		if ValidMeetingID(toMeeting(id)) {
			t.Errorf("%q is taken for a meeting id", id)
		}
	}
	if a, b := NewAPIToken(), NewAPIToken(); a == b || !strings.HasPrefix(a, "parley_") || len(a) != 50 {
		t.Errorf("tokens %q %q", a, b)
	}
	if p := NewPassword(); len(p) != 19 {
		t.Errorf("password %q", p)
	}
	if got, want := HashToken("x"), "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"; got != want {
		t.Errorf("HashToken: %s", got)
	}
}

func stdBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func toMeeting(s string) proto.MeetingID { return proto.MeetingID(s) }
