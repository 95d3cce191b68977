package proxy

import (
	"context"
	_ "embed"
	"errors"
	"net/netip"
	"strings"

	"github.com/dop251/goja"

	"parley/sys/link"
)

// prelude defines the functions a script may call, but for those that ask the network.
//
//go:embed prelude.js
var prelude string

// maxStack bounds a script's recursion.
const maxStack = 256

// engine runs one script. Not safe for concurrent use: the script's mu guards it.
type engine struct {
	vm   *goja.Runtime
	call goja.Callable
	host link.Host
	ctx  context.Context // of the call under way
}

var errScript = errors.New("it takes too long")

// newEngine loads a script.
func newEngine(host link.Host, text string) (*engine, error) {
	e := &engine{vm: goja.New(), host: host, ctx: context.Background()}
	e.vm.SetMaxCallStackSize(maxStack)
	for name, f := range map[string]any{
		"alert":        func(string) {},
		"dnsResolve":   e.dnsResolve,
		"dnsResolveEx": e.dnsResolveEx,
		"myIpAddress":  e.myIPAddress, "myIpAddressEx": e.myIPAddressEx,
		"isInNetEx": isInNetEx,
	} {
		if err := e.vm.Set(name, f); err != nil {
			return nil, err
		}
	}
	err := e.limited(context.Background(), func() error {
		if _, err := e.vm.RunString(prelude); err != nil {
			return err
		}
		_, err := e.vm.RunString(text)
		return err
	})
	if err != nil {
		return nil, err
	}
	call, ok := goja.AssertFunction(e.vm.Get("FindProxyForURL"))
	if !ok {
		return nil, errors.New("it has no function FindProxyForURL")
	}
	e.call = call
	return e, nil
}

// find is the script's answer for a server.
func (e *engine) find(ctx context.Context, url, host string) (text string, err error) {
	err = e.limited(ctx, func() error {
		v, err := e.call(goja.Undefined(), e.vm.ToValue(url), e.vm.ToValue(host))
		if err != nil {
			return err
		}
		if goja.IsUndefined(v) || goja.IsNull(v) {
			return nil
		}
		text = v.String()
		return nil
	})
	return text, err
}

// limited runs some of the script, no longer than a second.
func (e *engine) limited(ctx context.Context, run func() error) error {
	ctx, cancel := context.WithTimeout(ctx, runFor)
	defer cancel()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		e.vm.Interrupt(errScript)
		close(interrupted)
	})
	e.ctx = ctx
	err := run()
	if !stop() {
		<-interrupted // one that comes late must not hit the next call
		e.vm.ClearInterrupt()
	}
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*goja.InterruptedError](err); ok {
		return errScript
	}
	return err
}

func (e *engine) resolve(name string) []netip.Addr {
	addrs, err := link.Resolve(e.ctx, e.host, name)
	if err != nil {
		return nil
	}
	return addrs
}

func (e *engine) dnsResolve(name string) goja.Value {
	for _, a := range e.resolve(name) {
		if a.Is4() {
			return e.vm.ToValue(a.String())
		}
	}
	return goja.Null()
}

func (e *engine) dnsResolveEx(name string) string { return join(e.resolve(name)) }

func (e *engine) myIPAddress() string {
	for _, a := range link.AddressesOf(e.host) {
		if a.Is4() {
			return a.String()
		}
	}
	return "127.0.0.1"
}

func (e *engine) myIPAddressEx() string { return join(link.AddressesOf(e.host)) }

func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ";")
}

// isInNetEx tells whether an address is in a network in prefix notation.
func isInNetEx(addr, prefix string) bool {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return false
	}
	p, err := netip.ParsePrefix(prefix)
	return err == nil && p.Contains(a)
}
