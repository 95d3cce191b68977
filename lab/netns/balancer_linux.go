package netns

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/wire/proto"
)

// Balancer is an haproxy before port 443 of a server. It works on TCP, and tells the server in a PROXY protocol header
// whom it speaks for: in version 1 of one connection, in version 2 of the next.
type Balancer struct {
	*Namespace
	*Process
	Addr   netip.Addr
	Server netip.Addr // behind it
}

// startBalancer starts a balancer on the servers' side of the internet.
func (in *Internet) startBalancer(addr, server netip.Addr) error {
	n, err := in.attach("balancer", addr)
	if err != nil {
		return err
	}
	conf := filepath.Join(in.cfg.Dir, "haproxy.cfg")
	text := fmt.Sprintf(`global
	log stdout format raw daemon
defaults
	mode tcp
	timeout connect 5s
	timeout client 1h
	timeout server 1h
	log global
	option logasap
	log-format "passed on with %%s"
frontend public
	bind %s:443
	default_backend servers
backend servers
	balance roundrobin
	server v1 %[2]s:443 send-proxy
	server v2 %[2]s:443 send-proxy-v2
`, addr, server)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	in.balancer = &Balancer{Namespace: n, Addr: addr, Server: server}
	if in.balancer.Process, err = in.start(n, "haproxy", nil, "haproxy", "-db", "-f", conf); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := in.core.Dial(context.Background(), "tcp4", netip.AddrPortFrom(addr, 443).String())
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("haproxy does not accept connections: %w\n%s", err, in.balancer.Output(true))
		}
	}
}

// Passed counts the connections passed on so far, by version of the header.
func (b *Balancer) Passed() map[string]int {
	out := map[string]int{}
	for _, l := range b.Lines(0) {
		if _, version, ok := strings.Cut(l.Text, "passed on with "); ok {
			out[strings.TrimSpace(version)]++
		}
	}
	return out
}

// header is what a balancer puts before a connection, in a version of the PROXY protocol, for whoever it speaks for.
func header(version int, client, server netip.AddrPort) []byte {
	if version == 1 {
		return fmt.Appendf(nil, "PROXY TCP4 %s %s %d %d\r\n", client.Addr(), server.Addr(), client.Port(), server.Port())
	}
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x21, 0x11, 0, 12) // version 2, PROXY; TCP over IPv4; so many bytes follow
	from, to := client.Addr().As4(), server.Addr().As4()
	b = append(append(b, from[:]...), to[:]...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, client.Port()), server.Port())
}

// seenAs asks the site, over a connection of its own that begins with these bytes, which address it sees.
func seenAs(n *Namespace, to netip.Addr, before []byte) (netip.Addr, error) {
	tr := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // it is asked by its address
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := n.Dial(ctx, network, addr)
			if err == nil {
				_, err = c.Write(before)
			}
			return c, err
		},
	}
	resp, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Get("https://" + netip.AddrPortFrom(to, 443).String() + "/network")
	if err != nil {
		return netip.Addr{}, err
	}
	defer resp.Body.Close()
	var a proto.NetworkAnswer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return netip.Addr{}, errors.Join(errors.New(resp.Status), err)
	}
	ap, err := netip.ParseAddr(a.YourAddr)
	return ap, err
}
