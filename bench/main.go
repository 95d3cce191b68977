// Command bench measures the packet path: it runs the real server on one processor and participants on
// the other, and prints what a forwarded packet costs beside what it costs at least.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"parley/bench/floor"
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
	markdown   bool
	shards     string
	strangers  string
	fits       int
	fresh      bool
	save       string
	against    string
}

func run() error {
	var o options
	flag.StringVar(&o.binary, "parley", "bin/parley", "the server's binary")
	flag.StringVar(&o.filter, "run", "", "scenarios whose name contains one of these, separated by commas")
	flag.BoolVar(&o.quick, "quick", false, "the three scenarios with targets, one run each")
	flag.StringVar(&o.shards, "shards", "", "shards of the server: a number, or several to be compared (default 1,2; with -quick or -run 1)")
	flag.BoolVar(&o.markdown, "markdown", false, "the table without what only those who change the path look at")
	flag.StringVar(&o.strangers, "viewers", "bin/strangers", "the test binary of lab/interop, for the scenario with pion/webrtc")
	flag.IntVar(&o.fits, "fits", 0, "run the scenarios that seek how many fit with this many meetings or viewers instead")
	flag.IntVar(&o.runs, "runs", 0, "windows of each scenario: of each figure the median is shown, of loss the worst (default 3, quick 1)")
	flag.BoolVar(&o.fresh, "fresh", false, "a server and people of its own for each run, instead of one set-up for all of a scenario")
	flag.StringVar(&o.against, "against", "", "another binary of the server: pairs of it and of -parley, in turn, and the difference with its spread")
	flag.StringVar(&o.save, "save", "", "write the table to this file with .md added, and its rows with .json added, after each scenario")
	flag.DurationVar(&o.measure, "for", 0, "time measured in each window (default 2s, quick 3s)")
	flag.DurationVar(&o.warm, "warm", 0, "time published before the first (default 1.5s, quick 1s)")
	flag.BoolVar(&o.asJSON, "json", false, "one JSON object per window, then one for each row of the table, instead of the table")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the server to this file, which costs some percent")
	flag.StringVar(&o.serverCPU, "server-cpu", "0", "processor of the server")
	flag.StringVar(&o.clientCPU, "client-cpu", "1", "processor of the participants")
	flag.StringVar(&o.gro, "gro", "both", "receive with UDP_GRO: on, off or both")
	flag.BoolVar(&o.each, "each", false, "a socket for each transport in every scenario, instead of only in those compared with other servers")
	flag.StringVar(&o.serverArgs, "server-args", "", "further arguments of parley up")
	flag.BoolVar(&o.list, "list", false, "name the scenarios and stop")
	flag.BoolVar(&o.noFloor, "no-floor", false, "do not measure the floor")
	job := flag.String("job", "", "internal: what to do on the server's processor")
	flag.Usage = usage
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
	def(&o.measure, 2*time.Second, 3*time.Second)
	def(&o.warm, 1500*time.Millisecond, time.Second)
	o.defaultShards()
	if o.runs == 0 {
		o.runs = 3
		if o.quick {
			o.runs = 1
		}
	}
	merges, shards, err := o.parse()
	if err != nil {
		return err
	}
	list := choose(scenarios(), o.filter, o.quick)
	if o.fits > 0 {
		for i, s := range list {
			if s.fit != nil {
				list[i] = s.with(o.fits)
			}
		}
	}
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
	if o.against != "" {
		var sought []string
		if list, sought = withoutFits(list); len(sought) > 0 {
			fmt.Fprintf(os.Stderr, "left out, since pairs need a number (-fits): %s\n", strings.Join(sought, "; "))
		}
		return compareAll(ctx, o, list, merges, shards)
	}
	return benchAll(ctx, o, list, merges, shards)
}

// withoutFits leaves out the scenarios that seek how many fit, and names them.
func withoutFits(list []scenario) (rest []scenario, names []string) {
	for _, s := range list {
		if s.fit != nil {
			names = append(names, s.name)
		} else {
			rest = append(rest, s)
		}
	}
	return rest, names
}

// defaultShards compares one shard with two where everything is measured, and only there: it takes twice as long.
func (o *options) defaultShards() {
	switch {
	case o.shards != "":
	case o.quick || o.filter != "":
		o.shards = "1"
	default:
		o.shards = "1,2"
	}
}

// usage is what -help prints.
func usage() {
	w := flag.CommandLine.Output()
	fmt.Fprintf(w, "bench measures what a forwarded packet costs. Flags:\n")
	flag.PrintDefaults()
	fmt.Fprintf(w, "\nOn an %s a run is void where sending costs over 25 %% more or less than on the reference machine.\nOn any other, "+
		"this is printed and holds: %s\n", referenceCPU, otherMachine)
}

// parse reads what the flags gro and shards say.
func (o options) parse() (merges []bool, shards []int, err error) {
	switch o.gro {
	case "on":
		merges = []bool{true}
	case "off":
		merges = []bool{false}
	case "both":
		merges = []bool{true, false} // the first tells the second how the server sends
	default:
		return nil, nil, fmt.Errorf("-gro %q: on, off or both", o.gro)
	}
	for f := range strings.SplitSeq(o.shards, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n < 1 {
			return nil, nil, fmt.Errorf("-shards %q: numbers from 1 on, separated by commas", o.shards)
		}
		shards = append(shards, n)
	}
	return merges, shards, nil
}

// autogroup is the scheduling group of this session, which the server shares.
const autogroup = "/proc/self/autogroup"

// pinned makes this process begin again on one processor.
func pinned(cpu string) error {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return err
	}
	args := append([]string{"taskset", "-c", cpu, "nice", "-n", niceness, os.Args[0]}, os.Args[1:]...)
	return syscall.Exec(taskset, args, append(os.Environ(), "PARLEY_BENCH_PINNED=1", "GOMAXPROCS=1", "GOGC=400"))
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
func (o options) floor(ctx context.Context, s floor.Shape, merge bool, length time.Duration) (time.Duration, error) {
	stop := make(chan struct{})
	var reader sync.WaitGroup
	ports, err := floor.Sink(merge, stop, &reader)
	if err != nil {
		return 0, err
	}
	defer reader.Wait()
	defer close(stop)
	b, err := json.Marshal(floorJob{ports, s, length})
	if err != nil {
		return 0, err
	}
	return o.jobOnServer(ctx, string(b))
}
