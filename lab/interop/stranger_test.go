package interop

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Who does something wrong is told what, with the code that PROTOCOL.md §1 promises.
func TestRefusalsCarryTheirCode(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	id := newIdentity(t, false)
	good := lookupRequest{V: 1, Number: m.number, Passcode: m.passcode, Name: "X", Key: id.key, Fingerprint: id.fingerprint, Client: "native"}
	texts := map[string]string{}
	for _, c := range []struct {
		name   string
		path   string
		body   func(q lookupRequest) any
		status int
		code   string
	}{
		{"wrong passcode", "/lookup", func(q lookupRequest) any { q.Passcode = "000"; return q }, 404, "no_such_meeting"},
		{"no such number", "/lookup", func(q lookupRequest) any { q.Number = "999999999"; return q }, 404, "no_such_meeting"},
		{"a key that is none", "/lookup", func(q lookupRequest) any { q.Key = "ed25519:AAAA"; return q }, 400, "bad_request"},
		{"no fingerprint", "/lookup", func(q lookupRequest) any { q.Fingerprint = ""; return q }, 400, "bad_request"},
		{"a version that never was", "/lookup", func(q lookupRequest) any { q.V = 0; return q }, 426, "too_old"},
		{"a token that is none", "route", func(lookupRequest) any { return map[string]any{"v": 1, "token": "a.b.c"} }, 401, "token_invalid"},
	} {
		address := m.url + c.path
		if c.path == "route" {
			a, _, err := m.lookup(id, "X", false)
			if err != nil {
				t.Fatal(err)
			}
			base, err := m.resolve(a.Zones[0].Controllers[0])
			if err != nil {
				t.Fatal(err)
			}
			address = base + "/route"
		}
		err := m.post(address, "application/json", c.body(good), &struct{}{})
		var r *refused
		if !errors.As(err, &r) || r.status != c.status || r.Code != c.code {
			t.Errorf("%s: %v, want %d %s", c.name, err, c.status, c.code)
			continue
		}
		texts[c.name] = r.Text
	}
	if texts["wrong passcode"] != texts["no such number"] {
		t.Errorf("a wrong passcode is told from a wrong number: %q, %q", texts["wrong passcode"], texts["no such number"])
	}
	var a lookupAnswer
	if err := m.post(m.url+"/lookup", "application/json", good, &a); err != nil || a.Token == "" {
		t.Errorf("lookup by passcode: %v", err)
	}
}

// A hello that is not what it claims ends the channel with the reason.
func TestHellosThatAreRefused(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	id := newIdentity(t, false)
	a, ahead, err := m.lookup(id, "X", false)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := m.route(a)
	if err != nil {
		t.Fatal(err)
	}
	g, err := openGrant(a, signed)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Now().Add(ahead) }
	used := signHello(id, a.Token, g.Router, now(), 1)
	if got, _ := firstAnswer(t, m, g, used); got != "welcome" {
		t.Fatalf("a good hello is answered by %s", got)
	}
	wrong := signHello(id, a.Token, g.Router, now(), 1)
	wrong.Nonce = "another-nonce"
	old := signHello(id, a.Token, g.Router, now().Add(-2*time.Minute), 1)
	ancient := signHello(id, a.Token, g.Router, now(), 1)
	ancient.V = 0
	for _, c := range []struct {
		name  string
		hello hello
		code  string
	}{
		{"the same hello twice", used, "replayed"},
		{"a signature over something else", wrong, "token_invalid"},
		{"a hello for another router", signHello(id, a.Token, "elsewhere", now(), 1), "token_invalid"},
		{"somebody else's key", signHello(newIdentity(t, true), a.Token, g.Router, now(), 1), "token_invalid"},
		{"two minutes ago", old, "token_expired"},
		{"a version that never was", ancient, "too_old"},
	} {
		if kind, r := firstAnswer(t, m, g, c.hello); kind != "bye" || r.Code != c.code {
			t.Errorf("%s: %s %+v, want bye %s", c.name, kind, r, c.code)
		}
	}
}

// firstAnswer is what a router says to a hello.
func firstAnswer(t *testing.T, m meeting, g grant, h hello) (kind string, r refusal) {
	t.Helper()
	ws, err := m.dialControl(g)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if err := ws.WriteMessage(1, control("hello", h)); err != nil {
		t.Fatal(err)
	}
	ws.SetReadDeadline(time.Now().Add(patience))
	_, b, err := ws.ReadMessage()
	if err != nil {
		t.Fatalf("no answer to a hello: %v", err)
	}
	var head struct {
		T string `json:"t"`
		refusal
	}
	if err := json.Unmarshal(b, &head); err != nil {
		t.Fatal(err)
	}
	return head.T, head.refusal
}

// What a router does not know or does not allow is answered, and the channel goes on.
func TestTheChannelGoesOnAfterARefusedMessage(t *testing.T) {
	t.Parallel()
	ada := join(t, newMeeting(t), "Ada", options{})
	ada.send("x_hologram", map[string]int{"depth": 3})
	ada.send("act", map[string]any{"do": "end"})
	ada.send("say", map[string]any{"text": ""})
	ada.send("publish", map[string]any{"kind": 17, "active": true})
	ada.send("ping", map[string]int{"n": 4711})
	ada.until("four refusals and a pong", func() bool { return len(ada.errors) >= 4 && ada.pongs > 0 })
	ada.mu.Lock()
	defer ada.mu.Unlock()
	for i, want := range []refusal{{Code: "unsupported", Re: "x_hologram"}, {Code: "forbidden", Re: "act"}, {Code: "bad_request", Re: "say"}, {Code: "bad_request", Re: "publish"}} {
		got := ada.errors[i]
		if got.Code != want.Code || got.Re != want.Re || got.Text == "" {
			t.Errorf("refusal %d: %+v, want %+v and a text", i, got, want)
		}
	}
}

// The two measurements of zone selection: a request to the controller, and STUN without a user name to
// the probe address, whose answer is never longer than the question.
func TestAStrangerMeasuresAZone(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	a, _, err := m.lookup(newIdentity(t, false), "X", false)
	if err != nil {
		t.Fatal(err)
	}
	z := a.Zones[0]
	base, err := m.resolve(z.Controllers[0])
	if err != nil {
		t.Fatal(err)
	}
	resp, err := m.http.Get(base + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var pong pingAnswer
	if err := decode(resp, &pong); err != nil || pong.V != 1 || pong.Zone != z.ID || !strings.Contains(base, pong.ID) {
		t.Errorf("ping: %+v, %v", pong, err)
	}
	for _, c := range []struct{ size, want int }{{32, 32}, {1200, 1200}} {
		got, from := probe(t, z.Probes[0], c.size)
		if got != c.want || !from {
			t.Errorf("a probe of %d bytes is answered by %d, our address in it: %v", c.size, got, from)
		}
	}
}

// probe sends a Binding request of a size and reads the answer's length, and whether it has our address.
func probe(t *testing.T, address string, size int) (length int, mapped bool) {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const cookie, bindingRequest, bindingSuccess, paddingAttr, xorMapped = 0x2112a442, 0x0001, 0x0101, 0x0026, 0x0020
	q := binary.BigEndian.AppendUint16(nil, bindingRequest)
	q = binary.BigEndian.AppendUint16(q, uint16(size-20))
	q = binary.BigEndian.AppendUint32(q, cookie)
	q = append(q, "interop-test"...)
	q = binary.BigEndian.AppendUint16(q, paddingAttr)
	q = binary.BigEndian.AppendUint16(q, uint16(size-24))
	q = append(q, bytes.Repeat([]byte{0}, size-24)...)
	if _, err := c.Write(q); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2048)
	n, err := c.Read(b)
	if err != nil {
		t.Fatalf("no answer to a probe of %d bytes: %v", size, err)
	}
	b = b[:n]
	if n < 20 || binary.BigEndian.Uint16(b) != bindingSuccess || !bytes.Equal(b[4:20], q[4:20]) {
		t.Fatalf("the answer to a probe is %x", b)
	}
	local := c.LocalAddr().(*net.UDPAddr).AddrPort()
	for at := b[20:]; len(at) >= 4; {
		kind, size := binary.BigEndian.Uint16(at), int(binary.BigEndian.Uint16(at[2:]))
		if len(at) < 4+size {
			break
		}
		if v := at[4 : 4+size]; kind == xorMapped && size == 8 {
			port := binary.BigEndian.Uint16(v[2:]) ^ cookie>>16
			ip := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(v[4:])^cookie)))
			mapped = netip.AddrPortFrom(ip, port) == local
		}
		at = at[4+(size+3)&^3:]
	}
	return n, mapped
}
