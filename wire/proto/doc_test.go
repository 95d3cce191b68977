package proto

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestProtocolDocHasEverything: PROTOCOL.md names every message, code, action, subject and number, so that
// a client can be written from it.
func TestProtocolDocHasEverything(t *testing.T) {
	raw, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	var want []string
	for _, m := range messages {
		want = append(want, "`"+m.Type()+"`")
	}
	for _, c := range []Code{CodeBadRequest, CodeUnsupported, CodeNoSuchMeeting, CodeSlowDown, CodeFull, CodeRouterFull, CodeNoRouter,
		CodeLocked, CodeEnded, CodeNotStarted, CodeEjected, CodeReplaced, CodeTokenInvalid, CodeTokenExpired, CodeReplayed, CodeMoved,
		CodeForbidden, CodeTooOld, CodeLeft, CodeLost, CodeShutdown, CodeInternal} {
		want = append(want, "`"+string(c)+"`")
	}
	for _, a := range []Action{ActMute, ActMuteAll, ActAskUnmute, ActCohost, ActAdmit, ActEject, ActLowerHand, ActLock, ActWaitingRoom,
		ActMuteOnEntry, ActEnd} {
		want = append(want, "`"+string(a)+"`")
	}
	for _, s := range []string{SubjectRouter, SubjectController, SubjectGrant, SubjectClaim, SubjectHome, SubjectRevoke, SubjectEnded,
		SubjectCommand, SubjectPingRouter, SubjectKeys} {
		at := strings.Index(s, "%s")
		if at < 0 {
			at = len(s)
		}
		want = append(want, "`"+s[:at])
	}
	for _, pt := range []int{PTOpus, PTVP8, PTVP9, PTH264, PTAV1} {
		want = append(want, "| "+strconv.Itoa(pt)+" |")
		if rtx := RTXOf(uint8(pt)); rtx != 0 {
			want = append(want, "| "+strconv.Itoa(int(rtx))+" |")
		}
	}
	for _, ext := range []int{ExtAudioLevel, ExtTransportSeq, ExtMID, ExtRID, ExtRepairedRID, ExtCaptureTime, ExtDependency, ExtAllocation, ExtPlayoutDelay} {
		want = append(want, "| "+strconv.Itoa(ext)+" | ")
	}
	want = append(want, Reactions...)
	for _, m := range []string{MIDAudio, MIDVideo, MIDContent, MIDContentAudio, RIDs[0], RIDs[1], RIDs[2], string(UDP8801), string(TCP8801), string(TLS443)} {
		want = append(want, "`"+m+"`")
	}
	for _, w := range want {
		if !strings.Contains(doc, w) {
			t.Errorf("PROTOCOL.md does not mention %s", w)
		}
	}
}
