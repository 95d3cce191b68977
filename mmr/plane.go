package mmr

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/sys/link"
	"parley/sys/memory"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
)

// PlaneConfig describes the media plane of one process. Zero values are the documented defaults.
type PlaneConfig struct {
	Host link.Host
	// Listen are the UDP addresses media arrives on. Port 8801 is the product's (S11); port 0 picks one.
	Listen []netip.AddrPort
	// Extra are further UDP addresses, for networks that let only certain ports out: 443 or 3478. They are
	// told after the others, as the same rung.
	Extra []netip.AddrPort
	// Shards is how many goroutines, each on a thread of its own, carry media: 1 by default. One serves
	// thousands of receivers; more are for a machine with processors to spare.
	Shards int
	// Together is how many of a meeting share a shard before others take some: 50 by default.
	Together int
	// NoTCP leaves out the TCP port of the same number (S11).
	NoTCP bool
	// Advertise are the addresses clients are told, for servers behind 1:1 NAT. Empty: those bound, or
	// for a wildcard bind the ones in Interfaces.
	Advertise []netip.Addr
	// Certificate of all DTLS associations of the process; one per process keeps joins cheap.
	Certificate tls.Certificate
	// DSCP marks by media group (S12). The zero value is DSCPStandard.
	DSCP DSCP
	// Tick is how fine the timers of feedback are: 20 ms by default.
	Tick time.Duration
	// HoldVideo and HoldAudio bound how long a packet waits for others to the same receiver while the shard is
	// busy: 1 ms by default, or until the shard's next turn where that is later; and of sound 5 ms, from its
	// arrival on where the system sets it aside, and else from when it was read. Negative: never.
	HoldVideo, HoldAudio time.Duration
	// Gather is how far apart the turns of a shard are at least where things come thick, and up to twenty times
	// that the busier it is, for all but sound: 1 ms by default, negative: not at all.
	Gather time.Duration
	// HoldFrom is how many packets a second the shards together must send for one to hold any: 10,000 by
	// default, negative: they always hold.
	HoldFrom int
	// TURNUser is whoever else's users may come to ServeTURN: those of a tunnel on the same port. Nil: nobody's.
	TURNUser func(name string) (rtc.TURNUser, bool)
	// ReceiveLoss, in tests only, drops arriving datagrams before anything looks at them.
	ReceiveLoss func() bool
	Log         *slog.Logger
}

// DSCP is a profile of marks, code points 0 to 63, by media group (S12).
type DSCP [proto.NGroups]uint8

// The two profiles an administrator chooses between. The original's 56 is network control, which many
// networks drop or re-mark, so RFC 8837's is the default.
var (
	DSCPStandard = DSCP{46, 34, 26} // EF, AF41, AF31 (RFC 8837)
	DSCPOriginal = DSCP{56, 40, 40} // the original's defaults
)

// Plane is the media plane of one process: its sockets and the shards that own what comes on them. Several routers
// of one process share it; the ufrag of an arriving check says whose packet it is.
type Plane struct {
	cfg    PlaneConfig
	conns  []link.PacketConn // one for each address; the first shard's
	shards []*shard
	places *places

	memory    memory.Store   // of packets, and of room for them
	listeners []net.Listener // TCP, of the same ports
	streams   *streams
	clocks    atomic.Uint64 // senders' so far, see peer.clock

	mu      sync.Mutex
	tenants atomic.Pointer[map[uint32]*tenant] // by router tag; copied on change
}

// tenant is what the plane needs of one router. Immutable.
type tenant struct {
	key trust.ZoneKey
}

// NewPlane binds the sockets; errors name the address that could not be had.
func NewPlane(cfg PlaneConfig) (*Plane, error) {
	if len(cfg.Listen) == 0 {
		return nil, errors.New("media plane: no address to listen on")
	}
	if cfg.DSCP == (DSCP{}) {
		cfg.DSCP = DSCPStandard
	}
	cfg.Tick = cmp.Or(cfg.Tick, defaultTick)
	cfg.HoldVideo = cmp.Or(cfg.HoldVideo, holdVideo)
	cfg.HoldAudio = cmp.Or(cfg.HoldAudio, holdAudio)
	cfg.Gather = cmp.Or(cfg.Gather, gather)
	cfg.HoldFrom = cmp.Or(cfg.HoldFrom, holdFrom)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Plane{cfg: cfg, streams: newStreams()}
	p.tenants.Store(&map[uint32]*tenant{})
	for i, a := range slices.Concat(cfg.Listen, cfg.Extra) {
		if err := p.bind(a, i < len(cfg.Listen) && !cfg.NoTCP); err != nil {
			p.Close()
			return nil, fmt.Errorf("media plane: %w", err)
		}
	}
	if cfg.Shards < 0 || cfg.Shards > maxShards {
		p.Close()
		return nil, fmt.Errorf("media plane: %d shards, at most %d", cfg.Shards, maxShards)
	}
	p.places = newPlaces(max(cfg.Shards, 1), cmp.Or(cfg.Together, together), p.steer)
	if err := p.makeShards(max(cfg.Shards, 1)); err != nil {
		p.Close()
		return nil, fmt.Errorf("media plane: %w", err)
	}
	return p, nil
}

// Addr is the first bound address.
func (p *Plane) Addr() netip.AddrPort { return p.conns[0].LocalAddr() }

// Candidates are the addresses clients are told, best rung first.
func (p *Plane) Candidates() []proto.Candidate {
	var out []proto.Candidate
	add := func(r proto.Rung, a netip.AddrPort) {
		if c := (proto.Candidate{Rung: r, Addr: a.String()}); !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	told := func(r proto.Rung, local netip.AddrPort) {
		if len(p.cfg.Advertise) == 0 {
			if !local.Addr().IsUnspecified() {
				add(r, local)
			}
			return
		}
		for _, a := range p.cfg.Advertise {
			if local.Addr().IsUnspecified() || local.Addr().Is4() == a.Is4() {
				add(r, netip.AddrPortFrom(a, local.Port()))
			}
		}
	}
	for _, c := range p.conns {
		told(proto.UDP8801, c.LocalAddr())
	}
	for i := range p.listeners {
		told(proto.TCP8801, p.conns[i].LocalAddr())
	}
	return out
}

// Fingerprint is that of the plane's DTLS certificate, "sha-256 AB:CD:…".
func (p *Plane) Fingerprint() string { return rtc.Fingerprint(p.cfg.Certificate) }

// attach makes the plane accept checks for a router's tickets.
func (p *Plane) attach(router string, key trust.ZoneKey) (detach func(), err error) {
	tag := trust.RouterTag(router)
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.tenants.Load()
	if old[tag] != nil {
		return nil, fmt.Errorf("media plane: router %q or one with the same tag is attached already", router)
	}
	p.swapTenants(func(m map[uint32]*tenant) { m[tag] = &tenant{key: key} })
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.swapTenants(func(m map[uint32]*tenant) { delete(m, tag) })
	}, nil
}

func (p *Plane) swapTenants(change func(map[uint32]*tenant)) {
	next := make(map[uint32]*tenant)
	for k, v := range *p.tenants.Load() {
		next[k] = v
	}
	change(next)
	p.tenants.Store(&next)
}

// maxShards is how many bits a row has for those who follow it.
const maxShards = 64

// Run serves media until ctx ends, then closes every transport. On sockets of this kernel a shard reads
// them itself, on a thread of its own; elsewhere each socket has a reader.
func (p *Plane) Run(ctx context.Context) error {
	defer p.startStreams(ctx)()
	if s, ok := p.Sockets(); ok {
		s.warn(p.cfg.Log)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pollers, err := p.pollers()
	if err != nil {
		for _, c := range p.sockets() {
			c.Close()
		}
		return fmt.Errorf("media plane: %w", err)
	}
	ended := make(chan error, len(p.shards))
	var readers sync.WaitGroup
	if pollers != nil {
		// A busy shard keeps its P while it waits for a millisecond: everything else needs one of its own.
		if n := runtime.NumCPU() + len(p.shards); runtime.GOMAXPROCS(0) < n {
			runtime.GOMAXPROCS(n)
		}
	} else {
		for _, c := range p.conns {
			readers.Go(func() { p.read(ctx, c) })
		}
	}
	for i, s := range p.shards {
		go func() {
			if pollers == nil {
				s.run(ctx)
				ended <- nil
				return
			}
			ended <- errors.Join(s.runPolled(ctx, pollers[i]), pollers[i].Close())
		}()
	}
	var errs []error
	for range p.shards {
		errs = append(errs, <-ended)
		cancel() // without one shard the others are of no use
	}
	for _, c := range p.sockets() {
		c.Close()
	}
	readers.Wait()
	for _, s := range p.shards { // not sooner: they lend each other packets
		s.fwd.Close()
		for _, b := range s.batches {
			p.memory.Give(b.room)
		}
	}
	return errors.Join(errs...)
}

// makeShards makes the shards, each with sockets of its own where the kernel gives them (link.Share).
// Elsewhere the first reads for all, and all send on what there is.
func (p *Plane) makeShards(n int) error {
	conns := make([][]link.PacketConn, n)
	for _, c := range p.conns {
		shared, err := link.Share(c, n, patient[:]...)
		if err != nil {
			return err
		}
		if shared == nil {
			shared = slices.Repeat([]link.PacketConn{c}, n)
		}
		for i := range conns {
			conns[i] = append(conns[i], shared[i])
		}
	}
	for i := range conns {
		p.shards = append(p.shards, newShard(p, i, conns[i]))
	}
	connectShards(p.shards)
	return nil
}

// pollers are the shards', nil where their sockets are not this kernel's.
func (p *Plane) pollers() (all []*link.Poller, err error) {
	for _, s := range p.shards {
		one, err := link.NewPoller(p.readBy(s), patient[:]...)
		if one == nil || err != nil {
			for _, have := range all {
				have.Close()
			}
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// readBy are the sockets a shard reads: what it does not share with the first.
func (p *Plane) readBy(s *shard) []link.PacketConn {
	if s.index == 0 {
		return s.conns
	}
	return slices.DeleteFunc(slices.Clone(s.conns), func(c link.PacketConn) bool { return slices.Contains(p.conns, c) })
}

// sockets are all of the plane's.
func (p *Plane) sockets() []link.PacketConn {
	all := slices.Clone(p.conns)
	for _, s := range p.shards {
		if s.index > 0 {
			all = append(all, p.readBy(s)...)
		}
	}
	return all
}

// Close releases the sockets of a plane that was never run.
func (p *Plane) Close() error {
	var errs []error
	for _, ln := range p.listeners {
		errs = append(errs, ln.Close())
	}
	for _, c := range p.sockets() {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

const (
	// batchLen is how many messages one read takes: batches over 16 gained nothing in the measurement of
	// 20 November 2026; where the kernel does not merge, 64 lets a key frame arrive in one.
	batchLen       = 64
	mergedBatchLen = 16
	// gather is a millisecond: a change from idle to busy costs up to 50 µs, and a hundred receivers report
	// a thousand times a second (bench "video 1→100", 20 November 2026: 4,600 wake-ups a second cost more
	// than sending 18,000 packets).
	gather = time.Millisecond
	// maxDatagram is the largest datagram taken; larger ones are cut by the kernel and fail to decrypt.
	maxDatagram = 2048
)

// batch is a set of datagrams on its way from a reader to the shard and back.
type batch struct {
	via  link.PacketConn
	ms   []link.Message
	n    int
	room []byte // of ms, all together
}

// Kept is the memory of packets and of room to receive them, in bytes: it is no part of the collector's heap. Safe
// from any goroutine.
func (p *Plane) Kept() int64 { return p.memory.Used() }

// newBatch makes a batch fit for a socket, in memory from take: where the kernel merges, each message needs a
// datagram's room.
func newBatch(via link.PacketConn, take func(n int) []byte) *batch {
	n, room := batchLen, maxDatagram
	if link.Merge(via) {
		n, room = mergedBatchLen, link.MergeBufLen
	}
	b := &batch{via: via, ms: make([]link.Message, n)}
	b.room = take(n * room)
	for i := range b.ms {
		b.ms[i].Buf = b.room[i*room : (i+1)*room : (i+1)*room]
	}
	return b
}

// read moves datagrams from one socket to the shard. Four batches go round, so the kernel's buffer, and
// not ours, is what fills when the shard is busy: the oldest wait is bounded.
func (p *Plane) read(ctx context.Context, c link.PacketConn) {
	free := make(chan *batch, 4)
	for range cap(free) {
		free <- newBatch(c, func(n int) []byte { return make([]byte, n) }) // one may still be on its way in the end
	}
	for {
		var b *batch
		select {
		case b = <-free:
		case <-ctx.Done():
			return
		}
		n, err := c.ReadBatch(b.ms)
		if err != nil {
			if ctx.Err() == nil {
				p.cfg.Log.Error("media socket failed", "err", err)
			}
			return
		}
		b.n = n
		select {
		case p.shards[0].in <- arrival{b, free}:
		case <-ctx.Done():
			return
		}
	}
}

// arrival is a batch and where it goes back to.
type arrival struct {
	*batch
	home chan *batch
}
