package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"parley/core/join"
)

// errPortal is what a person can do about a network that answers everything with its own page.
var errPortal = errors.New("this network wants you to sign in first: open any page in a browser and sign in there; joining goes on by itself then")

const (
	portalFor   = time.Second     // bounds the look for a sign-in page: it only words an error
	signInFor   = 4 * time.Minute // a person's time to sign in; less than the mind grants
	signInEvery = 2 * time.Second
)

// signedIn tells the user what the network wants, and waits until it does not want it any more. false: it still does.
func (c *Client) signedIn() bool {
	c.post(func(now time.Time) {
		c.emit(Trouble{Text: errPortal.Error()})
		c.mind.Handle(now, join.Asking{For: "you to sign in to this network"})
	})
	for range int(signInFor / signInEvery) {
		if !pause(c.ctx, signInEvery) {
			return false
		}
		if !c.portal(c.ctx) {
			return true
		}
	}
	return false
}

// lookupAgain goes on where the network let nothing through.
func (c *Client) lookupAgain(now time.Time, a join.Lookup) {
	if c.mind.State() == join.LookingUp {
		c.mind.Handle(now, join.Asked{})
		c.lookup(a)
	}
}

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
