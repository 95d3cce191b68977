package main

import (
	"fmt"
	"strings"
	"time"

	"parley/bench/load"
	"parley/client"
	"parley/wire/proto"
)

// loadCmd is `parley load`.
type loadCmd struct {
	apiFlags
	Link       []string      `arg:"" optional:"" help:"Links of meetings to fill (default: new ones are created, which takes an API token)." name:"link"`
	Meetings   int           `help:"Meetings to create." default:"1"`
	Publishers int           `help:"People with camera and microphone in each meeting." default:"1"`
	Speakers   int           `help:"People with a microphone alone in each meeting." placeholder:"N"`
	Viewers    int           `help:"People who only receive, in each meeting." default:"10"`
	Simulcast  bool          `help:"Cameras send three layers; everybody sees one neighbour large and the others small."`
	For        time.Duration `help:"How long to measure (default: 10s)." default:"10s" placeholder:"DUR"`
	JoinIn     time.Duration `help:"Spread the joins over this long." placeholder:"DUR"`
	Uplink     int           `help:"Space a camera's packets as a link of so many Mbit/s would (default: frames back to back)." placeholder:"MBIT"`
	Nack       int           `help:"Percent of receivers that ask for packets again." placeholder:"PERCENT"`
	Churn      int           `help:"Receivers that leave and come back each second." placeholder:"N"`
	Gentle     bool          `help:"Sleep between looks at the sockets, for a machine that others use: no latency is measured."`
	Merge      bool          `name:"gro" help:"Receive with UDP_GRO, as if the network card merged datagrams."`
}

// Run loads the server and prints what arrived.
func (c *loadCmd) Run(e *env) error {
	conf, err := c.config()
	if err != nil {
		return err
	}
	cfg := load.Config{
		Site: c.Site, Token: c.Token, TLS: conf, Count: c.Meetings, Merge: c.Merge, Gentle: c.Gentle, Uplink: c.Uplink,
		Nack: float64(c.Nack) / 100, Churn: c.Churn, JoinIn: c.JoinIn, Measure: c.For,
	}
	for _, text := range c.Link {
		l, err := client.ParseLink(text)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		if cfg.Site != l.Site && len(cfg.Meetings) > 0 {
			return &exitError{exitUsage, fmt.Errorf("the links are of different sites")}
		}
		cfg.Site = l.Site
		cfg.Meetings = append(cfg.Meetings, load.Meeting{Number: l.Number, Pwd: l.Pwd})
	}
	if len(c.Link) == 0 && c.Token == "" {
		return &exitError{exitUsage, fmt.Errorf("give the links of meetings, or --token or PARLEY_TOKEN to create some")}
	}
	var layout func(int, []load.Seat) []proto.Tile
	camera := load.OneLayer()
	if c.Simulcast {
		camera, layout = load.TileLayers(), load.OneLarge
	}
	for _, m := range []load.Member{
		{Count: c.Publishers, Audio: true, Video: camera, Layout: layout},
		{Count: c.Speakers, Audio: true, Layout: layout},
		{Count: c.Viewers, Layout: layout},
	} {
		if m.Count > 0 {
			cfg.Members = append(cfg.Members, m)
		}
	}
	r, err := load.Run(e.ctx, cfg)
	if err != nil {
		return &exitError{exitNoPath, err}
	}
	if c.JSON {
		return printJSON(e.stdout, r)
	}
	_, err = fmt.Fprint(e.stdout, loadText(r))
	return err
}

// loadText is a result for people.
func loadText(r load.Result) string {
	var b strings.Builder
	rate := float64(r.Packets) / max(r.Seconds, 1e-9)
	fmt.Fprintf(&b, "%d people on %d transports, %.1f s\n", r.People, r.Transports, r.Seconds)
	fmt.Fprintf(&b, "  arrived   %.0f packets/s, %.1f Mbit/s, in %d streams\n", rate, r.Mbit, r.Streams)
	fmt.Fprintf(&b, "  lost      %d (%.3g %%)\n", r.Lost, 100*r.Loss())
	if r.Overflow > 0 {
		fmt.Fprintf(&b, "  of these %d were lost by this program, which could not keep up: the result is void\n", r.Overflow)
	}
	if r.Samples > 0 {
		fmt.Fprintf(&b, "  latency   p50 %.2f ms, p99 %.2f ms, most %.2f ms (%d packets)\n", r.P50, r.P99, r.Max, r.Samples)
	}
	fmt.Fprintf(&b, "  joining   first transport keyed %.0f ms after the grant (median), in after %.0f ms\n", r.JoinP50, r.InP50)
	if r.Failures > 0 {
		fmt.Fprintf(&b, "  failed    %d: %s\n", r.Failures, strings.Join(r.Errors, "; "))
	}
	return b.String()
}
