package proto

// What a page does through a tunnel (S14), where it can't have TLS to the server inside of its own:
//
//	POST /server/{zone}/{server}/ping     TunnelRequest: the controller's answer to GET ping
//	POST /server/{zone}/{server}/route    TunnelRequest with Route: the controller's answer to it
//	GET  /server/{zone}/{server}/control  WebSocket; TunnelRequest, then the messages of the router's control channel
//	POST /server/{zone}/{server}/relay    TunnelRequest: TunnelRelay, for media by TURN at the tunnel's own host and port

// TunnelPong is the body of GET {tunnel}/ping.
type TunnelPong struct {
	V  int    `json:"v"`
	ID string `json:"id"`
}

// TunnelRequest asks a tunnel to speak with a server in a page's place. No answer comes before the server's.
type TunnelRequest struct {
	V     int          `json:"v"`
	Token string       `json:"token"` // LookupAnswer.TunnelToken
	Route RouteRequest `json:"route,omitzero"`
}

// TunnelRelay opens TURN allocations (RFC 8656) at a tunnel, for minutes. They relay to Peer alone.
type TunnelRelay struct {
	V          int    `json:"v"`
	Username   string `json:"username"`
	Credential string `json:"credential"`
	Peer       string `json:"peer"` // the router's UDP 8801 as the tunnel sends there
}
