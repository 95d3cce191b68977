package client_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
)

// A network with a sign-in page: TLS is refused, plain HTTP led to the page. The person is told what to do, at
// once, and is in the meeting soon after it was done; or hears in the end that it was not.
func TestASignInPageIsNamedAndWaitedFor(t *testing.T) {
	for _, signsIn := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			stop := w.plainHTTP("http://portal.example/login")
			defer stop()
			var ann *lab.Host
			p := w.join("ann", func(cfg *client.Config) {
				ann = cfg.Host.(*lab.Host)
				ann.Block(lab.Rule{Proto: lab.TCP, Port: 443, Reject: true}, lab.Rule{Proto: lab.UDP})
			})
			time.Sleep(3 * time.Second)
			if told, _ := saw[client.Trouble](p); len(told) != 1 || !strings.Contains(told[0].Text, "sign in") {
				t.Fatalf("told %+v within 3 s, want to sign in", told)
			}
			if !signsIn {
				began := time.Now()
				if err := p.end(); err == nil || !strings.Contains(err.Error(), "sign in first") || time.Since(began) > 6*time.Minute {
					t.Errorf("ended after %v with %v", time.Since(began), err)
				}
				return
			}
			time.Sleep(time.Minute)
			stop()
			ann.Unblock()
			time.Sleep(3500 * time.Millisecond)
			if joins, _ := saw[client.Joined](p); len(joins) != 1 {
				t.Errorf("joined %d times within 3.5 s of signing in", len(joins))
			}
		})
	}
}

// A site that sends plain requests to its own HTTPS is no such page.
func TestASiteThatPrefersHTTPSIsNoSignInPage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		defer w.plainHTTP("https://meet.test/")()
		p := w.join("ann", func(cfg *client.Config) {
			cfg.Host.(*lab.Host).Block(lab.Rule{Proto: lab.TCP, Port: 443, Reject: true}, lab.Rule{Proto: lab.UDP})
		})
		if err := p.end(); err == nil || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("ended with %v", err)
		}
	})
}

// plainHTTP answers everything on port 80 of the site with the way to another address, until it is stopped.
func (w *world) plainHTTP(to string) (stop func()) {
	l, err := w.srv.Listen(netip.AddrPortFrom(w.srv.Addr(), 80))
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &http.Server{Handler: http.RedirectHandler(to, http.StatusFound)}
	go srv.Serve(l)
	return func() { srv.Close() }
}
