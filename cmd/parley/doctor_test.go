package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"parley/client"
	"parley/wire/proto"
)

var update = flag.Bool("update", false, "rewrite the golden texts")

// sick is a diagnosis with everything a report may have.
func sick() *client.Diagnosis {
	return &client.Diagnosis{
		Site: "https://meet.example.org", Grade: client.Limited, Cause: client.CauseUDPBlocked, Causes: []client.Cause{client.CauseUDPBlocked, client.CauseZone},
		Summary: []string{"The best meeting zone is Europe, 21 ms away.", "UDP 8801 seems to be blocked: none of 20 probes was answered.", "Audio runs over TCP 8801."},
		Findings: []client.Finding{
			{Phase: "site", What: "HTTPS", Status: client.OK, Value: "24 ms, TLS 1.3, certificate by ‘R11’"},
			{Phase: "site", What: "Post-quantum TLS", Status: client.Warn, Value: "dropped on the way",
				Note: "A firewall does not let a first TLS message of more than one packet through. Older keys are used instead."},
			{Phase: "zones", What: "Europe", Status: client.OK, Value: "21 ms"},
			{Phase: "zones", What: "Asia", Status: client.Fail, Value: "asia.example.org: no answer in time"},
			{Phase: "media", What: "UDP 8801", Status: client.Fail, Value: "no answer"},
			{Phase: "media", What: "TCP 8801", Status: client.OK, Value: "audio 22 ms, video 23 ms, content 22 ms"},
			{Phase: "network", What: "Address translation", Status: client.OK, Value: "none"},
		},
		Rungs: map[string]proto.Rung{"audio": proto.TCP8801},
		Rules: []client.FirewallRule{{Protocol: "UDP", Port: 8801, To: []string{"203.0.113.7", "203.0.113.8"},
			Improves: "sound and pictures without the delay that TCP adds when packets are lost"}},
		Advice: []string{"Update the firewall: it drops TLS handshakes with post-quantum key shares (X25519MLKEM768), which span two packets."},
	}
}

func TestDoctorReport(t *testing.T) {
	var b bytes.Buffer
	o := doctorOutput{e: &env{stdout: &b}, width: 80}
	o.report(sick())
	path := filepath.Join("testdata", "doctor.txt")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
}

// On a terminal there are colours, in any width nothing is lost, and no line is longer than the screen.
func TestDoctorReportFitsTheTerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	words := func(s string) string {
		for _, c := range []string{"1", "31", "32", "33", "0"} {
			s = strings.ReplaceAll(s, "\x1b["+c+"m", "")
		}
		return strings.Join(strings.Fields(s), " ")
	}
	var wide string
	for _, width := range []int{maxWidth, 75, minWidth} {
		var b bytes.Buffer
		o := doctorOutput{e: &env{stdout: &b, tty: true}, width: width}
		o.report(sick())
		if !strings.Contains(b.String(), "\x1b[31mFAIL\x1b[0m") {
			t.Errorf("no colour on a terminal: %q", b.String())
		}
		if wide == "" {
			wide = words(b.String())
		}
		if got := words(b.String()); got != wide {
			t.Errorf("%d columns say\n%s\nwant\n%s", width, got, wide)
		}
		for l := range strings.Lines(b.String()) {
			for _, c := range []string{"1", "31", "32", "33", "0"} {
				l = strings.ReplaceAll(l, "\x1b["+c+"m", "")
			}
			if n := len([]rune(strings.TrimRight(l, "\n"))); n > width {
				t.Errorf("a line of %d in %d columns: %q", n, width, l)
			}
		}
	}
}

func TestDoctor(t *testing.T) {
	s := up(t)
	ca := s.flags[3]
	r := parley(t, "doctor", s.Site, "--ca", ca, "--json")
	d := into[client.Diagnosis](t, r)
	if d.Site != strings.TrimSuffix(s.Site, "/") || d.Rungs["audio"] != proto.UDP8801 || len(d.Causes) > 0 && d.Cause == "" || r.code != int(d.Grade) || d.Grade == client.Useless {
		t.Errorf("exit code %d, %+v", r.code, d)
	}
	// A person who gives a link gets the report of its site.
	r = parley(t, "doctor", strings.TrimSuffix(s.Site, "/")+"/j/123456789?pwd=geheim", "--ca", ca)
	if !regexp.MustCompile(`Audio runs over UDP \d+\.`).MatchString(r.stdout) || !strings.Contains(r.stdout, "Browsers, TLS 443       ") || strings.Contains(r.stdout, "warn  Browsers") || strings.Contains(r.stdout, "geheim") || strings.Contains(r.stdout, "\x1b") {
		t.Errorf("said %q", r.stdout)
	}
	parley(t, "doctor", "nonsense").want(t, exitUsage, "not an https:// address")
	r = parley(t, "doctor", s.Site)
	if r.code != int(client.Useless) || !strings.Contains(r.stdout, "the site's own authority") {
		t.Errorf("without the authority: %d, %q", r.code, r.stdout)
	}
}
