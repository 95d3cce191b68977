package proxy

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
)

// scheme is one way to log in (RFC 9110 §11). Kinds that take several steps on one connection (NTLM,
// Negotiate) fit too: each challenge makes a scheme, and authorize is its next message.
type scheme interface {
	// authorize makes the value of Proxy-Authorization for one request.
	authorize(l Login, method, uri string) (string, error)
	// accepted takes in the header of the answer to an accepted request.
	accepted(h http.Header)
	// stale says that the login was right, but for an older challenge.
	stale() bool
	realm() string
}

// challenge is one of those in Proxy-Authenticate.
type challenge struct {
	scheme string            // in lower case
	params map[string]string // names in lower case
}

// choose picks the best of what a proxy offers; nil where none is known. schemes names all of them.
func choose(h http.Header) (s scheme, schemes []string) {
	rank := 0
	for _, line := range h.Values("Proxy-Authenticate") {
		for _, c := range parseChallenges(line) {
			if !slices.Contains(schemes, c.scheme) {
				schemes = append(schemes, c.scheme)
			}
			switch d := newDigest(c); {
			case d != nil && d.sha256 && rank < 3:
				s, rank = d, 3
			case d != nil && rank < 2:
				s, rank = d, 2
			case c.scheme == "basic" && rank < 1:
				s, rank = basic(c.params["realm"]), 1
			}
		}
	}
	return s, schemes
}

// parseChallenges reads a header line: schemes, each with parameters, all separated by commas.
func parseChallenges(line string) (out []challenge) {
	for {
		line = strings.TrimLeft(line, " \t,")
		if line == "" {
			return out
		}
		word, rest := token(line)
		if word == "" {
			return out // not a challenge: nothing behind it can be trusted to be one
		}
		after := strings.TrimLeft(rest, " \t")
		if len(out) > 0 && strings.HasPrefix(after, "=") && !isToken68(after) {
			value, rest := paramValue(strings.TrimLeft(after[1:], " \t"))
			out[len(out)-1].params[strings.ToLower(word)] = value
			line = rest
			continue
		}
		out = append(out, challenge{strings.ToLower(word), map[string]string{}})
		line = after
		// A bare token (RFC 9110 token68) belongs to the scheme, as NTLM's messages do.
		if w, r := until(line, " \t,"); w != "" && (!strings.Contains(w, "=") || isToken68(w[strings.IndexByte(w, '='):])) {
			out[len(out)-1].params[""] = w
			line = r
		}
	}
}

// isToken68 tells trailing padding from the "=" of a parameter.
func isToken68(s string) bool {
	rest := strings.TrimLeft(s, "=")
	return rest == "" || rest[0] == ',' || rest[0] == ' '
}

func token(s string) (word, rest string) { return until(s, " \t,=\"") }

func until(s, stops string) (word, rest string) {
	i := strings.IndexAny(s, stops)
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

// paramValue reads a token or a quoted string.
func paramValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		return until(s, " \t,")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// basic is RFC 7617; its text is the realm.
type basic string

func (basic) authorize(l Login, _, _ string) (string, error) {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(l.User+":"+string(l.Password))), nil
}
func (basic) accepted(http.Header) {}
func (basic) stale() bool          { return false }
func (b basic) realm() string      { return string(b) }

// digest is RFC 7616 with MD5 or SHA-256, their session variants, and quality of protection "auth" or none
// (RFC 2069). Guarded by the account's mu.
type digest struct {
	realmText, nonce, opaque string
	algorithm                string // as the proxy wrote it
	sha256, session          bool
	auth, userhash, old      bool
	count                    uint32
}

// newDigest reads a Digest challenge; nil where it is none, or of a kind not known.
func newDigest(c challenge) *digest {
	if c.scheme != "digest" || c.params["nonce"] == "" {
		return nil
	}
	d := &digest{
		realmText: c.params["realm"], nonce: c.params["nonce"], opaque: c.params["opaque"], algorithm: c.params["algorithm"],
		userhash: strings.EqualFold(c.params["userhash"], "true"), old: strings.EqualFold(c.params["stale"], "true"),
	}
	name := strings.ToLower(d.algorithm)
	name, d.session = strings.CutSuffix(name, "-sess")
	switch name {
	case "", "md5":
	case "sha-256":
		d.sha256 = true
	default:
		return nil
	}
	if qop := c.params["qop"]; qop != "" {
		for q := range strings.SplitSeq(qop, ",") {
			d.auth = d.auth || strings.EqualFold(strings.TrimSpace(q), "auth")
		}
		if !d.auth {
			return nil // auth-int alone
		}
	}
	return d
}

func (d *digest) realm() string { return d.realmText }
func (d *digest) stale() bool   { return d.old }

// accepted takes the nonce for the next request, where the proxy names one.
func (d *digest) accepted(h http.Header) {
	for _, c := range parseChallenges("x " + h.Get("Proxy-Authentication-Info")) {
		if n := c.params["nextnonce"]; n != "" {
			d.nonce, d.count = n, 0
		}
	}
}

func (d *digest) authorize(l Login, method, uri string) (string, error) {
	var raw [12]byte
	rand.Read(raw[:])
	return d.respond(l, method, uri, base64.RawURLEncoding.EncodeToString(raw[:])), nil
}

// respond is the answer with a given client nonce.
func (d *digest) respond(l Login, method, uri, cnonce string) string {
	d.count++
	nc := fmt.Sprintf("%08x", d.count)
	a1 := l.User + ":" + d.realmText + ":" + string(l.Password)
	if d.session {
		a1 = d.hash(a1) + ":" + d.nonce + ":" + cnonce
	}
	middle := d.nonce
	if d.auth {
		middle += ":" + nc + ":" + cnonce + ":auth"
	}
	response := d.hash(d.hash(a1) + ":" + middle + ":" + d.hash(method+":"+uri))
	user := l.User
	if d.userhash {
		user = d.hash(user + ":" + d.realmText)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Digest username=%s, realm=%s, uri=%s, nonce=%s, response=%q", quote(user), quote(d.realmText), quote(uri), quote(d.nonce), response)
	if d.algorithm != "" {
		fmt.Fprintf(&b, ", algorithm=%s", d.algorithm)
	}
	if d.auth {
		fmt.Fprintf(&b, ", qop=auth, nc=%s, cnonce=%s", nc, quote(cnonce))
	} else if d.session {
		fmt.Fprintf(&b, ", cnonce=%s", quote(cnonce))
	}
	if d.opaque != "" {
		fmt.Fprintf(&b, ", opaque=%s", quote(d.opaque))
	}
	if d.userhash {
		b.WriteString(", userhash=true")
	}
	return b.String()
}

func (d *digest) hash(s string) string {
	var h hash.Hash = md5.New()
	if d.sha256 {
		h = sha256.New()
	}
	h.Write([]byte(s))
	return hex.EncodeToString(h.Sum(nil))
}

// quote writes a quoted string (RFC 9110 §5.6.4); a line end can't be in one.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(s) + `"`
}
