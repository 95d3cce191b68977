package rtc

import (
	"net/netip"

	"parley/sys/cache"
	"parley/sys/link"
)

// What a shard knows of its participants is far from the processor when their next packet comes: to open one
// takes two dozen places, one after the other, for each leads to the next. So they are asked for ahead of time,
// those of several packets at once (see package cache).

const (
	// nRecent is how many addresses are found without a map: a shard full of people has some thousand.
	nRecent = 2048
	// maxExpected is how many datagrams are looked at ahead: as many as are read at once.
	maxExpected = 16
)

// recentOf is an address's place in Mux.recent. Two that share one are looked for in the map again and again.
func recentOf(a netip.AddrPort) uint32 {
	ip := a.Addr().As16()
	h := uint32(a.Port())<<16 ^ uint32(ip[13])<<16 ^ uint32(ip[14])<<8 ^ uint32(ip[15])
	return h * 0x9e3779b1 >> (32 - 11)
}

// Expect asks for what Receive needs for the first of these messages, of which there are n. It reads nothing
// of them but whom they are from and what they are.
func (m *Mux) Expect(ms []link.Message) {
	type next struct {
		p    *path
		t    *Transport
		rtcp bool
	}
	var list [maxExpected]next
	n := 0
	var last *path
	for i := range ms[:min(len(ms), maxExpected)] {
		p := m.recent[recentOf(ms[i].Addr)]
		if p == nil || p == last || ms[i].N < 2 || ms[i].Buf[0] < 128 {
			continue
		}
		cache.Fetch(p, 2)
		last, list[n] = p, next{p: p, rtcp: isRTCP(ms[i].Buf)}
		n++
	}
	if n < 2 {
		return // nothing to be done meanwhile
	}
	for i := range list[:n] {
		list[i].t = list[i].p.t
		cache.Fetch(list[i].t, 4)
	}
	for i := range list[:n] {
		cache.Fetch(list[i].t.in, 2)
	}
	for i := range list[:n] {
		if in := list[i].t.in; in != nil {
			in.Fetch(list[i].rtcp)
		}
	}
	for i := range list[:n] {
		if in := list[i].t.in; in != nil {
			in.FetchKeys(list[i].rtcp)
		}
	}
}

// Fetch asks for what sealing a packet needs, in four steps from 0 on: each leads to the next, which is to be
// taken some time after it.
func (t *Transport) Fetch(step int) {
	switch {
	case step == 0:
		cache.Fetch(t, 4)
	case t.out == nil:
	case step == 1:
		cache.Fetch(t.out, 2)
		cache.Fetch(t.sendPath, 2)
	case step == 2:
		t.out.Fetch(false)
	default:
		t.out.FetchKeys(false)
	}
}
