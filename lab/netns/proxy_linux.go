package netns

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/user"
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
	// squid wants to be a user of its own, who must find the way to its files.
	dir, err := os.MkdirTemp("", "parley-squid-")
	if err != nil {
		return nil, err
	}
	// Each needs a name of its own for the memory its parts share; letters and digits only.
	name := fmt.Sprintf("%s%dx%s", shmPrefix, os.Getpid(), strings.TrimPrefix(filepath.Base(dir), "parley-squid-"))
	a.in.onClose(func() {
		os.RemoveAll(dir)
		removeAll("/dev/shm/" + name + "-*")
	})
	if err := giveTo(squidUser, dir); err != nil {
		return nil, err
	}
	p := &Proxy{URL: fmt.Sprintf("http://%s:3128", a.LAN), access: filepath.Join(dir, "access.log")}
	lines := []string{
		"http_port " + a.LAN.String() + ":3128",
		"acl to_https port 443", "acl CONNECT method CONNECT",
		"cache deny all", "cache_mem 1 MB", "shutdown_lifetime 0 seconds", "pid_filename none", "netdb_filename none",
		"access_log stdio:" + p.access, "cache_log " + filepath.Join(dir, "cache.log"), "coredump_dir " + dir,
		"hosts_file /etc/hosts", "visible_hostname proxy.parley.test", "pinger_enable off", "logfile_rotate 0",
		"cache_effective_user " + squidUser, "via off", "workers 1", "client_idle_pconn_timeout 60 seconds",
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
		if err := errors.Join(os.WriteFile(users, []byte(text), 0o600), giveTo(squidUser, users)); err != nil {
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
	if p.Process, err = a.in.start(a.Namespace, "squid", nil, "squid", "-n", name, "-N", "-f", conf, "-d", "1"); err != nil {
		return nil, err
	}
	return p, p.waitAccepting(a)
}

// shmPrefix begins the names of shared memory of squids; the process number follows.
const shmPrefix = "parley"

// removeAll removes the files that match a pattern.
func removeAll(pattern string) {
	names, _ := filepath.Glob(pattern)
	for _, n := range names {
		os.Remove(n)
	}
}

// squidUser is who Debian's squid runs as.
const squidUser = "proxy"

// giveTo makes a file somebody's own.
func giveTo(name, path string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return errors.Join(err1, err2, os.Chown(path, uid, gid))
}

// waitAccepting waits until somebody on the gateway can connect: what squid says of it comes too early.
func (p *Proxy) waitAccepting(a *Access) error {
	addr := strings.TrimPrefix(p.URL, "http://")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := a.Dial(context.Background(), "tcp4", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.Done():
			return fmt.Errorf("squid ended: %s", p.Output(true))
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("squid does not accept connections: %w\n%s", err, p.Output(true))
		}
	}
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
