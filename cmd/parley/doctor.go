package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/x/term"

	"parley/client"
)

// doctorCmd is `parley doctor`. Its exit codes say how well the network is suited: 0, 1 or 2 (client.Grade).
type doctorCmd struct {
	Site string `arg:"" help:"Base URL of the site, or the link of a meeting there, which is not joined." name:"site|link" env:"PARLEY_SITE"`
	JSON bool   `name:"json" help:"The whole diagnosis in JSON; \"cause\" is a stable word such as udp_blocked."`
	trustFlags
	proxyFlags
}

// Run examines the network and tells.
func (c *doctorCmd) Run(e *env) error {
	cfg := client.DoctorConfig{Site: strings.TrimSuffix(c.Site, "/"), State: stateDir()}
	if l, err := client.ParseLink(c.Site); err == nil {
		cfg.Site = l.Site
	}
	var err error
	if cfg.TLS, err = c.trustFlags.config(); err != nil {
		return err
	}
	if cfg.Proxy, err = c.proxyFlags.config(e); err != nil {
		return err
	}
	out := doctorOutput{e: e, width: widthOf(e)}
	if !c.JSON {
		cfg.Progress = out.progress
	}
	d, err := client.Examine(e.ctx, cfg)
	out.over()
	switch {
	case e.ctx.Err() != nil:
		return &exitError{int(client.Useless), errors.New("stopped before the end")}
	case err != nil:
		return &exitError{exitUsage, err}
	case c.JSON:
		b, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%s\n", b)
	default:
		out.report(d)
	}
	if d.Grade != client.Best {
		return &exitError{int(d.Grade), errSaid}
	}
	return nil
}

// doctorOutput writes a diagnosis for people.
type doctorOutput struct {
	e     *env
	width int
	open  bool // a line of progress stands on the terminal
}

// defaultWidth is that of an output that is no terminal; a terminal's own is used between minWidth, which two
// columns need, and maxWidth, which is pleasant to read.
const defaultWidth, minWidth, maxWidth = 80, 60, 110

func widthOf(e *env) int {
	if f, ok := e.stdout.(*os.File); ok && e.tty {
		if w, _, err := term.GetSize(f.Fd()); err == nil && w > 0 {
			return min(max(w, minWidth), maxWidth)
		}
	}
	return defaultWidth
}

// progress says what is going on: in place on a terminal, not at all in a file.
func (o *doctorOutput) progress(what string) {
	if o.e.tty {
		fmt.Fprintf(o.e.stdout, "\r\x1b[KExamining %s …", what)
		o.open = true
	}
}

func (o *doctorOutput) over() {
	if o.open {
		fmt.Fprint(o.e.stdout, "\r\x1b[K")
		o.open = false
	}
}

// phases are the chapters of the report.
var phases = [...]struct{ name, title string }{
	{"site", "The site"}, {"zones", "Meeting zones"}, {"media", "Ways for sound and pictures"}, {"network", "This network"},
}

func (o *doctorOutput) report(d *client.Diagnosis) {
	for _, l := range fold("How well this network is suited for "+d.Site, o.width, "") {
		o.line("%s", o.bold(l))
	}
	for _, p := range phases {
		titled := false
		for i, f := range d.Findings {
			if f.Phase != p.name {
				continue
			}
			if i+1 < len(d.Findings) && d.Findings[i+1].Phase == f.Phase && d.Findings[i+1].Note == f.Note {
				f.Note = "" // said once, below the last it is about
			}
			if !titled {
				o.line("\n%s", o.bold(p.title))
				titled = true
			}
			o.finding(f)
		}
	}
	o.line("\n%s", o.bold("In short"))
	switch d.Grade {
	case client.Best:
		o.wrap("  ", "  ", "Everything takes the best way.")
	case client.Limited:
		o.wrap("  ", "  ", "Joining works, with limits.")
	default:
		o.wrap("  ", "  ", "Joining does not work from here.")
	}
	for _, s := range d.Summary {
		o.wrap("  ", "  ", s)
	}
	if len(d.Rules)+len(d.Advice) == 0 {
		return
	}
	o.line("\n%s", o.bold("What to do, or to tell your network administrator"))
	for _, r := range d.Rules {
		o.wrap("  - ", "    ", fmt.Sprintf("Allow outgoing %s to port %d of %s, and the answers. This gives %s.", r.Protocol, r.Port, strings.Join(r.To, ", "), r.Improves))
	}
	for _, a := range d.Advice {
		o.wrap("  - ", "    ", a)
	}
}

// column is where values begin.
const column = 32

func (o *doctorOutput) finding(f client.Finding) {
	mark, colour := "ok  ", "32"
	switch f.Status {
	case client.Warn:
		mark, colour = "warn", "33"
	case client.Fail:
		mark, colour = "FAIL", "31"
	}
	what := f.What
	if n := column - 8 - len([]rune(what)); n > 0 {
		what += strings.Repeat(" ", n)
	}
	plain := "  " + mark + "  " + what
	indent := strings.Repeat(" ", column)
	lines := fold(plain+f.Value, o.width, indent)
	lines[0] = "  " + o.colour(colour, mark) + strings.TrimPrefix(lines[0], "  "+mark)
	for _, l := range lines {
		o.line("%s", l)
	}
	if f.Note != "" {
		o.wrap(indent, indent, f.Note)
	}
}

func (o *doctorOutput) line(format string, args ...any) {
	fmt.Fprintf(o.e.stdout, format+"\n", args...)
}

// wrap writes text over lines of the output's width.
func (o *doctorOutput) wrap(first, indent, text string) {
	for _, l := range fold(first+text, o.width, indent) {
		o.line("%s", l)
	}
}

// fold breaks text at spaces; what does not fit continues behind an indent. Spaces at the beginning stay.
func fold(text string, width int, indent string) (lines []string) {
	rest := []rune(text)
	for len(rest) > width {
		at := width
		for at > len(indent) && rest[at] != ' ' {
			at--
		}
		if at <= len(indent) {
			for at = width; at < len(rest) && rest[at] != ' '; { // a word that is longer than the line
				at++
			}
			if at == len(rest) {
				break
			}
		}
		lines = append(lines, strings.TrimRight(string(rest[:at]), " "))
		rest = []rune(indent + strings.TrimLeft(string(rest[at:]), " "))
	}
	return append(lines, string(rest))
}

func (o *doctorOutput) bold(s string) string { return o.colour("1", s) }

// colour is for terminals alone, and for those whose owner has not asked for none (NO_COLOR).
func (o *doctorOutput) colour(code, s string) string {
	if !o.e.tty || os.Getenv("NO_COLOR") != "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
