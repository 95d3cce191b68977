package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"parley/sys/link"
)

// siteFlags are how a subcommand reaches the site. Embedded where needed.
type siteFlags struct {
	Site string `help:"Base URL of the site." default:"https://localhost:8443" env:"PARLEY_SITE" placeholder:"URL"`
	trustFlags
}

// trustFlags are whose certificates count.
type trustFlags struct {
	CA       string `name:"ca" help:"PEM file of a certificate authority to trust, such as the site's own (DATA/site/ca.pem)." placeholder:"FILE" env:"PARLEY_CA"`
	Insecure bool   `help:"Do not check the site's certificate. For trying things on one machine only."`
}

// config makes the TLS settings.
func (t trustFlags) config() (*tls.Config, error) {
	conf := link.ClientTLS(nil)
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("--ca: %w", err)}
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, &exitError{exitUsage, fmt.Errorf("--ca: %s holds no PEM certificate", t.CA)}
		}
		conf.RootCAs = pool
	}
	conf.InsecureSkipVerify = t.Insecure
	return conf, nil
}

// apiFlags are how a subcommand reaches the REST API.
type apiFlags struct {
	siteFlags
	Token string `help:"API token: the one 'parley up' printed, or of a session." env:"PARLEY_TOKEN" placeholder:"TOKEN"`
	JSON  bool   `name:"json" help:"Answer in JSON."`
}

// apiTimeout bounds one request.
const apiTimeout = 15 * time.Second

// call makes one request of the REST API. out may be nil.
func (f apiFlags) call(e *env, method, path string, in, out any) error {
	if f.Token == "" {
		return &exitError{exitUsage, errors.New("no API token: give --token or PARLEY_TOKEN ('parley up' prints one when it starts)")}
	}
	conf, err := f.config()
	if err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(e.ctx, apiTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(f.Site, "/")+path, body)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--site: %w", err)}
	}
	req.Header.Set("Authorization", "Bearer "+f.Token)
	req.Header.Set("Content-Type", "application/json")
	hc := link.HTTPClient(link.Real(), conf)
	defer hc.CloseIdleConnections()
	resp, err := hc.Do(req)
	if err != nil {
		return &exitError{exitNoPath, fmt.Errorf("%s does not answer: %w%s", f.Site, plainURLError(err), certHint(err))}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return &exitError{exitNoPath, err}
	}
	if resp.StatusCode >= 400 {
		return &exitError{exitRefused, errors.New(refusal(resp.StatusCode, b))}
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s answered something else than the API's JSON: %w", f.Site, err)
	}
	return nil
}

// plainURLError leaves out the method and address that net/url repeats.
func plainURLError(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// certHint says what to do about a certificate of the site's own CA.
func certHint(err error) string {
	var ua x509.UnknownAuthorityError
	if errors.As(err, &ua) {
		return "\nThe site's certificate is not from an authority this machine knows: give --ca with the site's ca.pem, or --insecure to try things out."
	}
	return ""
}

// refusal words an error body of the API.
func refusal(status int, body []byte) string {
	var e struct {
		Message string `json:"message"`
		Errors  []struct {
			Field   string `json:"field"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &e) != nil || e.Message == "" {
		return fmt.Sprintf("refused with status %d", status)
	}
	text := e.Message
	for _, f := range e.Errors {
		text += fmt.Sprintf("\n  %s: %s", f.Field, f.Message)
	}
	return text
}

// printJSON writes v as indented JSON.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
