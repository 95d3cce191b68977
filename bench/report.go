package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// table is the result in Markdown, with the machine it is true for.
func table(rows []one, o options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s; server on processor %s, participants on %s; medians of %d runs of %v.\n\n",
		time.Now().Format("2 January 2006"), machine(), runtime.Version(), o.serverCPU, o.clientCPU, o.runs, o.measure)
	b.WriteString(header)
	for _, r := range rows {
		b.WriteString(row(r) + "\n")
	}
	return b.String()
}

const header = `| scenario | GRO | packets/s | CPU | µs/packet | rel (target; best peer) | floor µs | ratio | segments/message | p50 / p99 ms | loss | MiB/part. | mallocs/packet (net) | join p50 / in p50 ms | CPU ms/transport | idle CPU | wakes (preempted)/s |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

func row(r one) string {
	gro := "–"
	if r.GRO {
		gro = "yes"
	}
	against := ""
	if r.Target > 0 || r.Peer != "" {
		against = " (–"
		if r.Target > 0 {
			against = fmt.Sprintf(" (≤ %.2f", r.Target)
		}
		if r.Peer != "" {
			against += "; " + r.Peer
		}
		against += ")"
	}
	merged := "–"
	if r.GRO && r.Load.Sends > 0 {
		merged = fmt.Sprintf("%.1f", float64(r.Load.Packets)/float64(r.Load.Sends))
	}
	loss := fmt.Sprintf("%.3g %%", 100*r.Load.Loss())
	if r.Load.Lost == 0 {
		loss = "0"
	}
	if r.Load.Overflow > 0 {
		loss += fmt.Sprintf(" (void: %d lost here)", r.Load.Overflow)
	}
	return fmt.Sprintf("| %s | %s | %.0f | %.0f %% | %.2f | %.2f%s | %.2f | %.2f | %s | %.2f / %.2f | %s | %.3f | %.4f (%.4f) | %.1f / %.0f | %.2f | %.1f %% | %.0f (%.0f) |",
		r.Scenario, gro, r.PerSecond, 100*r.CPU, r.NS/1000, r.Rel, against, r.Floor/1000, r.Ratio, merged, r.Load.P50, r.Load.P99, loss,
		r.MiB, r.Mallocs, r.MediaAllocs, r.Load.JoinP50, r.Load.InP50, r.JoinCPU, 100*r.Idle, r.Wakes, r.Preempted)
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
