package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"parley/sys/link"
)

// minHandshake and maxHandshake bound how long a TLS handshake of one round trip may take, which is otherwise
// five times what the connection took.
const (
	minHandshake = 1500 * time.Millisecond
	maxHandshake = 5 * time.Second
)

// secure opens a connection one way and TLS on it. Some firewalls drop or reset a ClientHello with a
// post-quantum share, which does not fit one packet: where the handshake ends so, it is tried once more with
// classical curves, and what that teaches is kept.
func (h *Host) secure(ctx context.Context, w way, network, addr string, conf *tls.Config) (net.Conn, error) {
	if conf == nil {
		conf = link.ClientTLS(nil)
	}
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		conf = conf.Clone()
		conf.ServerName = host
	}
	if h.Classical() {
		return h.handshake(ctx, w, network, addr, withoutPQ(conf))
	}
	c, err := h.handshake(ctx, w, network, addr, conf)
	if err == nil || !cutOff(ctx, err) {
		return c, err
	}
	c, again := h.handshake(ctx, w, network, addr, withoutPQ(conf))
	if again != nil {
		return nil, err
	}
	h.mu.Lock()
	h.classical = true
	h.mu.Unlock()
	return c, nil
}

// errHandshake says that a server took the connection and did not shake hands.
var errHandshake = errors.New("the connection stands, but TLS gets no answer")

func (h *Host) handshake(ctx context.Context, w way, network, addr string, conf *tls.Config) (net.Conn, error) {
	began := time.Now()
	c, err := h.open(ctx, w, network, addr)
	if err != nil {
		return nil, err
	}
	limit := min(max(5*time.Since(began), minHandshake), maxHandshake)
	hctx, cancel := context.WithTimeoutCause(ctx, limit, errHandshake)
	defer cancel()
	tc := tls.Client(c, conf)
	if err := tc.HandshakeContext(hctx); err != nil {
		c.Close()
		if ctx.Err() == nil && context.Cause(hctx) == errHandshake {
			err = errHandshake
		}
		return nil, untrusted(conf.ServerName, err)
	}
	return tc, nil
}

// cutOff reports whether a handshake was dropped or reset by something that need not be the server.
func cutOff(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (errors.Is(err, errHandshake) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}

// withoutPQ is conf with the key shares that fit one packet.
func withoutPQ(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	conf.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
	return conf
}

// Untrusted says that the certificate shown for a server is not one this machine accepts: nothing was sent to
// whoever showed it, and asking again would show it again.
type Untrusted struct {
	Server string
	Issuer string // who made it, in its own words
	Vendor string // the kind of box known by such names; "" where none is
	Err    error  // crypto/x509's
}

// Unwrap is the library's error.
func (e *Untrusted) Unwrap() error { return e.Err }

// Error says what it means and what may be done.
func (e *Untrusted) Error() string {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s, by ‘%s’, is not valid at this computer's date and time: is its clock right? (%v)", e.Server, e.Issuer, e.Err)
	case errors.As(e.Err, &name):
		return fmt.Sprintf("the certificate shown for %s, by ‘%s’, is for somebody else: this network may want you to sign in first (%v)", e.Server, e.Issuer, e.Err)
	case strings.HasPrefix(e.Issuer, ownCA):
		return fmt.Sprintf("the certificate of %s is by ‘%s’, the site's own authority, which this computer does not know (%v)", e.Server, e.Issuer, e.Err)
	}
	box := ""
	if e.Vendor != "" {
		box = ", of " + e.Vendor
	}
	return fmt.Sprintf("TLS is intercepted by ‘%s’%s: the certificate shown for %s is theirs, and this computer does not trust it. "+
		"Ask whoever runs this network to install their authority, or to let %s through unopened (%v)", e.Issuer, box, e.Server, e.Server, e.Err)
}

// ownCA is how sites name their own authority.
const ownCA = "Parley CA"

// untrusted puts names to a handshake's failure, where it is the certificate.
func untrusted(server string, err error) error {
	var v *tls.CertificateVerificationError
	if !errors.As(err, &v) || len(v.UnverifiedCertificates) == 0 {
		return err
	}
	issuer := Issuer(v.UnverifiedCertificates[0])
	return &Untrusted{Server: server, Issuer: issuer, Vendor: vendorOf(v.UnverifiedCertificates), Err: v.Err}
}

// Issuer is who made a certificate, in words: its common name, else its organisation.
func Issuer(c *x509.Certificate) string {
	name := c.Issuer.CommonName
	if name == "" && len(c.Issuer.Organization) > 0 {
		name = c.Issuer.Organization[0]
	}
	if name == "" {
		return "somebody without a name"
	}
	return name
}

// vendors are the boxes that open TLS, by words in the names of their certificates.
var vendors = []struct{ word, name string }{
	{"fortigate", "Fortinet"}, {"fortinet", "Fortinet"}, {"palo alto", "Palo Alto Networks"}, {"zscaler", "Zscaler"}, {"sophos", "Sophos"},
	{"cisco", "Cisco"}, {"umbrella", "Cisco Umbrella"}, {"netskope", "Netskope"}, {"blue coat", "Broadcom (Blue Coat)"}, {"symantec web", "Broadcom (Symantec)"},
	{"forcepoint", "Forcepoint"}, {"websense", "Forcepoint"}, {"barracuda", "Barracuda"}, {"check point", "Check Point"}, {"mcafee", "Skyhigh (McAfee)"},
	{"skyhigh", "Skyhigh"}, {"sonicwall", "SonicWall"}, {"watchguard", "WatchGuard"}, {"ubiquiti", "Ubiquiti"}, {"unifi", "Ubiquiti"}, {"aruba", "Aruba"},
	{"huawei", "Huawei"}, {"kaspersky", "Kaspersky"}, {"eset ssl", "ESET"}, {"avast", "Avast"}, {"bitdefender", "Bitdefender"}, {"mitmproxy", "mitmproxy"},
	{"charles proxy", "Charles"}, {"squid", "Squid"},
}

func vendorOf(chain []*x509.Certificate) string {
	for _, c := range chain {
		text := strings.ToLower(strings.Join(append(slices.Clone(c.Issuer.Organization), c.Issuer.CommonName, strings.Join(c.EmailAddresses, " ")), " "))
		for _, v := range vendors {
			if strings.Contains(text, v.word) {
				return v.name
			}
		}
	}
	return ""
}
