package netns

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// logSearch looks through what all processes of an internet write to standard error for what must not be there:
// passwords, tokens, and clients' addresses. A user may see her own.
type logSearch struct {
	mu   sync.Mutex
	seen map[*Process]int // lines searched already; guarded by mu
}

// search looks at what is new since the last time; with again at everything, for what has become a secret since. It
// gives the lines that say too much, without what is secret in them.
func (l *logSearch) search(in *Internet, again bool) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil || again {
		l.seen = map[*Process]int{}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	ours := sorted(in.secrets)
	all := sorted(slices.Concat(in.secrets, in.shown))
	for _, p := range in.logs {
		if p.Name == "squid" {
			continue // is not ours
		}
		secrets := ours
		if in.isServer(p) {
			secrets = all
		}
		lines := p.Lines(l.seen[p])
		l.seen[p] += len(lines)
		var b strings.Builder
		for _, line := range lines {
			if line.Stderr {
				b.WriteString(line.Text + "\n")
			}
		}
		text := b.String()
		looks := secretForm.FindAllString(text, -1)
		if in.isServer(p) {
			looks = append(looks, userForm.FindAllString(text, -1)...)
		}
		for _, s := range slices.Concat(secrets, looks) {
			if at := indexWhole(text, s); at >= 0 {
				line := text[strings.LastIndexByte(text[:at], '\n')+1:]
				line, _, _ = strings.Cut(line, "\n")
				found = append(found, fmt.Sprintf("%s logs a secret: %s", p.Name, strings.ReplaceAll(line, s, "<"+s[:min(3, len(s))]+"…>")))
			}
		}
	}
	return found
}

// secretForm is what was never named as secret and looks like a token of whatever kind, a grant among them (a JWS in
// compact form begins so), like a password of ICE or TURN, in JSON or as Go prints a structure, or like what is told a
// proxy of a login, Basic or Digest.
var secretForm = regexp.MustCompile(`eyJ[\w-]{8,}\.[\w-]*|ice-pwd:\S+|"(?:pwd|password|credential)": ?"[^"]+|\b(?:Pwd|Password|Credential):[^\s}]+` +
	`|(?i:(?:proxy-)?authorization: ?\w+ \S+)|\b(?:Basic [A-Za-z0-9+/]{6,}={0,2}|response="?[0-9a-f]{32,64})`)

// userForm is a meeting's passcode in one of its forms: its users may see it, servers don't write it.
var userForm = regexp.MustCompile(`[?&]pwd=[^\s&"]+|(?i:\bpasscode"?[=:] ?"?[^\s"}]+)`)

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// isServer reports whether a process is one of the site's. in.mu is held.
func (in *Internet) isServer(p *Process) bool {
	return slices.ContainsFunc(in.servers, func(s *Server) bool { return s.Process == p })
}

// indexWhole finds s where it does not go on with a digit, as an address within a longer one would: of IPv6 that may
// be a letter.
func indexWhole(text, s string) int {
	for i := 0; s != ""; {
		j := strings.Index(text[i:], s)
		if j < 0 {
			return -1
		}
		at := i + j
		i = at + len(s)
		more := i < len(text) && (text[i] >= '0' && text[i] <= '9' || strings.Contains(s, ":") && text[i] >= 'a' && text[i] <= 'f')
		if !more {
			return at
		}
	}
	return -1
}

// The search finds what it is to find, once for each time it is written, and nothing where nothing is.
func TestSecretsInLogsAreFound(t *testing.T) {
	server, user := &Process{Name: "site"}, &Process{Name: "Ann"}
	in := &Internet{logs: []*Process{server, user}, servers: []*Server{{Process: server}}, secrets: []string{"hunter2"}, shown: []string{"192.168.1.2", "2001:db8::2"}}
	var l logSearch
	for _, step := range []struct {
		name  string
		write map[*Process]Line
		again bool
		want  int
	}{
		{"her own address, and what is no log", map[*Process]Line{user: {Text: "my address is 192.168.1.2", Stderr: true}, server: {Text: "hunter2"}}, false, 0},
		{"a longer address", map[*Process]Line{server: {Text: "192.168.1.20 came", Stderr: true}}, false, 0},
		{"an address", map[*Process]Line{server: {Text: "from 192.168.1.2:4000", Stderr: true}}, false, 1},
		{"nothing new", nil, false, 0},
		{"everything again", nil, true, 1},
		{"a longer IPv6 address", map[*Process]Line{server: {Text: "[2001:db8::2f]:4000", Stderr: true}}, false, 0},
		{"an IPv6 address", map[*Process]Line{server: {Text: "[2001:db8::2]:4000", Stderr: true}}, false, 1},
		{"a token nobody has named", map[*Process]Line{server: {Text: "opened with eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiI3In0.c2ln", Stderr: true}}, false, 1},
		{"a password of ICE", map[*Process]Line{user: {Text: "a=ice-pwd:b1946ac92492d2347c6235b4d2611184", Stderr: true}}, false, 1},
		{"a password of ICE, printed", map[*Process]Line{server: {Text: "{Group:0 Ufrag:abcd Password:b1946ac92492d234}", Stderr: true}}, false, 1},
		{"one of TURN", map[*Process]Line{server: {Text: `{"username":"tunnel.1767323945.7","credential":"c2VjcmV0"}`, Stderr: true}}, false, 1},
		{"one of TURN, printed", map[*Process]Line{user: {Text: "{Username:tunnel.1767323945.7 Credential:c2VjcmV0}", Stderr: true}}, false, 1},
		{"a login at a proxy", map[*Process]Line{user: {Text: "CONNECT a:443\nProxy-Authorization: Basic bWlhOnNlY3JldA==", Stderr: true}}, false, 1},
		{"its value alone", map[*Process]Line{user: {Text: "sent Basic bWlhOnNlY3JldA==", Stderr: true}}, false, 1},
		{"an answer of Digest", map[*Process]Line{user: {Text: `username="mia", response="6629fae49393a05397450978507c4ef1"`, Stderr: true}}, false, 1},
		{"her own passcode", map[*Process]Line{user: {Text: "the link is https://a/j/1?pwd=b1946ac9, passcode: 123456", Stderr: true}}, false, 0},
		{"a passcode", map[*Process]Line{server: {Text: `msg=lookup passcode=123456`, Stderr: true}}, false, 1},
		{"a link with one", map[*Process]Line{server: {Text: `GET /j/1?pwd=b1946ac9`, Stderr: true}}, false, 1},
		{"what is no secret", map[*Process]Line{server: {Text: "a wrong passcode, Basic and Digest logins, authorization failed", Stderr: true}}, false, 0},
		{"a password", map[*Process]Line{user: {Text: "--proxy-user mia:hunter2", Stderr: true}}, false, 1},
	} {
		for p, line := range step.write {
			p.lines = append(p.lines, line)
		}
		if got := l.search(in, step.again); len(got) != step.want {
			t.Errorf("%s: found %q, want %d", step.name, got, step.want)
		}
	}
}
