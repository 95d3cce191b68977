package node

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"parley/sys/trust"
	"parley/wire/proto"
)

// renewTimeout bounds one request for a certificate: whoever answers signs one, and nothing waits for it.
const renewTimeout = 5 * time.Second

// renewal replaces the certificate a server was enrolled with (S28) at two thirds of its life, so that a server is
// enrolled once. The key stays: that it has it is what the server proves.
type renewal struct {
	cert, key string // PEM files
	ask       func(ctx context.Context, r proto.RenewRequest) (proto.RenewAnswer, error)
	log       *slog.Logger
}

// renewal is this node's, nil where its certificate is not an enrolled one.
func (n *Node) renewal() *renewal {
	if n.cfg.Bus.Cert == "" {
		return nil
	}
	return &renewal{cert: n.cfg.Bus.Cert, key: n.cfg.Bus.Key, log: n.log,
		ask: func(ctx context.Context, r proto.RenewRequest) (ans proto.RenewAnswer, err error) {
			ctx, cancel := context.WithTimeout(ctx, renewTimeout)
			defer cancel()
			err = n.bus.Request(ctx, proto.SubjectRenew, r, &ans)
			return ans, err
		}}
}

// run looks now and every hour until ctx ends.
func (r *renewal) run(ctx context.Context) {
	tick := time.NewTicker(certEvery)
	defer tick.Stop()
	for {
		if renewed, err := r.look(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.log.Error("renewing the enrolled certificate; tried again in an hour", "err", err)
		} else if renewed {
			r.log.Info("the enrolled certificate was renewed")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look renews the certificate if it is time. The file holds the old one or the new one, whatever happens.
func (r *renewal) look(ctx context.Context, now time.Time) (renewed bool, err error) {
	pair, err := tls.LoadX509KeyPair(r.cert, r.key)
	if err != nil {
		return false, err
	}
	if role, _ := trust.ServerOf(pair.Leaf); role == "" || !trust.NeedsRenewal(pair.Leaf, now) {
		return false, nil
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, pair.PrivateKey)
	if err != nil {
		return false, err
	}
	ans, err := r.ask(ctx, proto.RenewRequest{
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw})),
		CSR:         string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
	})
	if err != nil {
		return false, err
	}
	key, err := os.ReadFile(r.key)
	if err != nil {
		return false, err
	}
	fresh, err := tls.X509KeyPair([]byte(ans.Certificate), key)
	if err != nil {
		return false, fmt.Errorf("the web infrastructure's answer: %w", err)
	}
	if fresh.Leaf.SerialNumber.Cmp(pair.Leaf.SerialNumber) == 0 || fresh.Leaf.NotAfter.Before(pair.Leaf.NotAfter) {
		return false, errors.New("the web infrastructure's answer is no successor of what was shown")
	}
	return true, replace(r.cert, []byte(ans.Certificate))
}

// replace puts a file in another's place at once.
func replace(path string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".renew-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing, once it is in its place
	_, err = f.Write(body)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
