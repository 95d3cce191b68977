package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"parley/sys/link"
)

// enrollCmd is `parley enroll`: token, certificate request, certificate.
type enrollCmd struct {
	siteFlags
	Token string `arg:"" help:"Enrolment token, from an administrator of the site."`
	Out   string `help:"Directory for server.pem, server-key.pem and ca.pem (default: this one)." default:"." placeholder:"DIR"`
	JSON  bool   `name:"json" help:"Answer in JSON."`
}

// Run makes a key that never leaves this machine, and has its certificate signed.
func (c *enrollCmd) Run(e *env) error {
	conf, err := c.config()
	if err != nil {
		return err
	}
	// A token is good once: what can be found wrong here must not cost it.
	if err := writable(c.Out); err != nil {
		return &exitError{exitUsage, fmt.Errorf("--out: %w", err)}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "parley server"}}, key)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{
		"token": c.Token,
		"csr":   string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, apiTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", strings.TrimSuffix(c.Site, "/")+"/api/v1/enroll", bytes.NewReader(body))
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--site: %w", err)}
	}
	req.Header.Set("Content-Type", "application/json")
	hc := link.HTTPClient(link.Real(), conf)
	defer hc.CloseIdleConnections()
	resp, err := hc.Do(req)
	if err != nil {
		return &exitError{exitNoPath, fmt.Errorf("%s does not answer: %w%s", c.Site, plainURLError(err), certHint(err))}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return &exitError{exitNoPath, err}
	}
	if resp.StatusCode >= 400 {
		return &exitError{exitRefused, errors.New(refusal(resp.StatusCode, b))}
	}
	var ans struct {
		Server      string `json:"server"`
		Certificate string `json:"certificate"`
		CA          string `json:"ca"`
	}
	if err := json.Unmarshal(b, &ans); err != nil || ans.Certificate == "" || ans.CA == "" {
		return fmt.Errorf("%s answered something else than a certificate", c.Site)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	files := []struct {
		name string
		body []byte
		mode os.FileMode
	}{
		{"server-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600},
		{"server.pem", []byte(ans.Certificate), 0o644},
		{"ca.pem", []byte(ans.CA), 0o644},
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(c.Out, f.name), f.body, f.mode); err != nil {
			return fmt.Errorf("the certificate was issued but not kept; ask for a new token: %w", err)
		}
	}
	if c.JSON {
		return printJSON(e.stdout, map[string]string{"server": ans.Server, "directory": c.Out})
	}
	_, err = fmt.Fprintf(e.stdout, "Enrolled as %s. In the config file:\n\nbus:\n  ca: %s\n  cert: %s\n  key: %s\n",
		ans.Server, filepath.Join(c.Out, "ca.pem"), filepath.Join(c.Out, "server.pem"), filepath.Join(c.Out, "server-key.pem"))
	return err
}

// writable makes a directory if it is not there, and sees whether files can be made in it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".enroll-*")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}
