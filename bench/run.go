package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/bench/floor"
	"parley/bench/load"
	"parley/sys/link"
)

// one is the outcome of one run, or of several: the median of each figure, and the worst loss. Times are in
// nanoseconds for a packet.
type one struct {
	Scenario    string             `json:"scenario"`
	GRO         bool               `json:"gro"`
	Shards      int                `json:"shards"`
	Load        load.Result        `json:"load"`
	PerSecond   float64            `json:"packets_s"`
	CPU         float64            `json:"cpu"` // of one processor, 0 to 1
	NS          float64            `json:"ns_packet"`
	Calibration float64            `json:"calibration_ns"`
	Target      float64            `json:"target_rel,omitempty"` // to hold ourselves to
	Peer        string             `json:"peer_rel,omitempty"`   // the best other server, as measured in the performance notes
	Rel         float64            `json:"rel"`
	Floor       float64            `json:"floor_ns"`
	Ratio       float64            `json:"ratio"`
	PerSend     float64            `json:"packets_send,omitempty"` // seen with UDP_GRO alone
	Loss        float64            `json:"loss"`                   // of what should have come, 0 to 1
	P50         float64            `json:"p50_ms"`
	P99         float64            `json:"p99_ms"`
	MiB         float64            `json:"mib_participant"`
	Mallocs     float64            `json:"mallocs_packet"`             // all there were
	MediaAllocs float64            `json:"mallocs_packet_net"`         // less what the same time costs with nothing published
	JoinCPU     float64            `json:"join_cpu_ms"`                // server CPU for a transport, lookup and control included
	Idle        float64            `json:"idle_cpu"`                   // of one processor, everybody in and nothing published
	Wakes       float64            `json:"wakes_s"`                    // times a second a thread of the server went to sleep
	Preempted   float64            `json:"preempted_s"`                // times a second it was made to: a busy machine
	Drops       map[string]float64 `json:"drops,omitempty"`            // what the server dropped since it started, by reason
	Overflow    float64            `json:"overflow"`                   // datagrams the server's socket lost while measuring
	Reference   float64            `json:"reference"`                  // cost of the reference shape ÷ the same on the reference machine, see valid.go
	Void        string             `json:"void,omitempty"`             // why the run does not count
	ToOne       float64            `json:"rel_to_one_shard,omitempty"` // rel ÷ that of the same row with one shard
	Fits        int                `json:"fits,omitempty"`             // people served without loss, where that was sought
	Due         float64            `json:"due_s,omitempty"`            // packets/s that everybody who is served receives, all in all
	Runs        int                `json:"runs,omitempty"`             // this is the median of so many; 0: a single run
}

// settle is how long people stand before they publish, and once more before that is measured.
const settle = 2 * time.Second

// bench is all runs of one start.
type bench struct {
	options
	shards   int // of the server's, now
	base     baseline
	progress progress
	fitted   map[string]int     // what a search found, by scenario and merge: where that with more shards begins
	bursts   map[string]float64 // packets in a send, by scenario, from the runs with UDP_GRO
}

// one runs a scenario once.
func (b *bench) one(ctx context.Context, s scenario, merge bool) (one, error) {
	r := one{Scenario: s.name, GRO: merge, Shards: b.shards, Due: s.due, Peer: s.peer, Target: s.target[index(merge)]}
	begun := b.estimate(s)
	defer b.progress.done(begun)
	extra := strings.Fields(b.serverArgs)
	if b.shards > 1 {
		extra = append(extra, "--shards", itoa(b.shards))
	}
	srv, err := startServer(ctx, b.binary, b.serverCPU, s.loudest, extra)
	if err != nil {
		return r, err
	}
	defer srv.stop()
	before, err := b.jobOnServer(ctx, "calibrate")
	if err != nil {
		return r, err
	}
	tls := link.ClientTLS(nil)
	tls.InsecureSkipVerify = true
	m := &meter{srv: srv, r: &r, profile: b.profile, length: b.measure}
	cfg := load.Config{
		Site: srv.site, Token: srv.token, TLS: tls, Count: s.count, Members: s.members, Merge: merge, Each: b.each || s.quick, Spread: s.spread,
		Warm: b.warm, Measure: b.measure, Settle: settle, At: m.at,
	}
	if s.feed != nil {
		s.feed(&cfg)
	}
	if b.shards > 1 {
		cfg.Movers = max(cfg.Movers, 1)
	}
	m.join0 = srv.cpu()
	if s.viewers > 0 {
		if m.viewers, err = b.startViewers(ctx, &cfg, s.viewers); err != nil {
			return r, err
		}
		defer m.viewers.kill()
	}
	r.Load, err = load.Run(ctx, cfg)
	m.wait()
	if err == nil && m.viewers != nil {
		err = m.viewers.result(&r.Load)
	}
	if err != nil {
		return r, err
	}
	if r.Load.Packets == 0 {
		return r, fmt.Errorf("nothing arrived: %s", strings.Join(r.Load.Errors, "; "))
	}
	after, err := b.jobOnServer(ctx, "calibrate")
	if err != nil {
		return r, err
	}
	r.Calibration = float64(before+after) / 2
	m.sum()
	if merge {
		r.PerSend = float64(r.Load.Packets) / float64(max(1, r.Load.Sends))
		b.bursts[s.name] = r.PerSend
	}
	if b.noFloor {
		return r, nil
	}
	if shape := b.shape(s, r.Load); shape.Burst > 0 {
		f, err := b.floor(ctx, shape, merge, time.Second)
		if err != nil {
			return r, err
		}
		r.Floor = float64(f)
		r.Ratio = r.NS / r.Floor
	}
	if r.Reference, err = b.referenceRatio(ctx, merge, r.Calibration); err != nil {
		return r, err
	}
	r.Void = b.base.void(&r)
	return r, nil
}

// shape is what the floor has to send to be this scenario: packets as long, and as many in a send as there
// were with UDP_GRO, where they can be seen; before that was run it is not known (Burst 0).
func (b *bench) shape(s scenario, r load.Result) floor.Shape {
	return floor.Shape{
		Receivers: max(1, r.People), Burst: int(b.bursts[cmp.Or(s.like, s.name)] + 0.5), Len: int(r.Bytes/max(1, r.Packets)) - floor.TagLen,
	}
}

// meter reads the server's own figures at each change of phase. Owned by the loop of the load; read
// when that has ended.
type meter struct {
	srv      *server
	r        *one
	viewers  *viewers
	profile  string
	length   time.Duration
	profiled sync.WaitGroup

	join0, idle0, cpu0, cpu1  time.Duration
	idleAt                    time.Time
	m0, m1, idleAllocs        float64
	slept, preempted          float64
	joinCPU, idleCPU, rssThen float64
}

func (m *meter) count() float64 {
	n, err := m.srv.mallocs()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return n
}

func (m *meter) at(p load.Phase) {
	switch p {
	case load.Joined:
		m.joinCPU = float64(m.srv.cpu()-m.join0) / 1e6
		m.m0 = m.count()
		m.idleAt, m.idle0 = time.Now(), m.srv.cpu()
	case load.Publishing:
		t := time.Since(m.idleAt)
		m.idleCPU = float64(m.srv.cpu()-m.idle0) / float64(t)
		m.idleAllocs = (m.count() - m.m0) / t.Seconds()
	case load.Measuring:
		m.m0 = m.count()
		m.slept, m.preempted = m.srv.switches()
		m.r.Overflow = m.srv.overflow()
		if m.viewers != nil {
			m.viewers.next()
		}
		m.cpu0 = m.srv.cpu()
		if m.profile != "" {
			m.profiled.Go(func() {
				if err := m.srv.profile(m.profile, m.length-time.Second); err != nil {
					fmt.Fprintln(os.Stderr, "bench:", err)
				}
			})
		}
	case load.Measured:
		m.cpu1 = m.srv.cpu()
		if m.viewers != nil {
			m.viewers.next()
		}
		slept, preempted := m.srv.switches()
		m.slept, m.preempted = slept-m.slept, preempted-m.preempted
		m.m1 = m.count()
		m.r.Drops, m.r.Overflow = m.srv.drops(), m.srv.overflow()-m.r.Overflow
		m.rssThen = m.srv.rss()
	}
}

func (m *meter) wait() { m.profiled.Wait() }

// sum turns readings into the figures of a run whose load and calibration are known.
func (m *meter) sum() {
	r := m.r
	n, seconds := float64(r.Load.Packets), r.Load.Seconds
	r.PerSecond, r.Loss, r.P50, r.P99 = n/seconds, r.Load.Loss(), r.Load.P50, r.Load.P99
	r.Wakes, r.Preempted = m.slept/seconds, m.preempted/seconds
	r.CPU = (m.cpu1 - m.cpu0).Seconds() / seconds
	r.NS = float64(m.cpu1-m.cpu0) / n
	r.Rel = r.NS / r.Calibration
	r.Mallocs = (m.m1 - m.m0) / n
	r.MediaAllocs = max(0, m.m1-m.m0-m.idleAllocs*seconds) / n
	r.MiB = (m.rssThen - m.srv.rss0) / float64(max(1, r.Load.People))
	r.JoinCPU = m.joinCPU / float64(max(1, r.Load.Transports))
	r.Idle = m.idleCPU
}

// row is all runs of one row of the table, and their median. A run that does not count is done once more.
func (b *bench) row(ctx context.Context, s scenario, merge bool) (one, error) {
	var runs []one
	var err error
	if s.fit != nil {
		runs, err = b.search(ctx, s, merge)
	} else {
		for again := 0; len(runs) < b.runs && err == nil; {
			var r one
			if r, err = b.one(ctx, s, merge); err != nil {
				break
			}
			b.tell(r)
			if r.Void != "" && again < 1 {
				again++
				continue
			}
			runs = append(runs, r)
		}
	}
	if len(runs) == 0 {
		return one{}, err
	}
	return median(runs), err
}

// tell says what one run was.
func (b *bench) tell(r one) {
	if b.asJSON {
		json.NewEncoder(os.Stdout).Encode(r)
	}
	b.progress.say("%s", line(r))
}

// all runs everything and prints the table.
func benchAll(ctx context.Context, o options, list []scenario, merges []bool, shards []int) error {
	b := &bench{options: o, fitted: map[string]int{}, bursts: map[string]float64{}, progress: progress{out: os.Stderr, began: time.Now()}}
	b.progress.whole = o.estimateAll(list, merges, shards)
	fmt.Fprintf(os.Stderr, "%d scenarios, about %v\n", len(list), b.progress.whole.Round(time.Minute))
	if !o.noFloor {
		var err error
		if b.base, err = o.measureBaseline(ctx, merges); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, b.base)
	}
	var rows []one
	for _, s := range list {
		for _, b.shards = range shards {
			for _, merge := range merges {
				if merge && s.plain {
					continue
				}
				r, err := b.row(ctx, s, merge)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					fmt.Fprintf(os.Stderr, "bench: %s: %v\n", s.name, err)
				}
				if r.Runs == 0 {
					continue
				}
				r.compare(rows)
				rows = append(rows, r)
				if o.asJSON {
					json.NewEncoder(os.Stdout).Encode(r)
				}
			}
		}
	}
	if !o.asJSON {
		fmt.Print(table(rows, o, b.base))
	}
	return nil
}

// compare relates a row to that of the same with one shard, if there is one.
func (r *one) compare(rows []one) {
	for _, o := range rows {
		if r.Shards > 1 && o.Shards == 1 && o.Scenario == r.Scenario && o.GRO == r.GRO && o.Rel > 0 {
			r.ToOne = r.Rel / o.Rel
		}
	}
}

// figures are what a row shows the median of.
func (r *one) figures() []*float64 {
	return []*float64{
		&r.PerSecond, &r.CPU, &r.NS, &r.Calibration, &r.Rel, &r.Floor, &r.Ratio, &r.PerSend, &r.MiB, &r.Mallocs, &r.MediaAllocs,
		&r.JoinCPU, &r.Idle, &r.Wakes, &r.Preempted, &r.Reference, &r.P50, &r.P99,
		&r.Load.P50, &r.Load.P99, &r.Load.SoundP50, &r.Load.SoundP99, &r.Load.JoinP50, &r.Load.JoinP90, &r.Load.InP50,
	}
}

// median is the row of several runs, of those that count if there are any: each figure's median, but of what
// was lost the worst. What is no figure of the row is that of the run with the middle cost.
func median(runs []one) one {
	counts := slices.DeleteFunc(slices.Clone(runs), func(r one) bool { return r.Void != "" })
	if len(counts) == 0 {
		counts = slices.Clone(runs)
	}
	slices.SortFunc(counts, func(a, b one) int { return cmp.Compare(a.Rel, b.Rel) })
	middle := len(counts) / 2
	m := counts[middle]
	m.Runs = len(counts)
	for i, figure := range m.figures() {
		var all []float64
		for k := range counts {
			all = append(all, *counts[k].figures()[i])
		}
		slices.Sort(all)
		*figure = all[middle]
	}
	for _, r := range counts {
		m.Loss, m.Overflow = max(m.Loss, r.Loss), max(m.Overflow, r.Overflow)
		m.Load.Max, m.Load.Failures = max(m.Load.Max, r.Load.Max), max(m.Load.Failures, r.Load.Failures)
		m.Load.Unserved = max(m.Load.Unserved, r.Load.Unserved)
	}
	return m
}
