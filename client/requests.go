package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"parley/sys/link"
	"parley/sys/proxy"
	"parley/wire/proto"
)

// requests holds the HTTP connections of phases one to three. Safe for concurrent use.
type requests struct {
	host link.Host
	tls  *tls.Config

	mu  sync.Mutex
	cur *http.Client   // guarded by mu
	old []*http.Client // given up, with requests perhaps under way; guarded by mu
}

// maxOld bounds the connections given up that are kept until their requests have ended, which takes no
// longer than requestTimeout: no more than one is given up each half second.
const maxOld = 64

func newRequests(host link.Host, conf *tls.Config) *requests {
	return &requests{host: host, tls: conf, cur: link.HTTPClient(host, conf)}
}

func (r *requests) do(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	cur := r.cur
	r.mu.Unlock()
	return cur.Do(req)
}

// renew makes requests from now on open connections of their own. Those that stand may lead nowhere, as
// after a change of networks, and look alive for minutes: HTTP/2 would send every further request there.
func (r *requests) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.old = append(r.old, r.cur)
	r.cur = link.HTTPClient(r.host, r.tls)
	r.closeOldLocked()
	if n := len(r.old) - maxOld; n > 0 {
		r.old = append(r.old[:0], r.old[n:]...)
	}
}

func (r *requests) closeOldLocked() {
	for _, c := range r.old {
		c.CloseIdleConnections()
	}
}

// close ends every connection; no request is under way any more.
func (r *requests) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeOldLocked()
	r.cur.CloseIdleConnections()
}

// reply is what is known of the way an answer came.
type reply struct {
	// rtt is the time from the request being written to the first byte of the answer: the path and the
	// server, without handshakes.
	rtt   time.Duration
	proxy string               // host and port; "" for none
	tls   *tls.ConnectionState // nil over plain HTTP
}

// ms is the round trip in milliseconds.
func (r reply) ms() float64 { return float64(r.rtt) / float64(time.Millisecond) }

// ask makes one JSON request. A refusal is a *proto.Error.
func (over *requests) ask(ctx context.Context, method, url, bearer string, in, out any) (r reply, err error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return r, err
		}
		body = bytes.NewReader(b)
	}
	var through atomic.Value
	var wrote, first atomic.Int64
	began := time.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { wrote.Store(int64(time.Since(began))) },
		GotConn:              func(i httptrace.GotConnInfo) { through.Store(proxy.Of(i.Conn)) },
		GotFirstResponseByte: func() { first.Store(int64(time.Since(began))) },
	})
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return r, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := over.do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerLen))
	if err != nil {
		return r, err
	}
	if resp.StatusCode/100 != 2 {
		var refusal proto.Error
		if json.Unmarshal(b, &refusal) != nil || refusal.Code == "" {
			return r, fmt.Errorf("answered with status %d", resp.StatusCode)
		}
		return r, &refusal
	}
	if err := json.Unmarshal(b, out); err != nil {
		return r, errors.New("answered with something else than expected")
	}
	r.rtt, r.tls = time.Duration(max(first.Load()-wrote.Load(), 0)), resp.TLS
	r.proxy, _ = through.Load().(string)
	return r, nil
}
