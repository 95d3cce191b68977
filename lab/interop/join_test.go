package interop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/webrtc/v4"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

var b64 = base64.RawURLEncoding

// identity is a client's signature key and its DTLS certificate (PROTOCOL.md §2). Immutable.
type identity struct {
	key         string // as written in messages
	sign        func(text []byte) []byte
	cert        webrtc.Certificate
	fingerprint string
}

// newIdentity makes the key a native client has, or with p256 the one a page has.
func newIdentity(t *testing.T, p256 bool) identity {
	t.Helper()
	var id identity
	if p256 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := k.PublicKey.Bytes() // the uncompressed point
		if err != nil {
			t.Fatal(err)
		}
		id.key = "p256:" + b64.EncodeToString(pub)
		id.sign = func(text []byte) []byte {
			h := sha256.Sum256(text)
			r, s, err := ecdsa.Sign(rand.Reader, k, h[:])
			if err != nil {
				panic("interop: " + err.Error())
			}
			sig := make([]byte, 64)
			r.FillBytes(sig[:32])
			s.FillBytes(sig[32:])
			return sig
		}
	} else {
		pub, priv, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		id.key = "ed25519:" + b64.EncodeToString(pub)
		id.sign = func(text []byte) []byte {
			sig, err := priv.Sign(nil, text, crypto.Hash(0))
			if err != nil {
				panic("interop: " + err.Error())
			}
			return sig
		}
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := webrtc.GenerateCertificate(k)
	if err != nil {
		t.Fatal(err)
	}
	prints, err := cert.GetFingerprints()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range prints {
		if p.Algorithm == "sha-256" {
			id.fingerprint = "sha-256 " + p.Value // lower case, as pion gives it: case means nothing (RFC 8122)
		}
	}
	id.cert = *cert
	return id
}

// post sends a JSON body as text/plain or application/json, and reads the answer into out.
func (m meeting) post(address, contentType string, in, out any) error {
	return m.postAs("", address, contentType, in, out)
}

// postAs is post with a bearer token, if there is one.
func (m meeting) postAs(bearer, address, contentType string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decode(resp, out)
}

// refused is a request that was refused as PROTOCOL.md §1 has it.
type refused struct {
	status int
	refusal
}

func (r *refused) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.Code, r.Text) }

func decode(resp *http.Response, out any) error {
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		r := &refused{status: resp.StatusCode}
		if err := json.Unmarshal(b, &r.refusal); err != nil || r.Code == "" || r.Text == "" {
			return fmt.Errorf("%d with a body that is no refusal: %q", resp.StatusCode, b)
		}
		return r
	}
	return json.Unmarshal(b, out)
}

// lookup is PROTOCOL.md §2.1. clockAhead is server time minus our own.
func (m meeting) lookup(id identity, name string, host bool) (a lookupAnswer, clockAhead time.Duration, err error) {
	q := lookupRequest{
		V: 1, Build: "interop", Number: m.number, Pwd: m.pwd, Name: name,
		Key: id.key, Fingerprint: id.fingerprint, Client: "native",
	}
	if m.pwd == "" {
		q.Passcode = m.passcode
	}
	bearer := ""
	if host {
		bearer = m.token
	}
	err = retry(func() error {
		if err := m.postAs(bearer, m.url+"/lookup", "text/plain", q, &a); err != nil {
			return err
		}
		if len(a.Zones) == 0 || len(a.Zones[0].Controllers) == 0 || len(a.Zones[0].Probes) == 0 {
			return errors.New("no zone to go to") // one that has just started is known within a second
		}
		return nil
	})
	return a, time.Until(time.UnixMilli(a.ServerTime)), err
}

// resolve makes a base URL absolute: those of the site's own origin are relative to it.
func (m meeting) resolve(base string) (string, error) {
	site, err := url.Parse(m.url)
	if err != nil {
		return "", err
	}
	u, err := site.Parse(base)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// openGrant verifies a grant's signature and reads it (PROTOCOL.md §2.2).
func openGrant(a lookupAnswer, signed string) (g grant, err error) {
	parts := strings.Split(signed, ".")
	if len(parts) != 3 {
		return g, errors.New("a grant has three parts")
	}
	var raw [3][]byte
	for i := range parts {
		if raw[i], err = b64.DecodeString(parts[i]); err != nil {
			return g, err
		}
	}
	var head struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}
	if err := json.Unmarshal(raw[0], &head); err != nil {
		return g, err
	}
	if head.Alg != "EdDSA" || head.Typ != "grant+jwt" {
		return g, fmt.Errorf("grant with alg %q, typ %q", head.Alg, head.Typ)
	}
	for _, k := range a.Keys {
		if k.ID != head.Kid {
			continue
		}
		pub, err := b64.DecodeString(strings.TrimPrefix(k.Key, "ed25519:"))
		if err != nil || len(pub) != ed25519.PublicKeySize {
			return g, fmt.Errorf("signing key %q", k.Key)
		}
		if !ed25519.Verify(pub, []byte(parts[0]+"."+parts[1]), raw[2]) {
			return g, errors.New("the grant's signature is wrong")
		}
		return g, json.Unmarshal(raw[1], &g)
	}
	return g, fmt.Errorf("no key %q for the grant", head.Kid)
}

// again are the pauses between tries where the other side may not be ready yet (PROTOCOL.md §2.4).
var again = [...]time.Duration{300 * time.Millisecond, 1200 * time.Millisecond, 2700 * time.Millisecond}

// retry calls f until it succeeds, is refused for good, or has been tried often enough.
func retry(f func() error) (err error) {
	for i := 0; ; i++ {
		err = f()
		var r *refused
		if err == nil || i == len(again) || errors.As(err, &r) && r.status != http.StatusServiceUnavailable {
			return err
		}
		<-time.After(again[i])
	}
}

// route is PROTOCOL.md §2.4.
func (m meeting) route(a lookupAnswer) (signed string, err error) {
	err = retry(func() (err error) {
		signed, err = m.routeOnce(a)
		return err
	})
	return signed, err
}

func (m meeting) routeOnce(a lookupAnswer) (signed string, err error) {
	base, err := m.resolve(a.Zones[0].Controllers[0])
	if err != nil {
		return "", err
	}
	var out struct {
		Grant string `json:"grant"`
	}
	err = m.post(base+"/route", "application/json", map[string]any{"v": 1, "token": a.Token}, &out)
	return out.Grant, err
}

// signHello makes the first message of a control channel (PROTOCOL.md §3).
func signHello(id identity, token, router string, at time.Time, videoSlots int) hello {
	nonce := make([]byte, 12)
	rand.Read(nonce)
	h := hello{V: 1, Build: "interop", Token: token, Key: id.key, At: at.UnixMilli(), Nonce: b64.EncodeToString(nonce)}
	h.Caps.Client, h.Caps.Codecs, h.Caps.VideoSlots = "native", []string{"VP8", "VP9", "H264", "AV1"}, videoSlots
	text := fmt.Sprintf("parley hello 1\n%x\n%s\n%d\n%s", sha256.Sum256([]byte(token)), router, h.At, h.Nonce)
	h.Sig = b64.EncodeToString(id.sign([]byte(text)))
	return h
}

// dialControl opens the WebSocket of a grant.
func (m meeting) dialControl(g grant) (*websocket.Conn, error) {
	base, err := m.resolve(g.URL)
	if err != nil {
		return nil, err
	}
	d := websocket.Dialer{TLSClientConfig: m.tls, HandshakeTimeout: patience}
	ws, _, err := d.Dial("ws"+strings.TrimPrefix(base, "http")+"/control", nil)
	return ws, err
}
