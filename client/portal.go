package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// errPortal is what a person can do about a network that answers everything with its own page.
var errPortal = errors.New("this network wants you to sign in first: open any page in a browser, sign in there, and join again")

// portalFor bounds the look for a sign-in page: it only words an error.
const portalFor = time.Second

// portal reports whether somebody else answers plain HTTP in the site's place, as networks with a sign-in page
// do: with a page, or with a way to one on another host. A site that sends plain requests to its own HTTPS
// is itself.
func (c *Client) portal(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, portalFor)
	defer cancel()
	tr := &http.Transport{DialContext: c.cfg.Host.Dial, DisableKeepAlives: true}
	hc := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	probe := url.URL{Scheme: "http", Host: c.site.Hostname(), Path: "/generate_204"}
	req, err := http.NewRequestWithContext(ctx, "GET", probe.String(), nil)
	if err != nil {
		return false
	}
	resp, err := hc.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	to, err := resp.Location()
	return err == nil && to.Hostname() != c.site.Hostname() ||
		resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNetworkAuthenticationRequired
}
