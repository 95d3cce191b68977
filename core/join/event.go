package join

import "parley/wire/proto"

// Event is a fact for Handle. In traces it is a JSON object whose "is" is Name. Times measured are
// milliseconds.
type Event interface{ Name() string }

// Start begins.
type Start struct{}

// LookupDone is the site's answer, its grants read (and by a native client verified).
type LookupDone struct {
	Answer proto.LookupAnswer `json:"answer"`
	Grants []proto.Grant      `json:"grants,omitempty"`
	RTT    float64            `json:"rtt_ms,omitempty"` // of the request alone; 0: a third of what it took
	// What the lookup told of the way (S7): the tunnel it took, the proxy, and who opened its TLS between
	// here and the site. Empty where there is none.
	Via       string `json:"via,omitempty"`
	Proxy     string `json:"proxy,omitempty"`
	Inspected string `json:"inspected,omitempty"`
	// Unused says why a proxy that is configured is not used, though it was tried: "The proxy … does not answer".
	Unused string `json:"unused,omitempty"`
	// Classical: a TLS handshake with post-quantum key shares, which takes two packets, does not pass here.
	Classical bool `json:"classical,omitempty"`
}

// LookupFailed says that the site refused (Code) or could not be reached (Code empty).
type LookupFailed struct {
	Code proto.Code `json:"code,omitempty"`
	Text string     `json:"text,omitempty"`
	// Final: it will be the same however often one asks (a certificate nobody here trusts).
	Final bool `json:"final,omitempty"`
	// RetryAfter is how long to wait before asking again, in seconds; with slow_down.
	RetryAfter int `json:"retry_after,omitempty"`
}

// Asking says that the lookup waits for a person (a proxy wants a password), Asked that it goes on.
type Asking struct {
	For string `json:"for"`
}

// Asked ends Asking.
type Asked struct{}

// PingDone is a controller's answer to a Ping: RTT of the request on a connection that stands, not of
// its handshakes.
type PingDone struct {
	Controller string  `json:"controller"`
	Seq        int     `json:"seq"`
	RTT        float64 `json:"rtt_ms"`
	Load       float64 `json:"load,omitempty"`
	Via        string  `json:"via,omitempty"`
}

// PingFailed says that a controller can't be reached, and why.
type PingFailed struct {
	Controller string `json:"controller"`
	Seq        int    `json:"seq"`
	Text       string `json:"text,omitempty"`
	Via        string `json:"via,omitempty"`
}

// ProbeDone is the answer to a Probe.
type ProbeDone struct {
	Addr   string  `json:"addr"`
	Seq    int     `json:"seq"`
	RTT    float64 `json:"rtt_ms"`
	Padded bool    `json:"padded,omitempty"`
}

// ProbeFailed says that the system refused to send (no route, no permission). Mere silence needs no
// event.
type ProbeFailed struct {
	Addr string `json:"addr"`
	Text string `json:"text,omitempty"`
}

// TunnelUp says that a tunnel answered.
type TunnelUp struct {
	URL string `json:"url"`
}

// TunnelFailed says that it did not.
type TunnelFailed struct {
	URL  string `json:"url"`
	Text string `json:"text,omitempty"`
}

// RouteDone is a controller's answer to Route.
type RouteDone struct {
	Controller string      `json:"controller"`
	Grant      proto.Grant `json:"grant"`
}

// RouteFailed says that a controller refused (Code) or did not answer (Code empty).
type RouteFailed struct {
	Controller string       `json:"controller"`
	Code       proto.Code   `json:"code,omitempty"`
	Text       string       `json:"text,omitempty"`
	Grant      *proto.Grant `json:"grant,omitempty"` // with CodeMoved
}

// ControlStands says that the control channel stands and the hello waits for a person in the lobby: there is
// no hurry until ControlUp.
type ControlStands struct {
	Attempt int `json:"attempt"`
}

// ControlUp says that the control channel stands (101) and the hello is sent.
type ControlUp struct {
	Attempt int `json:"attempt"`
}

// Welcomed says that the router admitted this client. Groups are the welcome's credentials, for
// transports started from now on.
type Welcomed struct {
	Attempt int                 `json:"attempt"`
	Groups  []proto.Credentials `json:"groups,omitempty"`
	Resumed bool                `json:"resumed,omitempty"`
}

// WaitingRoom says that a host has to admit this client first.
type WaitingRoom struct {
	Attempt int    `json:"attempt"`
	Topic   string `json:"topic,omitempty"`
}

// Refused is the router's Bye.
type Refused struct {
	Attempt int          `json:"attempt"`
	Code    proto.Code   `json:"code"`
	Text    string       `json:"text,omitempty"`
	Grant   *proto.Grant `json:"grant,omitempty"` // with CodeMoved
}

// ControlLost says that the channel could not be opened, broke, or fell silent.
type ControlLost struct {
	Attempt int    `json:"attempt"`
	Text    string `json:"text,omitempty"`
}

// TransportUp says that a media transport has its SRTP keys.
type TransportUp struct {
	Attempt int    `json:"attempt"`
	Port    uint16 `json:"port,omitempty"` // the router's that it goes to; 0: not known
}

// TransportFailed says that one could not be set up.
type TransportFailed struct {
	Attempt int    `json:"attempt"`
	Text    string `json:"text,omitempty"`
}

// TransportLost says that one that was up carries nothing any more.
type TransportLost struct {
	Attempt int    `json:"attempt"`
	Text    string `json:"text,omitempty"`
}

// PathCarries says that more than answers to checks has come over a transport that is being set up: the path works, and
// keys are on their way. A browser does not tell.
type PathCarries struct {
	Attempt int `json:"attempt"`
}

// PathAnswers says that checks over a transport that is being set up have been answered for a while, and no keys come: a
// browser prefers such a path for as long as it is there. A native client has probes to tell that by.
type PathAnswers struct {
	Attempt int `json:"attempt"`
}

// PathSilent says that a transport in use carries nothing, though the router is known to send.
type PathSilent struct {
	Attempt int `json:"attempt"`
}

// PathHeard says that it carries something again.
type PathHeard struct {
	Attempt int `json:"attempt"`
}

// PathMoved says that the transport in use goes over another rung or port now, of itself: a browser chooses among all
// addresses it was ever given.
type PathMoved struct {
	Attempt int        `json:"attempt"`
	Rung    proto.Rung `json:"rung"`
	Port    uint16     `json:"port,omitempty"` // as TransportUp's
}

// PathLoss tells every second what share of a group's packets was lost, in the worse direction.
type PathLoss struct {
	Group proto.Group `json:"group"`
	Loss  float64     `json:"loss"`
}

// NeedContent says that somebody shares: the content transport is wanted now.
type NeedContent struct{}

// NetworkChanged says that the client's own addresses changed: what stands is doubtful. Kept says that media goes on
// over UDP from the new ones, so that only what was found out of the old network is: whether long datagrams pass.
type NetworkChanged struct {
	Kept bool `json:"kept,omitempty"`
}

// Leave ends it from our side.
type Leave struct{}

// Tick lets time pass.
type Tick struct{}

// The names in traces.
func (Start) Name() string           { return "start" }
func (LookupDone) Name() string      { return "lookup_done" }
func (LookupFailed) Name() string    { return "lookup_failed" }
func (Asking) Name() string          { return "asking" }
func (Asked) Name() string           { return "asked" }
func (PingDone) Name() string        { return "ping_done" }
func (PingFailed) Name() string      { return "ping_failed" }
func (ProbeDone) Name() string       { return "probe_done" }
func (ProbeFailed) Name() string     { return "probe_failed" }
func (TunnelUp) Name() string        { return "tunnel_up" }
func (TunnelFailed) Name() string    { return "tunnel_failed" }
func (RouteDone) Name() string       { return "route_done" }
func (RouteFailed) Name() string     { return "route_failed" }
func (ControlStands) Name() string   { return "control_stands" }
func (ControlUp) Name() string       { return "control_up" }
func (Welcomed) Name() string        { return "welcomed" }
func (WaitingRoom) Name() string     { return "waiting_room" }
func (Refused) Name() string         { return "refused" }
func (ControlLost) Name() string     { return "control_lost" }
func (TransportUp) Name() string     { return "transport_up" }
func (TransportFailed) Name() string { return "transport_failed" }
func (TransportLost) Name() string   { return "transport_lost" }
func (PathCarries) Name() string     { return "path_carries" }
func (PathAnswers) Name() string     { return "path_answers" }
func (PathSilent) Name() string      { return "path_silent" }
func (PathHeard) Name() string       { return "path_heard" }
func (PathMoved) Name() string       { return "path_moved" }
func (PathLoss) Name() string        { return "path_loss" }
func (NeedContent) Name() string     { return "need_content" }
func (NetworkChanged) Name() string  { return "network_changed" }
func (Leave) Name() string           { return "leave" }
func (Tick) Name() string            { return "tick" }
