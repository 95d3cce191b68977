package proto

// The HTTP tunnel (S6, S14). Under its base URL, all over TLS 443:
//
//	GET  /ping    the race between tunnels: TunnelPong
//	POST /lookup  the site's own lookup, for networks where the site is out of reach; needs no token
//	GET  /stream  WebSocket; TunnelOpen, TunnelOpened, then binary messages are the bytes of a stream to the server
//	GET  /media   WebSocket; TunnelOpen, TunnelOpened, then each binary message is a datagram to the router
//
// and what a page does there, page.go. A target is named by the zone and id of a server that the site's servers know, never by an address.

// TunnelOpen is the first message on a tunnel's WebSocket, and the only one in text.
type TunnelOpen struct {
	V      int    `json:"v"`
	Token  string `json:"token"` // LookupAnswer.TunnelToken
	Zone   string `json:"zone"`
	Server string `json:"server"` // controller or router
	// Mark is the DSCP code point for datagrams to the router (S12), one of those its media has; absent: none.
	Mark int `json:"mark,omitempty"`
}

// TunnelOpened says that the server answers; a refusal is an Error instead.
type TunnelOpened struct {
	V int `json:"v"`
}

// TunnelAudience is the audience of tunnel tokens.
const TunnelAudience = "tunnel"

// TunnelClaims is the payload of a tunnel token: short-lived, signed by the site, good at every tunnel for the
// servers of these zones and, where the meeting has one, its home.
type TunnelClaims struct {
	Issuer      string        `json:"iss"`
	Audience    []string      `json:"aud"` // TunnelAudience
	ID          string        `json:"jti"` // what limits are counted by
	Meeting     MeetingID     `json:"mtg"`
	Participant ParticipantID `json:"pid"`
	Zones       []string      `json:"zones"`
	Expires     int64         `json:"exp"` // seconds since 1970; bounds the opening of streams, not their life
}

// SubjectTunnel carries a tunnel's presence, every second, for the web infrastructure's list.
const SubjectTunnel = "parley.tunnel.%s" // tunnel: TunnelAnnounce

// SubjectSite answers what anybody may know of the site: a tunnel, which is of no zone, verifies tokens by it.
const SubjectSite = "parley.web.site" // request SiteRequest, answer SiteAnswer

// TunnelAnnounce says that a tunnel serves.
type TunnelAnnounce struct {
	V       int     `json:"v"`
	Build   string  `json:"build"`
	ID      string  `json:"id"`
	URL     string  `json:"url"` // base; may be relative to the site
	Streams int     `json:"streams"`
	Load    float64 `json:"load"` // 0 to 1
}

// SiteRequest asks for the site's public keys.
type SiteRequest struct{}

// SiteAnswer carries the keys of meeting and tunnel tokens.
type SiteAnswer struct {
	Site   string       `json:"site"`
	Tokens []SigningKey `json:"tokens"`
}

// BindingLabel and BindingLen are how site and client derive LookupAnswer.Binding (RFC 9266).
const (
	BindingLabel = "EXPORTER-Channel-Binding"
	BindingLen   = 32
)
