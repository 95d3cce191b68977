package proxy

import (
	"context"
	_ "embed"
	"errors"
	"net/netip"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/dop251/goja"

	"parley/sys/link"
)

// prelude defines the functions a script may call, but for those that ask the network.
//
//go:embed prelude.js
var prelude string

// guard takes from a script what may ask for more memory than there is in a single step.
//
//go:embed guard.js
var guard string

const (
	growth   = 128 << 20              // bytes a script may have the heap grow by
	growthIn = 10 * time.Millisecond  // it is looked at
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

var (
	errScript = errors.New("it takes too long")
	errMemory = errors.New("it takes too much memory")
)

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
		for _, own := range []string{prelude, guard} {
			if _, err := e.vm.RunString(own); err != nil {
				return "", err
			}
		}
		if err := refuse(text); err != nil {
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
		var s said
		defer func() {
			if recover() != nil { // the interpreter's own: a length that no slice has
				s = said{err: errMemory}
			}
			done <- s
		}()
		s.text, s.err = run()
	}()
	s, why := e.await(ctx, done)
	if why == nil {
		return s.text, s.err
	}
	e.vm.Interrupt(why)
	select {
	case s = <-done:
		e.vm.ClearInterrupt() // one that comes late must not hit the next call
	case <-time.After(stepFor):
		e.left = done
		return "", why
	}
	if _, ok := errors.AsType[*goja.InterruptedError](s.err); ok {
		return "", why
	}
	return s.text, s.err
}

// await waits for some of the script, and says why it is to be interrupted.
func (e *engine) await(ctx context.Context, done <-chan said) (s said, why error) {
	most := heap() + growth
	tick := time.NewTicker(growthIn)
	defer tick.Stop()
	for {
		select {
		case s = <-done:
			return s, nil
		case <-ctx.Done():
			return s, errScript
		case <-tick.C:
			if heap() > most {
				return s, errMemory
			}
		}
	}
}

// heap is what all of the process has on it, in bytes: nobody says it of one script.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
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
