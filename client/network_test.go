package client

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"parley/wire/proto"
)

func TestNetworksAreForgottenAfterADay(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name string
		file string
		want proto.Rung
	}{
		{"an hour ago", entry(now.Add(-time.Hour)), proto.TLS443},
		{"a day and an hour ago", entry(now.Add(-25 * time.Hour)), ""},
		{"in the future", entry(now.Add(time.Hour)), ""}, // the clock was wrong
		{"another network", `{"other":{"rung":"tls-443"}}`, ""},
		{"nonsense", `{"`, ""},
		{"null", `null`, ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(networksFile(dir), []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lastNetwork(dir, now).Rung; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func entry(at time.Time) string {
	b, err := json.Marshal(networks{networkKey(): {Rung: proto.TLS443, At: at}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestFewNetworksAreKept(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	all := networks{}
	for i := range 2 * maxNetworks {
		all[fmt.Sprint("n", i)] = network{Rung: proto.UDP8801, At: now.Add(-time.Duration(i) * time.Minute)}
	}
	b, _ := json.Marshal(all)
	c := &Client{}
	c.cfg.State = t.TempDir()
	os.WriteFile(networksFile(c.cfg.State), b, 0o600)
	c.keepNetwork(now, proto.TCP8801)
	got := readNetworks(c.cfg.State, now)
	if len(got) != maxNetworks || got[networkKey()].Rung != proto.TCP8801 {
		t.Errorf("%d networks, here %v", len(got), got[networkKey()])
	}
	if _, ok := got["n0"]; !ok {
		t.Error("the newest of the others was forgotten")
	}
}

func TestTheZoneUsedLastIsOfOneSiteAndNetwork(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	of := func(dir, site string) *Client {
		c := &Client{cfg: Config{State: dir}}
		c.site, _ = url.Parse(site)
		return c
	}
	dir := t.TempDir()
	of(dir, "https://a").keepZone(now, "oslo")
	of(dir, "https://b").keepZone(now, "paris")
	of(dir, "https://a").keepNetwork(now, proto.TCP8801)
	of(dir, "https://a").keepZone(now.Add(time.Minute), "tokyo")
	for site, want := range map[string]string{"https://a": "tokyo", "https://b": "paris", "https://c": ""} {
		if got := lastZone(dir, site, now.Add(time.Hour)); got != want {
			t.Errorf("%s: %q, want %q", site, got, want)
		}
	}
	if got := lastZone(dir, "https://a", now.Add(25*time.Hour)); got != "" {
		t.Errorf("a day later: %q", got)
	}
	if got := lastNetwork(dir, now).Rung; got != proto.TCP8801 {
		t.Errorf("rung %q beside it", got)
	}
	b, _ := json.Marshal(networks{"other " + siteKey("https://a"): {Zone: "oslo", At: now}})
	dir = t.TempDir()
	os.WriteFile(networksFile(dir), b, 0o600)
	if got := lastZone(dir, "https://a", now); got != "" {
		t.Errorf("in another network: %q", got)
	}
}

// What one network's firewall does to long handshakes makes TLS no weaker elsewhere, nor for ever.
func TestClassicalTLSIsOfOneNetworkAndDay(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name string
		key  string
		ago  time.Duration
		want bool
	}{
		{"an hour ago", networkKey(), time.Hour, true},
		{"a day and an hour ago", networkKey(), 25 * time.Hour, false},
		{"in another network", "other", time.Hour, false},
	} {
		c := &Client{}
		c.cfg.State = t.TempDir()
		b, _ := json.Marshal(networks{tt.key: {Rung: proto.UDP8801, At: now.Add(-time.Minute), Classical: now.Add(-tt.ago)}})
		os.WriteFile(networksFile(c.cfg.State), b, 0o600)
		c.memory = remember(c.cfg.State, "https://h")
		if err := c.openWay(); err != nil {
			t.Fatal(err)
		}
		if got := c.host.Classical(); got != tt.want {
			t.Errorf("%s: classical %v, want %v", tt.name, got, tt.want)
		}
		if tt.want {
			c.keepClassical(now.Add(20 * time.Hour)) // used again: no news
			c.keepNetwork(now.Add(20*time.Hour), proto.TCP8801)
		}
		c.host.Close()
		if got := lastNetwork(c.cfg.State, now.Add(24*time.Hour)); !got.Classical.IsZero() {
			t.Errorf("%s: still known a day later", tt.name)
		}
	}
}
