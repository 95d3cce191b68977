package web

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"parley/wire/proto"
)

func TestGuessing(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200")
	m := w.meeting(testToken, nil)
	right := newPerson(t, "Ann").request(m)
	wrong := right
	wrong.Passcode = "wrong"
	byLink := right
	byLink.Passcode, byLink.Pwd = "", m.EncryptedPassword
	from := func(addr string, q proto.LookupRequest) answer {
		return w.askFrom(addr+":1", "", "POST", "/lookup", q, nil)
	}
	want := func(what string, a answer, status int) {
		t.Helper()
		if a.status != status {
			t.Fatalf("%s: %d %s, want %d", what, a.status, a.body, status)
		}
	}
	later := func(d time.Duration) {
		w.pass(d)
		w.zone("par", 0, 0, "par-1 0/200")
	}
	free := lookupLimits.pair.free
	for range free {
		want("free try", from("192.0.2.1", wrong), 404)
	}
	a := from("192.0.2.1", right)
	want("right, too soon", a, 429)
	e := into[proto.Error](t, a)
	if e.Code != proto.CodeSlowDown || e.RetryAfter != 1 || a.header.Get("Retry-After") != "1" {
		t.Errorf("slowed: %+v, header %q", e, a.header.Get("Retry-After"))
	}
	want("another address", from("192.0.2.2", right), 200)
	later(time.Second)
	want("after the wait", from("192.0.2.1", wrong), 404)
	for i, delay := range []int{2, 4, 8, 16, 32, 60, 60} {
		a := from("192.0.2.1", right)
		want("between", a, 429)
		if got := into[proto.Error](t, a).RetryAfter; got != delay {
			t.Errorf("wait %d is %d s, want %d", i, got, delay)
		}
		later(time.Duration(delay) * time.Second)
		want("after the wait", from("192.0.2.1", wrong), 404)
	}
	later(time.Minute)
	want("right in the end", from("192.0.2.1", right), 200)
	want("cleared by success", from("192.0.2.1", wrong), 404)

	// A number nobody has is slowed alike: waiting tells nothing either.
	unknown := wrong
	unknown.Number = "99999999999"
	for range free {
		want("unknown number", from("192.0.2.3", unknown), 404)
	}
	want("unknown number, slowed", from("192.0.2.3", unknown), 429)

	// Who shares an address with a guesser and has the link is not kept out, nor helps them guess.
	for range free {
		want("a guesser", from("192.0.2.4", wrong), 404)
	}
	want("a guesser, slowed", from("192.0.2.4", wrong), 429)
	want("a neighbour with the link", from("192.0.2.4", byLink), 200)
	want("a guesser, still slowed", from("192.0.2.4", wrong), 429)
	staleLink := byLink
	staleLink.Pwd = "AAAAAAAAAAAAAAAAAAAAAAAA"
	for range free + 1 {
		want("a link of before", from("192.0.2.5", staleLink), 404)
	}
	want("a neighbour with the passcode", from("192.0.2.5", right), 200)

	// Many addresses together: strangers wait, who was in before and who has the link do not.
	later(2 * forgetAfter)
	for i := range lookupLimits.target.free {
		want("attack", from(fmt.Sprintf("198.51.100.%d", i), wrong), 404)
	}
	want("attack slowed", from("198.51.100.200", wrong), 429)
	want("a stranger with the passcode waits", from("203.0.113.1", right), 429)
	want("a stranger with the link does not", from("203.0.113.2", byLink), 200)
	want("nor who was in before", from("192.0.2.2", right), 200)
	want("nor the host", w.askFrom("203.0.113.3:1", testToken, "POST", "/lookup", right, nil), 200)
	later(lookupLimits.target.most)
	want("the stranger's wait is short", from("203.0.113.1", right), 200)

	// IPv6 customers have a /64 at least: it counts as one address.
	later(2 * forgetAfter)
	for i := range free {
		want("v6", w.askFrom(fmt.Sprintf("[2001:db8::%d]:1", i+1), "", "POST", "/lookup", wrong, nil), 404)
	}
	want("v6 slowed", w.askFrom("[2001:db8::ffff]:1", "", "POST", "/lookup", wrong, nil), 429)
}

func TestGuessesAtOnceCountOneByOne(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200")
	m := w.meeting(testToken, nil)
	wrong := newPerson(t, "Eve").request(m)
	wrong.Passcode = "wrong"
	var mu sync.Mutex
	seen := map[int]int{}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			a := w.lookup("", wrong)
			mu.Lock()
			defer mu.Unlock()
			seen[a.status]++
		})
	}
	wg.Wait()
	if seen[404] != lookupLimits.pair.free || seen[429] != 40-lookupLimits.pair.free {
		t.Errorf("answers %v, want %d looked at", seen, lookupLimits.pair.free)
	}
}

func TestGuessMemoryIsBounded(t *testing.T) {
	limits := lookupLimits
	limits.keep = 100
	g := newGuesses(limits)
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	no := func() bool { return false }
	for i := range 10_000 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		g.try(now, addr, fmt.Sprint(i), false, no)
	}
	if len(g.byKey) > 100 || g.order.Len() > 100 {
		t.Errorf("%d counters, %d in order, want at most 100", len(g.byKey), g.order.Len())
	}
}

func TestAddressThatTriesManyMeetingsIsSlowed(t *testing.T) {
	g := newGuesses(lookupLimits)
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("192.0.2.1")
	no, yes := func() bool { return false }, func() bool { return true }
	if ok, _ := g.try(now, addr, "own", false, yes); !ok {
		t.Fatal("not let in")
	}
	for i := range lookupLimits.addr.free {
		if _, wait := g.try(now, addr, fmt.Sprint(i), false, no); wait > 0 {
			t.Fatalf("try %d has to wait %v", i, wait)
		}
	}
	if _, wait := g.try(now, addr, "next", false, no); wait == 0 {
		t.Error("sweeping over meetings is not slowed")
	}
	if ok, wait := g.try(now, addr, "own", false, yes); !ok {
		t.Errorf("people behind the address are kept out of their own meeting for %v", wait)
	}
}
