package proto

// NetworkAnswer is the body of GET {site}/network: what a client needs to examine its network without a
// meeting (`parley doctor`). Anybody may ask; addresses are slowed.
type NetworkAnswer struct {
	V          int           `json:"v"`
	Build      string        `json:"build"`
	ServerTime int64         `json:"server_time"`       // milliseconds since 1970
	YourAddr   string        `json:"your_addr"`         // as the site saw it
	Binding    string        `json:"binding,omitempty"` // as in LookupAnswer
	Zones      []NetworkZone `json:"zones"`             // best first
	Tunnels    []string      `json:"tunnels,omitempty"` // base URLs; may be relative to the site
}

// NetworkZone is a zone with some of its routers.
type NetworkZone struct {
	Zone
	Routers []NetworkRouter `json:"routers"`
}

// NetworkRouter is where a router's media can be reached. Each of these ways answers a STUN Binding request
// without USERNAME.
type NetworkRouter struct {
	ID         string      `json:"id"`
	URL        string      `json:"url"`             // base URL; may be relative to the site
	Candidates []Candidate `json:"candidates"`      // of every rung
	Marks      []int       `json:"marks,omitempty"` // as in Grant
}
