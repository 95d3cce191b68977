package proxy

import (
	"context"
	"errors"
	"net"
	"strings"
)

// trouble is what is known of why the configured ways are not taken. Guarded by Host.mu.
type trouble struct {
	known bool   // it is known which way is to be taken: the script, if there is one, has come
	proxy string // the first one that was named and did not answer, host and port
	err   error  // how the latest attempt failed
}

// Unused says in words why the configured proxy, or its script, is not used though it was tried: "The proxy … does
// not answer". "" where it is used, where the configuration says that it is not wanted, and where nothing is known yet.
func (h *Host) Unused() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.trouble
	if h.none || h.settled && !h.direct || !h.settled && t.err == nil {
		return ""
	}
	_, unreached := errors.AsType[*net.OpError](t.err)
	switch {
	case t.proxy != "" && (t.err == nil || unreached):
		return "The proxy " + t.proxy + " does not answer"
	case t.err == nil && t.known:
		return ""
	case t.err == nil:
		return "The proxy script could not be used: its server does not answer"
	}
	text := t.err.Error()
	if why, ok := strings.CutPrefix(text, "the proxy script: "); ok {
		return "The proxy script could not be used: " + why
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// trying takes note that a server is tried through a proxy, "" for the direct way: it has not answered so far.
func (h *Host) trying(proxy string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble.known = true
	if proxy != "" {
		h.trouble.proxy, h.trouble.err = proxy, nil
	}
}

// tried takes note of how the configured ways to a server came off.
func (h *Host) tried(ctx context.Context, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.trouble = trouble{known: true}
	case ctx.Err() == nil: // what was given up has told nothing
		h.trouble.err = err
	}
}
