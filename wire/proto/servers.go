package proto

// The messages servers exchange over the bus (design §6). Subjects are in the Subject constants; "<…>"
// is replaced by the id, which must not contain dots or spaces.
const (
	SubjectRouter     = "parley.zone.%s.router.%s"     // zone, MMR: RouterAnnounce, every second and on change
	SubjectRollCall   = "parley.zone.%s.rollcall"      // zone: no body; a controller has begun to listen, and its routers announce at once
	SubjectController = "parley.zone.%s.controller.%s" // zone, controller: ControllerAnnounce, the same
	SubjectClaim      = "parley.web.claim"             // request ClaimRequest, answer ClaimAnswer
	SubjectHome       = "parley.web.home"              // request HomeRequest, answer ClaimAnswer
	SubjectRevoke     = "parley.revoke"                // Revoke, to all routers and controllers
	SubjectEnded      = "parley.web.ended"             // MeetingReport when a meeting on a router ends
	SubjectCommand    = "parley.router.%s.command"     // MMR: request Command, answer CommandAnswer
	SubjectPingRouter = "parley.router.%s.ping"        // MMR: request, answered by RouterAnnounce
	SubjectKeys       = "parley.web.keys.%s"           // zone: request KeysRequest, answer KeysAnswer; a server may ask for its own zone only
)

// RouterAnnounce is an MMR's load and the *full* list of meetings it hosts: soft state that heals
// itself. An MMR not heard of for 3 s counts as dead.
type RouterAnnounce struct {
	V           int           `json:"v"`
	Build       string        `json:"build"`
	ID          string        `json:"id"`
	Zone        string        `json:"zone"`
	URL         string        `json:"url"`
	Candidates  []Candidate   `json:"candidates"`
	Fingerprint string        `json:"fingerprint"`
	Marks       []int         `json:"marks,omitempty"` // as in Grant
	Shards      int           `json:"shards"`
	Load        float64       `json:"load"`   // 0 to 1
	People      int           `json:"people"` // participants now
	MaxPeople   int           `json:"max_people"`
	MaxMeetings int           `json:"max_meetings"`
	Draining    bool          `json:"draining,omitempty"`
	Meetings    []MeetingLoad `json:"meetings"`
}

// MeetingLoad is one meeting on a router.
type MeetingLoad struct {
	ID     MeetingID `json:"id"`
	People int       `json:"people"`
	Epoch  uint32    `json:"epoch"`
}

// ControllerAnnounce is a controller's presence, for the web infrastructure's zone list.
type ControllerAnnounce struct {
	V       int              `json:"v"`
	Build   string           `json:"build"`
	ID      string           `json:"id"`
	Zone    string           `json:"zone"`
	Name    string           `json:"name"`
	URL     string           `json:"url"`
	Hosting string           `json:"hosting"` // "cloud" or "connector:<id>"
	Lat     float64          `json:"lat,omitempty"`
	Lon     float64          `json:"lon,omitempty"`
	Key     SigningKey       `json:"key"` // signs grants of this controller
	Routers []RouterAnnounce `json:"routers"`
}

// ClaimRequest claims a meeting's home when its first control hello arrives (design §6).
type ClaimRequest struct {
	Meeting MeetingID `json:"meeting"`
	Router  string    `json:"router"`
	Zone    string    `json:"zone"`
}

// ClaimAnswer names the home. Router is empty where there is none yet (answer to HomeRequest only).
type ClaimAnswer struct {
	Router string `json:"router"`
	Zone   string `json:"zone"`
	Epoch  uint32 `json:"epoch"`
	Ended  bool   `json:"ended,omitempty"` // the meeting is over; nobody may host it
}

// HomeRequest asks where a meeting lives.
type HomeRequest struct {
	Meeting MeetingID `json:"meeting"`
}

// Revoke is a tombstone until Expires: an ended meeting, or an ejected participant's key.
type Revoke struct {
	Meeting MeetingID     `json:"meeting"`
	Seat    ParticipantID `json:"seat,omitempty"` // 0: the whole meeting
	Expires int64         `json:"expires"`        // seconds since 1970
}

// MeetingReport says that a meeting ended on its home.
type MeetingReport struct {
	Meeting MeetingID `json:"meeting"`
	Router  string    `json:"router"`
	Epoch   uint32    `json:"epoch"`
	ByHost  bool      `json:"by_host"` // ended for all, not merely emptied
}

// Command is an order of the web infrastructure to a router.
type Command struct {
	Do      string    `json:"do"` // "end"
	Meeting MeetingID `json:"meeting"`
}

// CommandAnswer says whether the router had the meeting.
type CommandAnswer struct {
	Done bool `json:"done"`
}

// KeysRequest asks for what a zone's servers need to verify and to grant. A zone gets its own keys only.
type KeysRequest struct {
	Zone string `json:"zone"`
}

// KeysAnswer carries the site's token keys and the zone's ICE key.
type KeysAnswer struct {
	Site    string       `json:"site"`
	Tokens  []SigningKey `json:"tokens"`
	ZoneKey []byte       `json:"zone_key"` // 32 bytes
}

// SubjectRenew answers an enrolled server whose certificate is getting old.
const SubjectRenew = "parley.web.renew" // request RenewRequest, answer RenewAnswer

// RenewRequest shows the certificate a server was enrolled with, and asks for its successor.
type RenewRequest struct {
	Certificate string `json:"certificate"` // PEM
	CSR         string `json:"csr"`         // PEM, PKCS #10, of the same key
}

// RenewAnswer carries the successor, for the same key, id, role, zone, names and addresses.
type RenewAnswer struct {
	Certificate string `json:"certificate"` // PEM
}

// SubjectGrant is served by every controller of a zone, in a queue group: whoever holds no key of that
// zone asks it for a grant of one of its routers.
const SubjectGrant = "parley.zone.%s.grant" // zone: request GrantRequest, answer GrantAnswer

// GrantRequest asks a zone for a participant's grant at one of its routers.
type GrantRequest struct {
	Meeting     MeetingID     `json:"meeting"`
	Participant ParticipantID `json:"participant"`
	Router      string        `json:"router"`
	Epoch       uint32        `json:"epoch"`
	// Lost as in RouteRequest: the zone's controller looks before it places.
	Lost string `json:"lost,omitempty"`
}

// GrantAnswer carries the signed grant.
type GrantAnswer struct {
	Grant SignedGrant `json:"grant"`
}
