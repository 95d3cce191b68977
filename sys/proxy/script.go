package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"parley/sys/link"
)

// Bounds of a proxy auto-config script.
const (
	fetchFor   = 3 * time.Second // to download it
	runFor     = time.Second     // to load it, and for each answer
	maxScript  = 1 << 20         // bytes
	answerFor  = 5 * time.Minute // its answer for a host is kept
	fetchEvery = time.Hour       // a good script is read again
	fetchAgain = time.Minute     // a bad one
	maxAnswers = 256             // hosts whose answers are kept
	maxWays    = 8               // of one answer
)

// script is a proxy auto-config script: read when first needed, again now and then, the last good one kept
// for when it is broken.
type script struct {
	source string
	cfg    Config

	mu      sync.Mutex
	vm      *engine           // the last good script; guarded by mu
	readAt  time.Time         // last try; guarded by mu
	err     error             // why it failed; guarded by mu
	answers map[string]answer // by host; guarded by mu
}

type answer struct {
	ways []way
	at   time.Time
}

func newScript(cfg Config) *script {
	return &script{source: cfg.PAC, cfg: cfg, answers: map[string]answer{}}
}

// ways is what the script says for a server.
func (s *script) ways(ctx context.Context, addr string) ([]way, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if err := s.loadLocked(ctx, now); err != nil {
		return nil, err
	}
	if a, ok := s.answers[host]; ok && now.Sub(a.at) < answerFor {
		return a.ways, nil
	}
	u := url.URL{Scheme: "https", Host: host, Path: "/"}
	if port != "443" {
		u.Host = addr
	}
	text, err := s.vm.find(ctx, u.String(), host)
	if err != nil {
		return nil, fmt.Errorf("the proxy script: %w", err)
	}
	ways, err := parseWays(text)
	if err != nil {
		return nil, err
	}
	if len(s.answers) >= maxAnswers {
		clear(s.answers)
	}
	s.answers[host] = answer{ways, now}
	return ways, nil
}

// loadLocked makes sure that there is a script, the newest if it is good.
func (s *script) loadLocked(ctx context.Context, now time.Time) error {
	wait := fetchEvery
	if s.err != nil {
		wait = fetchAgain
	}
	if !s.readAt.IsZero() && now.Sub(s.readAt) < wait {
		if s.vm == nil {
			return s.err
		}
		return nil
	}
	// One caller's impatience must not decide for the others what the script is.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchFor)
	defer cancel()
	text, err := s.fetch(ctx)
	var vm *engine
	if err == nil {
		vm, err = newEngine(s.cfg.Host, text)
	}
	s.readAt = now
	if s.err = err; err != nil {
		s.err = fmt.Errorf("the proxy script: %w", err)
		if s.vm == nil {
			s.vm = s.lastGood()
		}
		if s.vm == nil {
			return s.err
		}
		return nil
	}
	s.vm = vm
	clear(s.answers)
	s.keep(text)
	return nil
}

// fetch reads the script, from the web directly or from a file.
func (s *script) fetch(ctx context.Context) (string, error) {
	if !strings.Contains(s.source, "://") {
		return readFile(s.source)
	}
	u, err := url.Parse(s.source)
	if err != nil {
		return "", errors.New("its address can't be read")
	}
	switch u.Scheme {
	case "file":
		return readFile(u.Path)
	case "http", "https":
	default:
		return "", fmt.Errorf("an address of kind %q is not supported", u.Scheme)
	}
	client := link.HTTPClient(s.cfg.Host, s.cfg.TLS)
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", errors.New("its address can't be read")
	}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("its server does not answer within %v", fetchFor)
		}
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("its server answers %d", resp.StatusCode)
	}
	return readScript(resp.Body)
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readScript(f)
}

func readScript(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxScript {
		return "", fmt.Errorf("longer than %d bytes", maxScript)
	}
	return strings.TrimPrefix(string(b), "\ufeff"), nil
}

// keep writes a good script to the cache file; that it could not be kept is no reason to fail.
func (s *script) keep(text string) {
	if s.cfg.Cache == "" {
		return
	}
	tmp := s.cfg.Cache + ".new"
	if os.MkdirAll(filepath.Dir(tmp), 0o700) == nil && os.WriteFile(tmp, []byte(s.source+"\n"+text), 0o600) == nil {
		os.Rename(tmp, s.cfg.Cache)
	}
}

// lastGood is the script of the cache file, if it is of the same source and still runs.
func (s *script) lastGood() *engine {
	if s.cfg.Cache == "" {
		return nil
	}
	b, err := os.ReadFile(s.cfg.Cache)
	if err != nil || len(b) > maxScript+len(s.source)+1 {
		return nil
	}
	text, ok := strings.CutPrefix(string(b), s.source+"\n")
	if !ok {
		return nil
	}
	vm, err := newEngine(s.cfg.Host, text)
	if err != nil {
		return nil
	}
	return vm
}

// parseWays reads a script's answer, "PROXY a:80; HTTPS b:443; DIRECT". Kinds that are not known here are
// left out; an empty answer is the direct way.
func parseWays(text string) ([]way, error) {
	var out []way
	var unknown []string
	for part := range strings.SplitSeq(text, ";") {
		kind, addr, _ := strings.Cut(strings.TrimSpace(part), " ")
		addr = strings.TrimSpace(addr)
		scheme := ""
		switch strings.ToUpper(kind) {
		case "":
			continue
		case "DIRECT":
			out = append(out, way{})
			continue
		case "PROXY", "HTTP":
			scheme = "http://"
		case "HTTPS":
			scheme = "https://"
		default:
			unknown = append(unknown, kind)
			continue
		}
		u, err := parseProxy(scheme + addr)
		if err != nil {
			return nil, fmt.Errorf("the proxy script: %w", err)
		}
		out = append(out, way{u})
	}
	if len(out) == 0 && len(unknown) > 0 {
		return nil, fmt.Errorf("the proxy script names only kinds of proxies that are not supported: %s", strings.Join(unknown, ", "))
	}
	if len(out) == 0 {
		out = []way{{}}
	}
	return out[:min(len(out), maxWays)], nil
}
