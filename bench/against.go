package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// pair is a row measured of two binaries within the same minutes.
type pair struct {
	Old  one    `json:"old"` // medians
	New  one    `json:"new"`
	Cost spread `json:"cost"` // of CPU for a packet
	Join spread `json:"join"` // of CPU for a transport
}

// spread is how much more the new one takes: of several pairs the middle, the least and the most, as fractions
// of the old.
type spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
	Pairs  int     `json:"pairs"`
}

// spreadOf compares figures in pairs.
func spreadOf(before, after []float64) spread {
	var d []float64
	for i := range min(len(before), len(after)) {
		if before[i] > 0 {
			d = append(d, after[i]/before[i]-1)
		}
	}
	if len(d) == 0 {
		return spread{}
	}
	slices.Sort(d)
	return spread{Median: (d[len(d)/2] + d[(len(d)-1)/2]) / 2, Least: d[0], Most: d[len(d)-1], Pairs: len(d)}
}

// String is a difference with its spread.
func (s spread) String() string {
	if s.Pairs == 0 {
		return "–"
	}
	return fmt.Sprintf("%+.1f %% (%+.1f … %+.1f)", 100*s.Median, 100*s.Least, 100*s.Most)
}

// windowsOfPair is how many windows each set-up of a pair has: its figure is their median.
const windowsOfPair = 2

// compareAll measures the server -parley against -against: b.runs pairs of set-ups, in the order old, new, new, old
// and so on, so that what changes with time changes both.
func compareAll(ctx context.Context, o options, list []scenario, merges []bool, shards []int) error {
	b := &bench{options: o, bursts: map[string]float64{}, progress: progress{out: os.Stderr, began: time.Now()}}
	for _, s := range list {
		b.progress.whole += time.Duration(2*o.runs*len(shards)) * o.estimate(s, windowsOfPair*len(merges))
	}
	fmt.Fprintf(os.Stderr, "%d scenarios, %d pairs of each, about %v\n", len(list), o.runs, b.progress.whole.Round(time.Minute))
	var pairs []pair
	for _, s := range list {
		for _, b.shards = range shards {
			if ctx.Err() != nil {
				b.failed = append(b.failed, b.called(s)+": stopped before")
				continue
			}
			got, err := b.pairs(ctx, s, merges)
			if err != nil {
				b.failed = append(b.failed, fmt.Sprintf("%s: %v", b.called(s), err))
			}
			pairs = append(pairs, got...)
			if err := b.keep(pairTable(pairs, o), pairs); err != nil {
				return err
			}
		}
	}
	return b.finish(pairTable(pairs, o), pairs)
}

// pairs measures one scenario. Where a set-up fails, those before it count.
func (b *bench) pairs(ctx context.Context, s scenario, merges []bool) ([]pair, error) {
	if merges = s.receivers(merges); len(merges) == 0 {
		return nil, nil
	}
	binaries := [2]string{b.against, b.binary}
	of := map[bool]*[2][]one{false: {}, true: {}} // old and new, a median for each set-up
	var failed error
	for i := range 2 * b.runs {
		side := (i + 1) / 2 % 2 // old, new, new, old
		b.binary = binaries[side]
		windows := slices.Repeat(merges, windowsOfPair)
		if s.fresh {
			windows = merges // it can be no more
		}
		got, err := b.probe(ctx, s, windows)
		b.binary = binaries[1]
		if err != nil {
			failed = fmt.Errorf("%s: %w", binaries[side], err)
			break
		}
		for _, merge := range merges {
			same := slices.DeleteFunc(slices.Clone(got), func(r one) bool { return r.GRO != merge })
			if len(same) == 0 {
				continue
			}
			r := median(same)
			of[merge][side] = append(of[merge][side], r)
			b.progress.say("%s: %s", [2]string{"old", "new"}[side], line(r))
			if b.asJSON {
				json.NewEncoder(os.Stdout).Encode(r)
			}
		}
	}
	return paired(of, merges), failed
}

// paired makes rows of what both sides have: what one has no partner for is left out.
func paired(of map[bool]*[2][]one, merges []bool) (pairs []pair) {
	for _, merge := range merges {
		before, after := of[merge][0], of[merge][1]
		n := min(len(before), len(after))
		if n == 0 {
			continue
		}
		before, after = before[:n], after[:n]
		p := pair{Old: median(before), New: median(after)}
		figures := func(rs []one, f func(r one) float64) (all []float64) {
			for _, r := range rs {
				all = append(all, f(r))
			}
			return all
		}
		cost := func(r one) float64 { return r.NS }
		join := func(r one) float64 { return r.JoinCPU }
		p.Cost = spreadOf(figures(before, cost), figures(after, cost))
		p.Join = spreadOf(figures(before, join), figures(after, join))
		pairs = append(pairs, p)
	}
	return pairs
}

// pairTable is the result in Markdown.
func pairTable(pairs []pair, o options) string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s, %s: %s against %s, %d pairs in turn, each of %d windows of %v; differences are medians (least … most).\n\n",
		time.Now().Format("2 January 2006"), machine(), o.binary, o.against, o.runs, windowsOfPair, o.measure)
	t.WriteString("| scenario | GRO | µs/packet old → new | difference | p99 ms | loss | MiB/part. | CPU ms/transport | difference |\n")
	t.WriteString("|" + strings.Repeat(" --- |", 9) + "\n")
	for _, p := range pairs {
		fmt.Fprintf(&t, "| %s | %s | %.2f → %.2f | %v | %.2f → %.2f | %s → %s | %.3f → %.3f | %.2f → %.2f | %v |\n", p.New.title(),
			map[bool]string{false: "–", true: "yes"}[p.New.GRO], p.Old.NS/1000, p.New.NS/1000, p.Cost, p.Old.P99, p.New.P99, p.Old.loss(), p.New.loss(),
			p.Old.MiB, p.New.MiB, p.Old.JoinCPU, p.New.JoinCPU, p.Join)
	}
	return t.String()
}
