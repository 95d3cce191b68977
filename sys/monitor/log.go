package monitor

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strings"
)

// LogConfig says how a process logs.
type LogConfig struct {
	Format string // "text" (the default) or "json"
	Level  string // "debug", "info" (the default), "warn" or "error"
	// Addresses leaves network addresses in. Off by default: who met whom from where is nobody's
	// business, the operator's logs included.
	Addresses bool
}

const redacted = "[redacted]"

// NewLogger makes a logger on w. Whatever a caller logs by mistake, attributes that name a secret or
// a person are replaced, and addresses within texts and errors too, except those of this machine.
func NewLogger(w io.Writer, cfg LogConfig) (*slog.Logger, error) {
	o := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return scrub(a, cfg.Addresses) }}
	var level slog.Level
	if cfg.Level != "" {
		if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
			return nil, fmt.Errorf("log level %q: must be debug, info, warn or error", cfg.Level)
		}
	}
	o.Level = level
	switch cfg.Format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q: must be text or json", cfg.Format)
}

func scrub(a slog.Attr, addresses bool) slog.Attr {
	if secretKey(a.Key) {
		return slog.String(a.Key, redacted)
	}
	if addresses {
		return a
	}
	switch v := a.Value.Any().(type) {
	case string:
		return slog.String(a.Key, scrubText(v))
	case error:
		return slog.String(a.Key, scrubText(v.Error()))
	case net.Addr, netip.Addr, netip.AddrPort, netip.Prefix, net.IP:
		return slog.String(a.Key, scrubText(fmt.Sprint(v)))
	}
	return a
}

// secretKey reports whether an attribute by this name is never shown.
func secretKey(key string) bool {
	switch strings.ToLower(key) {
	case "token", "passcode", "password", "pwd", "secret", "ufrag", "sig", "cookie", "authorization",
		"grant", "name", "email", "user_name", "display_name":
		return true
	}
	return false
}

// An IPv4 address, or two groups or more of an IPv6 address, or "::" with a group behind it.
var address = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b|(?i)(?:\b[0-9a-f]{1,4}:|::)(?:[0-9a-f]{0,4}:){1,6}[0-9a-f]{0,4}|::[0-9a-f]{1,4}\b`)

func scrubText(s string) string {
	return address.ReplaceAllStringFunc(s, func(m string) string {
		ip, err := netip.ParseAddr(m)
		if err != nil || ip.IsLoopback() || ip.IsUnspecified() {
			return m
		}
		return "[address]"
	})
}
