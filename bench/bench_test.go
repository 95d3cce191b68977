package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/bench/load"
)

func TestScenariosAreChosenByName(t *testing.T) {
	all := scenarios()
	names := map[string]bool{}
	for _, s := range all {
		if names[s.name] {
			t.Errorf("two scenarios %q", s.name)
		}
		names[s.name] = true
		if s.like != "" && !names[s.like] {
			t.Errorf("%q is like %q, which does not come before it", s.name, s.like)
		}
	}
	for _, c := range []struct {
		filter string
		quick  bool
		want   []string
	}{
		{"video 1→100", false, []string{"video 1→100"}}, // a whole name means nothing else
		{"1→400", false, []string{"video 1→400", "video 1→400, 10 % NACK"}},
		{"video 1→400, 10 % NACK", false, []string{"video 1→400, 10 % NACK"}}, // with its comma
		{"storm, 15×15", false, []string{"meeting 15×15", "join storm 500 in 5 s"}},
		{"", true, []string{"video 1→100", "audio 10→50, all heard", "meeting 15×15"}},
		{"nothing such", false, nil},
	} {
		var got []string
		for _, s := range choose(all, c.filter, c.quick) {
			got = append(got, s.name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q quick %v: %q, want %q", c.filter, c.quick, got, c.want)
		}
	}
	if len(choose(all, "", false)) != len(all) {
		t.Error("without a filter some are missing")
	}
}

func TestFlagsThatMeanNothingAreRefused(t *testing.T) {
	for _, c := range []struct {
		gro, shards string
		ok          bool
	}{
		{"both", "1", true}, {"on", "1,2", true}, {"off", " 4 ", true},
		{"maybe", "1", false}, {"both", "0", false}, {"both", "two", false}, {"both", "", false},
	} {
		merges, shards, err := options{gro: c.gro, shards: c.shards}.parse()
		if (err == nil) != c.ok || c.ok && (len(merges) == 0 || len(shards) == 0) {
			t.Errorf("-gro %q -shards %q: %v %v %v, want ok %v", c.gro, c.shards, merges, shards, err, c.ok)
		}
	}
}

func TestAWholeBenchComparesOneShardWithTwo(t *testing.T) {
	for _, c := range []struct {
		o    options
		want string
	}{
		{options{}, "1,2"}, {options{quick: true}, "1"}, {options{filter: "video 1→100"}, "1"},
		{options{filter: "video", shards: "1,2"}, "1,2"}, {options{quick: true, shards: "2"}, "2"}, {options{shards: "1"}, "1"},
	} {
		o := c.o
		if o.defaultShards(); o.shards != c.want {
			t.Errorf("-quick %v -run %q -shards %q: %q, want %q", c.o.quick, c.o.filter, c.o.shards, o.shards, c.want)
		}
	}
	rows := []one{{Scenario: "a", Shards: 1, Rel: 0.5}, {Scenario: "a", GRO: true, Shards: 1, Rel: 0.4}, {Scenario: "b", Shards: 1, Rel: 9}}
	for _, c := range []struct {
		r    one
		want float64
	}{
		{one{Scenario: "a", Shards: 2, Rel: 0.55}, 1.1},
		{one{Scenario: "a", GRO: true, Shards: 2, Rel: 0.6}, 1.5},
		{one{Scenario: "c", Shards: 2, Rel: 1}, 0}, // nothing to compare with
		{one{Scenario: "a", Shards: 1, Rel: 1}, 0},
	} {
		if c.r.compare(rows); c.r.ToOne < c.want-0.001 || c.r.ToOne > c.want+0.001 {
			t.Errorf("%+v: %v of one shard, want %v", c.r, c.r.ToOne, c.want)
		}
	}
	if got := table([]one{{Scenario: "a", Shards: 2, ToOne: 1.12}}, options{markdown: true}, baseline{}); !strings.Contains(got, "| 1.12 |") {
		t.Errorf("no cost of two shards in\n%s", got)
	}
}

func TestASetUpServesAllWindowsUnlessItIsWhatIsMeasured(t *testing.T) {
	both := []bool{true, false}
	for _, c := range []struct {
		name string
		o    options
		s    scenario
		want [][]bool
	}{
		{"one for all", options{runs: 2}, scenario{}, [][]bool{{true, false, true, false}}},
		{"joins", options{runs: 2}, scenario{fresh: true}, [][]bool{{true, false}, {true, false}}},
		{"asked for", options{runs: 1, fresh: true}, scenario{}, [][]bool{{true, false}}},
	} {
		if got := c.o.plan(c.s, both); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAScenarioForPlainReceiversIsLeftOutForOthers(t *testing.T) {
	plain := scenario{name: "plain", plain: true}
	b := bench{options: options{runs: 3}}
	if rows, err := b.scenario(t.Context(), plain, []bool{true}); err != nil || len(rows) > 0 {
		t.Errorf("with UDP_GRO: %v, %v", rows, err)
	}
	other := scenario{name: "other"}
	alone := b.estimateAll([]scenario{other}, []bool{true, false}, []int{1})
	if both := b.estimateAll([]scenario{plain, other}, []bool{true, false}, []int{1}); both <= alone || both >= 2*alone {
		t.Errorf("both take %v, one %v: the plain one takes less than the other", both, alone)
	}
}

func TestAStoppedBenchKeepsWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	save := filepath.Join(t.TempDir(), "bench")
	err := benchAll(ctx, options{noFloor: true, asJSON: true, save: save, runs: 1}, scenarios()[:2], []bool{true}, []int{1, 2})
	if !errors.Is(err, errIncomplete) {
		t.Errorf("error %v, want that not all was measured", err)
	}
	b := bench{options: options{save: save, asJSON: true}, failed: []string{"audio: no server"}}
	kept := []one{{Scenario: "video", Rel: 0.5}}
	if err := b.finish(table(kept, b.options, b.base), kept); !errors.Is(err, errIncomplete) {
		t.Errorf("error %v, want that not all was measured", err)
	}
	text, err := os.ReadFile(save + ".md")
	if err != nil || !strings.Contains(string(text), "| video |") || !strings.Contains(string(text), "- audio: no server\n") {
		t.Errorf("kept: %v\n%s", err, text)
	}
	var rows []one
	if raw, err := os.ReadFile(save + ".json"); err != nil || json.Unmarshal(raw, &rows) != nil || len(rows) != 1 || rows[0].Rel != 0.5 {
		t.Errorf("kept: %v\n%s", err, raw)
	}
}

func TestWhatIsMeasuredIsKeptBeforeTheNextBegins(t *testing.T) {
	save := filepath.Join(t.TempDir(), "bench")
	var kept []byte
	next := scenario{name: "next", fit: &fit{from: 1, people: 1, members: func(int) (int, []load.Member) {
		if kept == nil {
			kept, _ = os.ReadFile(save + ".md")
		}
		return 0, nil
	}}}
	o := options{noFloor: true, asJSON: true, save: save, runs: 1, binary: filepath.Join(t.TempDir(), "none"), serverCPU: "0"}
	if err := benchAll(t.Context(), o, []scenario{{name: "first"}, next}, []bool{true}, []int{1}); !errors.Is(err, errIncomplete) {
		t.Errorf("error %v, want that not all was measured", err)
	}
	if text := string(kept); !strings.Contains(text, "- first: ") || !strings.Contains(text, "Not measured yet:\n- next\n") {
		t.Errorf("kept when the next began:\n%s", kept)
	}
}

func TestADifferenceIsThatOfPairs(t *testing.T) {
	// Both became slower from pair to pair, as a machine does; the new one takes a tenth more each time.
	got := spreadOf([]float64{1, 2, 4}, []float64{1.1, 2.4, 4.4})
	if got.Pairs != 3 || math.Abs(got.Median-0.1) > 1e-9 || math.Abs(got.Least-0.1) > 1e-9 || math.Abs(got.Most-0.2) > 1e-9 {
		t.Errorf("%+v, want 10 %%, from 10 to 20", got)
	}
	if got.String() != "+10.0 % (+10.0 … +20.0)" {
		t.Errorf("%q", got.String())
	}
	if got := spreadOf([]float64{0}, []float64{1}); got.Pairs != 0 || got.String() != "–" {
		t.Errorf("%+v of what was not measured", got)
	}
	text := pairTable([]pair{{Old: one{Scenario: "a", NS: 2000}, New: one{Scenario: "a", NS: 1900, GRO: true}, Cost: spread{Median: -0.05, Pairs: 1}}}, options{})
	if !strings.Contains(text, "| a | yes | 2.00 → 1.90 | -5.0 % (+0.0 … +0.0) |") {
		t.Errorf("table:\n%s", text)
	}
}

func TestTableHasARowForEachRun(t *testing.T) {
	rows := []one{
		{Scenario: "a", NS: 1500, Rel: 0.5, Floor: 1000, Ratio: 1.5, Peer: "1.96", Target: 0.45, Load: load.Result{Packets: 10}},
		{Scenario: "b", GRO: true, PerSend: 3, Shards: 2, Fits: 800, Void: "because", Loss: 0.25, Load: load.Result{Unserved: 2}},
	}
	for _, markdown := range []bool{false, true} {
		got := table(rows, options{runs: 3, markdown: markdown}, baseline{is: [2]float64{1.1, 0.9}})
		for _, want := range []string{
			"| a | – |", "| 1.50 | 0.50 (≤ 0.45; 1.96) | 1.00 | 1.50 | – | – |", "| b: **800 people**, 2 shards | yes |", "| 3.00 |",
			"25 %, 2 people short of what is due (**void**: because)", "1.10 × without UDP_GRO, 0.90 × with it",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("markdown %v: no %q in\n%s", markdown, want, got)
			}
		}
		if strings.Contains(got, "idle CPU") == markdown {
			t.Errorf("markdown %v: columns for those who change the path:\n%s", markdown, got)
		}
		bars := map[int]bool{}
		for line := range strings.Lines(got) {
			if strings.HasPrefix(line, "|") {
				bars[strings.Count(line, "|")] = true
			}
		}
		if len(bars) != 1 {
			t.Errorf("markdown %v: rows of different length:\n%s", markdown, got)
		}
	}
}

func TestMedianIsTheMiddleOfTheRunsThatCount(t *testing.T) {
	for _, c := range []struct {
		runs []one
		want float64
		n    int
	}{
		{[]one{{Rel: 0.9}, {Rel: 0.2}, {Rel: 0.4}}, 0.4, 3},
		{[]one{{Rel: 0.9}, {Rel: 0.2, Void: "x"}, {Rel: 0.1, Void: "x"}}, 0.9, 1},
		{[]one{{Rel: 0.9, Void: "x"}}, 0.9, 1}, // nothing counts: it is shown as void
	} {
		if got := median(c.runs); got.Rel != c.want || got.Runs != c.n {
			t.Errorf("%v: median %v of %d, want %v of %d", c.runs, got.Rel, got.Runs, c.want, c.n)
		}
	}
}

func TestEachFigureOfARowIsAMedianAndLossTheWorst(t *testing.T) {
	run := func(rel, p99, mib, loss, overflow float64) one {
		return one{Rel: rel, MiB: mib, Loss: loss, Overflow: overflow, P99: p99}
	}
	got := median([]one{run(0.4, 9, 3, 0, 7), run(0.2, 1, 1, 0.01, 0), run(0.9, 5, 2, 0, 0)})
	if want := run(0.4, 5, 2, 0.01, 7); got.Rel != want.Rel || got.P99 != want.P99 || got.MiB != want.MiB || got.Loss != want.Loss || got.Overflow != want.Overflow {
		t.Errorf("rel %v, p99 %v, MiB %v, loss %v, overflow %v; want %v, %v, %v, %v, %v", got.Rel, got.P99, got.MiB, got.Loss, got.Overflow,
			want.Rel, want.P99, want.MiB, want.Loss, want.Overflow)
	}
	// A run that does not count counts for the loss neither.
	void := run(0.1, 1, 1, 0.5, 0)
	void.Void = "because"
	if got := median([]one{void, run(0.4, 9, 3, 0, 0)}); got.Loss != 0 || got.Rel != 0.4 {
		t.Errorf("loss %v, rel %v; want 0, 0.4", got.Loss, got.Rel)
	}
}

func TestFiguresAreAllThatRunsDifferIn(t *testing.T) {
	// What is not the median of itself: what all runs of a row share, and what is the worst.
	other := map[string]bool{"Target": true, "Due": true, "Loss": true, "Overflow": true, "ToOne": true}
	var r one
	figures := r.figures()
	for f, v := range reflect.ValueOf(&r).Elem().Fields() {
		if p, ok := v.Addr().Interface().(*float64); ok && !other[f.Name] && !slices.Contains(figures, p) {
			t.Errorf("%s is no figure", f.Name)
		}
	}
}

func TestRunsOnAnotherMachineThanItWasAreVoid(t *testing.T) {
	b := baseline{expected: [2]float64{1, 0.8}}
	for _, c := range []struct {
		r    one
		void bool
	}{
		{one{Reference: 1.2}, false},
		{one{Reference: 1.3}, true},
		{one{Reference: 0.7}, true},
		{one{GRO: true, Reference: 0.95}, false}, // expected is 0.8 here
		{one{GRO: true, Reference: 1.05}, true},
		{one{}, false}, // not measured
		{one{Reference: 1, Load: load.Result{Overflow: 1}}, true},
		{one{Reference: 1, Load: load.Result{Skipped: 1}}, true},
	} {
		if got := b.void(&c.r); (got != "") != c.void {
			t.Errorf("%+v: %q, want void %v", c.r, got, c.void)
		}
	}
}

func TestWhatIsLeftFollowsFromWhatIsDone(t *testing.T) {
	var out bytes.Buffer
	p := progress{out: &out, began: time.Now().Add(-time.Minute), whole: 100 * time.Second}
	p.done(20 * time.Second) // a fifth took a minute
	if got := p.left(); got < 230*time.Second || got > 250*time.Second {
		t.Errorf("%v left, want about four minutes", got)
	}
	p.say("x")
	if !strings.Contains(out.String(), "left: x") {
		t.Errorf("said %q", out.String())
	}
}

func TestEveryColumnIsPrintedInEachForm(t *testing.T) {
	r := one{
		PerSecond: 18001, NS: 1942, Rel: 0.58, Floor: 951, Ratio: 2.04, P50: 0.97, P99: 2.06, Loss: 0.0625, MiB: 0.146, Mallocs: 0.0007,
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"packets_s":18001,`, `"ns_packet":1942,`, `"rel":0.58,`, `"floor_ns":951,`, `"ratio":2.04,`, `"p50_ms":0.97,`, `"p99_ms":2.06,`,
		`"loss":0.0625,`, `"mib_participant":0.146,`, `"mallocs_packet":0.0007,`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("-json: no %s in %s", want, b)
		}
	}
	for _, markdown := range []bool{false, true} {
		got := table([]one{r}, options{markdown: markdown}, baseline{})
		for _, want := range []string{
			"| 18001 |", "| 1.94 |", "| 0.58 |", "| 0.95 |", "| 2.04 |", "| 0.97 / 2.06 |", "| 6.25 % |", "| 0.146 |", "| 0.0007 (",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("-markdown %v: no %q in\n%s", markdown, want, got)
			}
		}
	}
}

func TestTheFloorsRuleIsSaid(t *testing.T) {
	got := baseline{is: [2]float64{1.2, 1.7}}.String()
	if strings.Contains(machine(), referenceCPU) != !strings.Contains(got, otherMachine) {
		t.Errorf("on %s it says %q", machine(), got)
	}
	if !strings.Contains(otherMachine, fmt.Sprintf("%.0f %%", 100*tolerance)) {
		t.Errorf("%q does not name the tolerance of %v", otherMachine, tolerance)
	}
}

func TestServedIsWhoGetsWhatIsDue(t *testing.T) {
	for _, c := range []struct {
		name string
		r    one
		ok   bool
	}{
		{"all that is due", one{PerSecond: 1000, Due: 1000}, true},
		{"a frame less", one{PerSecond: 985, Due: 1000}, true},
		{"no gaps, but too little", one{PerSecond: 970, Due: 1000}, false},
		{"no gaps, but somebody without a picture", one{PerSecond: 1000, Due: 1000, Load: load.Result{Unserved: 1}}, false},
		{"a gap", one{PerSecond: 1000, Due: 1000, Load: load.Result{Lost: 1}}, false},
		{"lost before the server", one{PerSecond: 1000, Due: 1000, Overflow: 1}, false},
		{"lost in our own sockets", one{PerSecond: 1000, Due: 1000, Load: load.Result{Overflow: 1}}, false},
		{"not all published", one{PerSecond: 1000, Due: 1000, Load: load.Result{Skipped: 1}}, false},
		{"not all in", one{PerSecond: 1000, Due: 1000, Load: load.Result{Failures: 1}}, false},
	} {
		if why := short(&c.r); (why == "") != c.ok {
			t.Errorf("%s: %q, want served %v", c.name, why, c.ok)
		}
	}
	// Every search asks, and of everybody who is due anything.
	for _, s := range scenarios() {
		if s.fit == nil {
			continue
		}
		s = s.with(7)
		least := 0.
		for _, m := range s.members {
			least += float64(m.Count*s.count) * m.Due.PerSecond
		}
		if s.due <= 0 || least <= 0 || least > s.due {
			t.Errorf("%s: %.0f packets/s are due, and to each at least what makes %.0f", s.name, s.due, least)
		}
	}
}

func TestASearchEndsAtTheLargestThatIsServed(t *testing.T) {
	for _, limit := range []int{1, 7, 30, 50, 77, 90, 400} {
		ran := 0
		got, _ := seek(50, 10, func(n int) (bool, error) { ran++; return n <= limit, nil })
		if got > limit || float64(got) < 0.94*float64(limit)-1 {
			t.Errorf("limit %d: found %d", limit, got)
		}
		if ran > 16 {
			t.Errorf("limit %d: %d runs", limit, ran)
		}
	}
	if got, _ := seek(50, 10, func(n int) (bool, error) { return false, nil }); got != 0 {
		t.Errorf("nothing is served: found %d", got)
	}
	if got, _ := seek(50, 10, func(n int) (bool, error) { return true, nil }); got*10 > fitMost || got*10 < fitMost/2 {
		t.Errorf("all is served: found %d, want near %d people", got, fitMost)
	}
}

// What the participants themselves lost is no figure of the server's, with a floor and without.
func TestWindowsTheLoadCouldNotKeepUpWithDoNotCount(t *testing.T) {
	b := bench{options: options{noFloor: true}}
	for _, c := range []struct {
		load load.Result
		void bool
	}{{load.Result{}, false}, {load.Result{Overflow: 1}, true}, {load.Result{Skipped: 1}, true}} {
		if r := b.row(scenario{}, true, c.load, 4700); (r.Void != "") != c.void {
			t.Errorf("overflow %d, skipped %d: void %q", c.load.Overflow, c.load.Skipped, r.Void)
		}
	}
}

// A pair whose partner failed is left out, and those before it count.
func TestPairsBeforeAFailureCount(t *testing.T) {
	of := map[bool]*[2][]one{false: {{{NS: 100}, {NS: 200}, {NS: 900}}, {{NS: 110}, {NS: 220}}}, true: {{{NS: 1}}, nil}}
	got := paired(of, []bool{false, true})
	if len(got) != 1 || got[0].Cost.Pairs != 2 || math.Abs(got[0].Cost.Median-0.1) > 1e-9 || got[0].Old.NS > 200 {
		t.Errorf("%+v, want one row of two pairs", got)
	}
}

func TestWhatPairsLeaveOutIsNamed(t *testing.T) {
	rest, names := withoutFits([]scenario{{name: "a"}, {name: "many", fit: &fit{}}, {name: "b"}})
	if len(rest) != 2 || rest[1].name != "b" || len(names) != 1 || names[0] != "many" {
		t.Errorf("%d are left and %q left out", len(rest), names)
	}
}

func TestWhatASearchFoundHasToHold(t *testing.T) {
	good, bad := one{}, one{Load: load.Result{Lost: 1}}
	for _, c := range []struct {
		windows []one
		want    bool
	}{
		{[]one{good, good, good}, true},
		{[]one{good, bad, good}, true}, // a neighbour was busy
		{[]one{bad, bad, good}, false},
		{[]one{good, bad}, false},
		{[]one{bad}, false},
	} {
		if got := holds(c.windows); got != c.want {
			t.Errorf("%d windows: %v, want %v", len(c.windows), got, c.want)
		}
	}
}

// Where people can't be set up, they are too many: fewer are tried, down to one.
func TestASetUpThatFailsIsNotServed(t *testing.T) {
	var said bytes.Buffer
	b := &bench{options: options{noFloor: true, binary: filepath.Join(t.TempDir(), "none"), runs: 1}, progress: progress{out: &said, began: time.Now()}, fitted: map[string]int{}}
	s := scenario{name: "many", fit: &fit{from: 3, people: 1, members: func(n int) (int, []load.Member) { return 1, []load.Member{{Count: n}} }}}
	_, err := b.search(t.Context(), s, []bool{false})
	if err == nil || !strings.Contains(err.Error(), "not even one") || !strings.Contains(said.String(), "1 people") {
		t.Errorf("%v after\n%s", err, &said)
	}
}
