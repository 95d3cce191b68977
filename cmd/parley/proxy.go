package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/x/term"

	"parley/sys/proxy"
)

// proxyFlags are what is known of proxies on the way to the site (S13).
type proxyFlags struct {
	Proxy     string `help:"Proxy to use: http://HOST:PORT, https://HOST:PORT, or direct for none (default: by HTTPS_PROXY and NO_PROXY)." placeholder:"URL"`
	PAC       string `name:"pac" help:"Address or file of a proxy auto-config script." placeholder:"URL|FILE"`
	LoginFor  string `name:"proxy-user-for" help:"Proxy that the login is for, where a script names proxies: it is shown to no other." placeholder:"HOST:PORT"`
	ProxyUser string `help:"Login for the proxy: USER:PASSWORD, or @FILE that holds it, which other users of this machine can't see; on a terminal it is asked for." placeholder:"LOGIN"`
}

// config puts them into the library's terms.
func (f proxyFlags) config(e *env) (proxy.Config, error) {
	c := proxy.Config{URL: f.Proxy, PAC: f.PAC, Env: os.Getenv, LoginFor: f.LoginFor}
	if f.ProxyUser != "" {
		login, err := readLogin(f.ProxyUser)
		if err != nil {
			return c, &exitError{exitUsage, err}
		}
		c.Login = login
	}
	if e.tty && e.stdin != nil {
		c.Prompter = terminal{e}
	}
	h, err := proxy.New(c) // faults of the flags belong to the command line, not to a failed join
	if err != nil {
		return c, &exitError{exitUsage, err}
	}
	h.Close()
	return c, nil
}

// maxLogin bounds the file of a login.
const maxLogin = 4 << 10

func readLogin(text string) (proxy.Login, error) {
	if path, ok := strings.CutPrefix(text, "@"); ok {
		f, err := os.Open(path)
		if err != nil {
			return proxy.Login{}, fmt.Errorf("--proxy-user: %w", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxLogin))
		if err != nil {
			return proxy.Login{}, fmt.Errorf("--proxy-user: %w", err)
		}
		text, _, _ = strings.Cut(string(b), "\n")
		text = strings.TrimSuffix(text, "\r")
	}
	user, password, ok := strings.Cut(text, ":")
	if user == "" || !ok {
		return proxy.Login{}, errors.New("--proxy-user: a login looks like USER:PASSWORD, or @FILE for a file that holds one")
	}
	return proxy.Login{User: user, Password: proxy.Redacted(password)}, nil
}

// terminal asks the person at it.
type terminal struct{ e *env }

// ProxyLogin implements proxy.Prompter. The password is not shown while it is typed.
func (t terminal) ProxyLogin(ctx context.Context, name, realm string, again bool) (proxy.Login, error) {
	if again {
		fmt.Fprintln(t.e.stderr, "The proxy does not accept that.")
	}
	of := ""
	if realm != "" {
		of = fmt.Sprintf(" (%q)", realm)
	}
	fmt.Fprintf(t.e.stderr, "The proxy %s%s wants a login.\nUser name: ", name, of)
	user, err := readLine(ctx, t.e.stdin)
	if err != nil || user == "" {
		return proxy.Login{}, errors.New("no user name given")
	}
	fmt.Fprint(t.e.stderr, "Password: ")
	password, err := t.secret(ctx)
	fmt.Fprintln(t.e.stderr)
	return proxy.Login{User: user, Password: proxy.Redacted(password)}, err
}

// secret reads a line without showing it, where the input is a terminal.
func (t terminal) secret(ctx context.Context) (string, error) {
	if f, ok := t.e.stdin.(*os.File); ok && term.IsTerminal(f.Fd()) {
		b, err := term.ReadPassword(f.Fd())
		return string(b), err
	}
	return readLine(ctx, t.e.stdin)
}

// readLine reads up to the end of a line, and no further: what follows is for the next question.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	var b strings.Builder
	var one [1]byte
	for b.Len() < maxLogin && ctx.Err() == nil {
		n, err := r.Read(one[:])
		if n == 1 && one[0] == '\n' {
			return strings.TrimSuffix(b.String(), "\r"), nil
		}
		b.Write(one[:n])
		if err != nil {
			return b.String(), err
		}
	}
	return b.String(), ctx.Err()
}
