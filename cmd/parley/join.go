package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"parley/client"
	"parley/sys/clip"
	"parley/wire/proto"
)

// joinCmd is `parley join`.
type joinCmd struct {
	Meeting  string        `arg:"" help:"Link of the meeting, or its number." name:"link|number"`
	Site     string        `help:"Base URL of the site, with a number." env:"PARLEY_SITE" placeholder:"URL"`
	Passcode string        `help:"Passcode, with a number." placeholder:"P"`
	Name     string        `help:"Name the others see." default:"Guest"`
	Publish  string        `help:"Send this file: WebM, Matroska, IVF and Ogg as they are, others through ffmpeg." placeholder:"FILE"`
	Loop     bool          `help:"Send the file again and again."`
	Record   string        `help:"Record everyone into this directory, one file each." placeholder:"DIR"`
	Enter    string        `help:"Join when Enter is pressed. Until then a connection to the site is kept open (site), or the meeting looked up and everything connected, and nothing sent (lobby)." enum:",site,lobby" default:"" placeholder:"site|lobby"`
	For      time.Duration `help:"Leave this long after getting in." placeholder:"DUR"`
	Explain  bool          `help:"Say at the end how the connection came to be, attempt by attempt."`
	JSON     bool          `name:"json" help:"One event per line, in JSON."`
	Token    string        `help:"Join as a signed-in user, with this session or API token (never taken from the environment: it would make every join a host's)." placeholder:"TOKEN"`
	Browser  bool          `name:"open-browser" help:"If no connection can be made, open the meeting in a browser without asking."`
	trustFlags
	proxyFlags
}

// Run joins and stays until told to leave.
func (c *joinCmd) Run(e *env) error {
	cfg, err := c.config(e)
	if err != nil {
		return err
	}
	out := newJoinOutput(e, c.JSON)
	in := make(chan struct{}) // closed when there is a meeting, or its waiting room, to leave
	var once sync.Once
	cfg.Events = func(ev client.Event) {
		switch ev.(type) {
		case client.Joined, client.Waiting:
			once.Do(func() { close(in) })
		}
		out.event(ev)
	}
	cl, err := client.New(cfg)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.ctx))
	defer cancel()
	// A signal or the end of --for leaves in order; a client that does not get out in time is cut off.
	// --for begins when the meeting does: how long connecting may take is the client's to say, and a
	// connection that never came about must not look like a normal end.
	if cfg.Wait != "" && e.stdin != nil {
		go func() { // may read until the process ends
			if _, err := readLine(ctx, e.stdin); err == nil {
				cl.Enter()
			} else {
				cl.Leave() // nobody is there to press it
			}
		}()
	}
	var leaving sync.WaitGroup
	leaving.Go(func() {
		if !c.stay(e.ctx, ctx, in) {
			return
		}
		cl.Leave()
		select {
		case <-time.After(leaveFor):
			cancel()
		case <-ctx.Done():
		}
	})
	err = cl.Run(ctx)
	cancel()
	leaving.Wait()
	noPath, failed := errors.AsType[*client.ConnectError](err)
	err = joinResult(err)
	out.close(err == nil)
	if c.Explain {
		out.explain(cl.Explain())
	}
	if failed {
		fmt.Fprintf(e.stderr, "parley: %v\n", err) // before the question
		offerBrowser(e, noPath, c.Browser)
		return &exitError{exitNoPath, errSaid}
	}
	return err
}

// stay waits for the time to leave: a signal, or the end of --for. It reports false if the
// participation ended by itself.
func (c *joinCmd) stay(signal, ended context.Context, in <-chan struct{}) bool {
	var after <-chan time.Time
	if c.For <= 0 {
		in = nil
	}
	for {
		select {
		case <-signal.Done():
			return true
		case <-ended.Done():
			return false
		case <-in:
			t := time.NewTimer(c.For)
			defer t.Stop()
			after, in = t.C, nil
		case <-after:
			return true
		}
	}
}

// leaveFor is how long an orderly leave may take, recordings included.
const leaveFor = 10 * time.Second

// clientConfig turns flags into the library's terms.
func (c *joinCmd) clientConfig() (client.Config, error) {
	cfg := client.Config{Site: c.Site, Passcode: c.Passcode, Name: c.Name, Build: build, Bearer: c.Token, Record: c.Record}
	if client.IsLink(c.Meeting) {
		l, err := client.ParseLink(c.Meeting)
		if err != nil {
			return cfg, &exitError{exitUsage, err}
		}
		cfg.Number, cfg.Pwd = l.Number, l.Pwd
		if cfg.Site == "" {
			cfg.Site = l.Site
		}
		return cfg, nil
	}
	n, err := cleanNumber(c.Meeting)
	if err != nil {
		return cfg, err
	}
	cfg.Number = n
	if cfg.Site == "" {
		return cfg, &exitError{exitUsage, errors.New("a number needs --site, such as --site https://meet.example.org; a link brings its own")}
	}
	return cfg, nil
}

// config is clientConfig with the files opened.
func (c *joinCmd) config(e *env) (client.Config, error) {
	cfg, err := c.clientConfig()
	if err != nil {
		return cfg, err
	}
	if cfg.TLS, err = c.trustFlags.config(); err != nil {
		return cfg, err
	}
	if cfg.Proxy, err = c.proxyFlags.config(e); err != nil {
		return cfg, err
	}
	cfg.State = stateDir()
	cfg.Wait = client.Wait(c.Enter)
	if c.Record != "" {
		if err := os.MkdirAll(c.Record, 0o755); err != nil {
			return cfg, &exitError{exitUsage, fmt.Errorf("--record: %w", err)}
		}
	}
	if c.Publish != "" {
		file, err := clip.Open(e.ctx, c.Publish, clip.Options{Loop: c.Loop})
		if err != nil {
			return cfg, &exitError{exitUsage, fmt.Errorf("--publish: %w", err)}
		}
		cfg.Publish = file
	}
	return cfg, nil
}

// cleanNumber reads a meeting number as people write it.
func cleanNumber(s string) (string, error) {
	n, err := client.CleanNumber(s)
	if err != nil {
		return "", &exitError{exitUsage, err}
	}
	return n, nil
}

// joinResult is the exit code of how a participation ended.
func joinResult(err error) error {
	var left *client.Left
	var refused *client.Refused
	var noPath *client.ConnectError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return nil
	case errors.As(err, &left):
		if left.Code == proto.CodeEjected {
			return &exitError{exitRefused, errors.New(left.Text)}
		}
		return nil
	case errors.As(err, &refused):
		return &exitError{exitRefused, errors.New(refused.Text)}
	case errors.As(err, &noPath):
		text := strings.TrimSpace(noPath.Error())
		// Who intercepts has been named: the site's own authority would be no help.
		if strings.Contains(text, x509.UnknownAuthorityError{}.Error()) && !strings.Contains(text, "intercepted") {
			text += certHint(x509.UnknownAuthorityError{})
		}
		return &exitError{exitNoPath, errors.New(text)}
	}
	return err
}
