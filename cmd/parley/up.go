package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"parley/node"
	"parley/sys/monitor"
	"parley/ui"
)

// upCmd is `parley up`.
type upCmd struct {
	Data      string   `help:"Directory of the database and the site's keys (default: the user's data directory)." placeholder:"DIR"`
	HTTPS     string   `name:"https" help:"Address of the HTTPS listener (default: :8443)." default:":8443" placeholder:"ADDR"`
	HTTP      string   `name:"http" help:"Address of the plain listener for this machine alone; - for none (default: localhost:8080)." default:"localhost:8080" placeholder:"ADDR"`
	Media     []string `help:"UDP address of media (default: :8801)." default:":8801" placeholder:"ADDR"`
	Advertise []string `help:"Addresses clients are told for media (default: those of this machine)." placeholder:"IP"`
	Zones     []string `help:"Meeting zones to run, each with a controller and a router (default: main)." default:"main" placeholder:"NAME"`
	Admin     string   `help:"Loopback address of metrics, profiles and debug pages (default: none)." placeholder:"ADDR"`
	Site      string   `help:"Public base URL, if people reach this machine by a name of its own." placeholder:"URL"`
	JSON      bool     `name:"json" help:"Say on one line of JSON what was started."`
	routerLimits
	LogLevel string `help:"debug, info, warn or error." default:"warn" enum:"debug,info,warn,error"`
}

// routerLimits are how much the routers take on.
type routerLimits struct {
	MaxPeople   int `help:"People on each router (default: 1000)." placeholder:"N"`
	MaxMeetings int `help:"Meetings on each router (default: 200)." placeholder:"N"`
	PerMeeting  int `name:"max-people-per-meeting" help:"People in one meeting (default: 300)." placeholder:"N"`
	Loudest     int `help:"Speakers everybody hears (default: 3)." placeholder:"N"`
	Shards      int `help:"Threads that carry media (default: 1)." placeholder:"N"`
}

// Run starts everything and serves until a signal.
func (c *upCmd) Run(e *env) error {
	data := c.Data
	if data == "" {
		dir, err := dataDir()
		if err != nil {
			return err
		}
		data = dir
	}
	log, err := monitor.NewLogger(e.stderr, monitor.LogConfig{Level: c.LogLevel})
	if err != nil {
		return &exitError{exitUsage, err}
	}
	n, ready, err := node.Up(e.ctx, node.UpConfig{
		Data: data, HTTPS: c.HTTPS, HTTP: c.HTTP, Media: c.Media, Advertise: c.Advertise, Zones: c.Zones, Admin: c.Admin, Site: c.Site,
		MaxPeople: c.MaxPeople, MaxMeetings: c.MaxMeetings, PerMeeting: c.PerMeeting, Loudest: c.Loudest, Shards: c.Shards,
	}, node.Deps{UI: ui.Files(), Build: build, Log: log})
	if bad := (*node.ConfigError)(nil); errors.As(err, &bad) {
		return &exitError{exitUsage, bad}
	} else if err != nil {
		return err
	}
	return serveNode(e, n, func(w io.Writer) error {
		if c.JSON {
			return json.NewEncoder(w).Encode(ready)
		}
		return printReady(w, ready, data)
	})
}

// serveNode runs a node, and says it is ready once it accepts connections.
func serveNode(e *env, n *node.Node, ready func(io.Writer) error) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	// The listeners are bound already: whoever reads the line and connects is queued, not refused.
	if err := ready(e.stdout); err != nil {
		cancel()
		<-done
		return fmt.Errorf("saying where to go: %w", err)
	}
	return <-done
}

// printReady is the first screen of somebody who has never seen Parley.
func printReady(w io.Writer, r node.Ready, data string) error {
	lines := fmt.Sprintf("Parley is ready.\n\n  Open     %s\n", r.Site)
	if r.HTTP != "" {
		lines += fmt.Sprintf("  or       %s   (from this machine, no certificate warning)\n", r.HTTP)
	}
	lines += fmt.Sprintf("  Media    UDP and TCP %s\n  Data     %s\n", r.Media, data)
	if r.Admin.Password != "" {
		lines += fmt.Sprintf("\n  Sign in as %s with password %s\n  (made just now and shown only this time; change it with: parley user passwd)\n", r.Admin.Email, r.Admin.Password)
	} else {
		lines += fmt.Sprintf("\n  Sign in as %s\n", r.Admin.Email)
	}
	ca, err := filepath.Abs(filepath.Join(data, "site", "ca.pem"))
	if err != nil {
		return err
	}
	lines += fmt.Sprintf("\nA meeting, from another terminal:\n\n  export PARLEY_TOKEN=%s\n  export PARLEY_SITE=%s PARLEY_CA=%s\n  parley meeting create --topic \"First meeting\"\n  parley join LINK --name Ann --explain\n\nCtrl-C stops.\n", r.Token, r.Site, ca)
	_, err = io.WriteString(w, lines)
	return err
}

// dataDir is $XDG_DATA_HOME/parley, ~/.local/share/parley by default, /var/lib/parley for root.
func dataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "parley"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/parley", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for data: give --data: %w", err)
	}
	return filepath.Join(home, ".local", "share", "parley"), nil
}

// stateDir is where the client keeps what is worth knowing the next time: $XDG_STATE_HOME/parley, by default
// ~/.local/state/parley; "" where there is no home.
func stateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "parley")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "parley")
}
