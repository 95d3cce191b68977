package main

import (
	"strings"
	"testing"
)

// run gives the log what a run printed, and what the commands that run it once more are.
func run(t *testing.T, again map[string][]string, lines ...string) (failed bool, said string) {
	t.Helper()
	var w strings.Builder
	l := newLog(&w)
	if err := l.read(strings.NewReader(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	l.judge(again)
	return l.failed, w.String()
}

// says is a command that prints the line, whatever is added to it, and succeeds or not.
func says(line, then string) []string {
	return []string{"sh", "-c", "echo '" + line + "'; " + then}
}

func TestWhatFailedOnceAndPassesAloneIsUnsteady(t *testing.T) {
	const (
		test   = `{"Action":"fail","Package":"p","Test":"TestA"}`
		pkg    = `{"Action":"fail","Package":"p"}`
		race   = `{"Action":"output","Package":"p","Test":"TestA","Output":"WARNING: DATA RACE\n"}`
		panics = `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: lost\n"}`
		passes = `{"Action":"pass","Package":"p"}`
		exit   = `{"Action":"exit","Package":"the command"}`
	)
	again := map[string][]string{"p": says(passes, "true")}
	for _, tt := range []struct {
		name  string
		again map[string][]string
		lines []string
		want  bool
		says  string
	}{
		{"all passed", again, []string{passes}, false, "ok    p"},
		{"passes alone", again, []string{test, pkg, exit}, false, "UNSTEADY  p TestA"},
		{"fails alone", map[string][]string{"p": says(pkg, "exit 1")}, []string{test, pkg, exit}, true, "again p  TestA"},
		{"no second chance", nil, []string{test, pkg, exit}, true, "FAIL  p"},
		{"a race", again, []string{race, test, pkg, exit}, true, "DATA RACE"},
		{"a panic", again, []string{panics, test, pkg, exit}, true, "panic"},
		{"no test is named", again, []string{pkg, exit}, true, "FAIL  p"},
		{"a command that says nothing", again, []string{passes, exit}, true, "the command, and no test says why"},
		{"a second one that says nothing", again, []string{test, pkg, exit, exit}, true, "no test says why"},
	} {
		failed, said := run(t, tt.again, tt.lines...)
		if failed != tt.want || !strings.Contains(said, tt.says) {
			t.Errorf("%s: failed %v, want %v; said %q, want %q in it", tt.name, failed, tt.want, said, tt.says)
		}
	}
}

func TestRequiredTestsMustRun(t *testing.T) {
	const list = "p TestA # the first\n\np TestB\np TestC\n"
	var w strings.Builder
	l := newLog(&w)
	if err := l.read(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: no camera\n"}
{"Action":"skip","Package":"p","Test":"TestB"}`)); err != nil {
		t.Fatal(err)
	}
	l.require(list)
	for _, want := range []string{"p TestB is in tests/required and was skipped: b_test.go:3: no camera", "p TestC is in tests/required and does not exist"} {
		if !l.failed || !strings.Contains(w.String(), want) {
			t.Errorf("said %q, want %q in it", w.String(), want)
		}
	}
	if strings.Contains(w.String(), "TestA") {
		t.Errorf("said %q of a test that passed", w.String())
	}
}
