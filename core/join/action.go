package join

import "parley/wire/proto"

// Action is something to do. In traces it is a JSON object whose "do" is Name. The caller answers
// with the events named at each; actions that only tell need no answer.
type Action interface{ Name() string }

// Lookup asks the site: LookupDone or LookupFailed. One at a time.
type Lookup struct {
	Try      int        `json:"try"`
	LastZone string     `json:"last_zone,omitempty"`
	LastRung proto.Rung `json:"last_rung,omitempty"`
}

// Ping measures a controller once: PingDone or PingFailed, both with its Via. All pings of a controller
// that go the same way share a connection.
type Ping struct {
	Zone       string `json:"zone"`
	Controller string `json:"controller"`
	Seq        int    `json:"seq"`
	Via        string `json:"via,omitempty"` // tunnel
}

// Probe sends a STUN Binding request, padded to 1200 bytes or bare: ProbeDone if it is answered.
type Probe struct {
	Zone   string `json:"zone"`
	Addr   string `json:"addr"`
	Seq    int    `json:"seq"`
	Padded bool   `json:"padded,omitempty"`
}

// DialTunnel tries a tunnel: TunnelUp or TunnelFailed.
type DialTunnel struct {
	URL string `json:"url"`
}

// Prepare opens, ahead of the choice of a zone, what costs round trips to the router of a grant: the
// connection its control channel will use, on which nothing is said yet, and the audio transport over UDP.
// OpenControl and StartTransport take what is there. No event is expected; a client may do less.
type Prepare struct {
	Grant proto.Grant `json:"grant"`
}

// Cancel ends what is under way: "lookup", "measure" (pings and probes), "tunnels", or "prepare" (what was
// prepared and has not been taken). No event is expected; late ones do no harm.
type Cancel struct {
	What string `json:"what"`
}

// Route asks a controller for a grant: RouteDone or RouteFailed.
type Route struct {
	Zone       string `json:"zone"`
	Controller string `json:"controller"`
	Lost       string `json:"lost,omitempty"`
	Via        string `json:"via,omitempty"`
}

// OpenControl opens the control channel at Grant.URL + "/control" and sends the hello: ControlUp, then
// Welcomed, WaitingRoom, Refused or ControlLost, all with this Attempt.
type OpenControl struct {
	Attempt int         `json:"attempt"`
	Grant   proto.Grant `json:"grant"`
	Via     string      `json:"via,omitempty"`
}

// CloseControl drops a control channel. No event is expected.
type CloseControl struct {
	Attempt int `json:"attempt"`
}

// StartTransport sets up a media transport: TransportUp, TransportFailed, later TransportLost.
type StartTransport struct {
	Attempt     int               `json:"attempt"`
	Group       proto.Group       `json:"group"`
	Rung        proto.Rung        `json:"rung"`
	Router      string            `json:"router"`
	Candidates  []proto.Candidate `json:"candidates"` // of this rung
	Credentials proto.Credentials `json:"credentials"`
	Fingerprint string            `json:"fingerprint"`
	Via         string            `json:"via,omitempty"` // tunnel; then the candidates are where it sends to
}

// UseTransport says that a group's media goes over this attempt from now on.
type UseTransport struct {
	Attempt int         `json:"attempt"`
	Group   proto.Group `json:"group"`
	Rung    proto.Rung  `json:"rung"`
}

// CloseTransport drops a media transport, up or not. No event is expected.
type CloseTransport struct {
	Attempt int         `json:"attempt"`
	Group   proto.Group `json:"group"`
	Rung    proto.Rung  `json:"rung"`
}

// Progress tells that a phase ("lookup", "zone", "route", "control", "media", "resume") got somewhere.
type Progress struct {
	Phase  string `json:"phase"`
	MS     int    `json:"ms"` // since Start
	Detail string `json:"detail,omitempty"`
}

// Candidate tells what is known of one controller.
type Candidate struct {
	Zone       string  `json:"zone"`
	Controller string  `json:"controller"`
	RTT        float64 `json:"rtt_ms,omitempty"`
	UDP        string  `json:"udp,omitempty"` // "open", "silent", "" where not known (yet)
	Load       float64 `json:"load,omitempty"`
	Score      float64 `json:"score,omitempty"`
	Error      string  `json:"error,omitempty"` // it can't be reached
}

// Waiting tells that the client is in the waiting room.
type Waiting struct {
	Topic string `json:"topic,omitempty"`
}

// Joined tells that the client is in the meeting, first or again.
type Joined struct {
	Router  string `json:"router"`
	Zone    string `json:"zone"`
	Resumed bool   `json:"resumed,omitempty"` // it was in before
	MS      int    `json:"ms"`                // since Start
}

// Failed ends the process: the caller drops everything.
type Failed struct {
	Code    proto.Code `json:"code,omitempty"` // empty: nothing answered
	Text    string     `json:"text"`
	Refused bool       `json:"refused,omitempty"` // a server said no; trying again the same way is pointless
	Tried   []string   `json:"tried,omitempty"`   // for the user, one line each
	WebURL  string     `json:"web_url,omitempty"` // where a browser may still succeed (S15)
}

// Left ends the process after Leave.
type Left struct{}

// The names in traces.
func (Lookup) Name() string         { return "lookup" }
func (Ping) Name() string           { return "ping" }
func (Probe) Name() string          { return "probe" }
func (DialTunnel) Name() string     { return "dial_tunnel" }
func (Prepare) Name() string        { return "prepare" }
func (Cancel) Name() string         { return "cancel" }
func (Route) Name() string          { return "route" }
func (OpenControl) Name() string    { return "open_control" }
func (CloseControl) Name() string   { return "close_control" }
func (StartTransport) Name() string { return "start_transport" }
func (UseTransport) Name() string   { return "use_transport" }
func (CloseTransport) Name() string { return "close_transport" }
func (Progress) Name() string       { return "progress" }
func (Candidate) Name() string      { return "candidate" }
func (Waiting) Name() string        { return "waiting" }
func (Joined) Name() string         { return "joined" }
func (Failed) Name() string         { return "failed" }
func (Left) Name() string           { return "left" }
