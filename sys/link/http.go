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
	byHost := tlsConf.Clone() // the transport adds HTTP/2 to its own
	byHost.NextProtos = []string{"h2", "http/1.1"}
	return &http.Client{Transport: &http.Transport{
		DialContext:           h.Dial,
		DialTLSContext:        dialTLS(h, byHost),
		TLSClientConfig:       tlsConf.Clone(),
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   4,
	}}
}

// HTTPServer is a server with the house's limits against slow clients: 10 s for the headers, 16 KiB of
// them, two idle minutes. Its own complaints (they name addresses) are discarded unless errs is set.
// LimitBody bounds bodies too; handlers that write an answer for long set their own deadlines.
func HTTPServer(handler http.Handler, errs *slog.Logger) *http.Server {
	complaints := log.New(io.Discard, "", 0)
	if errs != nil {
		complaints = slog.NewLogLogger(errs.Handler(), slog.LevelDebug)
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          complaints,
	}
}

// bodyTimeout is how long a request's body may take: the largest of ours has 64 KiB, 17 kbit/s.
const bodyTimeout = 30 * time.Second

// LimitBody gives each request that has a body 30 s for it, so that nobody keeps a connection and a
// goroutine by sending a byte now and then. The server lifts the deadline with the next request, and what
// becomes a WebSocket has no body.
func LimitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // not every test's writer can
		}
		next.ServeHTTP(w, r)
	})
}
