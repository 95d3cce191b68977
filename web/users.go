package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"strings"
	"time"

	"parley/sys/store"
)

// userBody is an account as the API shows it.
type userBody struct {
	ID            string `json:"id"`
	AccountID     string `json:"account_id"`
	Email         string `json:"email"`
	FirstName     string `json:"first_name"`
	LastName      string `json:"last_name"`
	DisplayName   string `json:"display_name"`
	Type          int    `json:"type"`
	RoleID        string `json:"role_id"`
	RoleName      string `json:"role_name"`
	Status        string `json:"status"`
	Timezone      string `json:"timezone"`
	CreatedAt     string `json:"created_at"`
	UserCreatedAt string `json:"user_created_at"`
	LastLoginTime string `json:"last_login_time,omitempty"`
}

// The role ids of the API.
const (
	roleIDAdmin  = "1"
	roleIDMember = "2"
)

func (s *Server) userBody(u store.User) userBody {
	b := userBody{ID: u.ID, AccountID: s.cfg.Site.ID(), Email: u.Email, FirstName: u.FirstName, LastName: u.LastName,
		DisplayName: u.Name(), Type: u.Type, RoleID: roleIDMember, RoleName: "Member", Status: u.Status, Timezone: u.Timezone,
		CreatedAt: stampText(u.CreatedAt), UserCreatedAt: stampText(u.CreatedAt), LastLoginTime: stampText(u.LoginAt)}
	if u.Role == store.RoleAdmin {
		b.RoleID, b.RoleName = roleIDAdmin, "Admin"
	}
	return b
}

// listUsers answers GET /v2/users.
func (s *Server) listUsers(r *http.Request, c caller) (int, any, error) {
	if !c.admin() {
		return 0, nil, errForbidden
	}
	status := r.URL.Query().Get("status")
	switch status {
	case "":
		status = store.UserActive
	case store.UserActive, store.UserInactive, "pending":
	default:
		return 0, nil, invalid("status", "Must be one of active, inactive, pending.")
	}
	p, err := s.pageOf(r, status)
	if err != nil {
		return 0, nil, err
	}
	users, total, err := s.cfg.Store.Users(r.Context(), store.UserQuery{Status: status, After: p.After, Offset: p.offset(), Limit: p.Size})
	if err != nil {
		return 0, nil, err
	}
	last := ""
	list := make([]userBody, len(users))
	for i, u := range users {
		list[i], last = s.userBody(u), u.Email
	}
	return http.StatusOK, struct {
		pageBody
		Users []userBody `json:"users"`
	}{s.pageBody(p, len(list), total, last), list}, nil
}

// createUser answers POST /v2/users. There is no mail to send: an account made without a password can
// sign in once an administrator has set one.
func (s *Server) createUser(r *http.Request, c caller) (int, any, error) {
	if !c.admin() {
		return 0, nil, errForbidden
	}
	o, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	var action, email, password string
	if !o.has("action") {
		o.fault("action", "Is required.")
	}
	o.oneOf("action", &action, "create", "autoCreate", "custCreate", "ssoCreate")
	info := o.object("user_info")
	u := store.User{ID: newUserID(), Type: store.UserBasic, Role: store.RoleMember, Status: store.UserActive, CreatedAt: s.now()}
	if !info.has("email") {
		info.fault("email", "Is required.")
	} else if info.text("email", &email, 3, 128) {
		if a, err := mail.ParseAddress(email); err != nil || a.Address != email {
			info.fault("email", "Must be a valid email address.")
		}
	}
	if !info.has("type") {
		info.fault("type", "Is required.")
	}
	readProfile(info, &u)
	info.readRights(&u)
	if info.text("password", &password, 0, maxPassword) && len([]rune(password)) < minPassword {
		info.fault("password", "Must be at least %d characters.", minPassword)
	}
	if err := o.err(); err != nil {
		return 0, nil, err
	}
	u.Email = email
	if password != "" {
		if u.Password, err = s.hasher.HashPassword(r.Context(), password); err != nil {
			return 0, nil, err
		}
	}
	err = s.cfg.Store.CreateUser(r.Context(), u)
	if errors.Is(err, store.ErrExists) {
		return 0, nil, refuse(http.StatusConflict, codeUserExists, fmt.Sprintf("User already in the account: %s.", email))
	}
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, struct {
		ID        string `json:"id"`
		Email     string `json:"email"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Type      int    `json:"type"`
	}{u.ID, strings.ToLower(u.Email), u.FirstName, u.LastName, u.Type}, nil
}

// readProfile reads what people may change of their own account.
func readProfile(o object, u *store.User) {
	o.text("first_name", &u.FirstName, 0, 64)
	o.text("last_name", &u.LastName, 0, 64)
	o.text("display_name", &u.DisplayName, 0, 128)
	o.timezone(&u.Timezone)
}

// readRights reads what only administrators may change of an account.
func (o object) readRights(u *store.User) {
	o.number("type", &u.Type, store.UserBasic, store.UserOnPrem)
	var role string
	if o.oneOf("role_id", &role, roleIDAdmin, roleIDMember) {
		u.Role = store.RoleMember
		if role == roleIDAdmin {
			u.Role = store.RoleAdmin
		}
	}
}

// timezone reads an IANA time zone name.
func (o object) timezone(to *string) {
	var v string
	if !o.text("timezone", &v, 0, 64) {
		return
	}
	if _, err := time.LoadLocation(v); err != nil || v == "Local" {
		o.fault("timezone", "Must be a time zone of the IANA database, such as Europe/Paris.")
		return
	}
	*to = v
}

// checkEmail answers GET /v2/users/email.
func (s *Server) checkEmail(r *http.Request, c caller) (int, any, error) {
	if !c.admin() {
		return 0, nil, errForbidden
	}
	_, err := s.cfg.Store.UserByEmail(r.Context(), r.URL.Query().Get("email"))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, nil, err
	}
	return http.StatusOK, map[string]bool{"existed_email": err == nil}, nil
}

// getUser answers GET /v2/users/{user}.
func (s *Server) getUser(r *http.Request, c caller) (int, any, error) {
	u, err := s.userOf(r.Context(), c, r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.userBody(u), nil
}

// patchUser answers PATCH /v2/users/{user}.
func (s *Server) patchUser(r *http.Request, c caller) (int, any, error) {
	u, err := s.userOf(r.Context(), c, r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	o, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	if !c.admin() && (o.has("type") || o.has("role_id")) {
		return 0, nil, errForbidden
	}
	_, err = s.cfg.Store.UpdateUser(r.Context(), u.ID, func(u *store.User) error {
		readProfile(o, u)
		o.readRights(u)
		return o.err()
	})
	return http.StatusNoContent, nil, s.userGone(err, u.ID)
}

// deleteUser answers DELETE /v2/users/{user}. With transfer_email and transfer_meeting=true the
// meetings go to that account; else they end and go away.
func (s *Server) deleteUser(r *http.Request, c caller) (int, any, error) {
	if !c.admin() {
		return 0, nil, errForbidden
	}
	u, err := s.userOf(r.Context(), c, r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	heir := ""
	if q := r.URL.Query(); q.Get("transfer_meeting") == "true" {
		h, err := s.cfg.Store.UserByEmail(r.Context(), q.Get("transfer_email"))
		if errors.Is(err, store.ErrNotFound) || err == nil && h.ID == u.ID {
			return 0, nil, invalid("transfer_email", "Must be the address of another account.")
		}
		if err != nil {
			return 0, nil, err
		}
		heir = h.ID
	}
	var running []store.Meeting
	if heir == "" {
		for p := (store.MeetingQuery{HostID: u.ID, Limit: 300}); ; p.Offset += p.Limit {
			list, _, err := s.cfg.Store.Meetings(r.Context(), p)
			if err != nil {
				return 0, nil, err
			}
			for _, m := range list {
				if m.Status != store.StatusEnded {
					running = append(running, m)
				}
			}
			if len(list) < p.Limit {
				break
			}
		}
	}
	homes := make([]store.Home, len(running))
	for i, m := range running {
		if homes[i], err = s.cfg.Store.Home(r.Context(), m.ID); err != nil && !errors.Is(err, store.ErrEnded) {
			return 0, nil, err
		}
	}
	if err := s.cfg.Store.DeleteUser(r.Context(), u.ID, heir); err != nil {
		return 0, nil, s.userGone(err, u.ID)
	}
	for i, m := range running {
		s.stopRouter(m.ID, homes[i])
	}
	return http.StatusNoContent, nil, nil
}

// The length of passwords, in characters.
const (
	minPassword = 8
	maxPassword = 128
)

// putPassword answers PUT /v2/users/{user}/password. It ends all sessions of the account.
func (s *Server) putPassword(r *http.Request, c caller) (int, any, error) {
	u, err := s.userOf(r.Context(), c, r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	o, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	var password string
	if !o.has("password") {
		o.fault("password", "Is required.")
	}
	o.text("password", &password, minPassword, maxPassword)
	if err := o.err(); err != nil {
		return 0, nil, err
	}
	hash, err := s.hasher.HashPassword(r.Context(), password)
	if err != nil {
		return 0, nil, err
	}
	_, err = s.cfg.Store.UpdateUser(r.Context(), u.ID, func(u *store.User) error { u.Password = hash; return nil })
	return http.StatusNoContent, nil, s.userGone(err, u.ID)
}

// putUserStatus answers PUT /v2/users/{user}/status.
func (s *Server) putUserStatus(r *http.Request, c caller) (int, any, error) {
	if !c.admin() {
		return 0, nil, errForbidden
	}
	u, err := s.userOf(r.Context(), c, r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	o, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	var action string
	if !o.has("action") {
		o.fault("action", "Is required.")
	}
	o.oneOf("action", &action, "activate", "deactivate")
	if err := o.err(); err != nil {
		return 0, nil, err
	}
	_, err = s.cfg.Store.UpdateUser(r.Context(), u.ID, func(u *store.User) error {
		u.Status = store.UserActive
		if action == "deactivate" {
			u.Status = store.UserInactive
		}
		return nil
	})
	return http.StatusNoContent, nil, s.userGone(err, u.ID)
}

// userGone words an account that went away under a request.
func (s *Server) userGone(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return noUser(id)
	}
	return err
}
