package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"parley/sys/trust"
)

// userCmd is `parley user`.
type userCmd struct {
	Add    userAdd    `cmd:"" help:"Add a person."`
	List   userList   `cmd:"" help:"List people."`
	Passwd userPasswd `cmd:"" help:"Change a person's password."`
}

// userRow is what the API says of a user, as far as this program shows it.
type userRow struct {
	ID       string `json:"id"`
	Email    string `json:"email"`
	Name     string `json:"display_name,omitempty"`
	Type     int    `json:"type"`
	Role     string `json:"role_name,omitempty"`
	Status   string `json:"status,omitempty"`
	Password string `json:"password,omitempty"`
}

// userAdd is `parley user add`.
type userAdd struct {
	apiFlags
	Email     string `arg:"" help:"Address the person signs in with."`
	FirstName string `help:"First name."`
	LastName  string `help:"Last name."`
	Type      string `help:"basic, licensed or on-prem." default:"licensed" enum:"basic,licensed,on-prem"`
	Stdin     bool   `name:"password-stdin" help:"Read the password from standard input (default: one is made and printed)."`
}

// Run adds the user.
func (c *userAdd) Run(e *env) error {
	password, made := trust.NewPassword(), true
	if c.Stdin {
		p, err := readPassword(os.Stdin)
		if err != nil {
			return err
		}
		password, made = p, false
	}
	types := map[string]int{"basic": 1, "licensed": 2, "on-prem": 3}
	body := map[string]any{"action": "create", "user_info": map[string]any{
		"email": c.Email, "first_name": c.FirstName, "last_name": c.LastName, "type": types[c.Type], "password": password,
	}}
	var u userRow
	if err := c.call(e, "POST", "/v2/users", body, &u); err != nil {
		return err
	}
	if made {
		u.Password = password
	}
	if c.JSON {
		return printJSON(e.stdout, u)
	}
	fmt.Fprintf(e.stdout, "Added %s.\n", u.Email)
	if made {
		fmt.Fprintf(e.stdout, "Password, shown only this time: %s\n", password)
	}
	return nil
}

// userList is `parley user list`.
type userList struct {
	apiFlags
}

// Run lists all pages.
func (c *userList) Run(e *env) error {
	all := []userRow{}
	for token := ""; ; {
		var page struct {
			Users []userRow `json:"users"`
			Next  string    `json:"next_page_token"`
		}
		if err := c.call(e, "GET", "/v2/users?page_size=300"+token, nil, &page); err != nil {
			return err
		}
		all = append(all, page.Users...)
		if page.Next == "" {
			break
		}
		token = "&next_page_token=" + url.QueryEscape(page.Next)
	}
	if c.JSON {
		return printJSON(e.stdout, all)
	}
	types := map[int]string{1: "basic", 2: "licensed", 3: "on-prem"}
	w := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "EMAIL\tNAME\tTYPE\tROLE\tSTATUS")
	for _, u := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.Email, u.Name, types[u.Type], u.Role, u.Status)
	}
	return w.Flush()
}

// userPasswd is `parley user passwd`.
type userPasswd struct {
	apiFlags
	User  string `arg:"" help:"Id or address of the person."`
	Stdin bool   `name:"password-stdin" help:"Read the new password from standard input (default: one is made and printed)."`
}

// Run changes the password.
func (c *userPasswd) Run(e *env) error {
	password, made := trust.NewPassword(), true
	if c.Stdin {
		p, err := readPassword(os.Stdin)
		if err != nil {
			return err
		}
		password, made = p, false
	}
	if err := c.call(e, "PUT", "/v2/users/"+url.PathEscape(c.User)+"/password", map[string]string{"password": password}, nil); err != nil {
		return err
	}
	if c.JSON {
		out := map[string]string{"user": c.User}
		if made {
			out["password"] = password
		}
		return printJSON(e.stdout, out)
	}
	fmt.Fprintln(e.stdout, "Password changed.")
	if made {
		fmt.Fprintf(e.stdout, "New password, shown only this time: %s\n", password)
	}
	return nil
}

// readPassword reads one line. Passwords never stand on a command line, where others can see them.
func readPassword(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	if line == "" {
		return "", &exitError{exitUsage, errors.New("no password on standard input")}
	}
	return line, nil
}
