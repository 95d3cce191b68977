package client

import (
	"encoding/json"
	"testing"
	"time"

	"parley/wire/proto"
)

func TestParseLink(t *testing.T) {
	rows := []struct {
		in   string
		want Link
		ok   bool
	}{
		{"https://meet.example.org/j/12345678901?pwd=aB-_9", Link{"https://meet.example.org", "12345678901", "aB-_9"}, true},
		{" https://h:8443/j/123456789\n", Link{"https://h:8443", "123456789", ""}, true},
		{"http://localhost:8080/j/123456789/", Link{"http://localhost:8080", "123456789", ""}, true},
		{"https://h/base/j/123-456-789", Link{"https://h/base", "123456789", ""}, true},
		{"https://h/j/12345678", Link{}, false},     // eight digits
		{"https://h/j/123456789012", Link{}, false}, // twelve
		{"https://h/j/12345678a", Link{}, false},
		{"https://h/w/123456789", Link{}, false},
		{"ftp://h/j/123456789", Link{}, false},
		{"123456789", Link{}, false},
		{"", Link{}, false},
	}
	for _, r := range rows {
		got, err := ParseLink(r.in)
		if got != r.want || (err == nil) != r.ok {
			t.Errorf("ParseLink(%q) = %+v, %v; want %+v", r.in, got, err, r.want)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no site":     {Number: "123456789"},
		"bad site":    {Site: "meet.example.org", Number: "123456789"},
		"bad number":  {Site: "https://h", Number: "12"},
		"bad marking": {Site: "https://h", Number: "123456789", Marking: "gold"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEventsAreOneObject(t *testing.T) {
	for _, e := range []Event{Phase{Phase: "zone", MS: 3}, Candidate{}, Waiting{}, Joined{}, Media{}, Stats{}, SlotChange{}, RosterChange{},
		ChatLine(proto.Chat{At: 5}), Speakers{}, Switches{}, Reaction{}, UnmuteAsked{}, Wanted{}, Denied{}, Trouble{}, Ended{}} {
		var got map[string]any
		if err := json.Unmarshal(EncodeEvent(e, time.UnixMilli(7)), &got); err != nil || got["event"] != e.Event() || got["ts"] != 7.0 {
			t.Errorf("%T: %v, %v", e, got, err)
		}
	}
}

func TestDescribeIsOneLine(t *testing.T) {
	for want, e := range map[string]Event{
		"   200 ms  zone     One, 50 ms":                 Phase{Phase: "zone", MS: 200, Detail: "One, 50 ms"},
		"           zone z1: https://c: 50 ms, UDP open": Candidate{Zone: "z1", Controller: "https://c", RTT: 50, UDP: "open"},
		"   450 ms  joined on server m1 in zone z1":      Joined{Router: "m1", Zone: "z1", MS: 450},
		"2 in the meeting: Ann (hand up); 1 left":        RosterChange{People: 2, Put: []proto.Person{{Name: "Ann", Hand: 1}}, Gone: []proto.ParticipantID{3}},
		"Ann: hello": ChatLine{Name: "Ann", Text: "hello"},
		"video↓ 10 packets, 1.0 % lost, jitter 2 ms, rtt 50 ms": Stats{Media: []MediaStats{{Kind: "video", Dir: "down", Packets: 10, Loss: 0.01, Jitter: 2, RTT: 50}}},
		"": Media{},
	} {
		if got := Describe(e); got != want {
			t.Errorf("%T: %q, want %q", e, got, want)
		}
	}
}
