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
// once. A site that sends plain requests to its own HTTPS is no such page.
func TestASignInPageIsNamed(t *testing.T) {
	for to, want := range map[string]string{
		"http://portal.example/login": "sign in first",
		"https://meet.test/":          "does not answer",
	} {
		t.Run(to, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				l, err := w.srv.Listen(netip.AddrPortFrom(w.srv.Addr(), 80))
				if err != nil {
					t.Fatal(err)
				}
				srv := &http.Server{Handler: http.RedirectHandler(to, http.StatusFound)}
				go srv.Serve(l)
				defer srv.Close()
				p := w.join("ann", func(cfg *client.Config) {
					cfg.Host.(*lab.Host).Block(lab.Rule{Proto: lab.TCP, Port: 443, Reject: true}, lab.Rule{Proto: lab.UDP})
				})
				began := time.Now()
				err = p.end()
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("ended with %v, want %q", err, want)
				}
				if took := time.Since(began); want == "sign in first" && took > 3*time.Second {
					t.Errorf("told after %v", took)
				}
			})
		})
	}
}
