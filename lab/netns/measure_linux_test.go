package netns

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/lab/netns/wire"
)

// Site, controller and router on three addresses, names known, no connection open when cold, preflights count; from
// click to the first sound the router accepts. A path of 100 ms. Where each goes is in ARCHITECTURE.md.
func TestRoundTrips(t *testing.T) {
	const trip = 100 * time.Millisecond
	// What is no round trip. Sound comes in steps of 20 ms, and waits for the next where one was just missed; on the way
	// the wire and half a dozen processes are woken, 1 to 3 ms each; a page is busy with its offer. On a path of 100 ms
	// 60 ms are the grain: one round trip too many is told from them.
	const grain = 0.6
	in, _, _ := labBench(t)
	var b built
	b.get(t)
	clip := b.clip(t, 0)
	for _, tc := range []struct {
		name  string
		page  BrowserConfig // Browser "": the native client
		enter string        // of a native client that waits for Enter
		most  float64       // round trips
	}{
		{"native, cold", BrowserConfig{}, "", 6},
		{"native, warm", BrowserConfig{}, "site", 4},
		{"native, from the lobby", BrowserConfig{}, "lobby", 1},
		// A page comes from the site, so there is a connection to it, and none to anybody else. Nothing has been asked
		// before the click.
		{"chromium, cold", BrowserConfig{Browser: "chromium", Hurry: true}, "", 8},
		{"chromium, warm", BrowserConfig{Browser: "chromium", Hurry: true, Again: true}, "", 5},
		{"chromium, from the lobby", BrowserConfig{Browser: "chromium", Lobby: 4 * time.Second}, "", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			best, where := 0.0, ""
			// Other work on the machine delays some joins, and makes none quicker than its round trips: the best counts.
			for n := 0; n < 3 || n < 8 && best > tc.most+grain; n++ {
				trips, table := joinOnce(t, in, clip, trip, tc.page, tc.enter)
				if best == 0 || trips < best {
					best, where = trips, table
				}
			}
			t.Logf("%.1f round trips\n%s", best, where)
			if best > tc.most+grain {
				t.Errorf("%.1f round trips from click to the first sound at the router, want at most %.0f", best, tc.most)
			}
		})
	}
}

// joinOnce measures one join from a machine nobody has seen before.
func joinOnce(t *testing.T, in *Internet, clip string, trip time.Duration, page BrowserConfig, enter string) (trips float64, where string) {
	t.Helper()
	a, err := in.NewAccess(NATHome, wire.Both(wire.Link{Delay: trip / 2}))
	if err != nil {
		t.Fatal(err)
	}
	m, err := in.NewMachine(a, false)
	if err != nil {
		t.Fatal(err)
	}
	meeting, err := in.NewMeeting("How far is it?")
	if err != nil {
		t.Fatal(err)
	}
	var c *Person
	if page.Browser != "" {
		page.Name, page.Script, page.Modules, page.Patience = "Ann Client", "browser.mjs", modules(t), 20*time.Second
		c, err = in.JoinBrowser(m.Namespace, meeting, page)
	} else {
		c, err = in.JoinNative(m.Namespace, meeting, NativeConfig{Name: "Ann Client", Clip: clip, Args: []string{"--enter", enter}})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	var click time.Time
	if enter != "" {
		if err := c.WaitReady(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		click = time.Now()
		if err := c.Type("\n"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.WaitJoined(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if enter == "" {
		click = c.Click()
	}
	seat, err := c.WaitSeat(20*time.Second, "sound", func(s Seat) bool { return s.HeardAt.After(click) })
	if err != nil {
		t.Fatal(err)
	}
	c.Leave()
	<-c.Done()
	n := func(d time.Duration) float64 { return float64(d) / float64(trip) }
	var w strings.Builder
	for _, at := range c.Attempts() {
		if at.Outcome == "won" && at.Phase != "probe" {
			fmt.Fprintf(&w, "%5.1f  %-8s %-45s %4.1f\n", n(time.Duration(at.StartMS)*time.Millisecond), at.Phase, at.What, n(time.Duration(at.TookMS)*time.Millisecond))
		}
	}
	if page.Browser != "" {
		fmt.Fprint(&w, c.Told())
	}
	took := seat.HeardAt.Sub(click)
	fmt.Fprintf(&w, "%5.1f  first sound accepted\n", n(took))
	return n(took), w.String()
}
