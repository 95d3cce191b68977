package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

// webKey signs as a page does with WebCrypto: P-256, r || s.
type webKey struct{ *ecdsa.PrivateKey }

func newWebKey(t *testing.T) webKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return webKey{k}
}

func (k webKey) Key() string {
	b, err := k.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return prefixP256 + encode64(b)
}

func (k webKey) SignHello(token, router string, at int64, nonce string) string {
	sum := sha256.Sum256(proto.HelloText(sha256.Sum256([]byte(token)), router, at, nonce))
	r, s, err := ecdsa.Sign(rand.Reader, k.PrivateKey, sum[:])
	if err != nil {
		panic(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return encode64(sig)
}

func TestCheckHello(t *testing.T) {
	native, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	thief, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	web := newWebKey(t)
	for _, id := range []interface {
		Key() string
		SignHello(string, string, int64, string) string
	}{native, web} {
		claims := proto.Claims{Confirm: proto.Confirm{Key: KeyHash(id.Key())}}
		make := func(at time.Time) proto.Hello {
			return proto.Hello{V: proto.Version, Token: "tok", Key: id.Key(), At: at.UnixMilli(), Nonce: "0123456789",
				Sig: id.SignHello("tok", "mmr1", at.UnixMilli(), "0123456789")}
		}
		with := func(change func(*proto.Hello)) proto.Hello { h := make(start); change(&h); return h }
		for _, c := range []struct {
			name  string
			hello proto.Hello
			want  proto.Code
		}{
			{"good", make(start), ""},
			{"a minute old", make(start.Add(-time.Minute)), ""},
			{"a minute early", make(start.Add(time.Minute)), ""},
			{"older", make(start.Add(-time.Minute - time.Millisecond)), proto.CodeTokenExpired},
			{"earlier", make(start.Add(time.Minute + time.Millisecond)), proto.CodeTokenExpired},
			{"time changed", with(func(h *proto.Hello) { h.At++ }), proto.CodeTokenInvalid},
			{"nonce changed", with(func(h *proto.Hello) { h.Nonce = "x123456789" }), proto.CodeTokenInvalid},
			{"token changed", with(func(h *proto.Hello) { h.Token = "tik" }), proto.CodeTokenInvalid},
			{"for another router", with(func(h *proto.Hello) {
				h.Sig = id.SignHello("tok", "mmr2", h.At, h.Nonce)
			}), proto.CodeTokenInvalid},
			{"stolen token, own key", with(func(h *proto.Hello) {
				h.Key, h.Sig = thief.Key(), thief.SignHello("tok", "mmr1", h.At, h.Nonce)
			}), proto.CodeTokenInvalid},
			{"stolen token, own signature", with(func(h *proto.Hello) {
				h.Sig = thief.SignHello("tok", "mmr1", h.At, h.Nonce)
			}), proto.CodeTokenInvalid},
			{"no signature", with(func(h *proto.Hello) { h.Sig = "" }), proto.CodeTokenInvalid},
			{"short signature", with(func(h *proto.Hello) { h.Sig = h.Sig[:40] }), proto.CodeTokenInvalid},
			{"zero signature", with(func(h *proto.Hello) { h.Sig = strings.Repeat("A", 86) }), proto.CodeTokenInvalid},
			{"short nonce", with(func(h *proto.Hello) { h.Nonce = "1" }), proto.CodeBadRequest},
			{"version 0", with(func(h *proto.Hello) { h.V = 0 }), proto.CodeTooOld},
			{"a wild time", with(func(h *proto.Hello) {
				h.At = -1 << 63
				h.Sig = id.SignHello("tok", "mmr1", h.At, h.Nonce)
			}), proto.CodeTokenExpired},
		} {
			if err := CheckHello(c.hello, claims, "mmr1", start); codeOf(err) != c.want {
				t.Errorf("%.7s %s: code %q, want %q (%v)", id.Key(), c.name, codeOf(err), c.want, err)
			}
		}
	}
}

// Who is refused though they come from the lookup hears whose clock is off, and by how much.
func TestARefusedHelloTellsTheTime(t *testing.T) {
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	claims := proto.Claims{Confirm: proto.Confirm{Key: KeyHash(id.Key())}}
	for off, want := range map[time.Duration]string{
		-75 * time.Second: "By the clock of meeting server mmr1 this request is 75 s old. That clock may be wrong.",
		90 * time.Second:  "By the clock of meeting server mmr1 this request was made 90 s from now. That clock may be wrong.",
	} {
		at := start.Add(off).UnixMilli()
		h := proto.Hello{V: proto.Version, Token: "tok", Key: id.Key(), At: at, Nonce: "0123456789", Sig: id.SignHello("tok", "mmr1", at, "0123456789")}
		if err := CheckHello(h, claims, "mmr1", start); err == nil || err.Error() != want {
			t.Errorf("%v off: %v, want %q", off, err, want)
		}
	}
}

func TestCheckKey(t *testing.T) {
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	web := newWebKey(t)
	last := func(s, c string) string { return s[:len(s)-1] + c }
	for _, c := range []struct {
		name, key string
		ok        bool
	}{
		{"ed25519", id.Key(), true},
		{"p256", web.Key(), true},
		{"padding bits set", last("ed25519:"+encode64(make([]byte, 32)), "B"), false}, // a second spelling
		{"padded", id.Key() + "=", false},
		{"line end", id.Key() + "\n", false},
		{"point not on the curve", prefixP256 + encode64(append([]byte{4}, make([]byte, 64)...)), false},
		{"compressed point", prefixP256 + encode64(append([]byte{2}, make([]byte, 32)...)), false},
		{"short", "ed25519:AAAA", false},
		{"no kind", "AAAA", false},
		{"empty", "", false},
	} {
		if err := CheckKey(c.key); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestReplay(t *testing.T) {
	r := NewReplay(100)
	h := proto.Hello{Token: "a", Key: "k", Nonce: "n1"}
	if err := r.Check(start, h); err != nil {
		t.Fatal(err)
	}
	h.Sig = "another spelling" // the signature is no part of what is remembered
	if got := codeOf(r.Check(start.Add(2*time.Minute), h)); got != proto.CodeReplayed {
		t.Errorf("the same hello: %q", got)
	}
	if err := r.Check(start, proto.Hello{Token: "a", Key: "k", Nonce: "n2"}); err != nil {
		t.Errorf("another nonce: %v", err)
	}
	if err := r.Check(start.Add(2*time.Minute+1), h); err != nil {
		t.Errorf("after its time could pass no more: %v", err)
	}
}

func TestReplayIsBounded(t *testing.T) {
	r := NewReplay(replayPerKey + 2)
	for i := range replayPerKey {
		if err := r.Check(start, proto.Hello{Key: "greedy", Nonce: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := codeOf(r.Check(start, proto.Hello{Key: "greedy", Nonce: "more"})); got != proto.CodeSlowDown {
		t.Errorf("one key too often: %q", got)
	}
	for i := range 2 {
		if err := r.Check(start, proto.Hello{Token: "o", Key: "other", Nonce: fmt.Sprint(i)}); err != nil {
			t.Errorf("another key suffers: %v", err)
		}
	}
	if got := codeOf(r.Check(start, proto.Hello{Token: "t", Key: "third", Nonce: "x"})); got != proto.CodeSlowDown {
		t.Errorf("over the limit: %q", got)
	}
	if err := r.Check(start.Add(3*time.Minute), proto.Hello{Key: "greedy", Nonce: "more"}); err != nil {
		t.Errorf("after two minutes: %v", err)
	}
	if len(r.seen) != 1 || len(r.byKey) != 1 || len(r.queue)-r.head != 1 {
		t.Errorf("kept %d, %d, %d; want 1 of each", len(r.seen), len(r.byKey), len(r.queue)-r.head)
	}
}
