package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"parley/bench/load"
)

// meter reads the server's own figures at each change of phase. Owned by the loop of the load; read
// when that has ended.
type meter struct {
	srv      *server
	viewers  *viewers
	profile  string // file of the first window's; empty: none
	length   time.Duration
	profiled sync.WaitGroup

	join0, joinCPU time.Duration
	idle           stretch
	all            stretch // from before the first window to behind the last
	drops          map[string]float64
	count          int // of windows
	now            window
	windows        []window
}

// stretch is what there was between begin and end. Before end the totals of its beginning.
type stretch struct {
	from, to time.Time
	cpu      time.Duration
	mallocs  float64
}

// window is what was read around one window of the load.
type window struct {
	cpu              time.Duration
	from             time.Time
	seconds          float64 // between the readings of the following, longer than the window
	slept, preempted float64
	overflow, mib    float64
}

// mallocs is how many objects the server has allocated.
func (m *meter) mallocs() float64 {
	n, err := m.srv.mallocs()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return n
}

func (m *meter) begin(s *stretch) {
	s.mallocs = m.mallocs()
	s.from, s.cpu = time.Now(), m.srv.cpu()
}

// end takes off what telling costs: as much as a second answer in a row finds more than the first.
func (m *meter) end(s *stretch) {
	s.to, s.cpu = time.Now(), m.srv.cpu()-s.cpu
	now := m.mallocs()
	s.mallocs = max(0, now-s.mallocs-(m.mallocs()-now))
}

// perSecond is how many objects were allocated in each second of a stretch.
func (s *stretch) perSecond() float64 { return s.mallocs / s.to.Sub(s.from).Seconds() }

func (m *meter) at(p load.Phase) {
	switch p {
	case load.Joined:
		m.joinCPU = m.srv.cpu() - m.join0
		m.begin(&m.idle)
	case load.Publishing:
		m.end(&m.idle)
	case load.Steady:
		if len(m.windows) == 0 {
			m.begin(&m.all)
		}
		m.now = window{from: time.Now(), overflow: m.srv.overflow()}
		m.now.slept, m.now.preempted = m.srv.switches()
	case load.Measuring:
		if m.viewers != nil {
			m.viewers.next()
		}
		if m.profile != "" && len(m.windows) == 0 {
			m.profiled.Go(func() {
				if err := m.srv.profile(m.profile, m.length-time.Second); err != nil {
					fmt.Fprintln(os.Stderr, "bench:", err)
				}
			})
		}
		m.now.cpu = m.srv.cpu()
	case load.Measured:
		w := &m.now
		w.cpu = m.srv.cpu() - w.cpu
		if m.viewers != nil {
			m.viewers.next()
		}
		slept, preempted := m.srv.switches()
		w.slept, w.preempted, w.overflow = slept-w.slept, preempted-w.preempted, m.srv.overflow()-w.overflow
		w.seconds = time.Since(w.from).Seconds()
		w.mib = m.srv.rss()
		if m.windows = append(m.windows, *w); len(m.windows) == m.count {
			m.end(&m.all)
			m.drops = m.srv.drops()
		}
	}
}

// sum turns the readings around a window into the figures of r, whose load and calibration are known.
func (m *meter) sum(r *one, w *window) {
	n, seconds := float64(r.Load.Packets), r.Load.Seconds
	r.PerSecond, r.Loss, r.P50, r.P99 = n/seconds, r.Load.Loss(), r.Load.P50, r.Load.P99
	r.Wakes, r.Preempted, r.Overflow, r.Drops = w.slept/w.seconds, w.preempted/w.seconds, w.overflow, m.drops
	r.CPU = w.cpu.Seconds() / seconds
	r.NS = float64(w.cpu) / n
	r.Rel = r.NS / r.Calibration
	r.Mallocs = m.all.perSecond() / r.PerSecond
	r.MediaAllocs = max(0, m.all.perSecond()-m.idle.perSecond()) / r.PerSecond
	r.MiB = (w.mib - m.srv.rss0) / float64(max(1, r.Load.People))
	r.JoinCPU = m.joinCPU.Seconds() * 1000 / float64(max(1, r.Load.Transports))
	r.Idle = m.idle.cpu.Seconds() / m.idle.to.Sub(m.idle.from).Seconds()
}
