package interop

import "encoding/json"

// The messages, as PROTOCOL.md and its vectors describe them. Only what this client uses.

// Kinds of source and groups of media (PROTOCOL.md §1).
const (
	audio        = 0
	video        = 1
	content      = 2
	contentAudio = 3

	nGroups = 3 // audio, video, content with its sound
)

// source is participant << 3 | kind.
func source(participant uint32, kind int) uint32 { return participant<<3 | uint32(kind) }

func kindOf(src uint32) int { return int(src & 7) }

func isAudio(kind int) bool { return kind == audio || kind == contentAudio }

// groupOf is the transport a kind travels on.
func groupOf(kind int) int { return min(kind, 2) }

type lookupRequest struct {
	V           int      `json:"v"`
	Build       string   `json:"build"`
	Number      string   `json:"number"`
	Passcode    string   `json:"passcode,omitempty"`
	Pwd         string   `json:"pwd,omitempty"`
	Name        string   `json:"name"`
	Key         string   `json:"key"`
	Fingerprint string   `json:"fingerprint"`
	Client      string   `json:"client"`
	Network     struct{} `json:"network"`
}

type lookupAnswer struct {
	Token       string `json:"token"`
	Participant uint32 `json:"participant"`
	Role        string `json:"role"`
	ServerTime  int64  `json:"server_time"`
	Zones       []struct {
		ID          string   `json:"id"`
		Controllers []string `json:"controllers"`
		Probes      []string `json:"probes"`
	} `json:"zones"`
	Grants []string `json:"grants"`
	Keys   []struct {
		ID  string `json:"kid"`
		Key string `json:"key"`
	} `json:"keys"`
}

type credentials struct {
	Group    int    `json:"group"`
	Ufrag    string `json:"ufrag"`
	Password string `json:"pwd"`
}

type candidate struct {
	Rung string `json:"rung"`
	Addr string `json:"addr"`
}

type grant struct {
	Router      string        `json:"router"`
	Zone        string        `json:"zone"`
	Participant uint32        `json:"participant"`
	URL         string        `json:"url"`
	Candidates  []candidate   `json:"candidates"`
	Fingerprint string        `json:"fingerprint"`
	Groups      []credentials `json:"groups"`
	Expires     int64         `json:"expires"`
}

type pingAnswer struct {
	V    int     `json:"v"`
	Zone string  `json:"zone"`
	ID   string  `json:"id"`
	Time int64   `json:"time"`
	Load float64 `json:"load"`
}

// refusal is the body of a refused request, and what bye and error carry.
type refusal struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Re   string `json:"re"`
}

type hello struct {
	V     int    `json:"v"`
	Build string `json:"build"`
	Token string `json:"token"`
	Key   string `json:"key"`
	At    int64  `json:"at"`
	Nonce string `json:"nonce"`
	Sig   string `json:"sig"`
	Caps  struct {
		Client     string   `json:"client"`
		Codecs     []string `json:"codecs"`
		VideoSlots int      `json:"video_slots"`
	} `json:"caps"`
}

type slot struct {
	ID   int    `json:"id"`
	Mid  string `json:"mid"`
	Kind int    `json:"kind"`
	SSRC uint32 `json:"ssrc"`
	RTX  uint32 `json:"rtx"`
	Msid string `json:"msid"`
}

type personRow struct {
	ID      uint32 `json:"id"`
	Name    string `json:"name"`
	Role    string `json:"role"`
	Sources []struct {
		Kind  int  `json:"kind"`
		Muted bool `json:"muted"`
	} `json:"sources"`
}

type roster struct {
	Version uint64      `json:"version"`
	Put     []personRow `json:"put"`
	Gone    []uint32    `json:"gone"`
}

type welcome struct {
	Router      string        `json:"router"`
	Participant uint32        `json:"participant"`
	Groups      []credentials `json:"groups"`
	Candidates  []candidate   `json:"candidates"`
	Fingerprint string        `json:"fingerprint"`
	Slots       []slot        `json:"slots"`
	Roster      roster        `json:"roster"`
	Resumed     bool          `json:"resumed"`
}

type slots struct {
	Seq     uint64 `json:"seq"`
	Changes []struct {
		Slot   int    `json:"slot"`
		Source uint32 `json:"source"`
		Time   uint32 `json:"time"`
	} `json:"changes"`
}

type chat struct {
	Seq  uint64 `json:"seq"`
	From uint32 `json:"from"`
	Name string `json:"name"`
	Text string `json:"text"`
}

type speakers struct {
	Active  uint32   `json:"active"`
	Loudest []uint32 `json:"loudest"`
}

type wanted struct {
	Kind int      `json:"kind"`
	RIDs []string `json:"rids"`
}

type stream struct {
	Kind int    `json:"kind"`
	RID  string `json:"rid,omitempty"`
	SSRC uint32 `json:"ssrc"`
	RTX  uint32 `json:"rtx,omitempty"`
}

type layer struct {
	RID    string `json:"rid,omitempty"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type publish struct {
	Kind    int      `json:"kind"`
	Active  bool     `json:"active"`
	Muted   bool     `json:"muted,omitempty"`
	Codec   string   `json:"codec,omitempty"`
	Layers  []layer  `json:"layers,omitempty"`
	Streams []stream `json:"streams,omitempty"`
}

type answer struct {
	TWCC    []int    `json:"twcc,omitempty"`
	Streams []stream `json:"streams,omitempty"`
}

type tile struct {
	Source uint32 `json:"source"`
	Height int    `json:"height"`
}

type layout struct {
	Version int    `json:"version"`
	Tiles   []tile `json:"tiles"`
}

// control makes a control message: the fields of body with the type in "t".
func control(kind string, body any) []byte {
	fields := map[string]any{}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			panic("interop: " + err.Error())
		}
		if err := json.Unmarshal(b, &fields); err != nil {
			panic("interop: " + err.Error())
		}
	}
	fields["t"] = kind
	b, err := json.Marshal(fields)
	if err != nil {
		panic("interop: " + err.Error())
	}
	return b
}
