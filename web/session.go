package web

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/sys/store"
	"parley/sys/trust"
)

// sessionFor is how long a sign-in lasts.
const sessionFor = 7 * 24 * time.Hour

// The cookie of a page. Over HTTPS its prefix makes browsers keep it to this very host and path, and
// refuse it over plain HTTP; the plain listener, which is for this machine alone, has a name of its own.
const (
	cookieName      = "__Host-parley"
	cookieNamePlain = "parley-local"
)

// cookie is the session token a browser sent, "" without one.
func cookie(r *http.Request) string {
	for _, name := range [...]string{cookieName, cookieNamePlain} {
		if c, err := r.Cookie(name); err == nil && c.Value != "" && (name == cookieName || r.TLS == nil) {
			return c.Value
		}
	}
	return ""
}

// setCookie gives a browser its session, or with an empty token takes it away.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, token string, expires time.Time) {
	c := &http.Cookie{Name: cookieNamePlain, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Expires: expires}
	if r.TLS != nil || s.cfg.Balancers.Sent(r) && r.Header.Get("X-Forwarded-Proto") == "https" {
		c.Name, c.Secure = cookieName, true
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// signIn answers POST /api/v1/session: address and password in, a bearer token out, as a cookie too.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	trace := s.trace(w)
	if s.foreign.Check(r) != nil {
		s.renderError(w, r, trace, errForeign) // nobody is signed in as somebody else behind their back
		return
	}
	body, err := s.openSession(w, r)
	if err != nil {
		s.renderError(w, r, trace, err)
		return
	}
	render(w, http.StatusOK, body)
}

// sessionBody is the answer to a sign-in.
type sessionBody struct {
	Token     string   `json:"token"`
	ExpiresAt string   `json:"expires_at"`
	User      userBody `json:"user"`
}

func (s *Server) openSession(w http.ResponseWriter, r *http.Request) (sessionBody, error) {
	var none sessionBody
	o, err := readObject(r)
	if err != nil {
		return none, err
	}
	var email, password string
	o.text("email", &email, 0, 128)
	o.text("password", &password, 0, 1024)
	for _, f := range []string{"email", "password"} {
		if !o.has(f) {
			o.fault(f, "Is required.")
		}
	}
	if err := o.err(); err != nil {
		return none, err
	}
	email = strings.ToLower(strings.TrimSpace(email))
	now, addr := s.now(), s.cfg.Balancers.Client(r)

	// The hash takes tens of milliseconds, too long for the guard's lock. Each try is counted as a
	// failure before it is looked at, so that many at once count one by one; a right password clears that.
	if _, wait := s.logins.try(now, addr, email, false, func() bool { return false }); wait > 0 {
		return none, slowDown(w, wait)
	}
	u, err := s.cfg.Store.UserByEmail(r.Context(), email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return none, err
	}
	ok, rehash, err := s.hasher.CheckPassword(r.Context(), u.Password, password)
	if err != nil {
		return none, err
	}
	if !ok || u.Status != store.UserActive {
		return none, refuse(http.StatusUnauthorized, codeCredentials, "The email address or the password is wrong.")
	}
	s.logins.forgive(addr, email)

	newHash := ""
	if rehash {
		if newHash, err = s.hasher.HashPassword(r.Context(), password); err != nil {
			return none, err
		}
	}
	token := trust.NewAPIToken()
	x := store.Session{Hash: trust.HashToken(token), UserID: u.ID, Kind: store.SessionLogin, CreatedAt: now, ExpiresAt: now.Add(sessionFor)}
	if err := s.cfg.Store.CreateSession(r.Context(), x); err != nil {
		return none, err
	}
	if err := s.cfg.Store.LoggedIn(r.Context(), u.ID, u.Password, newHash, now); err != nil {
		return none, err
	}
	u.LoginAt = now
	s.setCookie(w, r, token, x.ExpiresAt)
	return sessionBody{token, stampText(x.ExpiresAt), s.userBody(u)}, nil
}

func slowDown(w http.ResponseWriter, wait time.Duration) error {
	w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
	return refuse(http.StatusTooManyRequests, codeSlowDown, "Too many tries. Wait a moment and try again.")
}

// seconds rounds a wait up: who comes back after it gets a look.
func seconds(wait time.Duration) int { return int((wait + time.Second - 1) / time.Second) }

// whoAmI answers GET /api/v1/session with the account, or to a page of nobody's with null: a guest is no
// fault, and a browser would show a refusal as one. A bearer token that is not known is refused.
func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) {
	trace := s.trace(w)
	var body struct {
		User *userBody `json:"user"`
	}
	u, err := s.bearer(r)
	switch {
	case err == nil:
		b := s.userBody(u)
		body.User = &b
	case token(r) == "" && errors.Is(err, errToken):
	default:
		s.renderError(w, r, trace, err)
		return
	}
	render(w, http.StatusOK, body)
}

// signOut answers DELETE /api/v1/session. A token nobody knows is signed out already.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	trace := s.trace(w)
	t := token(r)
	if t == "" {
		if t = cookie(r); t != "" && s.foreign.Check(r) != nil {
			s.renderError(w, r, trace, errForeign)
			return
		}
		s.setCookie(w, r, "", time.Time{})
	}
	if t == "" {
		s.renderError(w, r, trace, errToken)
		return
	}
	if err := s.cfg.Store.DeleteSession(r.Context(), trust.HashToken(t)); err != nil {
		s.renderError(w, r, trace, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// jwks answers GET /.well-known/jwks.json with the keys of meeting tokens (RFC 7517, RFC 8037).
func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	type key struct {
		Kty string `json:"kty"`
		Crv string `json:"crv"`
		X   string `json:"x"`
		Kid string `json:"kid"`
		Use string `json:"use"`
		Alg string `json:"alg"`
	}
	keys := []key{}
	for _, k := range s.cfg.Site.Keys() {
		x, ok := strings.CutPrefix(k.Key, "ed25519:")
		if _, err := base64.RawURLEncoding.DecodeString(x); ok && err == nil {
			keys = append(keys, key{"OKP", "Ed25519", x, k.ID, "sig", "EdDSA"})
		}
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	render(w, http.StatusOK, map[string][]key{"keys": keys})
}
