package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"parley/bench/floor"
	"parley/bench/load"
	"parley/sys/link"
)

// settle is how long people stand before they publish, and once more before that is measured.
const settle = 2 * time.Second

// bench is all runs of one start.
type bench struct {
	options
	shards   int // of the server's, now
	base     baseline
	progress progress
	fitted   map[string]int     // what a search found, by scenario: where that with more shards begins
	bursts   map[string]float64 // packets in a send, by scenario, from the windows with UDP_GRO
	rows     []one
	failed   []string
	ahead    []string // scenarios to come
}

// stand sets a server and its people up once and measures windows, each with or without UDP_GRO, and then what that costs
// at least.
func (b *bench) stand(ctx context.Context, s scenario, windows []bool) ([]one, error) {
	runs, err := b.probe(ctx, s, windows)
	if err != nil || b.noFloor {
		return runs, err
	}
	return runs, b.floors(ctx, s, runs)
}

// probe is stand without floors.
func (b *bench) probe(ctx context.Context, s scenario, windows []bool) ([]one, error) {
	begun := b.estimate(s, len(windows))
	defer b.progress.done(begun)
	extra := strings.Fields(b.serverArgs)
	if b.shards > 1 {
		extra = append(extra, "--shards", itoa(b.shards))
	}
	srv, err := startServer(ctx, b.binary, b.serverCPU, s.loudest, extra)
	if err != nil {
		return nil, err
	}
	defer srv.stop()
	before, err := b.jobOnServer(ctx, "calibrate")
	if err != nil {
		return nil, err
	}
	tls := link.ClientTLS(nil)
	tls.InsecureSkipVerify = true
	m := &meter{srv: srv, profile: b.profile, length: b.measure, count: len(windows), join0: srv.cpu()}
	cfg := load.Config{
		Site: srv.site, Token: srv.token, TLS: tls, Count: s.count, Members: s.members, Each: b.each || s.quick, Spread: s.spread,
		Warm: b.warm, Measure: b.measure, Settle: settle, At: m.at,
	}
	if s.feed != nil {
		s.feed(&cfg)
	}
	if b.shards > 1 {
		cfg.Movers = max(cfg.Movers, 1)
	}
	if s.viewers > 0 {
		if m.viewers, err = b.startViewers(ctx, &cfg, s.viewers); err != nil {
			return nil, err
		}
		defer m.viewers.kill()
	}
	loads, err := load.Windows(ctx, cfg, windows)
	m.profiled.Wait()
	if err == nil && m.viewers != nil {
		err = m.viewers.result(&loads[0])
	}
	if err != nil {
		return nil, err
	}
	after, err := b.jobOnServer(ctx, "calibrate")
	if err != nil {
		return nil, err
	}
	runs := make([]one, len(loads))
	for i := range runs {
		r := &runs[i]
		*r = b.row(s, windows[i], loads[i], float64(before+after)/2)
		if r.Load.Packets == 0 {
			return nil, fmt.Errorf("nothing arrived: %s", strings.Join(r.Load.Errors, "; "))
		}
		m.sum(r, &m.windows[i])
		if r.GRO {
			r.PerSend = float64(r.Load.Packets) / float64(max(1, r.Load.Sends))
			b.bursts[s.name] = r.PerSend
		}
	}
	return runs, nil
}

// row is what a window of the load has brought, with a word on whether it counts as far as that is known without a floor.
func (b *bench) row(s scenario, merge bool, l load.Result, calibration float64) one {
	r := one{
		Scenario: s.name, GRO: merge, Shards: b.shards, Due: s.due, Peer: s.peer, Target: s.target[index(merge)],
		Load: l, Calibration: calibration,
	}
	r.Void = b.base.void(&r)
	return r
}

// floors measures, for all windows alike in what they receive with, the floor and the reference shape, by which
// it is known whether they count.
func (b *bench) floors(ctx context.Context, s scenario, runs []one) error {
	for _, merge := range [...]bool{true, false} {
		i := slices.IndexFunc(runs, func(r one) bool { return r.GRO == merge })
		if i < 0 {
			continue
		}
		var least time.Duration
		if shape := b.shape(s, runs[i].Load); shape.Burst > 0 {
			var err error
			if least, err = b.floor(ctx, shape, merge, floorFor); err != nil {
				return err
			}
		}
		reference, err := b.referenceRatio(ctx, merge, runs[i].Calibration)
		if err != nil {
			return err
		}
		for i := range runs {
			r := &runs[i]
			if r.GRO != merge {
				continue
			}
			if r.Reference = reference; least > 0 {
				r.Floor, r.Ratio = float64(least), r.NS/float64(least)
			}
			r.Void = b.base.void(r)
		}
	}
	return nil
}

// floorFor is how long a floor is measured.
const floorFor = 700 * time.Millisecond

// shape is what the floor has to send to be this scenario: packets as long, and as many in a send as there
// were with UDP_GRO, where they can be seen; before that was run it is not known (Burst 0).
func (b *bench) shape(s scenario, r load.Result) floor.Shape {
	return floor.Shape{
		Receivers: max(1, r.People), Burst: int(b.bursts[cmp.Or(s.like, s.name)] + 0.5), Len: int(r.Bytes/max(1, r.Packets)) - floor.TagLen,
	}
}

// measureAll runs a scenario as often as it takes for b.runs windows of each of merges. Where nothing counts of one of
// them, all is done once more.
func (b *bench) measureAll(ctx context.Context, s scenario, merges []bool) ([]one, error) {
	var runs []one
	for again := range 2 {
		runs = runs[:0]
		for _, windows := range b.plan(s, merges) {
			got, err := b.stand(ctx, s, windows)
			if err != nil {
				return nil, err
			}
			for _, r := range got {
				b.tell(r)
			}
			runs = append(runs, got...)
		}
		void := slices.ContainsFunc(merges, func(merge bool) bool {
			return !slices.ContainsFunc(runs, func(r one) bool { return r.GRO == merge && r.Void == "" })
		})
		if !void || again > 0 {
			break
		}
		b.progress.say("%s: once more, since nothing counts", s.name)
	}
	return runs, nil
}

// plan is which windows each set-up has: all in one with UDP_GRO and without in turn, or a set-up for each such pair
// where it is what is measured.
func (o options) plan(s scenario, merges []bool) [][]bool {
	if o.fresh || s.fresh {
		return slices.Repeat([][]bool{merges}, o.runs)
	}
	return [][]bool{slices.Repeat(merges, o.runs)}
}

// scenario is all rows of a scenario with so many shards, those that could be had before an error.
func (b *bench) scenario(ctx context.Context, s scenario, merges []bool) ([]one, error) {
	merges = s.receivers(merges)
	if len(merges) == 0 {
		return nil, nil
	}
	var runs []one
	var err error
	if s.fit != nil {
		runs, err = b.search(ctx, s, merges)
	} else {
		runs, err = b.measureAll(ctx, s, merges)
	}
	var rows []one
	for _, merge := range merges {
		of := slices.DeleteFunc(slices.Clone(runs), func(r one) bool { return r.GRO != merge })
		if len(of) > 0 {
			rows = append(rows, median(of))
		}
	}
	return rows, err
}

// tell says what one window was.
func (b *bench) tell(r one) {
	if b.asJSON {
		json.NewEncoder(os.Stdout).Encode(r)
	}
	b.progress.say("%s", line(r))
}

// errIncomplete says that a row of the table is missing.
var errIncomplete = errors.New("not all was measured")

// benchAll runs everything and prints the table, of what there is if ctx ends before.
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
	for _, s := range list {
		for _, b.shards = range shards {
			b.ahead = append(b.ahead, b.called(s))
		}
	}
	if err := b.keep(table(b.rows, b.options, b.base), b.rows); err != nil {
		return err // before anything was measured in vain
	}
	for _, s := range list {
		for _, b.shards = range shards {
			if ctx.Err() != nil {
				b.ahead = nil
				b.failed = append(b.failed, b.called(s)+": stopped before")
				continue
			}
			began := time.Now()
			rows, err := b.scenario(ctx, s, merges)
			b.progress.say("%s took %v", b.called(s), time.Since(began).Round(time.Second))
			if err != nil {
				b.failed = append(b.failed, fmt.Sprintf("%s: %v", b.called(s), err))
				b.progress.say("FAILED: %s: %v", b.called(s), err)
			}
			for _, r := range rows {
				r.compare(b.rows)
				b.rows = append(b.rows, r)
				if o.asJSON {
					json.NewEncoder(os.Stdout).Encode(r)
				}
			}
			b.ahead = b.ahead[1:]
			if err := b.keep(table(b.rows, b.options, b.base), b.rows); err != nil {
				b.progress.say("FAILED: %v", err) // the disk may have room again at the end
			}
		}
	}
	return b.finish(table(b.rows, b.options, b.base), b.rows)
}

// called is a scenario with so many shards.
func (b *bench) called(s scenario) string {
	r := one{Scenario: s.name, Shards: b.shards}
	return r.title()
}

// missing is a table with a word on what is not in it.
func (b *bench) missing(text string) string {
	list := func(head string, of []string) {
		if len(of) > 0 {
			text += "\n" + head + ":\n- " + strings.Join(of, "\n- ") + "\n"
		}
	}
	list("Not measured", b.failed)
	list("Not measured yet", b.ahead)
	return text
}

// keep writes a table and its rows where -save says: after each scenario, so that none is lost with those behind it.
func (b *bench) keep(text string, rows any) error {
	if b.save == "" {
		return nil
	}
	all, err := json.MarshalIndent(rows, "", "\t")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(b.save+".md", []byte(b.missing(text)), 0o644), os.WriteFile(b.save+".json", all, 0o644))
}

// finish prints a table and keeps it and its rows, and says what is missing in it.
func (b *bench) finish(text string, rows any) error {
	if !b.asJSON {
		fmt.Print(b.missing(text))
	}
	if err := b.keep(text, rows); err != nil {
		return err
	}
	if len(b.failed) > 0 {
		return fmt.Errorf("%w: %d missing", errIncomplete, len(b.failed))
	}
	return nil
}
