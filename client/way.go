package client

import (
	"context"
	"encoding/base64"
	"path/filepath"
	"time"

	"parley/core/join"
	"parley/sys/proxy"
	"parley/wire/proto"
)

// openWay puts what stands in the way between the client and its host: proxies, with whoever answers for
// their passwords.
func (c *Client) openWay() error {
	conf := c.cfg.Proxy
	here := lastNetwork(c.cfg.State, time.Now())
	c.families = &families{Host: c.cfg.Host}
	c.families.recall(here)
	conf.Host = c.families
	if conf.TLS == nil {
		conf.TLS = c.cfg.TLS
	}
	if conf.Prompter != nil {
		conf.Prompter = prompter{c, conf.Prompter}
	}
	if c.cfg.State != "" {
		conf.Cache = filepath.Join(c.cfg.State, "proxy.pac")
	}
	conf.Classical = conf.Classical || !here.Classical.IsZero()
	var err error
	c.host, err = proxy.New(conf)
	return err
}

// prompter tells the mind that a person is being asked.
type prompter struct {
	c  *Client
	to proxy.Prompter
}

// ProxyLogin implements proxy.Prompter.
func (p prompter) ProxyLogin(ctx context.Context, name, realm string, again bool) (proxy.Login, error) {
	p.c.post(func(now time.Time) {
		p.c.hands.patience.Stop()
		p.c.mind.Handle(now, join.Asking{For: "the user name and password of the proxy"})
	})
	defer p.c.post(func(now time.Time) {
		p.c.hands.patience.Reset(requestTimeout)
		p.c.mind.Handle(now, join.Asked{})
	})
	return p.to.ProxyLogin(ctx, name, realm, again)
}

// inspected is who opened TLS between here and the site; "" where nobody did, or it can't be told. Site and
// client derive the same value from their connection (RFC 9266); a box between them has one with each.
func inspected(r reply, answer proto.LookupAnswer) string {
	if r.tls == nil || answer.Binding == "" || len(r.tls.PeerCertificates) == 0 {
		return ""
	}
	mine, err := r.tls.ExportKeyingMaterial(proto.BindingLabel, nil, proto.BindingLen)
	if err != nil || base64.RawURLEncoding.EncodeToString(mine) == answer.Binding {
		return ""
	}
	return proxy.Issuer(r.tls.PeerCertificates[0])
}
