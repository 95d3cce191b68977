package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/core/join"
	"parley/sys/proxy"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
)

// tunnelsBeside is how long the site may be silent before the tunnels known from before are asked for the
// lookup too, and the pause between one and the next.
const (
	tunnelsBeside  = time.Second
	tunnelsStagger = 300 * time.Millisecond
)

// found is a lookup's answer and the way it came.
type found struct {
	answer proto.LookupAnswer
	reply  reply
	via    string // tunnel
}

// lookupRequest is what this client asks the site.
func (c *Client) lookupRequest(last proto.Network) proto.LookupRequest {
	return proto.LookupRequest{
		V: proto.Version, Build: c.cfg.Build, Number: c.cfg.Number, Passcode: c.cfg.Passcode, Pwd: c.cfg.Pwd,
		Name: c.cfg.Name, Key: c.identity.Key(), Fingerprint: rtc.Fingerprint(c.cert), Client: "native", Network: last,
	}
}

// lookup is phase one (S7).
func (c *Client) lookup(a join.Lookup) {
	c.hands.stop("lookup")
	ctx, cancel := context.WithCancelCause(c.ctx)
	c.hands.lookup = func() { cancel(nil) }
	patience := time.AfterFunc(requestTimeout, func() { cancel(context.DeadlineExceeded) })
	c.hands.patience = patience
	req := c.lookupRequest(proto.Network{Proxy: c.host.Kind(), LastZone: a.LastZone, LastRung: a.LastRung})
	req.Lobby = c.lobby.waits
	c.wg.Go(func() {
		defer cancel(nil)
		defer patience.Stop()
		f, err := c.find(ctx, req)
		if why := context.Cause(ctx); why != nil {
			if !errors.Is(why, context.DeadlineExceeded) {
				return
			}
			err = why
		}
		if err != nil {
			code, text := blame(err)
			failed := join.LookupFailed{Code: code, Text: text, Final: proxy.Final(err)}
			if refusal, ok := errors.AsType[*proto.Error](err); ok {
				failed.RetryAfter = refusal.RetryAfter
			}
			if code == "" && !failed.Final && c.portal(c.ctx) {
				if c.signedIn() {
					c.post(func(now time.Time) { c.lookupAgain(now, a) })
					return
				}
				failed.Text, failed.Final = errPortal.Error(), true
			}
			c.tell(failed)
			return
		}
		c.post(func(now time.Time) { c.lookedUp(now, f) })
	})
}

// find asks the site, and beside it, where it is silent or out of reach, tunnels known from before. What the
// site itself says counts, a refusal too; what happened on the way to it is the error.
func (c *Client) find(ctx context.Context, req proto.LookupRequest) (found, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		found
		err error
	}
	done := make(chan outcome)
	next := time.NewTimer(tunnelsBeside)
	defer next.Stop()
	ask := func(via, base string) {
		c.wg.Go(func() {
			f := found{via: via}
			var err error
			f.reply, err = c.requests.ask(ctx, "POST", base+"/lookup", c.cfg.Bearer, req, &f.answer)
			select {
			case done <- outcome{f, err}:
			case <-ctx.Done():
			}
		})
	}
	ask("", strings.TrimSuffix(c.site.String(), "/"))
	tunnels, waiting := c.tunnels.list(), 1
	var siteErr error
	for {
		select {
		case <-next.C:
			if len(tunnels) > 0 {
				ask(tunnels[0], tunnels[0])
				tunnels, waiting = tunnels[1:], waiting+1
				next.Reset(tunnelsStagger)
			}
		case o := <-done:
			refusal, refused := errors.AsType[*proto.Error](o.err)
			if o.err == nil || refused && (o.via == "" || refusal.Code != proto.CodeInternal) {
				return o.found, o.err
			}
			if waiting--; o.via == "" {
				siteErr = o.err
				next.Reset(0)
			}
			if waiting == 0 && len(tunnels) == 0 {
				return found{}, siteErr
			}
		case <-ctx.Done():
			return found{}, ctx.Err()
		}
	}
}

// lookedUp keeps the tokens, reads the grants and makes addresses absolute. Grants that nobody known
// has signed are left out.
func (c *Client) lookedUp(now time.Time, f found) {
	answer := f.answer
	keys, err := trust.NewVerifier(answer.Keys)
	if err != nil {
		c.mind.Handle(now, join.LookupFailed{Text: "the site's answer has unusable keys"})
		return
	}
	c.hands.keys, c.hands.token = keys, answer.Token
	for _, z := range answer.Zones {
		for i, u := range z.Controllers {
			z.Controllers[i] = c.absolute(u)
			if i < len(z.ControllerIDs) {
				c.hands.servers[z.Controllers[i]] = server{z.ID, z.ControllerIDs[i]}
			}
		}
	}
	for i, u := range answer.Tunnels {
		answer.Tunnels[i] = c.absolute(u)
	}
	c.tunnels.keep(answer.TunnelToken)
	c.tunnels.know(answer.Tunnels)
	done := join.LookupDone{Answer: answer, RTT: f.reply.ms(), Via: f.via, Proxy: f.reply.proxy}
	done.Classical = c.host.Classical()
	if f.via == "" {
		done.Inspected = inspected(f.reply, answer)
		c.hands.inspected = done.Inspected != ""
		done.Unused = c.host.Unused()
	}
	for _, g := range answer.Grants {
		if grant, ok := c.grant(g); ok {
			done.Grants = append(done.Grants, grant)
		}
	}
	c.room.self = answer.Participant
	c.keepMemory(memory{Tunnels: answer.Tunnels})
	if done.Classical {
		c.keepClassical(now)
	}
	c.mind.Handle(now, done)
}

// tunnelToken gives the token for tunnels; one that a tunnel has refused is replaced by asking the site again,
// which knows this client's seat by its key.
func (c *Client) tunnelToken(ctx context.Context, refused string) (string, error) {
	t := &c.tunnels
	t.asking.Lock()
	defer t.asking.Unlock()
	if token := t.current(); token != "" && token != refused {
		return token, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	f, err := c.find(ctx, c.lookupRequest(proto.Network{}))
	if err != nil {
		return "", fmt.Errorf("a token for the tunnel: %w", err)
	}
	if f.answer.TunnelToken == "" {
		return "", errors.New("the site gives no token for tunnels")
	}
	t.keep(f.answer.TunnelToken)
	return f.answer.TunnelToken, nil
}
