package link

import (
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net/http"
	"time"
)

// HTTPClient is a client whose connections are dialled through h, over HTTP/2 where the server has
// it. tlsConf is copied; nil means the system's roots. It uses no proxy of the environment: how to
// reach a server is the joining process's choice. CloseIdleConnections ends its goroutines.
func HTTPClient(h Host, tlsConf *tls.Config) *http.Client {
	if tlsConf == nil {
		tlsConf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:           h.Dial,
		TLSClientConfig:       tlsConf.Clone(),
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   4,
	}}
}

// HTTPServer is a server with the house's limits against slow clients: 10 s for the headers, 16 KiB of
// them, two minutes for the body, two idle minutes. Its own complaints (they name addresses) are discarded unless
// errs is set. Handlers that read a body or write an answer for long set their own deadlines.
func HTTPServer(handler http.Handler, errs *slog.Logger) *http.Server {
	complaints := log.New(io.Discard, "", 0)
	if errs != nil {
		complaints = slog.NewLogLogger(errs.Handler(), slog.LevelDebug)
	}
	return &http.Server{
		Handler:           limitBody(handler),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          complaints,
	}
}

// bodyTimeout is how long a request's body may take: the largest of ours has 64 KiB, 4.4 kbit/s.
const bodyTimeout = 2 * time.Minute

// limitBody gives a request that has a body a deadline for it. A connection that is to become a WebSocket
// has none, and the server lifts the deadline with the next request.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // not every test's writer can
		}
		next.ServeHTTP(w, r)
	})
}
