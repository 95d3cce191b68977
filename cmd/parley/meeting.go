package main

import (
	"fmt"
	"net/url"
	"text/tabwriter"
)

// meetingCmd is `parley meeting`.
type meetingCmd struct {
	Create meetingCreate `cmd:"" help:"Create a meeting and print its link."`
	List   meetingList   `cmd:"" help:"List meetings."`
	End    meetingEnd    `cmd:"" help:"End a running meeting for everyone."`
}

// meetingCreate is `parley meeting create`.
type meetingCreate struct {
	apiFlags
	Topic       string `help:"What it is about." default:"Meeting"`
	Passcode    string `help:"Passcode (default: one is made)."`
	User        string `help:"Host: id or address of a user." default:"me"`
	WaitingRoom bool   `help:"Newcomers wait until a host admits them."`
	BeforeHost  bool   `help:"People may join before the host." default:"true" negatable:""`
	MuteOnEntry bool   `help:"Newcomers are muted."`
	Once        bool   `help:"A meeting of the moment, not kept in the list (default: its number and link stay good)."`
}

// Meeting types of the API, as far as this program makes them.
const (
	meetingInstant  = 1
	meetingStanding = 3 // recurring, at no fixed time
)

// meetingRow is what the API says of a meeting, as far as this program shows it.
type meetingRow struct {
	ID        int64  `json:"id"`
	UUID      string `json:"uuid,omitempty"`
	Topic     string `json:"topic"`
	Type      int    `json:"type"`
	StartTime string `json:"start_time,omitempty"`
	Status    string `json:"status,omitempty"`
	Password  string `json:"password,omitempty"`
	JoinURL   string `json:"join_url"`
}

// Run creates the meeting.
func (c *meetingCreate) Run(e *env) error {
	kind := meetingStanding
	if c.Once {
		kind = meetingInstant
	}
	body := map[string]any{
		"topic": c.Topic, "type": kind,
		"settings": map[string]any{
			"waiting_room": c.WaitingRoom, "join_before_host": c.BeforeHost, "mute_upon_entry": c.MuteOnEntry,
		},
	}
	if c.Passcode != "" {
		body["password"] = c.Passcode
	}
	var m meetingRow
	if err := c.call(e, "POST", "/v2/users/"+url.PathEscape(c.User)+"/meetings", body, &m); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, m)
	}
	_, err := fmt.Fprintf(e.stdout, "%s\n\n  Number    %s\n  Passcode  %s\n  Link      %s\n", m.Topic, spaced(m.ID), m.Password, m.JoinURL)
	return err
}

// spaced writes a meeting number as people read it: 123 4567 8901.
func spaced(n int64) string {
	s := fmt.Sprint(n)
	if len(s) < 9 {
		return s
	}
	return s[:3] + " " + s[3:len(s)-4] + " " + s[len(s)-4:]
}

// meetingList is `parley meeting list`.
type meetingList struct {
	apiFlags
	User string `help:"Whose: id or address of a user." default:"me"`
}

// Run lists all pages.
func (c *meetingList) Run(e *env) error {
	all := []meetingRow{}
	path := "/v2/users/" + url.PathEscape(c.User) + "/meetings?page_size=300"
	for token := ""; ; {
		var page struct {
			Meetings []meetingRow `json:"meetings"`
			Next     string       `json:"next_page_token"`
		}
		if err := c.call(e, "GET", path+token, nil, &page); err != nil {
			return err
		}
		all = append(all, page.Meetings...)
		if page.Next == "" {
			break
		}
		token = "&next_page_token=" + url.QueryEscape(page.Next)
	}
	if c.JSON {
		return printJSON(e.stdout, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(e.stdout, "No meetings. Make one with: parley meeting create")
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tTOPIC\tSTART\tLINK")
	for _, m := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", spaced(m.ID), m.Topic, m.StartTime, m.JoinURL)
	}
	return w.Flush()
}

// meetingEnd is `parley meeting end`.
type meetingEnd struct {
	apiFlags
	Number string `arg:"" help:"Meeting number."`
}

// Run ends the meeting.
func (c *meetingEnd) Run(e *env) error {
	n, err := cleanNumber(c.Number)
	if err != nil {
		return err
	}
	if err := c.call(e, "PUT", "/v2/meetings/"+n+"/status", map[string]string{"action": "end"}, nil); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, map[string]bool{"ended": true})
	}
	_, err = fmt.Fprintln(e.stdout, "Ended.")
	return err
}
