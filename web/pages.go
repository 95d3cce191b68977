package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
)

// secure sets the headers that hold for every answer.
func (s *Server) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // a join link carries its pwd
		h.Set("Content-Security-Policy", s.policy(r))
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", permissions)
		if r.TLS != nil && namedHost(r.Host) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// permissions is what a page of ours may ask a person for; everything else stays off.
const permissions = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), " +
	"autoplay=(self), fullscreen=(self), clipboard-write=(self), picture-in-picture=(self), screen-wake-lock=(self), " +
	"geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=(), gyroscope=(), accelerometer=(), magnetometer=()"

// policy is the content security policy of a page: code and style come from the site alone, nothing is
// inline, and it connects to the site and to the controllers, routers and tunnels that are announced just now,
// which may have addresses of their own (S22).
func (s *Server) policy(r *http.Request) string {
	connect := []string{"'self'"}
	if plainHost(r.Host) {
		// 'self' covers WebSockets of the own origin in current browsers, not in older ones.
		scheme := "ws://"
		if r.TLS != nil || s.cfg.Balancers.Sent(r) {
			scheme = "wss://"
		}
		connect = append(connect, scheme+r.Host)
	}
	now := s.now()
	connect = append(connect, origins(slices.Concat(s.zones.urls(now), s.tunnelsFor(now, "")))...)
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
		"media-src 'self' blob: mediastream:; font-src 'self'; manifest-src 'self'; worker-src 'self'; connect-src " +
		strings.Join(connect, " ") + "; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

// plainHost reports whether a Host header holds nothing but a name or address and a port, so that it may
// stand in a header of ours.
func plainHost(host string) bool {
	if host == "" || len(host) > 255 {
		return false
	}
	for _, c := range host {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune(".-:[]", c):
		default:
			return false
		}
	}
	return true
}

// namedHost reports whether a site is reached by a public name: only such a one is told to stay on HTTPS.
// A browser that pinned localhost would lock people out of everything else they run there.
func namedHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil && strings.Contains(host, ".") && !strings.HasSuffix(host, ".localhost") && plainHost(host)
}

// index serves the web client, which finds its way by the address.
func (s *Server) index(w http.ResponseWriter, r *http.Request) { s.serveFile(w, r, "index.html") }

// page serves a file of the web client. A path that is no file but looks like a page (no extension)
// gets the client too: its portal has paths of its own.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if name == "" {
		name = "index.html"
	}
	if s.cfg.UI != nil {
		if st, err := fs.Stat(s.cfg.UI, name); err == nil && !st.IsDir() {
			s.serveFile(w, r, name)
			return
		}
	}
	if path.Ext(name) == "" && !strings.HasPrefix(name, "assets/") {
		name = "index.html"
	}
	s.serveFile(w, r, name)
}

func (s *Server) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	if s.cfg.UI == nil {
		http.NotFound(w, r)
		return
	}
	if _, err := fs.Stat(s.cfg.UI, name); err != nil {
		http.NotFound(w, r)
		return
	}
	// The build puts a hash of the content into the names under assets/; all else may change under its name.
	if strings.HasPrefix(name, "assets/") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "no-cache")
	}
	// Not ServeFileFS: it redirects every …/index.html away, and embedded files have no time to compare.
	b, err := fs.ReadFile(s.cfg.UI, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(b)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
}
