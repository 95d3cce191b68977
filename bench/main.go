// Command bench measures the packet path: it runs the real server on one processor and participants on
// the other, and prints what a forwarded packet costs beside what it costs at least.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"parley/bench/floor"
	"parley/bench/load"
	"parley/sys/link"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	binary     string
	filter     string
	quick      bool
	runs       int
	measure    time.Duration
	warm       time.Duration
	asJSON     bool
	profile    string
	serverCPU  string
	clientCPU  string
	gro        string
	each       bool
	serverArgs string
	list       bool
	noFloor    bool
	bursts     map[string]float64 // packets in a message, by scenario, from the runs with UDP_GRO
}

func run() error {
	var o options
	flag.StringVar(&o.binary, "parley", "bin/parley", "the server's binary")
	flag.StringVar(&o.filter, "run", "", "scenarios whose name contains one of these, separated by commas")
	flag.BoolVar(&o.quick, "quick", false, "the three scenarios with targets, one run each")
	flag.IntVar(&o.runs, "runs", 0, "runs of each scenario, of which the median counts (default 3, quick 1)")
	flag.DurationVar(&o.measure, "for", 0, "time measured in each run (default 6s, quick 4s)")
	flag.DurationVar(&o.warm, "warm", 0, "time published before (default 2s, quick 1s)")
	flag.BoolVar(&o.asJSON, "json", false, "one JSON object per run instead of a table")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the server to this file, which costs some percent")
	flag.StringVar(&o.serverCPU, "server-cpu", "0", "processor of the server")
	flag.StringVar(&o.clientCPU, "client-cpu", "1", "processor of the participants")
	flag.StringVar(&o.gro, "gro", "both", "receive with UDP_GRO: on, off or both")
	flag.BoolVar(&o.each, "each", false, "a socket for each transport in every scenario, instead of only in those compared with other servers")
	flag.StringVar(&o.serverArgs, "server-args", "", "further arguments of parley up")
	flag.BoolVar(&o.list, "list", false, "name the scenarios and stop")
	flag.BoolVar(&o.noFloor, "no-floor", false, "do not measure the floor")
	job := flag.String("job", "", "internal: what to do on the server's processor")
	flag.Parse()
	if *job != "" {
		return doJob(*job)
	}
	def := func(d *time.Duration, full, quick time.Duration) {
		if *d == 0 {
			*d = full
			if o.quick {
				*d = quick
			}
		}
	}
	def(&o.measure, 6*time.Second, 4*time.Second)
	def(&o.warm, 2*time.Second, time.Second)
	if o.runs == 0 {
		o.runs = 3
		if o.quick {
			o.runs = 1
		}
	}
	o.bursts = map[string]float64{}
	list := choose(scenarios(), o.filter, o.quick)
	if o.list {
		for _, s := range list {
			fmt.Println(s.name)
		}
		return nil
	}
	// The participants' processor: this process starts itself again on it.
	if os.Getenv("PARLEY_BENCH_PINNED") == "" {
		return pinned(o.clientCPU)
	}
	// Where the kernel groups processes by session (sched_autogroup), nice counts within the session only.
	if os.WriteFile(autogroup, []byte(niceness), 0) == nil {
		defer os.WriteFile(autogroup, []byte("0"), 0)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return benchAll(ctx, o, list)
}

// autogroup is the scheduling group of this session, which the server shares.
const autogroup = "/proc/self/autogroup"

// pinned runs this program again on one processor.
func pinned(cpu string) error {
	cmd := exec.Command("taskset", append([]string{"-c", cpu, "nice", "-n", niceness, os.Args[0]}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), "PARLEY_BENCH_PINNED=1", "GOMAXPROCS=1", "GOGC=400")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	signal.Ignore(os.Interrupt) // the child ends in order, then this
	err := cmd.Run()
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		os.Exit(ee.ExitCode())
	}
	return err
}

// jobOnServer runs a job of this program on the server's processor and returns the number it prints.
func (o options) jobOnServer(ctx context.Context, job string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "taskset", "-c", o.serverCPU, "nice", "-n", niceness, os.Args[0], "-job", job)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s on processor %s: %w", job, o.serverCPU, err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return time.Duration(ns), err
}

// doJob is the other end of jobOnServer: "calibrate", or a floorJob.
func doJob(job string) error {
	if job == "calibrate" {
		d, err := floor.Calibrate()
		if err == nil {
			fmt.Println(int64(d))
		}
		return err
	}
	var j floorJob
	if err := json.Unmarshal([]byte(job), &j); err != nil {
		return err
	}
	d, _, err := j.Shape.Send(j.Ports, j.For)
	if err == nil {
		fmt.Println(int64(d))
	}
	return err
}

// floorJob is what a floor needs to know.
type floorJob struct {
	Ports []uint16
	Shape floor.Shape
	For   time.Duration
}

// floor measures the floor of a shape, with a reader on this processor.
func (o options) floor(ctx context.Context, s floor.Shape, merge bool) (time.Duration, error) {
	stop := make(chan struct{})
	var reader sync.WaitGroup
	ports, err := floor.Sink(merge, stop, &reader)
	if err != nil {
		return 0, err
	}
	defer reader.Wait()
	defer close(stop)
	b, err := json.Marshal(floorJob{ports, s, time.Second})
	if err != nil {
		return 0, err
	}
	return o.jobOnServer(ctx, string(b))
}

// shape is what the floor has to send to be this scenario: as many packets in a send as there were
// with UDP_GRO, where they can be seen, and as long.
func (o options) shape(s scenario, r load.Result) floor.Shape {
	burst := o.bursts[s.name]
	if burst == 0 {
		burst = 1
	}
	return floor.Shape{
		Receivers: max(1, r.People), Burst: int(burst + 0.5), Len: int(r.Bytes/max(1, r.Packets)) - floor.TagLen,
	}
}

// one is the outcome of one run. Times are in nanoseconds for a packet.
type one struct {
	Scenario    string             `json:"scenario"`
	GRO         bool               `json:"gro"`
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
	MiB         float64            `json:"mib_participant"`
	Mallocs     float64            `json:"mallocs_packet"`     // all there were
	MediaAllocs float64            `json:"mallocs_packet_net"` // less what the same time costs with nothing published
	JoinCPU     float64            `json:"join_cpu_ms"`        // server CPU for a transport, lookup and control included
	Idle        float64            `json:"idle_cpu"`           // of one processor, everybody in and nothing published
	Wakes       float64            `json:"wakes_s"`            // times a second a thread of the server went to sleep
	Drops       map[string]float64 `json:"drops,omitempty"`    // what the server dropped since it started, by reason
	Overflow    float64            `json:"overflow"`           // datagrams the server's socket lost while measuring
	Preempted   float64            `json:"preempted_s"`        // times a second it was made to: a busy machine
}

// benchOne runs a scenario once.
func benchOne(ctx context.Context, o options, s scenario, merge bool) (one, error) {
	r := one{Scenario: s.name, GRO: merge, Peer: s.peer, Target: s.target[0]}
	if merge {
		r.Target = s.target[1]
	}
	srv, err := startServer(ctx, o.binary, o.serverCPU, s.loudest, strings.Fields(o.serverArgs))
	if err != nil {
		return r, err
	}
	defer srv.stop()
	before, err := o.jobOnServer(ctx, "calibrate")
	if err != nil {
		return r, err
	}
	tls := link.ClientTLS(nil)
	tls.InsecureSkipVerify = true
	var join0, idle0, cpu0, cpu1 time.Duration
	var idleAt time.Time
	var m0, m1, idleAllocs, slept, preempted float64
	var profiled sync.WaitGroup
	count := func() float64 {
		n, err := srv.mallocs()
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		return n
	}
	cfg := load.Config{
		Site: srv.site, Token: srv.token, TLS: tls, Count: s.count, Members: s.members, Merge: merge, Each: o.each || s.quick, Spread: s.spread,
		Warm: o.warm, Measure: o.measure, Settle: 2 * time.Second,
		At: func(p load.Phase) {
			switch p {
			case load.Joining:
				join0 = srv.cpu()
			case load.Joined:
				r.JoinCPU = float64(srv.cpu()-join0) / 1e6
				m0 = count()
				idleAt, idle0 = time.Now(), srv.cpu()
			case load.Publishing:
				t := time.Since(idleAt)
				r.Idle = float64(srv.cpu()-idle0) / float64(t)
				idleAllocs = (count() - m0) / t.Seconds()
			case load.Measuring:
				m0 = count()
				slept, preempted = srv.switches()
				r.Overflow = srv.overflow()
				cpu0 = srv.cpu()
				if o.profile != "" {
					profiled.Go(func() {
						if err := srv.profile(o.profile, o.measure-time.Second); err != nil {
							fmt.Fprintln(os.Stderr, "bench:", err)
						}
					})
				}
			case load.Measured:
				cpu1 = srv.cpu()
				s1, p1 := srv.switches()
				r.Wakes, r.Preempted = s1-slept, p1-preempted
				m1 = count()
				r.Drops, r.Overflow = srv.drops(), srv.overflow()-r.Overflow
				r.MiB = srv.rss() - srv.rss0
			}
		},
	}
	if s.feed != nil {
		s.feed(&cfg)
	}
	r.Load, err = load.Run(ctx, cfg)
	profiled.Wait()
	if err != nil {
		return r, err
	}
	n := float64(r.Load.Packets)
	if n == 0 {
		return r, fmt.Errorf("nothing arrived: %s", strings.Join(r.Load.Errors, "; "))
	}
	after, err := o.jobOnServer(ctx, "calibrate")
	if err != nil {
		return r, err
	}
	r.Calibration = float64(before+after) / 2
	if !o.noFloor {
		if merge {
			o.bursts[s.name] = float64(r.Load.Packets) / float64(max(1, r.Load.Sends))
		}
		f, err := o.floor(ctx, o.shape(s, r.Load), merge)
		if err != nil {
			return r, err
		}
		r.Floor = float64(f)
	}
	r.PerSecond = n / r.Load.Seconds
	r.Wakes, r.Preempted = r.Wakes/r.Load.Seconds, r.Preempted/r.Load.Seconds
	r.CPU = (cpu1 - cpu0).Seconds() / r.Load.Seconds
	r.NS = float64(cpu1-cpu0) / n
	r.Rel = r.NS / r.Calibration
	if r.Floor > 0 {
		r.Ratio = r.NS / r.Floor
	}
	r.Mallocs = (m1 - m0) / n
	r.MediaAllocs = max(0, m1-m0-idleAllocs*r.Load.Seconds) / n
	r.MiB /= float64(max(1, r.Load.People))
	r.JoinCPU /= float64(max(1, r.Load.Transports))
	return r, nil
}

// benchAll runs everything and prints the table.
func benchAll(ctx context.Context, o options, list []scenario) error {
	var merges []bool
	switch o.gro {
	case "on":
		merges = []bool{true}
	case "off":
		merges = []bool{false}
	case "both":
		merges = []bool{true, false} // the first tells the second how the server sends
	default:
		return fmt.Errorf("-gro %q: on, off or both", o.gro)
	}
	var rows []one
	for _, s := range list {
		for _, merge := range merges {
			var runs []one
			for range o.runs {
				r, err := benchOne(ctx, o, s, merge)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					fmt.Fprintf(os.Stderr, "bench: %s: %v\n", s.name, err)
					continue
				}
				if o.asJSON {
					json.NewEncoder(os.Stdout).Encode(r)
				} else {
					fmt.Fprintln(os.Stderr, row(r))
				}
				runs = append(runs, r)
			}
			if len(runs) > 0 {
				rows = append(rows, median(runs))
			}
		}
	}
	if !o.asJSON {
		fmt.Print(table(rows, o))
	}
	return nil
}

// median is the run with the middle cost.
func median(runs []one) one {
	slices.SortFunc(runs, func(a, b one) int { return int(1e6 * (a.Rel - b.Rel)) })
	return runs[len(runs)/2]
}
