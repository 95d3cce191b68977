package main

import (
	"cmp"
	"slices"

	"parley/bench/load"
)

// one is the outcome of one window, or of several: the median of each figure, and the worst loss. Times are in
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
	Runs        int                `json:"runs,omitempty"`             // this is the median of so many windows; 0: a single one
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
