package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"parley/sys/store"
	"parley/sys/trust"
	"parley/wire/proto"
)

// enrolFor is how long an enrolment token waits for its server.
const enrolFor = 24 * time.Hour

// maxNames bounds the names in one server's certificate.
const maxNames = 32

// enrolTokenBody is the answer to a request for an enrolment token. The token is shown this once.
type enrolTokenBody struct {
	Token     string `json:"token"`
	ExpiresAt string `json:"expires_at"`
}

// createEnrolToken answers POST /api/v1/enroll/tokens: an administrator lets one server join the site
// (S24, S28). The server's id and the names it may bear are decided here, not by the server.
func (s *Server) createEnrolToken(r *http.Request, c caller) (int, any, error) {
	if !c.admin() {
		return 0, nil, errForbidden
	}
	o, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	e := store.Enrolment{Role: "zone"}
	o.oneOf("role", &e.Role, "zone", "mmr", "tunnel", "connector")
	o.text("zone", &e.Zone, 0, 64)
	if o.text("server", &e.Server, 1, 64) && !isServerID(e.Server) {
		o.fault("server", "May have lower-case letters, digits and dashes only.")
	} else if !o.has("server") {
		o.fault("server", "Is required: the id of the server, such as par-1.")
	}
	if ofZone := e.Role == "zone" || e.Role == "mmr"; ofZone && (e.Zone == "" || !isServerID(e.Zone)) {
		o.fault("zone", "Is required for this role: the id of the zone, lower-case letters, digits and dashes.")
	}
	var names []string
	if o.has("names") && json.Unmarshal(o.fields["names"], &names) != nil {
		o.fault("names", "Must be a list of DNS names and addresses.")
	}
	if len(names) > maxNames {
		o.fault("names", "Must be at most %d.", maxNames)
	}
	for _, n := range names {
		if !isHostName(n) {
			o.fault("names", "%q is neither a DNS name nor an IP address.", n)
		}
	}
	if err := o.err(); err != nil {
		return 0, nil, err
	}
	now := s.now()
	token, hash := trust.NewEnrolToken()
	e.Hash, e.Names, e.CreatedAt, e.ExpiresAt = hash, strings.Join(names, " "), now, now.Add(enrolFor)
	if err := s.cfg.Store.CreateEnrolment(r.Context(), e); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, enrolTokenBody{token, stampText(e.ExpiresAt)}, nil
}

// isServerID reports whether an id is fit for certificates, bus subjects and base URLs.
func isServerID(id string) bool {
	return strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isHostName reports whether n is an IP address or looks like a DNS name (RFC 1123 section 2.1).
func isHostName(n string) bool {
	if _, err := netip.ParseAddr(n); err == nil {
		return true
	}
	if len(n) > 253 {
		return false
	}
	for label := range strings.SplitSeq(n, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// enrollBody is the answer to a server that enrols.
type enrollBody struct {
	Server      string `json:"server"`
	Certificate string `json:"certificate"` // PEM
	CA          string `json:"ca"`          // PEM
}

// enroll answers POST /api/v1/enroll: the token and a certificate request in, the certificate out.
func (s *Server) enroll(w http.ResponseWriter, r *http.Request) {
	trace := s.trace(w)
	body, err := s.enrollServer(r)
	if err != nil {
		s.renderError(w, r, trace, err)
		return
	}
	render(w, http.StatusOK, body)
}

func (s *Server) enrollServer(r *http.Request) (any, error) {
	o, err := readObject(r)
	if err != nil {
		return nil, err
	}
	var token, csr string
	o.text("token", &token, 0, 200)
	o.text("csr", &csr, 0, 16<<10)
	for _, f := range []string{"token", "csr"} {
		if !o.has(f) {
			o.fault(f, "Is required.")
		}
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	// What is wrong with the request must not cost the token.
	if err := trust.CheckRequest([]byte(csr)); err != nil {
		return nil, invalid("csr", "Must be a PKCS #10 request in PEM for an ECDSA P-256 key.")
	}
	now := s.now()
	token = strings.TrimSpace(token)
	e, err := s.cfg.Store.UseEnrolment(r.Context(), trust.HashToken(token), now)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, refuse(http.StatusUnauthorized, codeToken, "This enrolment token is not one that was given out. Ask an administrator for a new one.")
	case errors.Is(err, store.ErrExpired):
		return nil, refuse(http.StatusUnauthorized, codeToken, "This enrolment token was used before, or its time is over. Ask an administrator for a new one.")
	case err != nil:
		return nil, err
	}
	te := trust.Enrolment{TokenHash: e.Hash, Expires: e.ExpiresAt, ServerID: e.Server, Role: e.Role, Zone: e.Zone}
	for n := range strings.FieldsSeq(e.Names) {
		if a, err := netip.ParseAddr(n); err == nil {
			te.IPs = append(te.IPs, a)
		} else {
			te.Names = append(te.Names, n)
		}
	}
	cert, err := s.cfg.Site.Enrol(te, token, []byte(csr), now)
	if err != nil {
		return nil, err
	}
	s.log.Info("server enrolled", "server", e.Server, "role", e.Role, "zone", e.Zone)
	return enrollBody{Server: e.Server, Certificate: string(cert), CA: string(s.cfg.Site.CA().PEM())}, nil
}

// renew answers an enrolled server whose certificate is getting old.
func (s *Server) renew(_ context.Context, data []byte) (any, error) {
	var req proto.RenewRequest
	if err := json.Unmarshal(data, &req); err != nil {
		return nil, proto.NewError(proto.CodeBadRequest, "malformed renewal")
	}
	cert, err := s.cfg.Site.Renew([]byte(req.Certificate), []byte(req.CSR), s.now())
	if err != nil {
		s.log.Warn("a server's certificate is not renewed", "err", err)
		return nil, proto.NewError(proto.CodeBadRequest, trust.ErrRenewal.Error())
	}
	return proto.RenewAnswer{Certificate: string(cert)}, nil
}
