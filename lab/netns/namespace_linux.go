package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	namesDir = "/run/netns"
	filesDir = "/etc/netns" // what ip netns exec lays over /etc
	prefix   = "parley-"
)

// Namespace is one machine of the laboratory: a network namespace with a name.
type Namespace struct {
	Name string
	file *os.File
}

// newNamespace makes a namespace whose loopback is up.
func newNamespace(name string) (*Namespace, error) {
	if err := ip("netns", "add", name); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(namesDir, name))
	if err != nil {
		return nil, err
	}
	n := &Namespace{Name: name, file: f}
	// Whatever this machine prefers: how soon TCP gives way decides what is heard beside it. Of what every namespace may
	// use, this is nearest to what most systems have.
	return n, errors.Join(n.ip("link set lo up"), n.set("net/ipv4/tcp_congestion_control", "reno"))
}

// close removes the namespace and ends what still runs in it: browsers leave processes behind.
func (n *Namespace) close() error {
	n.file.Close()
	return errors.Join(remove(n.Name), os.RemoveAll(filepath.Join(filesDir, n.Name)))
}

// remove ends what runs in a namespace, and the namespace.
func remove(name string) error {
	pids, _ := exec.Command("ip", "netns", "pids", name).Output()
	for _, f := range strings.Fields(string(pids)) {
		if pid, err := strconv.Atoi(f); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return ip("netns", "del", name)
}

// RemoveStale removes the namespaces of runs whose process is gone, with what still runs there (a program that
// changes its user outlives its parent), and their squids' shared memory.
func RemoveStale() error {
	var errs []error
	shared, _ := filepath.Glob("/dev/shm/" + shmPrefix + "*")
	for _, name := range shared {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), shmPrefix), "x")
		if pid, err := strconv.Atoi(number); err == nil && syscall.Kill(pid, 0) != nil {
			errs = append(errs, os.Remove(name))
		}
	}
	for _, dir := range []string{namesDir, filesDir} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // there never was one
		}
		for _, e := range entries {
			pid, ok := ownerOf(e.Name())
			if !ok || syscall.Kill(pid, 0) == nil {
				continue
			}
			if dir == namesDir {
				errs = append(errs, remove(e.Name()))
			} else {
				errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
			}
		}
	}
	return errors.Join(errs...)
}

// ownerOf reads the process number out of a name this package has made.
func ownerOf(name string) (pid int, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	number, _, ok := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(number)
	return pid, ok && err == nil && pid > 0
}

// Do runs f on a thread that is in the namespace: sockets and devices it opens are there. f must not start
// goroutines that open anything. The thread is brought back and kept: processes die with the thread that
// started them (see Start).
func (n *Namespace) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err == nil {
			defer home.Close()
			err = unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("entering namespace %s: %w", n.Name, err)
			return
		}
		err = f()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// Dial connects from inside the namespace. addr is an address, not a name.
func (n *Namespace) Dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	err = n.Do(func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, addr)
		return err
	})
	return c, err
}

// Listen opens a TCP listener inside the namespace.
func (n *Namespace) Listen(addr string) (l net.Listener, err error) {
	err = n.Do(func() error {
		var lc net.ListenConfig
		l, err = lc.Listen(context.Background(), "tcp4", addr)
		return err
	})
	return l, err
}

// set writes a sysctl of the namespace, "net/ipv4/ip_forward".
func (n *Namespace) set(key, value string) error {
	return n.Do(func() error { return os.WriteFile("/proc/sys/"+key, []byte(value), 0o644) })
}

// ip runs commands of ip(8) inside the namespace.
func (n *Namespace) ip(commands ...string) error {
	return batch([]string{"ip", "-n", n.Name, "-batch", "-"}, strings.Join(commands, "\n")+"\n")
}

// nft loads a script of nft(8) inside the namespace, as one transaction.
func (n *Namespace) nft(script string) error {
	return batch([]string{"ip", "netns", "exec", n.Name, "nft", "-f", "-"}, script)
}

// hosts is the namespace's /etc/hosts. There is no name service: an empty resolv.conf makes other names
// fail at once.
func (n *Namespace) hosts(text string) error {
	dir := filepath.Join(filesDir, n.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "hosts"), []byte(text), 0o644),
		os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n"), 0o644),
	)
}

// ip runs one command of ip(8) on the machine itself.
func ip(args ...string) error { return batch(append([]string{"ip"}, args...), "") }

// batch runs a command that reads its work from standard input and says nothing where all is well.
func batch(args []string, input string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out), input)
	}
	return nil
}

// openTUN makes a TUN device in the namespace. Reads and writes take one IP packet each.
func (n *Namespace) openTUN(name string) (f *os.File, err error) {
	err = n.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		req, err := unix.NewIfreq(name)
		if err == nil {
			req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
		}
		if err != nil {
			unix.Close(fd)
			return fmt.Errorf("TUN device %s: %w", name, err)
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	return f, err
}
