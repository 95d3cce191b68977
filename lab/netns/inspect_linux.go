package netns

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// InspectorName is how the inspecting proxy's CA calls itself.
const InspectorName = "Example Works Web Gateway"

// Inspector is a proxy that opens TLS: it shows every client a certificate of its own CA. What is inside
// must be HTTP, as such boxes demand.
type Inspector struct {
	URL string // of the proxy
	CA  string // PEM file of its CA

	a    *Access
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	site *x509.CertPool

	mu    sync.Mutex
	certs map[string]*tls.Certificate // guarded by mu
	conns map[net.Conn]struct{}       // guarded by mu; nil once closed
	wg    sync.WaitGroup
}

// StartInspector starts an inspecting proxy on the gateway, on port 3128.
func (a *Access) StartInspector() (*Inspector, error) {
	i := &Inspector{a: a, URL: fmt.Sprintf("http://%s:3128", a.LAN), certs: map[string]*tls.Certificate{}, conns: map[net.Conn]struct{}{}, site: x509.NewCertPool()}
	pemText, err := os.ReadFile(a.in.CA)
	if err != nil {
		return nil, err
	}
	i.site.AppendCertsFromPEM(pemText)
	if i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: InspectorName + " CA", Organization: []string{InspectorName}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &i.key.PublicKey, i.key)
	if err != nil {
		return nil, err
	}
	if i.ca, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	i.CA = filepath.Join(a.in.cfg.Dir, a.Name+"-inspector.pem")
	// People who install such a CA keep the others they trust: the file holds the site's too.
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pemText...)
	if err := os.WriteFile(i.CA, text, 0o644); err != nil {
		return nil, err
	}
	l, err := a.Listen("192.168.1.1:3128")
	if err != nil {
		return nil, err
	}
	i.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			i.wg.Go(func() { i.serve(c) })
		}
	})
	a.in.onClose(func() {
		l.Close()
		i.mu.Lock()
		for c := range i.conns {
			c.Close()
		}
		i.conns = nil
		i.mu.Unlock()
		i.wg.Wait()
	})
	return i, nil
}

// hold keeps a connection for the end; false: this is the end.
func (i *Inspector) hold(c net.Conn) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.conns == nil {
		c.Close()
		return false
	}
	i.conns[c] = struct{}{}
	return true
}

func (i *Inspector) drop(c net.Conn) {
	c.Close()
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.conns, c)
}

// serve is one client's connection: CONNECT, TLS with a certificate of ours, HTTP, and TLS to the server.
func (i *Inspector) serve(c net.Conn) {
	if !i.hold(c) {
		return
	}
	defer i.drop(c)
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	host, port, err := net.SplitHostPort(req.Host)
	if req.Method != http.MethodConnect || err != nil || port != "443" {
		fmt.Fprint(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	up, err := i.a.DialOut(ctx, host, port)
	if err != nil || !i.hold(up) {
		fmt.Fprint(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer i.drop(up)
	fmt.Fprint(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	server := tls.Client(up, &tls.Config{RootCAs: i.site, ServerName: host, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if server.HandshakeContext(ctx) != nil {
		return
	}
	cert, err := i.certFor(host)
	if err != nil {
		return
	}
	client := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if client.HandshakeContext(ctx) != nil {
		return
	}
	first := make([]byte, 16<<10)
	n, err := client.Read(first)
	if err != nil || !looksLikeHTTP(first[:n]) {
		return
	}
	if _, err := server.Write(first[:n]); err != nil {
		return
	}
	i.wg.Go(func() {
		_, _ = io.Copy(server, client)
		up.Close()
	})
	_, _ = io.Copy(client, server)
}

// looksLikeHTTP reports whether bytes begin as a request does: a method in capital letters.
func looksLikeHTTP(b []byte) bool {
	method, _, ok := bytes.Cut(b, []byte(" "))
	return ok && len(method) > 2 && len(method) < 8 && len(bytes.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0
}

// certFor makes a certificate for a name, once.
func (i *Inspector) certFor(name string) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c := i.certs[name]; c != nil {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial := make([]byte, 12)
	_, err = rand.Read(serial)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: i.ca.NotBefore, NotAfter: i.ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if a, bad := netip.ParseAddr(name); bad == nil {
		template.IPAddresses = []net.IP{a.AsSlice()}
	} else {
		template.DNSNames = []string{name}
	}
	der, err2 := x509.CreateCertificate(rand.Reader, template, i.ca, &key.PublicKey, i.key)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	i.certs[name] = &tls.Certificate{Certificate: [][]byte{der, i.ca.Raw}, PrivateKey: key}
	return i.certs[name], nil
}

// ServeSite shows who asks the gateway for the site a certificate of the site's own CA that is valid from a time on.
func (a *Access) ServeSite(from time.Time) error {
	dir := filepath.Dir(a.in.CA)
	ca, err := tls.LoadX509KeyPair(a.in.CA, filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: SiteName}, DNSNames: []string{SiteName},
		NotBefore: from, NotAfter: from.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, &key.PublicKey, ca.PrivateKey)
	if err != nil {
		return err
	}
	l, err := a.Listen("192.168.1.1:443")
	if err != nil {
		return err
	}
	cert := tls.Certificate{Certificate: [][]byte{der, ca.Certificate[0]}, PrivateKey: key}
	a.serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}), http.NotFoundHandler())
	return nil
}

// ServeLAN serves HTTP on the gateway until the internet closes: PAC files, a captive portal's page.
func (a *Access) ServeLAN(addr string, h http.Handler) error {
	l, err := a.Listen(addr)
	if err != nil {
		return err
	}
	a.serve(l, h)
	return nil
}

func (a *Access) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	a.in.onClose(func() {
		srv.Close()
		<-done
	})
}
