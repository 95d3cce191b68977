package web

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// csp is the content security policy of every page: code and style come from the site alone. Control
// channels and controllers may have other origins, and tiles are drawn from blobs.
const csp = "default-src 'self'; connect-src 'self' https: wss:; img-src 'self' data: blob:; media-src 'self' blob:; " +
	"worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; " +
	"frame-ancestors 'none'"

// secure sets the headers that hold for every answer.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // a join link carries its pwd
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), autoplay=(self)")
		next.ServeHTTP(w, r)
	})
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
	if path.Ext(name) == "" {
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
	if name == "index.html" {
		// Not ServeFileFS: it redirects every …/index.html away.
		b, err := fs.ReadFile(s.cfg.UI, name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(b)
		return
	}
	http.ServeFileFS(w, r, s.cfg.UI, name)
}
