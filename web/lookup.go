package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"parley/core/lookup"
	"parley/sys/store"
	"parley/sys/trust"
	"parley/wire/proto"
)

// Meeting lookup (S7, S8): who may join gets the meeting, a token, the zones that are best for them,
// and grants to go straight to a router. See core/lookup for the ranking, core/steer for placements.

const (
	maxGrants  = 3             // best zones that get a grant while a meeting has no home
	tokenGrace = 6 * time.Hour // a token outlives the planned end by this much, at most maxTokenLife
)

// errNoMeeting answers an unknown number and a wrong passcode alike.
var errNoMeeting = proto.NewError(proto.CodeNoSuchMeeting, "There is no meeting with this number and passcode. Check both.")

// lookup answers POST /lookup. Any page may ask: there is no cookie, and all that lets a client in is
// in the body. (Answering text/plain like application/json spares browsers a preflight.)
func (s *Server) lookup(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	answer, err := s.answerLookup(r)
	if err == nil {
		render(w, http.StatusOK, answer)
		return
	}
	var pe *proto.Error
	if !errors.As(err, &pe) {
		if r.Context().Err() == nil {
			s.log.Error("lookup failed", "err", err)
		}
		pe = proto.NewError(proto.CodeInternal, "The site has a problem. Try again in a moment.")
	}
	if pe.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(pe.RetryAfter))
	}
	render(w, pe.Code.HTTPStatus(), pe)
}

func (s *Server) answerLookup(r *http.Request) (*proto.LookupAnswer, error) {
	q, number, err := readLookup(r)
	if err != nil {
		return nil, err
	}
	user, err := s.signedIn(r)
	if err != nil {
		return nil, err
	}
	addr, now := s.cfg.Balancers.Client(r), s.now()
	m, err := s.admit(r, q, number, user, addr)
	if err != nil {
		return nil, err
	}
	role := proto.RoleParticipant
	if user.ID != "" && user.ID == m.HostID {
		role = proto.RoleHost
		if q.Lobby && m.Status != store.StatusStarted {
			return nil, proto.NewError(proto.CodeNotStarted, "This meeting begins when you join.")
		}
		m, err = s.cfg.Store.BeginMeeting(r.Context(), m.Number, trust.NewMeetingID(), now)
	} else if m.Status == store.StatusEnded {
		err = proto.NewError(proto.CodeEnded, "This meeting has ended.")
	}
	if errors.Is(err, store.ErrNotFound) {
		err = errNoMeeting // deleted this instant
	}
	if err != nil {
		return nil, err
	}

	said := s.zones.fresh(now)
	home, err := s.homeOf(r.Context(), m.ID)
	if errors.Is(err, store.ErrEnded) || errors.Is(err, store.ErrNotFound) {
		err = proto.NewError(proto.CodeEnded, "This meeting has ended.")
	}
	if err != nil {
		return nil, err
	}
	req := lookup.Request{Hosting: m.Hosting, Order: s.cfg.ZoneOrder, Last: q.Network.LastZone}
	homeRouter, alive := s.zones.router(now, home.Zone, home.Router)
	if alive {
		req.Home = home.Zone
	}
	if lat, lon, _, ok := s.cfg.Geo.Locate(addr); ok {
		req.Loc = &lookup.Point{Lat: lat, Lon: lon}
	}
	ranked := rank(req, said, s.cfg.Ranges.Zone(addr))
	if len(ranked) == 0 {
		return nil, proto.NewError(proto.CodeNoRouter, "No meeting server is running. Try again in a moment.")
	}

	seat, err := s.cfg.Store.TakeSeat(r.Context(), store.Seat{Meeting: m.ID, KeyHash: trust.KeyHash(q.Key), Name: q.Name, UserID: user.ID},
		trust.NewParticipantID, now)
	if errors.Is(err, store.ErrEjected) {
		err = proto.NewError(proto.CodeEjected, "A host has removed you from this meeting.")
	}
	if err != nil {
		return nil, err
	}
	info := proto.MeetingInfo{ID: m.ID, Number: numberText(m.Number), Topic: m.Topic, Hosting: m.Hosting}
	a := &proto.LookupAnswer{V: proto.Version, Build: s.cfg.Build, Meeting: info, Participant: seat.Participant, Role: role,
		ServerTime: now.UnixMilli(), Tunnels: s.tunnelsFor(now, m.Hosting), Binding: s.binding(r), YourAddr: addrText(addr), WebURL: s.joinURL(s.base(r), m),
		Keys: []proto.SigningKey{s.cfg.Site.GrantSigner().Key()}}
	for _, c := range said {
		a.Keys = append(a.Keys, c.Key)
	}
	claims := s.claims(m, seat, q, role, now)
	var zones []string
	for _, z := range ranked {
		zones = append(zones, z.ID)
		a.Zones = append(a.Zones, z.Proto())
		claims.Audience = append(claims.Audience, "zone:"+z.ID)
	}
	if a.Token, err = s.cfg.Site.SignClaims(claims); err != nil {
		return nil, err
	}
	if len(a.Tunnels) > 0 {
		if a.TunnelToken, err = s.cfg.Site.SignTunnel(m.ID, seat.Participant, zones, now); err != nil {
			return nil, err
		}
	}
	if alive {
		g, err := s.grant(now, homeRouter, seat, home.Epoch)
		if err != nil {
			return nil, err
		}
		a.Grants = []proto.SignedGrant{g}
		return a, nil
	}
	for _, z := range ranked[:min(maxGrants, len(ranked))] {
		router, err := s.zones.place(now, z.ID, m.ID)
		if err != nil {
			continue // the zone is full: its controller may know better by the time it is asked
		}
		g, err := s.grant(now, router, seat, 0)
		if err != nil {
			return nil, err
		}
		a.Grants = append(a.Grants, g)
	}
	return a, nil
}

// readLookup reads and checks a request; the error is a *proto.Error in words for the person who asks.
func readLookup(r *http.Request) (q proto.LookupRequest, number int64, err error) {
	bad := func(text string) (proto.LookupRequest, int64, error) {
		return q, 0, proto.NewError(proto.CodeBadRequest, text)
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "", "application/json", "text/plain":
	default:
		return bad("The request must be JSON.")
	}
	b, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, proto.MaxMessageLen))
	if err != nil {
		return bad("The request is too long.")
	}
	if err := json.Unmarshal(b, &q); err != nil {
		return bad("The request is not the JSON object it should be.")
	}
	if !proto.Compatible(q.V) {
		return q, 0, proto.NewError(proto.CodeTooOld, "This version of the client is too old for the site. Update it.")
	}
	number, ok := parseNumber(q.Number)
	if !ok {
		return bad("A meeting number has 9 to 11 digits.")
	}
	if q.Name, ok = proto.CleanName(q.Name); !ok {
		return bad("The name must have 1 to 64 characters.")
	}
	if err := trust.CheckKey(q.Key); err != nil {
		return bad("The client's key is malformed.")
	}
	if !validFingerprint(q.Fingerprint) {
		return bad("The client's DTLS fingerprint is malformed.")
	}
	if q.Client != "native" && q.Client != "web" {
		return bad(`The client must be "native" or "web".`)
	}
	if len(q.Passcode) > 64 || len(q.Pwd) > 128 || len(q.Network.LastZone) > 64 {
		return bad("A field is too long.")
	}
	return q, number, nil
}

// parseNumber reads a meeting number as people write it.
func parseNumber(text string) (int64, bool) {
	digits := strings.Map(func(c rune) rune {
		if c == '-' || unicode.IsSpace(c) {
			return -1
		}
		return c
	}, text)
	if len(digits) < 9 || len(digits) > 11 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// addrText is an address for its owner, empty where it is not known.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// numberText is a number as messages carry it.
func numberText(number int64) string { return strconv.FormatInt(number, 10) }

// validFingerprint reports whether f is "sha-256" and 32 bytes in hexadecimal (RFC 8122 section 5).
func validFingerprint(f string) bool {
	hex, ok := strings.CutPrefix(f, "sha-256 ")
	if !ok || len(hex) != 32*3-1 {
		return false
	}
	for i, c := range []byte(hex) {
		if i%3 == 2 {
			if c != ':' {
				return false
			}
		} else if !strings.ContainsRune("0123456789ABCDEFabcdef", rune(c)) {
			return false
		}
	}
	return true
}

// signedIn is the account of a request, none for a guest. A token that is not good any more is refused
// rather than taken for a guest: the person believes to be host. A cookie that is not good any more makes
// a guest: the page knows that nobody is signed in.
func (s *Server) signedIn(r *http.Request) (store.User, error) {
	byToken := token(r) != ""
	if !byToken && cookie(r) == "" {
		return store.User{}, nil
	}
	u, err := s.bearer(r)
	if !byToken && (errors.Is(err, errToken) || errors.Is(err, errForeign)) {
		return store.User{}, nil
	}
	if errors.Is(err, errToken) {
		return u, proto.NewError(proto.CodeTokenInvalid, "You are not signed in any more. Sign in again, or join as a guest.")
	}
	return u, err
}

// admit finds the meeting and checks the passcode. A number that does not exist costs the same work
// and gets the same answer as a wrong passcode, and both count as guesses.
func (s *Server) admit(r *http.Request, q proto.LookupRequest, number int64, user store.User, addr netip.Addr) (store.Meeting, error) {
	m, err := s.cfg.Store.Meeting(r.Context(), number)
	exists := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return m, err
	}
	if exists && user.ID != "" && user.ID == m.HostID {
		return m, nil
	}
	want := m.Passcode
	if !exists {
		want = "\x00 no passcode is like this"
	}
	ok, wait := s.guesses.try(s.now(), addr, numberText(number), q.Passcode == "" && q.Pwd != "", func() bool {
		right := s.cfg.Site.CheckPasscode(linkName(number), want, q.Passcode, q.Pwd)
		return right && exists
	})
	switch {
	case wait > 0:
		e := proto.NewError(proto.CodeSlowDown, "Too many wrong tries. Wait a moment and try again.")
		e.RetryAfter = seconds(wait)
		return m, e
	case !ok:
		return m, errNoMeeting
	}
	return m, nil
}

// claims is the content of the meeting token, but for its audience.
func (s *Server) claims(m store.Meeting, seat store.Seat, q proto.LookupRequest, role proto.Role, now time.Time) proto.Claims {
	from := now
	if m.StartAt.After(now) {
		from = m.StartAt
	}
	expires := from.Add(m.Duration + tokenGrace)
	if last := now.Add(maxTokenLife); expires.After(last) {
		expires = last
	}
	return proto.Claims{Meeting: m.ID, Number: numberText(m.Number), Topic: m.Topic, Participant: seat.Participant, User: seat.UserID, Name: seat.Name,
		Role: role, Permissions: []string{proto.PermAudio, proto.PermVideo, proto.PermShare, proto.PermChat}, Hosting: m.Hosting,
		Expires: expires.Unix(), Issued: now.Unix(), Confirm: proto.Confirm{Key: seat.KeyHash, Fingerprint: q.Fingerprint},
		Settings: proto.Settings{WaitingRoom: m.Settings.WaitingRoom, MuteOnEntry: m.Settings.MuteUponEntry, JoinBeforeHost: m.Settings.JoinBeforeHost}}
}

// grant lets a seat reach a router. epoch is that of the home, 0 where the meeting has none yet.
func (s *Server) grant(now time.Time, router proto.RouterAnnounce, seat store.Seat, epoch uint32) (proto.SignedGrant, error) {
	g := s.cfg.Site.ZoneKey(router.Zone).Grant(router, seat.Meeting, seat.Participant, epoch > 0, epoch, now)
	return s.cfg.Site.GrantSigner().Sign(g)
}
