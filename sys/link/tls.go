package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
)

// ServerTLS is the house's TLS for a listener that serves HTTP/2 and HTTP/1.1 with these certificates:
// TLS 1.2 or later, the suites and curves of the standard library. A WebSocket client offers
// http/1.1 alone and gets it.
func ServerTLS(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: certs,
		NextProtos:   []string{"h2", "http/1.1"},
	}
}

// ClientTLS is the house's TLS for a caller that trusts roots; nil means the system's.
func ClientTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    roots,
		// Resumption saves a certificate flight on the second connection to a server.
		ClientSessionCache: tls.NewLRUClientSessionCache(32),
	}
}

// overHTTP1 is conf for a connection that must speak HTTP/1.1, as the WebSocket upgrade does.
func overHTTP1(conf *tls.Config) *tls.Config {
	if conf == nil {
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	conf = conf.Clone()
	conf.NextProtos = []string{"http/1.1"}
	return conf
}

// TLSDialer is a Host that shakes hands itself: it has several ways to a server and knows only then which of
// them leads there.
type TLSDialer interface {
	Host
	DialTLS(ctx context.Context, network, addr string, conf *tls.Config) (*tls.Conn, error)
}

// dialTLS is a transport's DialTLSContext; nil where the host leaves TLS to its caller.
func dialTLS(h Host, conf *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d, ok := h.(TLSDialer)
	if !ok {
		return nil
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialTLS(ctx, network, addr, conf)
		if err != nil {
			return nil, err // not a nil *tls.Conn in an interface
		}
		return c, nil
	}
}
