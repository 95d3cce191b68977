package interop

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// site is one running `parley up`, shared by all tests; each has a meeting of its own. Immutable.
type site struct {
	binary string
	data   string
	url    string
	token  string
	ca     string
	http   *http.Client
	tls    *tls.Config
}

// theSite is set by TestMain before any test runs.
var theSite *site

func TestMain(m *testing.M) {
	flag.Parse()
	run := withSite
	if os.Getenv("PARLEY_VIEWERS") != "" { // the server is somebody else's
		run = func(m *testing.M) (int, error) { return m.Run(), nil }
	}
	code, err := run(m)
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		code = 1
	}
	os.Exit(code)
}

// withSite runs the tests against a fresh site and stops it.
func withSite(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "parley-interop-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	s := &site{binary: os.Getenv("PARLEY_BINARY"), data: filepath.Join(dir, "data")}
	if s.binary == "" {
		s.binary = filepath.Join(dir, "parley")
		build := exec.Command("go", "build", "-o", s.binary, "./cmd/parley")
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("building parley: %w\n%s", err, out)
		}
	}
	var stderr bytes.Buffer
	up := exec.Command(s.binary, "up", "--json", "--data", s.data,
		"--https", "127.0.0.1:0", "--http", "-", "--media", "127.0.0.1:0", "--log-level", "info")
	up.Stderr = &stderr
	stdout, err := up.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := up.Start(); err != nil {
		return 1, err
	}
	defer func() {
		up.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(20*time.Second, func() { up.Process.Kill() })
		werr := up.Wait()
		late.Stop()
		if werr != nil && err == nil {
			err = fmt.Errorf("parley up ended with: %w", werr)
		}
		if code != 0 || err != nil || testing.Verbose() {
			fmt.Fprintf(os.Stderr, "--- parley up said:\n%s", stderr.String())
		}
	}()
	var ready struct {
		Site  string `json:"site"`
		Token string `json:"token"`
	}
	if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
		return 1, fmt.Errorf("parley up says nothing: %w\n%s", err, stderr.String())
	}
	s.url, s.token, s.ca = ready.Site, ready.Token, filepath.Join(s.data, "site", "ca.pem")
	pem, err := os.ReadFile(s.ca)
	if err != nil {
		return 1, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return 1, errors.New("ca.pem holds no certificate")
	}
	s.tls = &tls.Config{RootCAs: pool}
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls}, Timeout: 10 * time.Second}
	defer s.http.CloseIdleConnections()
	theSite = s
	return m.Run(), nil
}

// meeting is one meeting to be joined.
type meeting struct {
	*site
	number   string
	passcode string
	link     string
	pwd      string // of the link
}

// newMeeting makes a meeting that everyone may enter.
func newMeeting(t *testing.T) meeting {
	t.Helper()
	cmd := exec.Command(theSite.binary, "meeting", "create", "--json", "--site", theSite.url, "--ca", theSite.ca,
		"--token", theSite.token, "--topic", t.Name())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("parley meeting create: %v %s", err, out)
	}
	var m struct {
		ID       int64  `json:"id"`
		Password string `json:"password"`
		JoinURL  string `json:"join_url"`
	}
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatalf("parley meeting create said %q: %v", out, err)
	}
	u, err := url.Parse(m.JoinURL)
	if err != nil {
		t.Fatal(err)
	}
	return meeting{site: theSite, number: strconv.FormatInt(m.ID, 10), passcode: m.Password, link: m.JoinURL, pwd: u.Query().Get("pwd")}
}

// native is a running `parley join`.
type native struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan struct{} // closed when its output has ended

	mu      sync.Mutex
	events  []nativeEvent
	changed chan struct{}
}

// nativeEvent is one line of its --json output.
type nativeEvent struct {
	Event       string      `json:"event"`
	Participant uint32      `json:"participant"`
	Put         []personRow `json:"put"`
	Text        string      `json:"text"`
	Reason      string      `json:"reason"`
}

// joinNative starts parley's own client with a file to send and a directory to record into.
func joinNative(t *testing.T, m meeting, name, clip, record string) *native {
	t.Helper()
	n := &native{t: t, done: make(chan struct{}), changed: make(chan struct{})}
	n.cmd = exec.Command(m.binary, "join", m.link, "--ca", m.ca, "--name", name, "--publish", clip, "--loop", "--record", record, "--json")
	n.cmd.Stderr = &n.stderr
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go n.read(bufio.NewScanner(stdout))
	t.Cleanup(func() { n.cmd.Process.Kill(); <-n.done })
	return n
}

func (n *native) read(lines *bufio.Scanner) {
	defer close(n.done)
	for lines.Scan() {
		var e nativeEvent
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		n.mu.Lock()
		n.events = append(n.events, e)
		close(n.changed)
		n.changed = make(chan struct{})
		n.mu.Unlock()
	}
}

// want waits for an event that fits.
func (n *native) want(what string, fits func(nativeEvent) bool) nativeEvent {
	n.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for i := 0; ; {
		n.mu.Lock()
		for ; i < len(n.events); i++ {
			if fits(n.events[i]) {
				defer n.mu.Unlock()
				return n.events[i]
			}
		}
		changed := n.changed
		n.mu.Unlock()
		select {
		case <-changed:
		case <-n.done:
			n.t.Fatalf("parley join ended before %s: %s", what, n.stderr.String())
		case <-deadline.C:
			n.t.Fatalf("parley join: no %s within %v", what, patience)
		}
	}
}

// leave ends it as Ctrl-C does, and expects a clean end.
func (n *native) leave() {
	n.t.Helper()
	n.cmd.Process.Signal(os.Interrupt)
	late := time.AfterFunc(patience, func() { n.cmd.Process.Kill() })
	defer late.Stop()
	<-n.done
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("parley join ended with %v: %s", err, strings.TrimSpace(n.stderr.String()))
	}
}
