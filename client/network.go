package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"parley/core/join"
	"parley/sys/link"
	"parley/wire/proto"
)

// What is remembered of networks: the rung that carried sound, so that the next join from there starts it
// beside the first (S11), and of each site there the zone used last, so that the choice does not wander (S9).
// A network is known by this machine's own addresses, of which only a hash is kept.

const (
	networkFor  = 24 * time.Hour
	maxNetworks = 64 // entries
)

// network is one entry.
type network struct {
	Rung proto.Rung `json:"rung,omitempty"`
	Zone string     `json:"zone,omitempty"` // of a site, whose entries are apart
	At   time.Time  `json:"at"`
	// Classical is when TLS with post-quantum key shares was found not to pass here, and is not moved on by use:
	// it is tried anew after a day.
	Classical time.Time `json:"classical,omitzero"`
	// Short says that long datagrams get lost here. Each join asks again.
	Short bool `json:"short,omitempty"`
	// FourFirst says that IPv6 leads nowhere here. Each join asks again.
	FourFirst bool `json:"four_first,omitempty"`
}

// networks are all entries, by networkKey, and by zoneKey for what is known of a site.
type networks map[string]network

func networksFile(dir string) string { return filepath.Join(dir, "networks.json") }

// networkKey names the network this machine is in: its addresses, without the part that is its own.
func networkKey() string {
	var prefixes []string
	for _, a := range link.Addresses() {
		bits := 64
		if a.Is4() {
			bits = 24
		}
		if p, err := a.Prefix(bits); err == nil && !a.IsLoopback() {
			prefixes = append(prefixes, p.String())
		}
	}
	slices.Sort(prefixes)
	h := sha256.New()
	for _, p := range slices.Compact(prefixes) {
		h.Write([]byte(p + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// zoneKey names a site as seen from the network this machine is in.
func zoneKey(site string) string { return networkKey() + " " + siteKey(site) }

// readNetworks gives what is still worth knowing; what can't be read was never known.
func readNetworks(dir string, now time.Time) networks {
	all := networks{}
	b, err := os.ReadFile(networksFile(dir))
	if err != nil || len(b) > maxMemory || json.Unmarshal(b, &all) != nil || all == nil {
		return networks{}
	}
	for key, n := range all {
		if age := now.Sub(n.At); age < 0 || age > networkFor {
			delete(all, key)
		} else if age := now.Sub(n.Classical); age < 0 || age > networkFor {
			n.Classical = time.Time{}
			all[key] = n
		}
	}
	return all
}

// lastNetwork is what is known of this network; zero where nothing is.
func lastNetwork(dir string, now time.Time) network {
	if dir == "" {
		return network{}
	}
	return readNetworks(dir, now)[networkKey()]
}

// lastZone is the zone of this site used last from this network; "" where none is known.
func lastZone(dir, site string, now time.Time) string {
	if dir == "" {
		return ""
	}
	return readNetworks(dir, now)[zoneKey(site)].Zone
}

// keepZone writes down in which zone the meeting was reached.
func (c *Client) keepZone(now time.Time, zone string) {
	c.keepOfNetwork(now, zoneKey(c.site.String()), func(n *network) {
		if n.Zone != zone || now.Sub(n.At) >= time.Hour {
			n.Zone, n.At = zone, now
		}
	})
}

// keepNetwork writes down what carries sound now.
func (c *Client) keepNetwork(now time.Time, rung proto.Rung) {
	c.keepOfNetwork(now, networkKey(), func(n *network) {
		if n.Rung != rung || now.Sub(n.At) >= time.Hour {
			n.Rung, n.At = rung, now
		}
	})
}

// keepClassical writes down that long TLS handshakes do not pass here.
func (c *Client) keepClassical(now time.Time) {
	c.keepOfNetwork(now, networkKey(), func(n *network) {
		if n.Classical.IsZero() {
			n.At, n.Classical = now, now
		}
	})
}

// keepShort writes down whether long datagrams get lost here, if that is news.
func (c *Client) keepShort(now time.Time) {
	short := c.mind.Short()
	if short == c.short {
		return
	}
	c.short = short
	c.keepOfNetwork(now, networkKey(), func(n *network) { n.Short, n.At = short, now })
}

// keepOfNetwork writes down news of this network. That it can't be kept is no reason to fail.
func (c *Client) keepOfNetwork(now time.Time, key string, change func(*network)) {
	if c.cfg.State == "" {
		return
	}
	all := readNetworks(c.cfg.State, now)
	is := all[key]
	if change(&is); is == all[key] {
		return
	}
	for len(all) >= maxNetworks {
		oldest := ""
		for k, n := range all {
			if oldest == "" || n.At.Before(all[oldest].At) {
				oldest = k
			}
		}
		delete(all, oldest)
	}
	all[key] = is
	b, err := json.Marshal(all)
	if err != nil || os.MkdirAll(c.cfg.State, 0o700) != nil {
		return
	}
	path := networksFile(c.cfg.State)
	if os.WriteFile(path+".new", b, 0o600) == nil {
		os.Rename(path+".new", path)
	}
}

// place is where this machine is: the address it sends from to its router. Owned by the loop.
type place struct {
	to   string
	from netip.Addr
}

// follow notices that the machine has moved to another network.
func (c *Client) follow(now time.Time) {
	for _, k := range c.mind.Grant().Candidates {
		to, err := netip.ParseAddrPort(k.Addr)
		if err != nil {
			continue
		}
		from := link.Source(c.cfg.Host, to)
		if !from.IsValid() {
			continue // between two networks it is nowhere
		}
		was := c.media.place
		c.media.place = place{k.Addr, from}
		if was.to == k.Addr && was.from != from {
			c.moved(now)
		}
		return
	}
}

// moved goes on from another network. Media over UDP needs no more than a check from there: keys and numbers stay.
// Connections are dead without knowing, so the control channel comes anew; and where media went over one, the whole
// ladder is climbed again, since what was closed there may be open here.
func (c *Client) moved(now time.Time) {
	c.families.recall(lastNetwork(c.cfg.State, now))
	c.requests.renew()
	c.tunnels.renew()
	for _, l := range c.media.active {
		if l != nil && l.rung != proto.UDP8801 {
			c.mind.Handle(now, join.NetworkChanged{})
			return
		}
	}
	for _, cr := range c.media.carriers {
		cr.rtc.Recheck()
	}
	c.mind.Handle(now, join.NetworkChanged{Kept: true})
	if ch := c.control.ch; ch != nil {
		c.dropControl(ch.attempt)
		c.mind.Handle(now, join.ControlLost{Attempt: ch.attempt, Text: "the network changed"})
	}
}
