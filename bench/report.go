package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// column is one of the table's.
type column struct {
	name   string
	inside bool // for those who change the path: left out with -markdown
	cell   func(r *one) string
}

func columns() []column {
	return []column{
		{"scenario", false, func(r *one) string { return r.title() }},
		{"GRO", false, func(r *one) string { return map[bool]string{false: "–", true: "yes"}[r.GRO] }},
		{"packets/s", false, func(r *one) string { return fmt.Sprintf("%.0f", r.PerSecond) }},
		{"CPU", false, func(r *one) string { return fmt.Sprintf("%.0f %%", 100*r.CPU) }},
		{"µs/packet", false, func(r *one) string { return fmt.Sprintf("%.2f", r.NS/1000) }},
		{"rel (target; best peer)", false, func(r *one) string { return fmt.Sprintf("%.2f", r.Rel) + r.against() }},
		{"floor µs", false, func(r *one) string { return known(r.Floor / 1000) }},
		{"ratio", false, func(r *one) string { return known(r.Ratio) }},
		{"÷ one shard", false, func(r *one) string { return known(r.ToOne) }},
		{"packets/send", false, func(r *one) string { return known(r.PerSend) }},
		{"p50 / p99 ms", false, func(r *one) string { return fmt.Sprintf("%.2f / %.2f", r.P50, r.P99) }},
		{"sound p99 ms", false, func(r *one) string { return known(r.Load.SoundP99) }},
		{"loss", false, func(r *one) string { return r.loss() }},
		{"MiB/part.", false, func(r *one) string { return fmt.Sprintf("%.3f", r.MiB) }},
		{"mallocs/packet (net)", false, func(r *one) string { return fmt.Sprintf("%.4f (%.4f)", r.Mallocs, r.MediaAllocs) }},
		{"join p50 / in p50 ms", true, func(r *one) string { return fmt.Sprintf("%.1f / %.0f", r.Load.JoinP50, r.Load.InP50) }},
		{"CPU ms/transport", true, func(r *one) string { return fmt.Sprintf("%.2f", r.JoinCPU) }},
		{"idle CPU", true, func(r *one) string { return fmt.Sprintf("%.1f %%", 100*r.Idle) }},
		{"wakes (preempted)/s", true, func(r *one) string { return fmt.Sprintf("%.0f (%.0f)", r.Wakes, r.Preempted) }},
		{"reference", true, func(r *one) string { return fmt.Sprintf("%.2f", r.Reference) }},
	}
}

// known shows a figure that may not have been measured.
func known(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", v)
}

func (r *one) title() string {
	s := r.Scenario
	if r.Fits > 0 {
		s += fmt.Sprintf(": **%d people**", r.Fits)
	}
	if r.Shards > 1 {
		s += fmt.Sprintf(", %d shards", r.Shards)
	}
	return s
}

func (r *one) against() string {
	if r.Target == 0 && r.Peer == "" {
		return ""
	}
	target := "–"
	if r.Target > 0 {
		target = fmt.Sprintf("≤ %.2f", r.Target)
	}
	return " (" + target + "; " + cmp.Or(r.Peer, "–") + ")"
}

func (r *one) loss() string {
	s := "0"
	if r.Loss > 0 {
		s = fmt.Sprintf("%.3g %%", 100*r.Loss)
	}
	if r.Load.Unserved > 0 {
		s += fmt.Sprintf(", %d people short of what is due", r.Load.Unserved)
	}
	if r.Void != "" {
		s += " (**void**: " + r.Void + ")"
	}
	return s
}

// line is a run among others that are still to come.
func line(r one) string {
	s := fmt.Sprintf("%s, GRO %v: %.2f µs/packet, rel %.2f%s, ratio %s, p99 %.1f ms, of sound %s, loss %s",
		r.title(), r.GRO, r.NS/1000, r.Rel, r.against(), known(r.Ratio), r.P99, known(r.Load.SoundP99), r.loss())
	if r.Load.Failures > 0 {
		s += fmt.Sprintf(", %d failures such as: %s", r.Load.Failures, r.Load.Errors[0])
	}
	return s
}

// table is the result in Markdown, with the machine it is true for.
func table(rows []one, o options, base baseline) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s; server on processor %s, participants on %s; medians of %d runs of %v, of loss the worst.\n",
		time.Now().Format("2 January 2006"), machine(), runtime.Version(), o.serverCPU, o.clientCPU, o.runs, o.measure)
	if base.is != ([2]float64{}) {
		b.WriteString(base.String() + "\n")
	}
	shown := columns()
	put := func(cell func(c *column) string) {
		for i := range shown {
			if c := &shown[i]; !c.inside || !o.markdown {
				b.WriteString("| " + cell(c) + " ")
			}
		}
		b.WriteString("|\n")
	}
	b.WriteString("\n")
	put(func(c *column) string { return c.name })
	put(func(*column) string { return "---" })
	for i := range rows {
		put(func(c *column) string { return c.cell(&rows[i]) })
	}
	return b.String()
}

// machine is the processor and the kernel.
func machine() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	kernel := runtime.GOOS
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = "Linux " + strings.TrimSpace(string(b))
	}
	return model + ", " + kernel
}
