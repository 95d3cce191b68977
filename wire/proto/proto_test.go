package proto

import (
	"math"
	"testing"
)

func TestSource(t *testing.T) {
	tests := []struct {
		p    ParticipantID
		k    Kind
		want SourceID
	}{
		{1, Audio, 8},
		{1, Video, 9},
		{1, Content, 10},
		{1, ContentAudio, 11},
		{7, Video, 57},
		{MaxParticipantID, Audio, 0xfffffff8},
		{MaxParticipantID, ContentAudio, 0xfffffffb},
	}
	for _, tt := range tests {
		s := Source(tt.p, tt.k)
		if s != tt.want || s.Participant() != tt.p || s.Kind() != tt.k {
			t.Errorf("source of %d %v: %d (back: %d %v), want %d", tt.p, tt.k, s, s.Participant(), s.Kind(), tt.want)
		}
	}
	if math.MaxUint32>>3 != uint32(MaxParticipantID) {
		t.Errorf("MaxParticipantID is %d", MaxParticipantID)
	}
}

func TestKinds(t *testing.T) {
	tests := []struct {
		k     Kind
		name  string
		audio bool
		group Group
		mid   string
	}{
		{Audio, "audio", true, GroupAudio, "ua"},
		{Video, "video", false, GroupVideo, "uv"},
		{Content, "content", false, GroupContent, "uc"},
		{ContentAudio, "content-audio", true, GroupContent, "uca"},
	}
	for _, tt := range tests {
		if tt.k.String() != tt.name || tt.k.IsAudio() != tt.audio || tt.k.Group() != tt.group || MIDOf(tt.k) != tt.mid {
			t.Errorf("kind %d: %v %v %v %v", tt.k, tt.k, tt.k.IsAudio(), tt.k.Group(), MIDOf(tt.k))
		}
		if k, ok := KindOfMID(tt.mid); !ok || k != tt.k {
			t.Errorf("mid %q is %v, %v", tt.mid, k, ok)
		}
	}
	if _, ok := KindOfMID("v0"); ok {
		t.Error("a slot's mid counts as a participant's own")
	}
	if len(tests) != NKinds || Kind(9).String() != "unknown" {
		t.Error("kinds and table differ")
	}
	for g, want := range []string{"audio", "video", "content", "unknown"} {
		if got := Group(g).String(); got != want {
			t.Errorf("group %d is %q, want %q", g, got, want)
		}
	}
}

func TestPayloadTypes(t *testing.T) {
	tests := []struct {
		pt, rtx uint8
		name    string
		audio   bool
	}{
		{PTOpus, 0, "opus", true},
		{PTVP8, PTVP8RTX, "VP8", false},
		{PTVP9, PTVP9RTX, "VP9", false},
		{PTH264, PTH264RTX, "H264", false},
		{PTAV1, PTAV1RTX, "AV1", false},
	}
	for _, tt := range tests {
		if RTXOf(tt.pt) != tt.rtx || CodecName(tt.pt) != tt.name {
			t.Errorf("payload type %d: rtx %d name %q", tt.pt, RTXOf(tt.pt), CodecName(tt.pt))
		}
		if tt.rtx != 0 && OriginalOf(tt.rtx) != tt.pt {
			t.Errorf("rtx %d repairs %d, want %d", tt.rtx, OriginalOf(tt.rtx), tt.pt)
		}
		for k := Kind(0); k < NKinds; k++ {
			if got, want := PayloadFits(tt.pt, k), k.IsAudio() == tt.audio; got != want {
				t.Errorf("payload type %d as %v: %v, want %v", tt.pt, k, got, want)
			}
			if tt.rtx != 0 && PayloadFits(tt.rtx, k) == k.IsAudio() {
				t.Errorf("rtx %d as %v", tt.rtx, k)
			}
		}
	}
	for pt := range 128 {
		// RFC 5761 §4: with RTP and RTCP on one transport, 64 to 95 would look like RTCP.
		if CodecName(uint8(pt)) != "" && pt >= 64 && pt <= 95 {
			t.Errorf("payload type %d collides with RTCP", pt)
		}
	}
	if OriginalOf(PTOpus) != 0 || CodecName(0) != "" {
		t.Error("unknown payload types have names")
	}
}

func TestCompatible(t *testing.T) {
	for v, want := range map[int]bool{-1: false, 0: false, Version: true, Version + 1: true, Version + 9: true} {
		if got := Compatible(v); got != want {
			t.Errorf("version %d: %v, want %v", v, got, want)
		}
	}
}

func TestRolesAndErrors(t *testing.T) {
	for r, want := range map[Role]bool{RoleHost: true, RoleCohost: true, RoleParticipant: false, "king": false} {
		if r.Manages() != want {
			t.Errorf("%s manages: %v", r, r.Manages())
		}
	}
	status := map[Code]int{CodeBadRequest: 400, CodeUnsupported: 400, CodeTokenInvalid: 401, CodeTokenExpired: 401, CodeReplayed: 401,
		CodeForbidden: 403, CodeEjected: 403, CodeLocked: 403, CodeNotStarted: 403, CodeNoSuchMeeting: 404, CodeMoved: 409, CodeEnded: 410,
		CodeTooOld: 426, CodeSlowDown: 429, CodeFull: 503, CodeRouterFull: 503, CodeNoRouter: 503, CodeShutdown: 503, CodeInternal: 500, "else": 500}
	for c, want := range status {
		if got := c.HTTPStatus(); got != want {
			t.Errorf("%s travels as %d, want %d", c, got, want)
		}
	}
	if err := error(NewError(CodeFull, "full")); err.Error() != "full" {
		t.Errorf("text %q", err)
	}
}
