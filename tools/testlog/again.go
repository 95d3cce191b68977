package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// commands reads the file of packages and the commands that test them.
func commands(list string) map[string][]string {
	byPackage := make(map[string][]string)
	for line := range strings.Lines(list) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 1 {
			byPackage[f[0]] = f[1:]
		}
	}
	return byPackage
}

// judge says which of the packages that failed fail the run: all but those whose tests pass by the command
// given for them, run alone.
func (l *log) judge(again map[string][]string) {
	for _, pkg := range l.broken {
		command, tests := again[pkg], l.fails[pkg]
		if command == nil || l.beyond[pkg] || len(tests) == 0 {
			l.failed = true
			continue
		}
		fmt.Fprintf(l.w, "again %s  %s\n", pkg, strings.Join(tests, " "))
		if !l.passes(pkg, tests, command) {
			l.failed = true
			continue
		}
		for _, t := range tests {
			fmt.Fprintf(l.w, "!!! UNSTEADY  %s %s  failed, and passed alone\n", pkg, t)
		}
	}
}

// passes runs the tests once more.
func (l *log) passes(pkg string, tests, command []string) bool {
	quoted := make([]string, len(tests))
	for i, t := range tests {
		quoted[i] = regexp.QuoteMeta(t)
	}
	args := append(command[1:len(command):len(command)], "-count=1", "-run", "^("+strings.Join(quoted, "|")+")$", pkg)
	cmd := exec.Command(command[0], args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		die(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		die(err)
	}
	second := newLog(l.w)
	if err := second.read(out); err != nil {
		die(err)
	}
	return cmd.Wait() == nil && len(second.broken) == 0
}
