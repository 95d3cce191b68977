// Command parley is every part of Parley, and its native client, in one binary. One file per
// subcommand; this one only reads the command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// build is set by the Makefile.
var build = "dev"

// cli lists the subcommands.
type cli struct {
	Up      upCmd      `cmd:"" help:"Run every part in one process: the way to try Parley, and to run it in a small organisation."`
	Serve   serveCmd   `cmd:"" help:"Run the parts whose sections are in a config file."`
	Check   checkCmd   `cmd:"" help:"Print the effective config of a file, or every fault in it."`
	Enroll  enrollCmd  `cmd:"" help:"Exchange an enrolment token for this server's certificate."`
	Join    joinCmd    `cmd:"" help:"Join a meeting from this terminal."`
	Doctor  doctorCmd  `cmd:"" help:"Examine the way to a site without joining: what works, what does not, and what to tell the network's administrator."`
	Load    loadCmd    `cmd:"" help:"Fill meetings with synthetic people and measure what arrives."`
	Meeting meetingCmd `cmd:"" help:"Create, list and end meetings."`
	User    userCmd    `cmd:"" help:"Add and list people, and change their passwords."`
	Version versionCmd `cmd:"" help:"Say which build this is."`
}

// The exit codes, the same for every subcommand.
const (
	exitOK      = 0
	exitFailed  = 1 // it did not work
	exitUsage   = 2 // the command line makes no sense
	exitRefused = 3 // the other side said no, and why
	exitNoPath  = 4 // no connection could be made
)

// exitError carries an exit code and what to say on standard error.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// errSaid is an error that has been told already.
var errSaid = errors.New("told")

// env is what a subcommand gets from the process, so that tests can stand in for it.
type env struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
	tty    bool // stdout is a terminal
	stdin  io.Reader
	open   func(url string) error // shows a page in a browser
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	info, err := os.Stdout.Stat()
	tty := err == nil && info.Mode()&os.ModeCharDevice != 0
	os.Exit(run(os.Args[1:], &env{ctx: ctx, stdout: os.Stdout, stderr: os.Stderr, tty: tty, stdin: os.Stdin, open: openBrowser}))
}

// run is the whole program but for the process around it.
func run(args []string, e *env) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("parley"),
		kong.Description("Video conferencing that connects everyone, whatever their network."),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(code int) { exited = code; panic(exitNow{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Bind(e),
	)
	if err != nil {
		panic("parley: the command table is wrong: " + err.Error())
	}
	code := exitOK
	func() {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(exitNow); !ok {
					panic(r)
				}
				code = exited
			}
		}()
		if len(args) == 0 {
			args = []string{"--help"}
		}
		kctx, err := parser.Parse(args)
		if err != nil {
			fmt.Fprintf(e.stderr, "parley: %v\n", err)
			var pe *kong.ParseError
			if errors.As(err, &pe) {
				fmt.Fprintf(e.stderr, "Try: parley --help\n")
			}
			code = exitUsage
			return
		}
		if err := kctx.Run(e); err != nil {
			code = exitFailed
			var ee *exitError
			if errors.As(err, &ee) {
				code = ee.code
			}
			if !errors.Is(err, errSaid) {
				fmt.Fprintf(e.stderr, "parley: %v\n", err)
			}
		}
	}()
	return code
}

// exitNow unwinds run when kong has printed help.
type exitNow struct{}

// versionCmd is `parley version`.
type versionCmd struct{}

// Run prints the build.
func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.stdout, "parley", build)
	return err
}
