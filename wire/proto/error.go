package proto

// Code says what went wrong, for a program. Texts are for people and may change; codes do not.
type Code string

// The codes of Error, and of Bye.
const (
	CodeBadRequest    Code = "bad_request"     // malformed; nothing was done
	CodeUnsupported   Code = "unsupported"     // unknown message type; not fatal
	CodeNoSuchMeeting Code = "no_such_meeting" // unknown number *or* wrong passcode: the same answer (S37)
	CodeSlowDown      Code = "slow_down"       // too many tries; RetryAfter says how long to wait
	CodeFull          Code = "meeting_full"    // as many people as the meeting may have
	CodeRouterFull    Code = "router_full"     // the router takes no more; ask for a route again
	CodeNoRouter      Code = "no_router"       // no router of the zone is alive
	CodeLocked        Code = "meeting_locked"  // the host has locked the meeting
	CodeEnded         Code = "meeting_ended"   // the host has ended it, or it is over
	CodeNotStarted    Code = "not_started"     // only the host may start it
	CodeEjected       Code = "ejected"         // a host has removed this person
	CodeReplaced      Code = "replaced"        // the same person opened another control channel
	CodeTokenInvalid  Code = "token_invalid"   // forged, of another meeting or audience, or without its key
	CodeTokenExpired  Code = "token_expired"   // ask for a new one by lookup
	CodeReplayed      Code = "replayed"        // this hello was seen before
	CodeMoved         Code = "moved"           // the meeting lives on another router; a grant comes along
	CodeForbidden     Code = "forbidden"       // the role does not allow it
	CodeTooOld        Code = "too_old"         // below the minimum version (S41)
	CodeLeft          Code = "left"            // the participant asked to leave
	CodeLost          Code = "lost"            // heartbeats stopped
	CodeShutdown      Code = "shutdown"        // the server stops; join again
	CodeInternal      Code = "internal"        // our fault; the log has the details
)

// Error is the body of every refused request of the connection process, and of control message
// "error". It is a Go error whose text can be shown to a person.
type Error struct {
	Code       Code   `json:"code"`
	Text       string `json:"text"`
	RetryAfter int    `json:"retry_after,omitempty"` // seconds, with CodeSlowDown
	// Grant is the home router's signed grant, with CodeMoved.
	Grant SignedGrant `json:"grant,omitempty"`
}

// Error is the text for people.
func (e *Error) Error() string { return e.Text }

// Errorf is a shorthand for an Error with a fixed text.
func NewError(code Code, text string) *Error { return &Error{Code: code, Text: text} }

// HTTPStatus is the status an Error of this code travels with.
func (c Code) HTTPStatus() int {
	switch c {
	case CodeBadRequest, CodeUnsupported:
		return 400
	case CodeTokenInvalid, CodeTokenExpired, CodeReplayed:
		return 401
	case CodeForbidden, CodeEjected, CodeLocked, CodeNotStarted:
		return 403
	case CodeNoSuchMeeting:
		return 404
	case CodeMoved:
		return 409
	case CodeEnded:
		return 410
	case CodeTooOld:
		return 426
	case CodeSlowDown:
		return 429
	case CodeFull, CodeRouterFull, CodeNoRouter, CodeShutdown:
		return 503
	}
	return 500
}
