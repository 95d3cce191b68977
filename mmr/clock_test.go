package mmr

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

// TestAWrongClockIsWarnedOf: when clients that come from the lookup are refused for their time, and once a minute.
func TestAWrongClockIsWarnedOf(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name         string
		made, issued time.Duration // before now
		want         string
	}{
		{"right", time.Second, 2 * time.Second, ""},
		{"ahead", 75 * time.Second, 76 * time.Second, "ahead_s=75"},
		{"behind", -75 * time.Second, -74 * time.Second, "ahead_s=-75"},
		{"a machine that slept", 75 * time.Second, time.Hour, ""}, // its clock stood still, not ours
		{"made up", 75 * time.Second, -time.Hour, ""},
	} {
		var said bytes.Buffer
		var d clockDoubt
		log := slog.New(slog.NewTextHandler(&said, nil))
		for i := range 61 {
			at := now.Add(time.Duration(i) * time.Second)
			d.look(log, at, proto.Hello{At: at.Add(-tt.made).UnixMilli()}, proto.Claims{Issued: at.Add(-tt.issued).Unix()})
		}
		n := 0
		if tt.want != "" {
			n = 2 // in 61 s
		}
		if got := strings.Count(said.String(), "\n"); got != n || !strings.Contains(said.String(), tt.want) {
			t.Errorf("%s: warned %d times, want %d of %q:\n%s", tt.name, got, n, tt.want, said.String())
		}
	}
}
