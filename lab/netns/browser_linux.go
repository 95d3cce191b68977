package netns

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// BrowserConfig says how a person in a browser joins.
type BrowserConfig struct {
	Browser string // "chromium" or "firefox"
	Name    string
	Proxy   string // "http://host:port"
	PAC     string // URL
	// What it answers a proxy that asks; Chromium alone.
	ProxyUser, ProxyPassword string
	Link                     string // what is opened; "" the meeting's link
	// Script is the driver, browser.mjs of this directory; Modules the node_modules that hold puppeteer-core.
	Script, Modules string
	Listen          bool      // it says how late each sound is
	Others          []*Person // who is in the meeting already
	Patience        time.Duration
	Hurry           bool          // clicks as soon as there is something to click, with a name the browser knows
	Again           bool          // in a hurry: leaves the meeting and joins once more, which is what counts
	Lobby           time.Duration // how long she looks at herself before she joins; what the page can do meanwhile, it does
}

// JoinBrowser opens the meeting's link in a browser on a machine and joins, as a person does.
func (in *Internet) JoinBrowser(on *Namespace, m Meeting, c BrowserConfig) (*Person, error) {
	home := filepath.Join(in.cfg.Dir, on.Name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	wish, err := json.Marshal(map[string]any{"browser": c.Browser, "link": cmp.Or(c.Link, m.Link), "passcode": m.Passcode, "name": c.Name, "modules": c.Modules, "proxy": c.Proxy, "pac": c.PAC,
		"proxyUser": c.ProxyUser, "proxyPassword": c.ProxyPassword, "listen": c.Listen,
		"home": home, "patience": c.Patience.Milliseconds(), "lobby": c.Lobby.Milliseconds(), "hurry": c.Hurry, "again": c.Again})
	if err != nil {
		return nil, err
	}
	p, err := in.start(on, c.Name, []string{"HOME=" + home}, "node", c.Script, string(wish))
	if err != nil {
		return nil, err
	}
	n := &Person{Process: p, in: in, meeting: m, browser: true}
	for _, o := range c.Others {
		if o.joined != nil {
			n.others = append(n.others, o.joined.Participant)
		}
	}
	_, err = n.WaitLine(40*time.Second, func(l Line) bool { return strings.Contains(l.Text, `"click"`) })
	if err != nil {
		return n, fmt.Errorf("the page does not come to where one can join: %w", err)
	}
	return n, nil
}
