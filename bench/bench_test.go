package main

import (
	"slices"
	"strings"
	"testing"

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
	}
	for _, c := range []struct {
		filter string
		quick  bool
		want   []string
	}{
		{"video 1→100", false, []string{"video 1→100"}}, // a whole name means nothing else
		{"1→400", false, []string{"video 1→400", "video 1→400, 10 % NACK"}},
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

func TestTableHasARowForEachRun(t *testing.T) {
	rows := []one{
		{Scenario: "a", NS: 1500, Rel: 0.5, Floor: 1000, Ratio: 1.5, Load: load.Result{Packets: 10, Lost: 0}},
		{Scenario: "b", GRO: true, Load: load.Result{Packets: 12, Sends: 4, Lost: 4, Overflow: 2}},
	}
	got := table(rows, options{runs: 3})
	for _, want := range []string{"| a | – |", "| 1.50 | 0.50 | 1.00 | 1.50 |", "| b | yes |", "| 3.0 |", "25 % (void: 2 lost here)"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	columns := strings.Count(strings.SplitN(header, "\n", 2)[0], "|")
	for _, r := range rows {
		if n := strings.Count(row(r), "|"); n != columns {
			t.Errorf("row with %d bars under a header of %d", n, columns)
		}
	}
}

func TestMedianIsTheMiddleRun(t *testing.T) {
	if got := median([]one{{Rel: 0.9}, {Rel: 0.2}, {Rel: 0.4}}); got.Rel != 0.4 {
		t.Errorf("median %v, want 0.4", got.Rel)
	}
}
