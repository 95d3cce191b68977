package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	// Meetings are planned in time zones by name, also on an appliance without a zone database.
	_ "time/tzdata"

	"parley/sys/store"
	"parley/sys/trust"
	"parley/wire/proto"
)

// meetingBody is a meeting as the API shows it.
type meetingBody struct {
	UUID              string       `json:"uuid"`
	ID                int64        `json:"id"`
	HostID            string       `json:"host_id"`
	HostEmail         string       `json:"host_email"`
	Topic             string       `json:"topic"`
	Type              int          `json:"type"`
	Status            string       `json:"status"`
	StartTime         string       `json:"start_time,omitempty"`
	Duration          int          `json:"duration"` // minutes
	Timezone          string       `json:"timezone"`
	Agenda            string       `json:"agenda"`
	CreatedAt         string       `json:"created_at"`
	StartURL          string       `json:"start_url"`
	JoinURL           string       `json:"join_url"`
	Password          string       `json:"password"`
	EncryptedPassword string       `json:"encrypted_password"`
	Settings          settingsBody `json:"settings"`
}

// settingsBody is what can be set, and what is fixed: audio over the network only, no registration, no
// recording by itself.
type settingsBody struct {
	store.Settings
	Audio         string `json:"audio"`
	AutoRecording string `json:"auto_recording"`
	ApprovalType  int    `json:"approval_type"`
}

// meetingRow is a meeting in a list.
type meetingRow struct {
	UUID      string `json:"uuid"`
	ID        int64  `json:"id"`
	HostID    string `json:"host_id"`
	Topic     string `json:"topic"`
	Type      int    `json:"type"`
	StartTime string `json:"start_time,omitempty"`
	Duration  int    `json:"duration"`
	Timezone  string `json:"timezone"`
	Agenda    string `json:"agenda,omitempty"`
	CreatedAt string `json:"created_at"`
	JoinURL   string `json:"join_url"`
}

// linkName names a meeting to what derives from its passcode: the number, which stays when the id changes,
// so that a link is good for every instance.
func linkName(number int64) proto.MeetingID { return proto.MeetingID(strconv.FormatInt(number, 10)) }

// joinURL is the link by which anybody joins a meeting.
func (s *Server) joinURL(base string, m store.Meeting) string {
	return base + "/j/" + strconv.FormatInt(m.Number, 10) + "?pwd=" + url.QueryEscape(s.cfg.Site.LinkPwd(linkName(m.Number), m.Passcode))
}

func (s *Server) meetingBody(r *http.Request, m store.Meeting) (meetingBody, error) {
	host, err := s.cfg.Store.User(r.Context(), m.HostID)
	if err != nil {
		return meetingBody{}, err
	}
	join := s.joinURL(s.base(r), m)
	return meetingBody{UUID: string(m.ID), ID: m.Number, HostID: m.HostID, HostEmail: host.Email, Topic: m.Topic, Type: m.Type,
		Status: string(m.Status), StartTime: stampText(m.StartAt), Duration: int(m.Duration / time.Minute), Timezone: m.Timezone,
		Agenda: m.Agenda, CreatedAt: stampText(m.CreatedAt), StartURL: join, JoinURL: join, Password: m.Passcode,
		EncryptedPassword: s.cfg.Site.LinkPwd(linkName(m.Number), m.Passcode),
		Settings:          settingsBody{m.Settings, "voip", "none", 2}}, nil
}

// listMeetings answers GET /v2/users/{user}/meetings.
func (s *Server) listMeetings(r *http.Request, c caller) (int, any, error) {
	u, err := s.userOf(r.Context(), c, r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	q := store.MeetingQuery{HostID: u.ID}
	kind := r.URL.Query().Get("type")
	planned := []int{store.MeetingScheduled, store.MeetingRecurring, store.MeetingRecurringFixed}
	switch kind {
	case "", "scheduled":
		q.Types = planned
	case "live":
		q.Status = store.StatusStarted
	case "upcoming", "upcoming_meetings":
		q.Types, q.From = planned, s.now()
	case "previous_meetings":
		q.Status = store.StatusEnded
	default:
		return 0, nil, invalid("type", "Must be one of scheduled, live, upcoming, upcoming_meetings, previous_meetings.")
	}
	p, err := s.pageOf(r, kind)
	if err != nil {
		return 0, nil, err
	}
	q.Limit, q.Offset = p.Size, p.offset()
	if p.After != "" {
		at, number, _ := strings.Cut(p.After, "/")
		ms, _ := strconv.ParseInt(at, 10, 64)
		q.After.At = time.UnixMilli(ms)
		q.After.Number, _ = strconv.ParseInt(number, 10, 64)
	}
	list, total, err := s.cfg.Store.Meetings(r.Context(), q)
	if err != nil {
		return 0, nil, err
	}
	last := ""
	base := s.base(r)
	rows := make([]meetingRow, len(list))
	for i, m := range list {
		rows[i] = meetingRow{UUID: string(m.ID), ID: m.Number, HostID: m.HostID, Topic: m.Topic, Type: m.Type,
			StartTime: stampText(m.StartAt), Duration: int(m.Duration / time.Minute), Timezone: m.Timezone, Agenda: m.Agenda,
			CreatedAt: stampText(m.CreatedAt), JoinURL: s.joinURL(base, m)}
		last = strconv.FormatInt(m.Cursor().At.UnixMilli(), 10) + "/" + strconv.FormatInt(m.Number, 10)
	}
	return http.StatusOK, struct {
		pageBody
		Meetings []meetingRow `json:"meetings"`
	}{s.pageBody(p, len(rows), total, last), rows}, nil
}

// createMeeting answers POST /v2/users/{user}/meetings.
func (s *Server) createMeeting(r *http.Request, c caller) (int, any, error) {
	u, err := s.userOf(r.Context(), c, r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	o, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	now := s.now()
	m := store.Meeting{HostID: u.ID, Topic: u.Name() + "'s meeting", Type: store.MeetingScheduled, Duration: time.Hour,
		Timezone: u.Timezone, Passcode: trust.NewPasscode(), Hosting: "cloud", Status: store.StatusWaiting, CreatedAt: now}
	if o.has("password") && string(o.fields["password"]) == `""` {
		delete(o.fields, "password") // "none" means "make one": every meeting has a passcode
	}
	// Who has the link or the passcode may begin, unless the host asks for more: a meeting made by a program
	// often has no host who ever comes.
	m.Settings.JoinBeforeHost = true
	readMeeting(o, &m)
	if err := o.err(); err != nil {
		return 0, nil, err
	}
	if m.Type == store.MeetingScheduled && m.StartAt.IsZero() {
		m.StartAt = now.Truncate(time.Second)
	}
	// A free number of eleven digits is found at the first try nearly always.
	for range 10 {
		m.ID = trust.NewMeetingID()
		if m.Number, err = strconv.ParseInt(trust.NewMeetingNumber(), 10, 64); err != nil {
			return 0, nil, err
		}
		if err = s.cfg.Store.CreateMeeting(r.Context(), m); !errors.Is(err, store.ErrExists) {
			break
		}
	}
	if err != nil {
		return 0, nil, err
	}
	body, err := s.meetingBody(r, m)
	return http.StatusCreated, body, err
}

// readMeeting reads what is there of a meeting's fields; the other fields of m stay.
func readMeeting(o object, m *store.Meeting) {
	if o.number("type", &m.Type, 1, 10) {
		switch m.Type {
		case store.MeetingInstant, store.MeetingScheduled, store.MeetingRecurring, store.MeetingRecurringFixed:
		default:
			o.fault("type", "Must be one of 1, 2, 3, 8.")
		}
	}
	o.text("topic", &m.Topic, 1, 200)
	o.text("agenda", &m.Agenda, 0, 2000)
	o.timezone(&m.Timezone)
	minutes := 0
	if o.number("duration", &minutes, 1, 24*60) {
		m.Duration = time.Duration(minutes) * time.Minute
	}
	if o.text("password", &m.Passcode, 1, 10) && strings.Trim(m.Passcode, passcodeChars) != "" {
		o.fault("password", "May have letters, digits and @ - _ * only.")
	}
	var start string
	if o.text("start_time", &start, 0, 40) {
		switch t, err := parseStart(start, m.Timezone); {
		case start == "":
		case err != nil:
			o.fault("start_time", "Must be yyyy-MM-ddTHH:mm:ssZ, or without Z in the meeting's time zone.")
		default:
			m.StartAt = t
		}
	}
	if m.Type == store.MeetingInstant || m.Type == store.MeetingRecurring {
		m.StartAt = time.Time{}
	}
	set := o.object("settings")
	set.flag("host_video", &m.Settings.HostVideo)
	set.flag("participant_video", &m.Settings.ParticipantVideo)
	set.flag("join_before_host", &m.Settings.JoinBeforeHost)
	set.flag("mute_upon_entry", &m.Settings.MuteUponEntry)
	set.flag("waiting_room", &m.Settings.WaitingRoom)
}

const passcodeChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@-_*"

// parseStart reads a time: with Z it is UTC, without it is local to the time zone.
func parseStart(text, timezone string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	loc, err := time.LoadLocation(timezone) // "" is UTC
	if err != nil {
		return time.Time{}, err
	}
	return time.ParseInLocation("2006-01-02T15:04:05", text, loc)
}

// meetingOf finds the meeting a path names. Somebody else's does not exist for who may not see it.
func (s *Server) meetingOf(r *http.Request, c caller, find func(number int64) (store.Meeting, error)) (store.Meeting, error) {
	name := r.PathValue("meeting")
	number, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return store.Meeting{}, noMeeting(name)
	}
	m, err := find(number)
	if errors.Is(err, store.ErrNotFound) || err == nil && !c.admin() && m.HostID != c.user.ID {
		return m, noMeeting(name)
	}
	return m, err
}

func (s *Server) visible(r *http.Request) func(int64) (store.Meeting, error) {
	return func(n int64) (store.Meeting, error) { return s.cfg.Store.Meeting(r.Context(), n) }
}

// getMeeting answers GET /v2/meetings/{meeting}.
func (s *Server) getMeeting(r *http.Request, c caller) (int, any, error) {
	m, err := s.meetingOf(r, c, s.visible(r))
	if err != nil {
		return 0, nil, err
	}
	body, err := s.meetingBody(r, m)
	return http.StatusOK, body, err
}

// patchMeeting answers PATCH /v2/meetings/{meeting}.
func (s *Server) patchMeeting(r *http.Request, c caller) (int, any, error) {
	m, err := s.meetingOf(r, c, s.visible(r))
	if err != nil {
		return 0, nil, err
	}
	o, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	_, err = s.cfg.Store.UpdateMeeting(r.Context(), m.Number, func(m *store.Meeting) error {
		readMeeting(o, m)
		return o.err()
	})
	if errors.Is(err, store.ErrNotFound) {
		err = noMeeting(r.PathValue("meeting"))
	}
	return http.StatusNoContent, nil, err
}

// deleteMeeting answers DELETE /v2/meetings/{meeting}. A meeting that runs is ended.
func (s *Server) deleteMeeting(r *http.Request, c caller) (int, any, error) {
	m, err := s.meetingOf(r, c, s.visible(r))
	if err != nil {
		return 0, nil, err
	}
	home, err := s.cfg.Store.Home(r.Context(), m.ID)
	if err != nil && !errors.Is(err, store.ErrEnded) && !errors.Is(err, store.ErrNotFound) {
		return 0, nil, err
	}
	// Hidden first: from then on nobody can begin it.
	if err = s.cfg.Store.DeleteMeeting(r.Context(), m.Number, s.now()); err == nil {
		m, err = s.cfg.Store.DeletedMeeting(r.Context(), m.Number)
	}
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil, noMeeting(r.PathValue("meeting"))
	}
	// One that never ran keeps its instance, and is as before if it is recovered.
	if err == nil && (home.Router != "" || m.Status == store.StatusStarted) {
		err = s.end(r.Context(), m.ID)
	}
	return http.StatusNoContent, nil, err
}

// putMeetingStatus answers PUT /v2/meetings/{meeting}/status: "end" ends what runs, for everybody;
// "recover" brings a deleted meeting back.
func (s *Server) putMeetingStatus(r *http.Request, c caller) (int, any, error) {
	o, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	var action string
	if !o.has("action") {
		o.fault("action", "Is required.")
	}
	o.oneOf("action", &action, "end", "recover")
	if err := o.err(); err != nil {
		return 0, nil, err
	}
	if action == "recover" {
		m, err := s.meetingOf(r, c, func(n int64) (store.Meeting, error) { return s.cfg.Store.DeletedMeeting(r.Context(), n) })
		if err == nil {
			err = s.cfg.Store.RecoverMeeting(r.Context(), m.Number)
		}
		if errors.Is(err, store.ErrNotFound) {
			err = noMeeting(r.PathValue("meeting"))
		}
		return http.StatusNoContent, nil, err
	}
	m, err := s.meetingOf(r, c, s.visible(r))
	if err == nil {
		err = s.end(r.Context(), m.ID)
	}
	return http.StatusNoContent, nil, err
}
