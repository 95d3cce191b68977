package bus

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// embed starts the engine inside this process.
func (b *Bus) embed(cfg Config) error {
	o := &server.Options{
		ServerName:   cfg.Name,
		DontListen:   !cfg.Listen.IsValid(),
		NoSigs:       true,
		PingInterval: time.Second,
		MaxPingsOut:  2,
		// A zone's announcement names every meeting of every router: 200 routers with 100 meetings
		// each are 1.3 MB, over the engine's default of 1 MiB.
		MaxPayload: 8 << 20,
		// No HTTP monitor, no system account, no JetStream, no cluster: core messages only.
		NoSystemAccount: true,
	}
	if cfg.Listen.IsValid() {
		o.Host, o.Port = cfg.Listen.Addr().String(), int(cfg.Listen.Port())
		if o.Port == 0 {
			o.Port = server.RANDOM_PORT
		}
		if cfg.TLS != nil {
			// The handshake first: nobody without a certificate of ours reaches the parser.
			o.TLS, o.TLSVerify, o.TLSConfig, o.TLSHandshakeFirst = true, true, cfg.TLS, true
			o.TLSTimeout = 3 // seconds
			if cfg.Permit != nil {
				o.CustomClientAuthentication = gate{cfg.Permit}
			}
		}
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("making the bus: %w", err)
	}
	srv.SetLoggerV2(engineLog{b.log}, false, false, false)
	srv.Start()
	b.srv = srv
	if !srv.ReadyForConnections(startTimeout) {
		b.stopServer()
		return errors.New("starting the bus: not ready in time (is the address taken?)")
	}
	if a, ok := srv.Addr().(*net.TCPAddr); ok {
		b.addr = a.AddrPort()
		b.addr = netip.AddrPortFrom(b.addr.Addr().Unmap(), b.addr.Port())
	}
	return nil
}

// gate gives each connection the permissions of its certificate. Only this process's own connection has
// none: every other one has been through the TLS handshake.
type gate struct {
	permit func(*x509.Certificate) (Permissions, bool)
}

// answersFor is how long a server may take to answer a request it was sent.
const answersFor = time.Minute

// Check is server.Authentication.
func (g gate) Check(c server.ClientAuthentication) bool {
	state := c.GetTLSConnectionState()
	if state == nil || len(state.PeerCertificates) == 0 {
		return c.RemoteAddress() == nil || c.RemoteAddress().Network() == "pipe"
	}
	may, ok := g.permit(state.PeerCertificates[0])
	if !ok {
		return false
	}
	c.RegisterUser(&server.User{Username: state.PeerCertificates[0].Subject.CommonName, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: allow(may.Publish)},
		Subscribe: &server.SubjectPermission{Allow: allow(append([]string{"_INBOX.>"}, may.Subscribe...))},
		Response:  &server.ResponsePermission{MaxMsgs: 1, Expires: answersFor},
	}})
	return true
}

// allow is a list the engine takes for a list: an empty one it takes for everything.
func allow(subjects []string) []string {
	if len(subjects) == 0 {
		return []string{"parley.nothing"}
	}
	return subjects
}

func (b *Bus) stopServer() {
	if b.srv == nil {
		return
	}
	b.srv.Shutdown()
	b.srv.WaitForShutdown()
}

// engineLog passes the engine's warnings on, and its chatter at debug level.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Noticef(f string, v ...any) { l.log.Debug("bus engine: " + fmt.Sprintf(f, v...)) }
func (l engineLog) Warnf(f string, v ...any)   { l.log.Warn("bus engine: " + fmt.Sprintf(f, v...)) }
func (l engineLog) Errorf(f string, v ...any)  { l.log.Error("bus engine: " + fmt.Sprintf(f, v...)) }
func (l engineLog) Fatalf(f string, v ...any)  { l.log.Error("bus engine: " + fmt.Sprintf(f, v...)) }
func (l engineLog) Debugf(string, ...any)      {}
func (l engineLog) Tracef(string, ...any)      {}
