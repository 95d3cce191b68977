package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/client"
	"parley/sys/proxy"
)

func TestProxyLogins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "login")
	if err := os.WriteFile(file, []byte("ann:from:file\r\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]proxy.Login{
		"ann:geheim": {User: "ann", Password: "geheim"},
		"ann:":       {User: "ann"},
		"@" + file:   {User: "ann", Password: "from:file"},
	} {
		if got, err := readLogin(text); err != nil || got != want {
			t.Errorf("%q: user %q, %v", text, got.User, err)
		}
	}
	for _, text := range []string{"ann", ":x", "@" + file + "x"} {
		if _, err := readLogin(text); err == nil {
			t.Errorf("%q passes", text)
		}
	}
}

func TestFaultyProxyFlags(t *testing.T) {
	link := []string{"join", "https://meet.example.org/j/83012345678"}
	parley(t, append(link, "--proxy", "socks5://x:1")...).want(t, exitUsage, "socks5")
	r := parley(t, append(link, "--proxy-user", "geheim")...).want(t, exitUsage, "--proxy-user")
	if strings.Contains(r.stderr, "geheim") {
		t.Errorf("the secret is shown: %s", r.stderr)
	}
}

// The person at the terminal is asked for the login of a proxy.
func TestTheTerminalIsAsked(t *testing.T) {
	var said bytes.Buffer
	e := &env{ctx: t.Context(), stdout: io.Discard, stderr: &said, tty: true, stdin: strings.NewReader("ann\ngeheim\n")}
	conf, err := proxyFlags{}.config(e)
	if err != nil || conf.Prompter == nil {
		t.Fatalf("no prompter: %v", err)
	}
	l, err := conf.Prompter.ProxyLogin(t.Context(), "proxy:3128", "the office", true)
	if err != nil || l != (proxy.Login{User: "ann", Password: "geheim"}) {
		t.Errorf("login of %q, %v", l.User, err)
	}
	for _, want := range []string{"does not accept that", `proxy:3128 ("the office")`, "User name: ", "Password: "} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("said %q, not %q", said.String(), want)
		}
	}
	if _, err := conf.Prompter.ProxyLogin(t.Context(), "proxy:3128", "", false); err == nil {
		t.Error("a login out of nowhere")
	}
}

// S15: who can't connect is offered the web client.
func TestTheBrowserIsOffered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tty    bool
		wished bool
		url    string
		typed  string
		opened string
		asked  bool
	}{
		{"yes", true, false, "https://x/j/1", "\n", "https://x/j/1", true},
		{"no", true, false, "https://x/j/1", "No\n", "", true},
		{"no terminal", false, false, "https://x/j/1", "\n", "", false},
		{"wished", false, true, "https://x/j/1", "", "https://x/j/1", false},
		{"no link", true, true, "", "\n", "", false},
	} {
		var said bytes.Buffer
		opened := ""
		e := &env{ctx: t.Context(), stderr: &said, tty: tt.tty, stdin: strings.NewReader(tt.typed),
			open: func(url string) error { opened = url; return nil }}
		offerBrowser(e, &client.ConnectError{WebURL: tt.url}, tt.wished)
		if opened != tt.opened || strings.Contains(said.String(), "Open it") != tt.asked {
			t.Errorf("%s: opened %q, said %q", tt.name, opened, said.String())
		}
	}
}

// A client that finds no path says what it tried, and opens the link where that is wished.
func TestJoinWithoutAPathOpensTheBrowser(t *testing.T) {
	var stdout, stderr bytes.Buffer
	opened := ""
	e := &env{ctx: t.Context(), stdout: &stdout, stderr: &stderr, open: func(url string) error { opened = url; return nil }}
	// The proxy is a port nobody listens on.
	code := run([]string{"join", "https://meet.example.org/j/83012345678", "--open-browser", "--proxy", "127.0.0.1:1"}, e)
	if code != exitNoPath || opened != "https://meet.example.org/j/83012345678" || strings.Count(stderr.String(), opened) != 1 {
		t.Errorf("exit %d, opened %q, said %q", code, opened, stderr.String())
	}
}
