package monitor

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
)

// Page is one page under /debug: plain text, made when somebody looks.
type Page struct {
	Path  string // below /debug/, for example "zone"
	Title string
	Write func(w io.Writer)
}

// Admin is the handler of the admin listener, which is bound to loopback and never shares 443: an
// index at /, /metrics, /debug/pprof/, and the pages. It refuses Host names that are not of this
// machine, so that no web site in a browser here reads it by a name that leads to loopback.
func Admin(m *Metrics, pages []Page) http.Handler {
	mux := http.NewServeMux()
	if m != nil {
		mux.Handle("GET /metrics", m.Handler())
	}
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	pages = slices.Clone(pages)
	slices.SortFunc(pages, func(a, b Page) int { return strings.Compare(a.Path, b.Path) })
	for _, p := range pages {
		mux.HandleFunc("GET /debug/"+p.Path, func(w http.ResponseWriter, _ *http.Request) {
			var b bytes.Buffer
			p.Write(&b)
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Write(b.Bytes())
		})
	}
	index := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>Parley</title><h1>Parley</h1><ul>")
		for _, p := range append([]Page{{Path: "../metrics", Title: "metrics"}, {Path: "pprof/", Title: "profiles"}}, pages...) {
			fmt.Fprintf(w, `<li><a href="/debug/%s">%s</a>`, html.EscapeString(p.Path), html.EscapeString(p.Title))
		}
		fmt.Fprint(w, "</ul>")
	}
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /debug/{$}", index)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host) {
			http.Error(w, "this listener answers to localhost only", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// localHost reports whether a Host header names this machine: localhost or a loopback address.
func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}
