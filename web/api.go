package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/sys/store"
	"parley/sys/trust"
	"parley/wire/proto"
)

// The error codes of the REST API, in one table because published sources disagree on several.
const (
	codeInvalid     = 300  // 400: a field or the body; also 404 for a path that does not exist
	codeToken       = 124  // 401: bearer token missing, unknown or expired
	codeCredentials = 200  // 401: address or password wrong
	codeForbidden   = 403  // 403: the account may not do this
	codeNoUser      = 1001 // 404
	codeUserExists  = 1005 // 409
	codeNoMeeting   = 3001 // 404
	codeLastAdmin   = 1010 // 409: the site would be left without an administrator
	codeSlowDown    = 429  // 429
	codeInternal    = 500  // 500
)

// apiError is a refused request of the REST API, and the body it is answered with.
type apiError struct {
	Status  int          `json:"-"`
	Code    int          `json:"code"`
	Message string       `json:"message"`
	Errors  []fieldError `json:"errors,omitempty"`
}

// fieldError is what is wrong with one field of a request.
type fieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Message }

func refuse(status, code int, message string) *apiError {
	return &apiError{Status: status, Code: code, Message: message}
}

var (
	errForbidden = refuse(http.StatusForbidden, codeForbidden, "This account is not permitted to do this.")
	errForeign   = refuse(http.StatusForbidden, codeForbidden, "This request comes from another site.")
	errToken     = refuse(http.StatusUnauthorized, codeToken, "Invalid access token.")
)

func noUser(id string) *apiError {
	return refuse(http.StatusNotFound, codeNoUser, fmt.Sprintf("User does not exist: %s.", id))
}

func noMeeting(id string) *apiError {
	return refuse(http.StatusNotFound, codeNoMeeting, fmt.Sprintf("Meeting does not exist: %s.", id))
}

// invalid refuses a request for one field.
func invalid(field, message string) *apiError {
	return &apiError{http.StatusBadRequest, codeInvalid, "Validation Failed.", []fieldError{{field, message}}}
}

// caller is who makes a request of the REST API.
type caller struct {
	user store.User
}

func (c caller) admin() bool { return c.user.Role == store.RoleAdmin }

// call is one request of the REST API: its caller is known. The answer is a status and a body to be
// written as JSON, nil for none.
type call func(r *http.Request, c caller) (status int, body any, err error)

// api turns a call into a handler: finds the caller, writes the answer or the error.
func (s *Server) api(do call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		trace := s.trace(w)
		u, err := s.bearer(r)
		if err == nil {
			var status int
			var body any
			if status, body, err = do(r, caller{u}); err == nil {
				render(w, status, body)
				return
			}
		}
		s.renderError(w, r, trace, err)
	}
}

// trace names a request, in its answer and in the log.
func (s *Server) trace(w http.ResponseWriter) string {
	var b [16]byte
	rand.Read(b[:])
	id := "WEB_" + hex.EncodeToString(b[:])
	w.Header().Set("x-zm-trackingid", "v=2.0;clid="+s.cfg.Site.ID()+";rid="+id)
	w.Header().Set("Cache-Control", "no-store")
	return id
}

func (s *Server) renderError(w http.ResponseWriter, r *http.Request, trace string, err error) {
	var e *apiError
	switch {
	case errors.As(err, &e):
	case errors.Is(err, store.ErrLastAdmin):
		e = refuse(http.StatusConflict, codeLastAdmin, "The site would be left without an administrator.")
	default:
		if r.Context().Err() == nil {
			s.log.Error("request failed", "path", r.Pattern, "trace", trace, "err", err)
		}
		e = refuse(http.StatusInternalServerError, codeInternal, "Something went wrong on the server; its log has the details under "+trace+".")
	}
	render(w, e.Status, e)
}

// render writes a JSON answer. Field values are the site's own data for programs, so no HTML escapes.
func render(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(body)
}

func noSuchPath(*http.Request, caller) (int, any, error) {
	return 0, nil, refuse(http.StatusNotFound, codeInvalid, "This API endpoint is not recognized.")
}

// token is the bearer token of a request, "" without one.
func token(r *http.Request) string {
	scheme, t, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(t)
}

// bearer finds the account a request speaks for: by its bearer token, or by the cookie of a page of ours.
// errToken where there is neither; errForeign where another site's page made the browser send the cookie.
func (s *Server) bearer(r *http.Request) (store.User, error) {
	t := token(r)
	if t == "" {
		if t = cookie(r); t != "" && s.foreign.Check(r) != nil {
			return store.User{}, errForeign
		}
	}
	if t == "" {
		return store.User{}, errToken
	}
	hash := trust.HashToken(t)
	if s.token != "" && hmac.Equal([]byte(hash), []byte(s.token)) {
		u, err := s.cfg.Store.FirstAdmin(r.Context())
		if errors.Is(err, store.ErrNotFound) {
			return u, errToken
		}
		return u, err
	}
	u, err := s.cfg.Store.SessionUser(r.Context(), hash, s.now())
	if errors.Is(err, store.ErrNotFound) {
		return u, errToken
	}
	return u, err
}

// object is the JSON object of a request, read field by field so that every fault is reported, and so
// that an absent field is not a zero one. Unknown fields are ignored.
type object struct {
	fields map[string]json.RawMessage
	prefix string
	faults *[]fieldError
}

// readObject reads the body of a request.
func readObject(r *http.Request) (object, error) {
	b, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, proto.MaxMessageLen))
	o := object{faults: new([]fieldError)}
	if err != nil || json.Unmarshal(b, &o.fields) != nil || o.fields == nil {
		return o, refuse(http.StatusBadRequest, codeInvalid, "Request Body should be a valid JSON object.")
	}
	return o, nil
}

// err is nil, or the refusal that lists all faults found.
func (o object) err() error {
	if len(*o.faults) == 0 {
		return nil
	}
	return &apiError{http.StatusBadRequest, codeInvalid, "Validation Failed.", *o.faults}
}

func (o object) fault(field, format string, args ...any) {
	*o.faults = append(*o.faults, fieldError{o.prefix + field, fmt.Sprintf(format, args...)})
}

// has reports whether a field is there and not null.
func (o object) has(field string) bool {
	raw, ok := o.fields[field]
	return ok && string(raw) != "null"
}

// object is a field that holds an object; an empty one if absent.
func (o object) object(field string) object {
	in := object{prefix: o.prefix + field + ".", faults: o.faults}
	if o.has(field) && json.Unmarshal(o.fields[field], &in.fields) != nil {
		o.fault(field, "Must be a JSON object.")
	}
	return in
}

// text reads a string of min to max characters into to, if the field is there.
func (o object) text(field string, to *string, min, max int) bool {
	if !o.has(field) {
		return false
	}
	var v string
	if json.Unmarshal(o.fields[field], &v) != nil {
		o.fault(field, "Must be a string.")
		return false
	}
	switch n := len([]rune(v)); {
	case n > max:
		o.fault(field, "Must be at most %d characters.", max)
	case n < min:
		o.fault(field, "Must be at least %d characters.", min)
	default:
		*to = v
		return true
	}
	return false
}

// number reads a whole number of min to max into to, if the field is there.
func (o object) number(field string, to *int, min, max int) bool {
	if !o.has(field) {
		return false
	}
	var v int
	if json.Unmarshal(o.fields[field], &v) != nil {
		o.fault(field, "Must be a whole number.")
		return false
	}
	if v < min || v > max {
		o.fault(field, "Must be from %d to %d.", min, max)
		return false
	}
	*to = v
	return true
}

// flag reads a boolean into to, if the field is there.
func (o object) flag(field string, to *bool) {
	if o.has(field) && json.Unmarshal(o.fields[field], to) != nil {
		o.fault(field, "Must be true or false.")
	}
}

// oneOf reads one of the choices into to, if the field is there.
func (o object) oneOf(field string, to *string, choices ...string) bool {
	var v string
	if !o.text(field, &v, 0, 100) {
		return false
	}
	for _, c := range choices {
		if v == c {
			*to = v
			return true
		}
	}
	o.fault(field, "Must be one of %s.", strings.Join(choices, ", "))
	return false
}

// page is the place in a list a request asks for.
type page struct {
	Size, Number int
	After        string // key of the last element seen, from the token; empty: by Number
	query        string // what the list is filtered by; a token is good for the same list only
}

// pageOf reads the paging parameters. What filters the list comes in as parts.
func (s *Server) pageOf(r *http.Request, parts ...string) (page, error) {
	q := r.URL.Query()
	p := page{Size: 30, Number: 1, query: r.URL.Path + "?" + strings.Join(parts, "&")}
	for _, f := range []struct {
		name     string
		to       *int
		max      int
		tolerant bool
	}{{"page_size", &p.Size, 300, true}, {"page_number", &p.Number, 1 << 20, false}} {
		v := q.Get(f.name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > f.max && !f.tolerant {
			return p, invalid(f.name, fmt.Sprintf("Must be from 1 to %d.", f.max))
		}
		*f.to = min(n, f.max)
	}
	if t := q.Get("next_page_token"); t != "" {
		var ok bool
		if p.After, ok = s.openPageToken(t, p.query); !ok {
			return p, invalid("next_page_token", "Invalid or expired; ask for the first page again.")
		}
		p.Number = 1
	}
	return p, nil
}

func (p page) offset() int {
	if p.After != "" {
		return 0
	}
	return (p.Number - 1) * p.Size
}

// pageBody is the paging part of a list's answer.
type pageBody struct {
	PageCount     int    `json:"page_count"`
	PageNumber    int    `json:"page_number"`
	PageSize      int    `json:"page_size"`
	TotalRecords  int    `json:"total_records"`
	NextPageToken string `json:"next_page_token"`
}

// body makes the paging part. n elements are in this page, and last is the key of the last one.
func (s *Server) pageBody(p page, n, total int, last string) pageBody {
	b := pageBody{PageCount: (total + p.Size - 1) / p.Size, PageNumber: p.Number, PageSize: p.Size, TotalRecords: total}
	if n == p.Size && (p.After != "" || p.offset()+n < total) {
		b.NextPageToken = s.sealPageToken(p.query, last)
	}
	return b
}

// pageTokenFor is how long a next_page_token is good.
const pageTokenFor = 15 * time.Minute

func (s *Server) sealPageToken(query, key string) string {
	text := strconv.FormatInt(s.now().Add(pageTokenFor).Unix(), 36) + " " + key
	return base64.RawURLEncoding.EncodeToString([]byte(text)) + "." + s.pageMAC(query, text)
}

func (s *Server) openPageToken(t, query string) (key string, ok bool) {
	head, mac, _ := strings.Cut(t, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || !hmac.Equal([]byte(mac), []byte(s.pageMAC(query, string(text)))) {
		return "", false
	}
	at, key, _ := strings.Cut(string(text), " ")
	expires, err := strconv.ParseInt(at, 36, 64)
	return key, err == nil && s.now().Unix() < expires
}

func (s *Server) pageMAC(query, text string) string {
	h := hmac.New(sha256.New, s.pageKey)
	fmt.Fprintf(h, "page\n%s\n%s", query, text)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// stampText is a time as the API writes it, "" for none.
func stampText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// userOf finds the account a path names: an id, an address or "me". Only an administrator may name
// another than their own, whether it exists or not.
func (s *Server) userOf(ctx context.Context, c caller, name string) (store.User, error) {
	if name == "me" || name == c.user.ID || strings.EqualFold(name, c.user.Email) {
		return c.user, nil
	}
	if !c.admin() {
		return store.User{}, errForbidden
	}
	var u store.User
	var err error
	if strings.Contains(name, "@") {
		u, err = s.cfg.Store.UserByEmail(ctx, name)
	} else {
		u, err = s.cfg.Store.User(ctx, name)
	}
	if errors.Is(err, store.ErrNotFound) {
		return u, noUser(name)
	}
	return u, err
}
