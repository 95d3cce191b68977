// Command testlog reads the stream of go test -json and writes what a person wants to know: a line per
// package, the output of what failed, and every skip, loudly. With -required FILE it fails when a test
// named there was skipped or did not run: each line is a package and a test. With -again FILE what failed in
// the packages named there, which live on real sockets and clocks, is run once more alone, and counts as
// unsteady if it then passes: each line is a package and the command that tests it. Data races, panics and
// timeouts have no second chance.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Elapsed    float64
	Output     string
}

// log collects a run.
type log struct {
	w       io.Writer
	output  map[string][]string // by package and test, until it is known whether anybody wants it
	outcome map[string]string   // "pass", "skip", "fail"
	why     map[string]string   // of skips
	skips   []string
	fails   map[string][]string // of a package: the tests that failed, without subtests
	broken  []string            // packages that failed
	told    int                 // how many had when a command last did
	beyond  map[string]bool     // packages whose failure is no matter of luck
	failed  bool
}

func newLog(w io.Writer) *log {
	return &log{
		w: w, output: make(map[string][]string), outcome: make(map[string]string), why: make(map[string]string),
		fails: make(map[string][]string), beyond: make(map[string]bool),
	}
}

func main() {
	required := flag.String("required", "", "file of tests that must not be skipped")
	again := flag.String("again", "", "file of packages whose failed tests are run once more")
	flag.Parse()
	l := newLog(os.Stdout)
	if err := l.read(os.Stdin); err != nil {
		die(err)
	}
	l.sayskips()
	l.judge(commands(text(*again)))
	l.require(text(*required))
	if l.failed {
		fmt.Fprintln(l.w, "FAILED")
		os.Exit(1)
	}
	fmt.Fprintln(l.w, "PASSED")
}

// text is what is in the file; no name, no text.
func text(file string) string {
	if file == "" {
		return ""
	}
	b, err := os.ReadFile(file)
	if err != nil {
		die(err)
	}
	return string(b)
}

func die(err error) {
	fmt.Fprintln(os.Stderr, "testlog:", err)
	os.Exit(1)
}

func (l *log) read(r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Fprintln(l.w, in.Text()) // the tool's own words
			continue
		}
		l.handle(e)
	}
	return in.Err()
}

func (l *log) handle(e event) {
	name := strings.TrimSpace(e.Package + " " + e.Test)
	switch e.Action {
	case "output":
		l.output[name] = append(l.output[name], e.Output)
	case "build-output":
		fmt.Fprint(l.w, e.Output)
	case "build-fail":
		l.failed = true
	case "exit": // the command named failed: some package has to have said so
		if len(l.broken) == l.told {
			fmt.Fprintf(l.w, "FAIL  %s, and no test says why\n", e.Package)
			l.failed = true
		}
		l.told = len(l.broken)
	case "pass", "skip", "fail":
		l.outcome[name] = e.Action
		l.end(e, name)
		delete(l.output, name)
	}
}

// end handles the end of a test or of a package.
func (l *log) end(e event, name string) {
	switch {
	case e.Action == "fail":
		for _, line := range l.output[name] {
			fmt.Fprint(l.w, line)
			if strings.Contains(line, "DATA RACE") || strings.Contains(line, "race detected") || strings.HasPrefix(line, "panic:") {
				l.beyond[e.Package] = true
			}
		}
		if _, _, sub := strings.Cut(e.Test, "/"); e.Test != "" && !sub {
			l.fails[e.Package] = append(l.fails[e.Package], e.Test)
		}
		if e.Test == "" {
			l.broken = append(l.broken, e.Package)
			fmt.Fprintf(l.w, "FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
		}
	case e.Test == "" && e.Action == "pass":
		fmt.Fprintf(l.w, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
	case e.Test != "" && e.Action == "skip":
		l.skips = append(l.skips, name)
		for _, line := range l.output[name] {
			if text := strings.TrimSpace(line); !strings.HasPrefix(text, "===") && !strings.HasPrefix(text, "---") {
				l.why[name] = text
			}
		}
	}
}

func (l *log) sayskips() {
	slices.Sort(l.skips)
	for _, s := range l.skips {
		fmt.Fprintf(l.w, "!!! SKIPPED  %s  %s\n", s, l.why[s])
	}
}

// require fails the run for each test in the list that did not run.
func (l *log) require(list string) {
	for line := range strings.Lines(list) {
		line, _, _ = strings.Cut(line, "#")
		name := strings.Join(strings.Fields(line), " ")
		if name == "" {
			continue
		}
		switch l.outcome[name] {
		case "pass", "fail":
		case "skip":
			l.failed = true
			fmt.Fprintf(l.w, "FAIL  %s is in tests/required and was skipped: %s\n", name, l.why[name])
		default:
			l.failed = true
			fmt.Fprintf(l.w, "FAIL  %s is in tests/required and does not exist or did not run\n", name)
		}
	}
}
