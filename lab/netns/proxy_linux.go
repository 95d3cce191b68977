package netns

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Auth is what a proxy asks of who uses it.
type Auth string

// The ways.
const (
	AuthNone   Auth = ""
	AuthBasic  Auth = "basic"
	AuthDigest Auth = "digest"
)

// ProxyUser is who may use a proxy that asks.
const ProxyUser = "mia"

// Proxy is a squid on a gateway, reached from the local network.
type Proxy struct {
	*Process
	URL      string // "http://192.168.1.1:3128"
	Password string // of ProxyUser; "" where nobody is asked

	access string // its log
}

// StartSquid starts a proxy on the gateway that lets CONNECT through to port 443 only, as companies do.
func (a *Access) StartSquid(auth Auth) (*Proxy, error) {
	dir, err := os.MkdirTemp(a.in.cfg.Dir, "squid-")
	if err != nil {
		return nil, err
	}
	p := &Proxy{URL: fmt.Sprintf("http://%s:3128", a.LAN), access: filepath.Join(dir, "access.log")}
	lines := []string{
		"http_port " + a.LAN.String() + ":3128",
		"acl to_https port 443", "acl CONNECT method CONNECT",
		"cache deny all", "cache_mem 1 MB", "shutdown_lifetime 0 seconds", "pid_filename none", "netdb_filename none",
		"access_log stdio:" + p.access, "cache_log " + filepath.Join(dir, "cache.log"), "coredump_dir " + dir,
		"hosts_file /etc/hosts", "visible_hostname proxy.parley.test", "pinger_enable off", "logfile_rotate 0",
		"cache_effective_user root", "via off", "workers 1", "client_idle_pconn_timeout 60 seconds",
	}
	if auth != AuthNone {
		p.Password = rand.Text()[:12]
		a.in.Secret(p.Password)
		a.in.Secret(base64.StdEncoding.EncodeToString([]byte(ProxyUser + ":" + p.Password)))
		users := filepath.Join(dir, "users")
		text, program := "", ""
		switch auth {
		case AuthBasic:
			text, program = fmt.Sprintf("%s:%x\n", ProxyUser, md5.Sum([]byte(p.Password))), "/usr/lib/squid/basic_ncsa_auth "+users
		case AuthDigest:
			ha1 := md5.Sum([]byte(ProxyUser + ":office:" + p.Password))
			text, program = fmt.Sprintf("%s:office:%x\n", ProxyUser, ha1), "/usr/lib/squid/digest_file_auth -c "+users
		}
		if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("auth_param %s program %s", auth, program), fmt.Sprintf("auth_param %s realm office", auth),
			fmt.Sprintf("auth_param %s children 1 startup=1 idle=1", auth), "acl known proxy_auth REQUIRED", "http_access deny !to_https",
			"http_access allow CONNECT known", "http_access deny all")
	} else {
		lines = append(lines, "http_access deny !to_https", "http_access allow CONNECT", "http_access deny all")
	}
	conf := filepath.Join(dir, "squid.conf")
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	if p.Process, err = a.in.start(a.Namespace, "squid", nil, "squid", "-N", "-f", conf, "-d", "1"); err != nil {
		return nil, err
	}
	_, err = p.WaitLine(10*time.Second, func(l Line) bool { return strings.Contains(l.Text, "Accepting HTTP Socket connections") })
	return p, err
}

// Connect is one line of the proxy's log: a CONNECT and how it ended.
type Connect struct {
	Status int
	Target string // "host:port"
}

// Connects are the CONNECTs that have ended so far.
func (p *Proxy) Connects() ([]Connect, error) {
	b, err := os.ReadFile(p.access)
	if err != nil {
		return nil, err
	}
	var out []Connect
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		// time elapsed client TCP_TUNNEL/200 bytes CONNECT host:port user hierarchy type
		f := strings.Fields(s.Text())
		if len(f) < 7 || f[5] != "CONNECT" {
			continue
		}
		_, code, _ := strings.Cut(f[3], "/")
		status, _ := strconv.Atoi(code)
		out = append(out, Connect{status, f[6]})
	}
	return out, nil
}
