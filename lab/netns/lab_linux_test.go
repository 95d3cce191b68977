package netns

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"parley/lab/netns/wire"
)

// labBench is an internet with one zone and one machine behind an access, for tests of the laboratory itself.
func labBench(t *testing.T, classes ...wire.Class) (*Internet, *Access, *Machine) {
	t.Helper()
	needAll(t)
	var b built
	binary := b.get(t)
	in, err := NewInternet(InternetConfig{Binary: binary, Dir: t.TempDir(), Zones: []string{"a"}, Tunnels: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	a, err := in.NewAccess(NATHome, classes...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := in.NewMachine(a, false)
	if err != nil {
		t.Fatal(err)
	}
	return in, a, m
}

// fetch gets the site's health page from a machine, through a proxy or not. It says who signed the site's
// certificate.
func fetch(m *Machine, in *Internet, proxy, ca string) (issuer string, took time.Duration, err error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return "", 0, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, _ := net.SplitHostPort(addr); host == SiteName {
				addr = net.JoinHostPort(in.Server("site").Addr.String(), port)
			}
			return m.Dial(ctx, network, addr)
		},
	}
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return "", 0, err
		}
		tr.Proxy = http.ProxyURL(u)
	}
	defer tr.CloseIdleConnections()
	t0 := time.Now()
	resp, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Get("https://" + SiteName + "/healthz")
	if err != nil {
		return "", 0, err
	}
	resp.Body.Close()
	return resp.TLS.PeerCertificates[0].Issuer.CommonName, time.Since(t0), nil
}

// The laboratory's own obstacles are what they say they are.
func TestObstacles(t *testing.T) {
	in, a, m := labBench(t, wire.Both(wire.Link{Delay: 20 * time.Millisecond}))
	issuer, took, err := fetch(m, in, "", in.CA)
	if err != nil || !strings.HasPrefix(issuer, "Parley CA") {
		t.Fatalf("the site's certificate is signed by %q, %v", issuer, err)
	}
	if took < 120*time.Millisecond || took > 300*time.Millisecond {
		t.Errorf("three round trips of 40 ms took %v", took)
	}

	if err := a.Forward("meta l4proto tcp reject with tcp reset"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fetch(m, in, "", in.CA); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("with a firewall in the way: %v, want a refused connection", err)
	}

	for _, auth := range []Auth{AuthNone, AuthBasic, AuthDigest} {
		t.Run("squid "+string(auth), func(t *testing.T) {
			p, err := a.StartSquid(auth)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Kill()
			if got := challenge(t, m, p.URL); !strings.EqualFold(got, string(auth)) {
				t.Errorf("it asks for %q, want %q", got, auth)
			}
			if auth != AuthDigest { // which the standard library does not do
				with := strings.Replace(p.URL, "http://", "http://"+ProxyUser+":"+p.Password+"@", 1)
				if _, _, err := fetch(m, in, with, in.CA); err != nil {
					t.Errorf("through the proxy: %v", err)
				}
			}
			connects, err := p.Connects()
			if err != nil {
				t.Error(err)
			}
			for _, c := range connects {
				if c.Target != SiteName+":443" {
					t.Errorf("its log has %v", c)
				}
			}
		})
	}

	t.Run("inspector", func(t *testing.T) {
		i, err := a.StartInspector()
		if err != nil {
			t.Fatal(err)
		}
		if issuer, _, err := fetch(m, in, i.URL, i.CA); err != nil || !strings.HasPrefix(issuer, InspectorName) {
			t.Errorf("the certificate is signed by %q, %v; want the inspector's", issuer, err)
		}
		if _, _, err := fetch(m, in, i.URL, in.CA); err == nil {
			t.Error("who does not trust the inspector got through")
		}
	})

	t.Run("portal", func(t *testing.T) {
		err := a.ServeLAN("192.168.1.1:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "sign in") }))
		if err == nil {
			err = a.Redirect("tcp dport 80 dnat to 192.168.1.1:80")
		}
		if err == nil {
			err = a.Forward()
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.Dial(t.Context(), "tcp4", "203.0.113.99:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
		if status, _ := bufio.NewReader(c).ReadString('\n'); !strings.Contains(status, "200") {
			t.Errorf("an address where nobody is answers %q", status)
		}
	})
}

// challenge is what a proxy asks for when CONNECT comes without credentials; "" where it asks nothing.
func challenge(t *testing.T, m *Machine, proxy string) string {
	t.Helper()
	c, err := m.Dial(t.Context(), "tcp4", strings.TrimPrefix(proxy, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n", SiteName, SiteName)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	scheme, _, _ := strings.Cut(resp.Header.Get("Proxy-Authenticate"), " ")
	return scheme
}

// A gateway that forgets its mappings gives the next packet of the same socket another port, and one of
// home keeps it.
func TestRebindChangesThePort(t *testing.T) {
	for _, tc := range []struct {
		nat  NAT
		want int
	}{{NATSymmetric, 4}, {NATHome, 1}} {
		in, _, _ := labBench(t)
		a, err := in.NewAccess(tc.nat)
		if err != nil {
			t.Fatal(err)
		}
		m, err := in.NewMachine(a, false)
		if err != nil {
			t.Fatal(err)
		}
		far := netip.AddrPortFrom(in.Server("mmr-a").Addr, 8801) // which is silent towards what it does not understand
		c, err := m.Dial(t.Context(), "udp4", far.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 4 {
			if _, err := c.Write([]byte("here I am")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			if err := a.Rebind(); err != nil {
				t.Fatal(err)
			}
		}
		ports := map[uint16]bool{}
		for _, f := range a.Flows(func(f Flow) bool { return f.Dir == wire.Up && f.Proto == wire.UDP && f.Far == far }) {
			ports[f.Near] = true
		}
		if len(ports) != tc.want {
			t.Errorf("NAT %d: %d ports, want %d", tc.nat, len(ports), tc.want)
		}
		in.Close()
	}
}

// What a crashed run leaves behind goes at the next start; what lives stays.
func TestStaleNamespacesAreRemoved(t *testing.T) {
	needAll(t)
	const dead = prefix + "4194304-0-1-gone" // above the largest process number there is
	mine := fmt.Sprintf("%s%d-0-1-here", prefix, os.Getpid())
	left := map[string]*Process{}
	for _, name := range []string{dead, mine} {
		n, err := newNamespace(name)
		if err != nil {
			t.Fatal(err)
		}
		defer n.close()
		if err := n.hosts("127.0.0.1 localhost\n"); err != nil {
			t.Fatal(err)
		}
		if left[name], err = n.Start(name, nil, "sleep", "60"); err != nil {
			t.Fatal(err)
		}
		defer left[name].Kill()
	}
	if err := RemoveStale(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-left[dead].Done():
	case <-time.After(20 * time.Second):
		t.Error("what ran there runs on")
	}
	select {
	case <-left[mine].Done():
		t.Error("what runs in a namespace that lives was ended")
	default:
	}
	for _, dir := range []string{namesDir, filesDir} {
		if _, err := os.Stat(dir + "/" + dead); err == nil {
			t.Errorf("%s/%s is still there", dir, dead)
		}
		if _, err := os.Stat(dir + "/" + mine); err != nil {
			t.Errorf("%s/%s is gone", dir, mine)
		}
	}
}
