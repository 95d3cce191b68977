package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"parley/node"
)

func TestMain(m *testing.M) {
	// What a developer has exported must not reach the tests.
	for _, k := range []string{"PARLEY_SITE", "PARLEY_TOKEN", "PARLEY_CA", "PARLEY_CONFIG", "HTTPS_PROXY", "https_proxy"} {
		os.Unsetenv(k)
	}
	os.Setenv("XDG_STATE_HOME", os.DevNull) // nothing is remembered
	goleak.VerifyTestMain(m)
}

// result is what a run of the program leaves behind.
type result struct {
	code           int
	stdout, stderr string
}

// parley runs the program in this process.
func parley(t *testing.T, args ...string) result {
	t.Helper()
	return parleyTyping(t, "", args...)
}

// parleyTyping does it with something on standard input.
func parleyTyping(t *testing.T, typed string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(args, &env{ctx: t.Context(), stdout: &stdout, stderr: &stderr, stdin: strings.NewReader(typed)})
	return result{code, stdout.String(), stderr.String()}
}

// want checks the exit code and that standard error has some words.
func (r result) want(t *testing.T, code int, words ...string) result {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.stdout, r.stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("standard error %q does not say %q", r.stderr, w)
		}
	}
	return r
}

// into decodes standard output.
func into[T any](t *testing.T, r result) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
		t.Fatalf("%v in %q", err, r.stdout)
	}
	return v
}

// site is a running `parley up`.
type site struct {
	node.Ready
	flags []string // --site and --ca
}

// up runs `parley up --json` until the test ends, which demands exit code 0.
func up(t *testing.T) site {
	t.Helper()
	data := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	var wg sync.WaitGroup
	wg.Go(func() {
		code := run([]string{"up", "--data", data, "--https", "127.0.0.1:0", "--http", "127.0.0.1:0", "--media", "127.0.0.1:0", "--zones", "a,b", "--json"},
			&env{ctx: ctx, stdout: w, stderr: &stderr})
		if code != exitOK {
			t.Errorf("up ended with %d: %s", code, stderr.String())
		}
		w.Close()
	})
	dec := json.NewDecoder(r)
	var s site
	if err := dec.Decode(&s.Ready); err != nil {
		cancel()
		wg.Wait()
		t.Fatalf("the line of up --json: %v\n%s", err, stderr.String())
	}
	var rest []byte
	wg.Go(func() { rest, _ = io.ReadAll(io.MultiReader(dec.Buffered(), r)) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if text := strings.TrimSpace(string(rest)); text != "" {
			t.Errorf("up --json said more than its line: %q", text)
		}
	})
	s.flags = []string{"--site", s.Site, "--ca", filepath.Join(data, "site", "ca.pem")}
	return s
}

// api runs a command of the REST API as the administrator.
func (s site) api(t *testing.T, args ...string) result {
	t.Helper()
	return parley(t, append(append(args, s.flags...), "--token", s.Token)...)
}

func TestUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		says string // on standard error
	}{
		{[]string{"--help"}, 0, ""},
		{nil, 0, ""},
		{[]string{"join", "--help"}, 0, ""},
		{[]string{"version"}, 0, ""},
		{[]string{"dance"}, 2, "dance"},
		{[]string{"up", "--nonsense"}, 2, "--nonsense"},
		{[]string{"up", "--log-level", "loud"}, 2, "--log-level"},
		{[]string{"serve"}, 2, "--config"},
		{[]string{"serve", "--config", "/nowhere/parley.yaml"}, 2, "/nowhere/parley.yaml"},
		{[]string{"join"}, 2, "<link|number>"},
		{[]string{"join", "12 34"}, 2, "9 to 11 digits"},
		{[]string{"join", "12345678901"}, 2, "--site"},
		{[]string{"join", "https://meet.example.org/x"}, 2, "https://meet.example.org/x"},
		{[]string{"join", "https://localhost:1/j/12345678901", "--for", "soon"}, 2, "--for"},
		{[]string{"join", "https://localhost:1/j/12345678901", "--publish", "/nowhere.webm"}, 2, "/nowhere.webm"},
		{[]string{"join", "https://localhost:1/j/12345678901", "--ca", "/nowhere.pem"}, 2, "/nowhere.pem"},
		{[]string{"meeting", "list"}, 2, "PARLEY_TOKEN"},
		{[]string{"meeting", "end", "x", "--token", "t"}, 2, "digits"},
		{[]string{"user", "add"}, 2, "<email>"},
		{[]string{"enroll"}, 2, "<token>"},
		{[]string{"enroll", "enrol-x", "--site", "https://localhost:1", "--out", "/dev/null/x"}, 2, "--out"},
		{[]string{"up", "--data", "/nowhere", "--https", ":99999"}, 2, "listen.https"},
		{[]string{"up", "--data", "/nowhere", "--zones", "a,a"}, 2, "twice"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			r := parley(t, tc.args...).want(t, tc.code, tc.says)
			if tc.code == 0 && r.stdout == "" {
				t.Error("nothing on standard output")
			}
		})
	}
}

func TestCheckPrintsTheConfigOrEveryFault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "parley.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("data: /var/lib/parley\nweb: {}\n")
	if r := parley(t, "check", "--config", file).want(t, 0); !strings.Contains(r.stdout, `https: :443`) {
		t.Errorf("no defaults in\n%s", r.stdout)
	}
	write("web: {}\nmmr: {dscp: high}\nzoned: 1\n")
	parley(t, "check", "--config", file).want(t, 2, file, "unknown key zoned", "mmr.dscp", "mmr.zone: required", "data: ")
	parley(t, "serve", "--config", file).want(t, 2, "unknown key zoned")
	write("mmr: {zone: a, id: a-1, url: 'https://a.example.org/mmr'}\nbus: {url: 'nats://bus.example.org:4222'}\n")
	parley(t, "serve", "--config", file).want(t, 2, "bus.url", "mutual TLS is required")
}

func TestPortTakenIsSaidPlainly(t *testing.T) {
	s := up(t)
	addr := strings.Replace(strings.TrimPrefix(s.Site, "https://"), "localhost", "127.0.0.1", 1)
	parley(t, "up", "--data", t.TempDir(), "--https", addr, "--http", "-", "--media", "127.0.0.1:0").want(t, 1, addr)
}

func TestMeetingsAndUsersThroughTheAPI(t *testing.T) {
	s := up(t)
	if !strings.HasPrefix(s.Site, "https://localhost:") || !strings.HasPrefix(s.HTTP, "http://localhost:") || s.Admin.Password == "" {
		t.Errorf("ready: %+v", s.Ready)
	}
	m := into[meetingRow](t, s.api(t, "meeting", "create", "--topic", "Plans", "--passcode", "4711", "--json").want(t, 0))
	if m.Topic != "Plans" || m.Password != "4711" || !strings.HasPrefix(m.JoinURL, s.Site+"/j/") || strings.Contains(m.JoinURL, "4711") {
		t.Errorf("meeting: %+v", m)
	}
	if list := into[[]meetingRow](t, s.api(t, "meeting", "list", "--json").want(t, 0)); len(list) != 1 || list[0].ID != m.ID {
		t.Errorf("list: %+v", list)
	}
	if r := s.api(t, "meeting", "list").want(t, 0); !strings.Contains(r.stdout, spaced(m.ID)) {
		t.Errorf("list for people:\n%s", r.stdout)
	}
	s.api(t, "meeting", "end", spaced(m.ID)).want(t, 0)
	s.api(t, "meeting", "end", "99999999999").want(t, exitRefused, "does not exist")
	s.api(t, "meeting", "create", "--passcode", "no spaces").want(t, exitRefused, "password")

	u := into[userRow](t, s.api(t, "user", "add", "mia@example.org", "--first-name", "Mia", "--json").want(t, 0))
	if u.Email != "mia@example.org" || u.Password == "" {
		t.Errorf("user: %+v", u)
	}
	s.api(t, "user", "add", "mia@example.org").want(t, exitRefused, "mia@example.org")
	if list := into[[]userRow](t, s.api(t, "user", "list", "--json").want(t, 0)); len(list) != 2 {
		t.Errorf("users: %+v", list)
	}
	s.api(t, "user", "passwd", "mia@example.org").want(t, 0)

	parley(t, append([]string{"meeting", "list", "--token", "wrong"}, s.flags...)...).want(t, exitRefused, "access token")
	parley(t, "meeting", "list", "--token", s.Token, "--site", s.Site).want(t, exitNoPath, "--ca")
	parley(t, "meeting", "list", "--token", s.Token, "--site", "https://127.0.0.1:1").want(t, exitNoPath, "does not answer")
}

func TestEnroll(t *testing.T) {
	s := up(t)
	tok := struct {
		Token string `json:"token"`
	}{}
	f := apiFlags{siteFlags: siteFlags{Site: s.Site, trustFlags: trustFlags{CA: s.flags[3]}}, Token: s.Token}
	e := &env{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}
	if err := f.call(e, "POST", "/api/v1/enroll/tokens", map[string]any{"server": "par-1", "zone": "par", "names": []string{"par-1.example.org"}}, &tok); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "new")
	r := parley(t, append([]string{"enroll", tok.Token, "--out", out}, s.flags...)...).want(t, 0)
	if !strings.Contains(r.stdout, "par-1") || !strings.Contains(r.stdout, filepath.Join(out, "server.pem")) {
		t.Errorf("said:\n%s", r.stdout)
	}
	for name, mode := range map[string]os.FileMode{"server.pem": 0o644, "server-key.pem": 0o600, "ca.pem": 0o644} {
		info, err := os.Stat(filepath.Join(out, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), mode)
		}
	}
	parley(t, append([]string{"enroll", tok.Token, "--out", out}, s.flags...)...).want(t, exitRefused, "used before")
}

// events are the lines of join --json, by name.
func events(t *testing.T, r result) map[string][]map[string]any {
	t.Helper()
	byName := make(map[string][]map[string]any)
	for line := range strings.Lines(r.stdout) {
		var ev map[string]any
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		byName[fmt.Sprint(ev["event"])] = append(byName[fmt.Sprint(ev["event"])], ev)
	}
	return byName
}

func TestJoin(t *testing.T) {
	s := up(t)
	m := into[meetingRow](t, s.api(t, "meeting", "create", "--passcode", "4711", "--json").want(t, 0))
	number := strconv.FormatInt(m.ID, 10)
	join := func(args ...string) result {
		t.Helper()
		return parley(t, append(append([]string{"join"}, args...), s.flags...)...)
	}
	t.Run("in and out", func(t *testing.T) {
		ev := events(t, join(m.JoinURL, "--name", "Ann", "--for", "500ms", "--explain", "--json").want(t, 0))
		for _, name := range []string{"phase", "candidate", "media", "joined", "roster", "left", "explain"} {
			if len(ev[name]) == 0 {
				t.Errorf("no %q among the events", name)
			}
		}
		if left := ev["left"]; len(left) != 1 || left[0]["reason"] != "left" {
			t.Errorf("left: %v", left)
		}
	})
	t.Run("for people", func(t *testing.T) {
		r := join(number, "--passcode", "4711", "--for", "10ms", "--explain").want(t, 0)
		for _, words := range []string{"lookup", "zone", "control", "In the meeting", "Left the meeting", "How the connection came to be"} {
			if !strings.Contains(r.stdout, words) {
				t.Errorf("%q not in\n%s", words, r.stdout)
			}
		}
	})
	t.Run("when Enter is pressed", func(t *testing.T) {
		for _, ready := range []string{"site", "lobby"} {
			args := append([]string{"join", m.JoinURL, "--enter", ready, "--for", "10ms", "--json"}, s.flags...)
			if ev := events(t, parleyTyping(t, "\n", args...).want(t, 0)); len(ev["joined"]) != 1 {
				t.Errorf("%s: joined %d times, want once", ready, len(ev["joined"]))
			}
			if ev := events(t, parleyTyping(t, "", args...).want(t, 0)); len(ev["joined"]) != 0 {
				t.Errorf("%s: joined though nobody pressed Enter", ready)
			}
		}
	})
	t.Run("wrong passcode", func(t *testing.T) {
		r := join(number, "--passcode", "0815", "--json").want(t, exitRefused, "passcode")
		if left := events(t, r)["left"]; len(left) != 1 || left[0]["reason"] != "no_such_meeting" {
			t.Errorf("left: %v", left)
		}
		// An unknown number is told from a wrong passcode by nobody.
		join("99999999999", "--passcode", "0815").want(t, exitRefused, strings.TrimSpace(r.stderr))
		if r := join(number, "--passcode", "0815"); strings.Contains(r.stdout, "passcode") {
			t.Errorf("the refusal is on standard output too: %q", r.stdout)
		}
	})
	t.Run("unknown CA", func(t *testing.T) {
		parley(t, "join", m.JoinURL, "--for", "10ms").want(t, exitNoPath, "certificate", "--ca")
	})
}

func TestJoinWhereNothingAnswers(t *testing.T) {
	link := "https://127.0.0.1:1/j/12345678901"
	parley(t, "join", link, "--for", "10ms").want(t, exitNoPath, link)
}
