package proxy

import (
	"context"
	_ "embed"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/dop251/goja"

	"parley/sys/link"
)

// prelude defines the functions a script may call, but for those that ask the network.
//
//go:embed prelude.js
var prelude string

const (
	maxStack = 256                    // bounds a script's recursion
	stepFor  = 200 * time.Millisecond // one of its steps may take, once its time is over
)

// engine runs one script. Not safe for concurrent use: the script's mu guards it.
type engine struct {
	vm   *goja.Runtime
	call goja.Callable
	host link.Host
	ctx  context.Context // of the call under way
	left <-chan said     // of a call that did not end in time and goes on; nil: none
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
	_, err := e.limited(context.Background(), func() (string, error) {
		if _, err := e.vm.RunString(prelude); err != nil {
			return "", err
		}
		_, err := e.vm.RunString(text)
		return "", err
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
func (e *engine) find(ctx context.Context, url, host string) (string, error) {
	return e.limited(ctx, func() (string, error) {
		v, err := e.call(goja.Undefined(), e.vm.ToValue(url), e.vm.ToValue(host))
		if err != nil || goja.IsUndefined(v) || goja.IsNull(v) {
			return "", err
		}
		return v.String(), nil
	})
}

// said is what some of the script came to.
type said struct {
	text string
	err  error
}

// limited runs some of the script, no longer than a second. Between two steps it is interrupted; one step of the
// language's own may take for ever, so what does not end then is left to itself, and there is no other answer meanwhile.
func (e *engine) limited(ctx context.Context, run func() (string, error)) (string, error) {
	if e.left != nil {
		select {
		case <-e.left:
			e.left = nil
			e.vm.ClearInterrupt()
		default:
			return "", errScript
		}
	}
	ctx, cancel := context.WithTimeout(ctx, runFor)
	defer cancel()
	e.ctx = ctx
	done := make(chan said, 1)
	go func() {
		text, err := run()
		done <- said{text, err}
	}()
	var s said
	select {
	case s = <-done:
	case <-ctx.Done():
		e.vm.Interrupt(errScript)
		select {
		case s = <-done:
			e.vm.ClearInterrupt() // one that comes late must not hit the next call
		case <-time.After(stepFor):
			e.left = done
			return "", errScript
		}
	}
	if _, ok := errors.AsType[*goja.InterruptedError](s.err); ok {
		return "", errScript
	}
	return s.text, s.err
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
