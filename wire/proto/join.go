package proto

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// LookupRequest is the body of POST {site}/lookup (S7). Number and passcode, or number and Pwd from a
// link, name the meeting. A signed-in user adds "Authorization: Bearer" and becomes host of own meetings.
type LookupRequest struct {
	V        int    `json:"v"`
	Build    string `json:"build"`
	Number   string `json:"number"`             // 9 to 11 digits; spaces and dashes are ignored
	Passcode string `json:"passcode,omitempty"` // as typed by a person
	Pwd      string `json:"pwd,omitempty"`      // the derived value of a link's ?pwd=
	Name     string `json:"name"`               // shown to the others; 1 to 64 characters
	// Key is the client's public key: "ed25519:" or "p256:" and base64url of the 32 raw bytes or the
	// 65 bytes of the uncompressed point. The same key in the same meeting is the same seat.
	Key string `json:"key"`
	// Fingerprint of the client's DTLS certificate: "sha-256 AB:CD:…" (RFC 8122).
	Fingerprint string  `json:"fingerprint"`
	Client      string  `json:"client"` // "native" or "web"
	Network     Network `json:"network"`
	// Lobby asks before the person has decided: nothing is begun. A host whose meeting has not is answered
	// not_started.
	Lobby bool `json:"lobby,omitempty"`
}

// MaxNameLen bounds a person's name, in characters.
const MaxNameLen = 64

// CleanName is a person's name without white space around it; false: it is empty, too long, or no text.
func CleanName(name string) (string, bool) {
	name = strings.TrimSpace(name)
	n := utf8.RuneCountInString(name)
	return name, n > 0 && n <= MaxNameLen && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// Network is what a client knows of its own network (S7).
type Network struct {
	// Proxy says how a proxy is known of, "flag", "pac" or "env", and behind that ", used" or ", not used" where that
	// is known already. Never its address.
	Proxy    string `json:"proxy,omitempty"`
	LastZone string `json:"last_zone,omitempty"`
	LastRung Rung   `json:"last_rung,omitempty"`
}

// LookupAnswer is the package tuned to one client (S8).
type LookupAnswer struct {
	V           int           `json:"v"`
	Build       string        `json:"build"`
	Meeting     MeetingInfo   `json:"meeting"`
	Token       string        `json:"token"` // meeting token, a compact JWS; see Claims
	Participant ParticipantID `json:"participant"`
	Role        Role          `json:"role"`
	ServerTime  int64         `json:"server_time"`       // milliseconds since 1970; hellos are signed in this time
	Zones       []Zone        `json:"zones"`             // best first
	Tunnels     []string      `json:"tunnels,omitempty"` // base URLs; may be relative to the site
	// TunnelToken opens streams through tunnels, for some minutes; look the meeting up again for another.
	TunnelToken string `json:"tunnel_token,omitempty"`
	// Binding is base64url of what the site derives from its end of this request's TLS (RFC 9266). A client
	// that derives something else has TLS with somebody in between. Empty where the site can't tell.
	Binding  string        `json:"binding,omitempty"`
	YourAddr string        `json:"your_addr"`        // as the site saw it
	Grants   []SignedGrant `json:"grants,omitempty"` // home router, or the best of each good zone
	Keys     []SigningKey  `json:"keys"`             // who may sign grants
	WebURL   string        `json:"web_url"`          // where a browser joins this meeting (S15)
}

// MeetingInfo is what anyone who may join gets to know beforehand.
type MeetingInfo struct {
	ID      MeetingID `json:"id"`
	Number  string    `json:"number"`
	Topic   string    `json:"topic"`
	Hosting string    `json:"hosting"` // "cloud", or "connector:<id>" (S16)
}

// Zone is one meeting zone as offered to a client (S8).
type Zone struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Controllers []string `json:"controllers"` // base URLs, all of the zone; may be relative to the site
	// ControllerIDs name the controllers, in the same order, for tunnels.
	ControllerIDs []string `json:"controller_ids,omitempty"`
	Probes        []string `json:"probes"` // "ip:port" that answer STUN Binding requests over UDP
	// Bias in milliseconds is added to the measured round trip when zones are compared: load, and
	// distance to where the meeting runs.
	Bias int `json:"bias"`
	// Floor in milliseconds is the least round trip geography allows, 0 where unknown.
	Floor int `json:"floor,omitempty"`
}

// SigningKey verifies SignedGrants. Key has the form of LookupRequest.Key.
type SigningKey struct {
	ID  string `json:"kid"`
	Key string `json:"key"`
}

// SignedGrant is a compact JWS (EdDSA) whose payload is a Grant. A browser may read the payload
// without verifying; a native client verifies it against LookupAnswer.Keys.
type SignedGrant string

// Grant lets one participant reach one router (S10). Nothing is kept for it: the ICE credentials
// carry all a router needs. It is good for ten seconds; the expiry bounds a group's first check only.
type Grant struct {
	Router      string        `json:"router"` // MMR id
	Zone        string        `json:"zone"`
	Meeting     MeetingID     `json:"meeting"`
	Participant ParticipantID `json:"participant"`
	URL         string        `json:"url"`        // base of the router; the control channel is at URL + "/control"
	Candidates  []Candidate   `json:"candidates"` // for all groups
	Fingerprint string        `json:"fingerprint"`
	Groups      []Credentials `json:"groups"`
	// Marks are the DSCP code points, 0 to 63, of what goes to and from this router, by group (S12). Absent: 46, 34, 26.
	Marks   []int  `json:"marks,omitempty"`
	Expires int64  `json:"expires"` // milliseconds since 1970, server time
	Home    bool   `json:"home"`    // the meeting already lives there
	Epoch   uint32 `json:"epoch"`   // of the home claim, 0 while there is none
}

// PingAnswer is the body of GET {controller}/ping (S9).
type PingAnswer struct {
	V    int     `json:"v"`
	Zone string  `json:"zone"`
	ID   string  `json:"id"`   // controller id
	Time int64   `json:"time"` // milliseconds since 1970
	Load float64 `json:"load"` // of the zone, 0 to 1
}

// RouteRequest is the body of POST {controller}/route (S10).
type RouteRequest struct {
	V     int    `json:"v"`
	Token string `json:"token"`
	// Lost names a router that stopped answering this client; the controller looks before it places.
	Lost string `json:"lost,omitempty"`
}

// RouteAnswer carries the fresh grant.
type RouteAnswer struct {
	V     int         `json:"v"`
	Grant SignedGrant `json:"grant"`
}

// Claims is the payload of a meeting token: a JWS signed with Ed25519 by the web infrastructure and
// verified offline by controllers, routers and tunnels. There is no nbf, and two minutes of leeway.
type Claims struct {
	Issuer      string        `json:"iss"` // site id
	Audience    []string      `json:"aud"` // "zone:<id>" for every zone that may host the meeting
	Meeting     MeetingID     `json:"mtg"`
	Number      string        `json:"num"`
	Topic       string        `json:"topic,omitempty"`
	Participant ParticipantID `json:"pid"`
	User        string        `json:"sub,omitempty"` // user id, empty for guests
	Name        string        `json:"name"`
	Role        Role          `json:"role"`
	Permissions []string      `json:"perm,omitempty"` // see Perm constants
	Hosting     string        `json:"hosting"`
	Expires     int64         `json:"exp"` // seconds since 1970
	Issued      int64         `json:"iat"` // seconds since 1970
	Confirm     Confirm       `json:"cnf"`
	Settings    Settings      `json:"set"`
}

// The permissions a token may carry. A participant without one of them may not do it.
const (
	PermAudio = "audio"
	PermVideo = "video"
	PermShare = "share"
	PermChat  = "chat"
)

// Confirm binds a token to its holder's key and DTLS certificate.
type Confirm struct {
	Key         string `json:"key"` // base64url SHA-256 of LookupRequest.Key as written
	Fingerprint string `json:"fp"`  // as in LookupRequest
}

// Settings of the meeting at the time the token was made. The first participant's settings start the
// meeting; afterwards its own state holds.
type Settings struct {
	WaitingRoom    bool `json:"waiting_room,omitempty"`
	MuteOnEntry    bool `json:"mute_on_entry,omitempty"`
	JoinBeforeHost bool `json:"join_before_host,omitempty"`
	MaxPeople      int  `json:"max_people,omitempty"` // 0: the router's limit
}

// HelloText is what a client signs in Hello: the token (hashed with SHA-256), the router, the time and
// a nonce, each on a line of its own.
func HelloText(tokenHash [32]byte, router string, at int64, nonce string) []byte {
	return fmt.Appendf(nil, "parley hello 1\n%x\n%s\n%d\n%s", tokenHash, router, at, nonce)
}
