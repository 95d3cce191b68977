// Package monitor shows what a process does: metrics for Prometheus, pages under /debug for people,
// and logs without anybody's address, name or secret in them. It is the only importer of the
// Prometheus client.
package monitor

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is one process's registry. Names are parley_<part>_<thing>_<unit>; no label ever holds a
// person, a meeting or an address, since each value is a time series for ever. A nil *Metrics takes
// everything and shows nothing. Safe for concurrent use.
type Metrics struct {
	reg *prometheus.Registry
	to  prometheus.Registerer // reg, with the labels of With
}

// NewMetrics makes a registry with the Go runtime's and the process's own metrics in it.
func NewMetrics() *Metrics {
	reg := prometheus.NewRegistry()
	m := &Metrics{reg: reg, to: reg}
	m.reg.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// With is the same registry for one of several equal parts in a process: everything made through it
// has the label besides its own. All parts of a kind use the same labels.
func (m *Metrics) With(label, value string) *Metrics {
	if m == nil {
		return nil
	}
	return &Metrics{reg: m.reg, to: prometheus.WrapRegistererWith(prometheus.Labels{label: value}, m.to)}
}

// Handler serves the registry in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	// A compressor holds more than a megabyte between two scrapes, as much as a dozen participants.
	return promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{DisableCompression: true})
}

// Counter counts events, split by the values of its labels.
type Counter struct {
	v *prometheus.CounterVec
}

// Counter makes and registers a counter. A second one of the same name and
// labels is a panic: a bug of ours.
func (m *Metrics) Counter(name, help string, labels ...string) *Counter {
	c := &Counter{v: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)}
	if m != nil {
		m.to.MustRegister(c.v)
	}
	return c
}

// Add counts n events with these label values, in the order of the labels.
func (c *Counter) Add(n float64, values ...string) { c.v.WithLabelValues(values...).Add(n) }

// Histogram records how a quantity is spread, in the buckets given.
type Histogram struct {
	h prometheus.Histogram
}

// Histogram makes and registers a histogram with these upper bounds.
func (m *Metrics) Histogram(name, help string, bounds []float64) *Histogram {
	h := &Histogram{h: prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds})}
	if m != nil {
		m.to.MustRegister(h.h)
	}
	return h
}

// Observe records one value.
func (h *Histogram) Observe(v float64) { h.h.Observe(v) }

// Gauge registers a value that is read when somebody asks; read runs on the asker's goroutine.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	if m != nil {
		m.to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
}

// Reasons registers a family of counters split by reason that lives elsewhere, for example in the
// arrays of a shard: read calls add for each reason with its total so far. It runs on the asker's
// goroutine; several adds of one reason are summed.
func (m *Metrics) Reasons(name, help string, read func(add func(reason string, total uint64))) {
	if m != nil {
		m.to.MustRegister(reasons{prometheus.NewDesc(name, help, []string{"reason"}, nil), read})
	}
}

type reasons struct {
	desc *prometheus.Desc
	read func(add func(reason string, total uint64))
}

// Describe and Collect make reasons a prometheus.Collector.
func (r reasons) Describe(ch chan<- *prometheus.Desc) { ch <- r.desc }

// Collect reads the totals.
func (r reasons) Collect(ch chan<- prometheus.Metric) {
	sums := map[string]uint64{}
	r.read(func(reason string, total uint64) { sums[strings.ToValidUTF8(reason, "?")] += total })
	for reason, n := range sums {
		ch <- prometheus.MustNewConstMetric(r.desc, prometheus.CounterValue, float64(n), reason)
	}
}
