package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/sys/trust"
	"parley/wire/proto"
)

func TestAnEnrolledCertificateIsRenewedByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site, err := trust.OpenSite(t.TempDir(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		b := enrol(t, site.CA(), "par-1")
		var refused atomic.Bool
		var asked atomic.Int32
		refused.Store(true)
		r := &renewal{cert: b.Cert, key: b.Key, log: slog.New(slog.DiscardHandler),
			ask: func(_ context.Context, q proto.RenewRequest) (proto.RenewAnswer, error) {
				if asked.Add(1); refused.Load() {
					return proto.RenewAnswer{}, errors.New("no web infrastructure just now")
				}
				c, err := site.Renew([]byte(q.Certificate), []byte(q.CSR), time.Now())
				return proto.RenewAnswer{Certificate: string(c)}, err
			}}
		k, err := newKeeper(func() (tls.Certificate, error) { return tls.LoadX509KeyPair(b.Cert, b.Key) }, r.log)
		if err != nil {
			t.Fatal(err)
		}
		serves := func() *x509.Certificate {
			c, err := k.get(nil)
			if err != nil {
				t.Fatal(err)
			}
			return c.Leaf
		}
		first := serves()
		ctx, cancel := context.WithCancel(t.Context())
		go r.run(ctx)
		const day = 24 * time.Hour
		time.Sleep(19 * day)
		if n := asked.Load(); n != 0 {
			t.Errorf("asked %d times before two thirds of its life", n)
		}
		time.Sleep(2 * day)
		if n := asked.Load(); n == 0 || serves().SerialNumber.Cmp(first.SerialNumber) != 0 {
			t.Errorf("asked %d times; the certificate must stay while nobody answers", n)
		}
		refused.Store(false)
		time.Sleep(2 * time.Hour)
		second := serves()
		if second.SerialNumber.Cmp(first.SerialNumber) == 0 || second.NotAfter.Before(time.Now().Add(29*day)) {
			t.Errorf("good until %v, at %v: not renewed", second.NotAfter, time.Now())
		}
		asked.Store(0)
		time.Sleep(90 * day)
		if got, n := serves(), asked.Load(); n < 4 || n > 5 || got.NotAfter.Before(time.Now().Add(9*day)) {
			t.Errorf("asked %d times in 90 days, good until %v at %v", n, got.NotAfter, time.Now())
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(b.Cert), ".renew-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		cancel()
		synctest.Wait()
	})
}

func TestOnlyAnEnrolledCertificateIsRenewedAndOnlyByABetterOne(t *testing.T) {
	site, err := trust.OpenSite(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b := enrol(t, site.CA(), "par-1")
	before, err := os.ReadFile(b.Cert)
	if err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(25 * 24 * time.Hour)
	var answer string
	r := &renewal{cert: b.Cert, key: b.Key, ask: func(context.Context, proto.RenewRequest) (proto.RenewAnswer, error) {
		return proto.RenewAnswer{Certificate: answer}, nil
	}}
	other := enrol(t, site.CA(), "par-2")
	foreign, err := os.ReadFile(other.Cert)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]string{"junk": "junk", "of another key": string(foreign), "the same": string(before), "nothing": ""} {
		answer = a
		if renewed, err := r.look(t.Context(), late); renewed || err == nil {
			t.Errorf("%s: renewed %v, %v", name, renewed, err)
		}
	}
	if after, _ := os.ReadFile(b.Cert); string(after) != string(before) {
		t.Error("the certificate was replaced all the same")
	}
	// One that its owner brought along is its owner's business.
	own, err := site.CA().Issue([]string{"par.example"}, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(b.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), 0o600)
	os.WriteFile(b.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	if renewed, err := r.look(t.Context(), late.Add(60*24*time.Hour)); renewed || err != nil {
		t.Errorf("not an enrolled one: %v, %v", renewed, err)
	}
}
