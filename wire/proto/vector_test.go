package proto

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

// messages is one example or more of every control message; the file name is the key.
var messages = map[string]Message{
	"hello": Hello{V: 1, Build: "1.0.0", Token: "eyJ.payload.sig", Key: "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		At: 1767323045123, Nonce: "bm9uY2Ugb25lIQ", Sig: "c2ln", Caps: Caps{Client: "native", Codecs: []string{"VP8", "AV1"}, VideoSlots: 9}},
	"hello-web": Hello{V: 1, Build: "1.0.0", Token: "eyJ.payload.sig", Key: "p256:BA", At: 1, Nonce: "n", Sig: "s",
		Caps: Caps{Client: "web", OneGroup: true, SlotSeed: 4000000000}, Name: "Ada", Peer: "peer-1"},
	"welcome": Welcome{V: 1, Build: "1.0.0", Router: "mmr-1", Zone: "eu", Participant: 7, Role: RoleHost,
		Meeting:     MeetingInfo{ID: "AAECAwQFBgcICQoLDA0ODw", Number: "83012345678", Topic: "Weekly <& sync>", Hosting: "cloud"},
		Groups:      []Credentials{{GroupAudio, "ufragA", "pwdA"}, {GroupVideo, "ufragV", "pwdV"}, {GroupContent, "ufragC", "pwdC"}},
		Candidates:  []Candidate{{UDP8801, "192.0.2.1:8801"}, {UDP8801, "[2001:db8::1]:8801"}, {TCP8801, "192.0.2.1:8801"}},
		Fingerprint: "sha-256 AB:CD", Slots: []Slot{{ID: 0, Mid: "v0", Kind: Video, SSRC: 4000000000, RTX: 17, Msid: "s0"}, {ID: 1, Mid: "a0", Kind: Audio, SSRC: 18, Msid: "s0"}},
		Roster: Roster{Version: 12, Put: []Person{{ID: 7, Name: "Ada", Role: RoleHost, Client: "native", Sources: []SourceState{{Kind: Audio, Muted: true, ByHost: true}}}}},
		State:  State{Locked: true, WaitingRoom: true, MuteOnEntry: true, StartedAt: 1767323045123},
		Chat:   []Chat{{Seq: 1, From: 9, Name: "Bo", Text: "salut 👋", At: 1767323000000}}, Resumed: true},
	"waiting":        Waiting{Topic: "Weekly"},
	"bye":            Bye{Code: CodeEnded, Text: "The host has ended the meeting."},
	"bye-moved":      Bye{Code: CodeMoved, Text: "The meeting is on another server.", Grant: "eyJ.grant.sig"},
	"error":          Failed{Code: CodeForbidden, Text: "Only a host may do that.", Re: "act"},
	"ping":           Ping{N: 41},
	"pong":           Pong{N: 41},
	"answer":         Answer{TWCC: []Group{GroupVideo, GroupContent}, Streams: []Stream{{Kind: Audio, SSRC: 1}, {Kind: Video, RID: "q", SSRC: 2, RTX: 3}}},
	"publish":        Publish{Kind: Video, Active: true, Codec: "VP8", Layers: []Layer{{"q", 320, 180}, {"h", 640, 360}, {"f", 1280, 720}}, Streams: []Stream{{Kind: Video, RID: "q", SSRC: 2, RTX: 3}}},
	"publish-muted":  Publish{Kind: Audio, Active: true, Muted: true},
	"wanted":         Wanted{Kind: Video, RIDs: []string{"q", "f"}},
	"wanted-nobody":  Wanted{Kind: Video, RIDs: []string{}},
	"layout":         Layout{Version: 3, Tiles: []Tile{{Source(9, Video), 720}, {Source(12, Video), 0}}},
	"slots":          Slots{Seq: 5, Changes: []Mapping{{Slot: 0, Source: Source(9, Video), Time: 90000}, {Slot: 1}}},
	"speakers":       Speakers{Active: 9, Loudest: []ParticipantID{9, 7}},
	"speakers-none":  Speakers{Loudest: []ParticipantID{}},
	"roster":         Roster{Version: 13, Put: []Person{{ID: 9, Name: "Bo", Role: RoleParticipant, Hand: 1767323045999, Waiting: true, Away: true}}, Gone: []ParticipantID{8}},
	"state":          State{StartedAt: 1767323045123},
	"say":            Said{To: 9, Text: "psst"},
	"say-all":        Said{Text: "line\nbreak and \"quotes\""},
	"chat":           Chat{Seq: 2, From: 7, Name: "Ada", To: 9, Text: "psst", At: 1767323046000},
	"hand":           Hand{Up: true},
	"react":          React{From: 7, Emoji: "❤️"},
	"act-mute":       Act{Do: ActMute, Target: 9, Kind: Video},
	"act-admit-all":  Act{Do: ActAdmit},
	"act-lock":       Act{Do: ActLock, On: true},
	"ask_unmute":     AskUnmute{Kind: Audio, By: 7},
	"stats":          Stats{Media: []MediaStats{{Kind: Video, Up: true, Path: UDP8801, Packets: 1000, Bytes: 1200000, Lost: 3, Jitter: 1.5, RTT: 20.25, Width: 1280, Height: 720, FPS: 30}}},
	"stats-nothing":  Stats{Media: []MediaStats{}},
	"hello-newcomer": Hello{V: 2, Caps: Caps{Client: "web"}},
}

// bodies is one example of every body that travels by HTTP or over the bus.
var bodies = map[string]any{
	"lookup-request": &LookupRequest{V: 1, Build: "1.0.0", Number: "83012345678", Passcode: "123456", Name: "Ada", Key: "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		Fingerprint: "sha-256 AB:CD", Client: "native", Network: Network{Proxy: "env, used", LastZone: "eu", LastRung: UDP8801}, Lobby: true},
	"lookup-answer": &LookupAnswer{V: 1, Build: "1.0.0", Meeting: MeetingInfo{ID: "AAECAwQFBgcICQoLDA0ODw", Number: "83012345678", Topic: "Weekly", Hosting: "cloud"},
		Token: "eyJ.payload.sig", Participant: 7, Role: RoleHost, ServerTime: 1767323045123,
		Zones:   []Zone{{ID: "eu", Name: "Europe", Controllers: []string{"https://c1.eu.example", "/zone/eu/c2"}, ControllerIDs: []string{"c1", "c2"}, Probes: []string{"192.0.2.1:8801"}, Bias: 15, Floor: 3}},
		Tunnels: []string{"https://tunnel.example", "/tunnel"}, TunnelToken: "eyJ.tunnel.sig", Binding: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		YourAddr: "198.51.100.7", Grants: []SignedGrant{"eyJ.grant.sig"}, Keys: []SigningKey{{ID: "k1", Key: "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}, WebURL: "https://site/j/83012345678"},
	"network-answer": &NetworkAnswer{V: 1, Build: "1.0.0", ServerTime: 1767323045123, YourAddr: "198.51.100.7", Binding: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		Zones: []NetworkZone{{Zone: Zone{ID: "eu", Name: "Europe", Controllers: []string{"https://c1.eu.example"}, ControllerIDs: []string{"c1"}, Probes: []string{"192.0.2.1:8801"}},
			Routers: []NetworkRouter{{"mmr-1", "https://mmr-1.eu.example", []Candidate{{UDP8801, "192.0.2.1:8801"}, {TLS443, "mmr-1.eu.example:443"}}, []int{56, 40, 40}}}}},
		Tunnels: []string{"https://tunnel.example"}},
	"ping-answer":   &PingAnswer{V: 1, Zone: "eu", ID: "c1", Time: 1767323045123, Load: 0.25},
	"route-request": &RouteRequest{V: 1, Token: "eyJ.payload.sig", Lost: "mmr-1"},
	"route-answer":  &RouteAnswer{V: 1, Grant: "eyJ.grant.sig"},
	"grant": &Grant{Router: "mmr-1", Zone: "eu", Meeting: "AAECAwQFBgcICQoLDA0ODw", Participant: 7, URL: "https://mmr-1.eu.example", Candidates: []Candidate{{UDP8801, "192.0.2.1:8801"}},
		Fingerprint: "sha-256 AB:CD", Groups: []Credentials{{GroupAudio, "ufragA", "pwdA"}}, Marks: []int{56, 40, 40}, Expires: 1767323055123, Home: true, Epoch: 1},
	"claims": &Claims{Issuer: "site-1", Audience: []string{"zone:eu", "zone:us"}, Meeting: "AAECAwQFBgcICQoLDA0ODw", Number: "83012345678", Participant: 7, User: "u1", Name: "Ada", Role: RoleHost,
		Permissions: []string{PermAudio, PermVideo, PermShare, PermChat}, Hosting: "cloud", Expires: 1767400000, Issued: 1767323045,
		Confirm: Confirm{Key: "hash", Fingerprint: "sha-256 AB:CD"}, Settings: Settings{WaitingRoom: true, MuteOnEntry: true, JoinBeforeHost: true, MaxPeople: 100}},
	"error-body": &Error{Code: CodeSlowDown, Text: "Too many tries; wait 8 seconds.", RetryAfter: 8},
	"router-announce": &RouterAnnounce{V: 1, Build: "1.0.0", ID: "mmr-1", Zone: "eu", URL: "https://mmr-1.eu.example", Candidates: []Candidate{{UDP8801, "192.0.2.1:8801"}}, Fingerprint: "sha-256 AB:CD",
		Marks: []int{56, 40, 40}, Shards: 2, Load: 0.25, People: 50, MaxPeople: 200, MaxMeetings: 100, Draining: true, Meetings: []MeetingLoad{{"AAECAwQFBgcICQoLDA0ODw", 12, 1}}},
	"controller-announce": &ControllerAnnounce{V: 1, Build: "1.0.0", ID: "c1", Zone: "eu", Name: "Europe", URL: "https://c1.eu.example", Hosting: "cloud", Lat: 48.86, Lon: 2.35,
		Key: SigningKey{"k2", "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, Routers: []RouterAnnounce{}},
	"claim-request":  &ClaimRequest{Meeting: "AAECAwQFBgcICQoLDA0ODw", Router: "mmr-1", Zone: "eu"},
	"claim-answer":   &ClaimAnswer{Router: "mmr-1", Zone: "eu", Epoch: 1, Ended: true},
	"home-request":   &HomeRequest{Meeting: "AAECAwQFBgcICQoLDA0ODw"},
	"revoke":         &Revoke{Meeting: "AAECAwQFBgcICQoLDA0ODw", Seat: 7, Expires: 1767400000},
	"meeting-report": &MeetingReport{Meeting: "AAECAwQFBgcICQoLDA0ODw", Router: "mmr-1", Epoch: 1, ByHost: true},
	"command":        &Command{Do: "end", Meeting: "AAECAwQFBgcICQoLDA0ODw"},
	"command-answer": &CommandAnswer{Done: true},
	"keys-request":   &KeysRequest{Zone: "eu"},
	"keys-answer":    &KeysAnswer{Site: "site-1", Tokens: []SigningKey{{"k1", "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}, ZoneKey: bytes.Repeat([]byte{7}, 32)},
	"grant-request":  &GrantRequest{Meeting: "AAECAwQFBgcICQoLDA0ODw", Participant: 7, Router: "mmr-1", Epoch: 1, Lost: "mmr-1"},
	"grant-answer":   &GrantAnswer{Grant: "eyJ.grant.sig"},
	"tunnel-open":    &TunnelOpen{V: 1, Token: "eyJ.tunnel.sig", Zone: "eu", Server: "mmr-1", Mark: 46},
	"tunnel-opened":  &TunnelOpened{V: 1},
	"tunnel-pong":    &TunnelPong{V: 1, ID: "t1"},
	"tunnel-request": &TunnelRequest{V: 1, Token: "eyJ.tunnel.sig", Route: RouteRequest{V: 1, Token: "eyJ.payload.sig", Lost: "mmr-1"}},
	"tunnel-relay":   &TunnelRelay{V: 1, Username: "tunnel.1767323945.7.AAECAwQFBgcICQoLDA0ODw.eu.mmr-1", Credential: "secret", Peer: "192.0.2.1:8801"},
	"tunnel-claims": &TunnelClaims{Issuer: "site-1", Audience: []string{TunnelAudience}, ID: "AAECAwQFBgcICQoLDA0ODw", Meeting: "AAECAwQFBgcICQoLDA0ODw", Participant: 7,
		Zones: []string{"eu", "us"}, Expires: 1767323945},
	"tunnel-announce": &TunnelAnnounce{V: 1, Build: "1.0.0", ID: "t1", URL: "https://tunnel.example", Streams: 12, Load: 0.25},
	"renew-request":   &RenewRequest{Certificate: "-----BEGIN CERTIFICATE-----\n", CSR: "-----BEGIN CERTIFICATE REQUEST-----\n"},
	"renew-answer":    &RenewAnswer{Certificate: "-----BEGIN CERTIFICATE-----\n"},
	"site-request":    &SiteRequest{},
	"site-answer":     &SiteAnswer{Site: "site-1", Tokens: []SigningKey{{"k1", "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}},
}

// golden compares compact JSON with a file that holds it indented, or rewrites the file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		var b bytes.Buffer
		if err := json.Indent(&b, got, "", "  "); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, raw); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got\n%s\nwant\n%s", got, want.Bytes())
	}
}

func TestMessageVectors(t *testing.T) {
	seen := map[string]bool{}
	for name, m := range messages {
		t.Run(name, func(t *testing.T) {
			got := Encode(m)
			golden(t, filepath.Join("testdata", "messages", name+".json"), got)
			back, err := Decode(got)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, m) {
				t.Errorf("came back as %#v, want %#v", back, m)
			}
		})
		seen[m.Type()] = true
	}
	// Decode knows these types; each has a vector.
	for _, typ := range []string{"hello", "welcome", "waiting", "bye", "error", "ping", "pong", "answer", "publish", "wanted", "layout",
		"slots", "speakers", "roster", "state", "say", "chat", "hand", "react", "act", "ask_unmute", "stats"} {
		if !seen[typ] {
			t.Errorf("no vector for %q", typ)
		}
	}
	files, err := filepath.Glob("testdata/messages/*.json")
	if err != nil || len(files) != len(messages) {
		t.Errorf("%d vector files for %d messages (%v)", len(files), len(messages), err)
	}
}

func TestBodyVectors(t *testing.T) {
	for name, v := range bodies {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "bodies", name+".json"), got)
			back := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			if err := json.Unmarshal(got, back); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, v) {
				t.Errorf("came back as %+v, want %+v", back, v)
			}
		})
	}
}

// TestTruncated: a message cut anywhere is an error with a code, and never a panic.
func TestTruncated(t *testing.T) {
	for name, m := range messages {
		b := Encode(m)
		for n := range b {
			got, err := Decode(b[:n])
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeBadRequest {
				t.Fatalf("%s cut to %d bytes: %v, %v; want bad_request", name, n, got, err)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name, in string
		want     Message // nil: bad_request
	}{
		{"unknown type", `{"t":"teleport","to":7}`, Unknown{T: "teleport"}},
		{"unknown field", `{"t":"ping","n":3,"colour":"blue"}`, Ping{N: 3}},
		{"type last", `{"n":3,"t":"ping"}`, Ping{N: 3}},
		{"pong", `{"t":"pong","n":0}`, Pong{}},
		{"spaces", `{"t": "ping", "n": 3 }`, Ping{N: 3}},
		{"below zero", `{"t":"ping","n":-3}`, Ping{N: -3}},
		{"the largest number", `{"t":"ping","n":9223372036854775807}`, Ping{N: 1<<63 - 1}},
		{"the smallest number", `{"t":"pong","n":-9223372036854775808}`, Pong{N: -1 << 63}},
		{"over 64 bits", `{"t":"ping","n":9223372036854775808}`, nil},
		{"leading zero", `{"t":"ping","n":03}`, nil},
		{"no number", `{"t":"ping","n":}`, nil},
		{"fraction", `{"t":"ping","n":1.5}`, nil},
		{"not closed", `{"t":"ping","n":3`, nil},
		{"field missing", `{"t":"hand"}`, Hand{}},
		{"null list", `{"t":"wanted","kind":1,"rids":null}`, Wanted{Kind: Video}},
		{"no type", `{"n":3}`, nil},
		{"empty type", `{"t":"","n":3}`, nil},
		{"type not a string", `{"t":7}`, nil},
		{"wrong field type", `{"t":"ping","n":"three"}`, nil},
		{"negative id", `{"t":"say","to":-1,"text":"x"}`, nil},
		{"id over 32 bits", `{"t":"say","to":4294967296,"text":"x"}`, nil},
		{"array", `[{"t":"ping"}]`, nil},
		{"two messages", `{"t":"ping"}{"t":"ping"}`, nil},
		{"not JSON", `hello`, nil},
		{"empty", ``, nil},
		{"null", `null`, nil},
		{"deep nesting", `{"t":"ping","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode([]byte(tt.in))
			var e *Error
			switch {
			case tt.want == nil && (!errors.As(err, &e) || e.Code != CodeBadRequest):
				t.Errorf("got %#v, %v; want bad_request", got, err)
			case tt.want != nil && (err != nil || !reflect.DeepEqual(got, tt.want)):
				t.Errorf("got %#v, %v; want %#v", got, err, tt.want)
			}
		})
	}
}

func TestMessageLengthLimit(t *testing.T) {
	frame := len(Encode(Said{Text: "x"})) - 1
	if _, err := Decode(Encode(Said{Text: strings.Repeat("x", MaxServerMessageLen-frame)})); err != nil {
		t.Errorf("a message of exactly MaxServerMessageLen: %v", err)
	}
	if _, err := Decode(Encode(Said{Text: strings.Repeat("x", MaxServerMessageLen-frame+1)})); err == nil {
		t.Error("one byte more is accepted")
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages {
		f.Add(Encode(m))
	}
	f.Add([]byte(`{"t":"teleport"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		if _, ok := m.(Unknown); ok {
			return
		}
		again, err := Decode(Encode(m))
		if err != nil {
			t.Fatalf("%#v does not come back: %v", m, err)
		}
		if !bytes.Equal(Encode(again), Encode(m)) {
			t.Fatalf("%#v comes back as %#v", m, again)
		}
	})
}

// helloVector is what a client needs to check its signature code against.
type helloVector struct {
	Seed   string `json:"seed"` // base64url of the Ed25519 seed
	Key    string `json:"key"`
	Token  string `json:"token"`
	Router string `json:"router"`
	At     int64  `json:"at"`
	Nonce  string `json:"nonce"`
	Text   string `json:"text"` // what is signed
	Sig    string `json:"sig"`
}

func TestHelloVector(t *testing.T) {
	seed := bytes.Repeat([]byte{1, 2, 3, 4}, 8)
	key := ed25519.NewKeyFromSeed(seed)
	v := helloVector{Seed: base64.RawURLEncoding.EncodeToString(seed), Key: "ed25519:" + base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey)),
		Token: "eyJ.payload.sig", Router: "mmr-1", At: 1767323045123, Nonce: "bm9uY2Ugb25lIQ"}
	text := HelloText(sha256.Sum256([]byte(v.Token)), v.Router, v.At, v.Nonce)
	v.Text, v.Sig = string(text), base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, text))
	hash := sha256.Sum256([]byte(v.Token))
	if want := "parley hello 1\n" + hex.EncodeToString(hash[:]) + "\nmmr-1\n1767323045123\n" + v.Nonce; v.Text != want {
		t.Errorf("text %q, want %q", v.Text, want)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/hello.json", raw)
}

// TestHelloVectorP256: the same for a page's key. The seed is the private scalar.
func TestHelloVectorP256(t *testing.T) {
	scalar := bytes.Repeat([]byte{1, 2, 3, 4}, 8)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	v := helloVector{Seed: base64.RawURLEncoding.EncodeToString(scalar), Key: "p256:" + base64.RawURLEncoding.EncodeToString(point),
		Token: "eyJ.payload.sig", Router: "mmr-1", At: 1767323045123, Nonce: "bm9uY2Ugb25lIQ"}
	text := HelloText(sha256.Sum256([]byte(v.Token)), v.Router, v.At, v.Nonce)
	sum := sha256.Sum256(text)
	der, err := key.Sign(nil, sum[:], crypto.SHA256) // without randomness: RFC 6979, the same every time
	if err != nil {
		t.Fatal(err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		t.Fatal(err)
	}
	sig := append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...)
	v.Text, v.Sig = string(text), base64.RawURLEncoding.EncodeToString(sig)
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/hello-p256.json", raw)
}
