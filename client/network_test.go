package client

import (
	"encoding/json"
	"fmt"
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
		if got := lastRung(dir, now); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func entry(at time.Time) string {
	b, err := json.Marshal(networks{networkKey(): {proto.TLS443, at}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestFewNetworksAreKept(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	all := networks{}
	for i := range 2 * maxNetworks {
		all[fmt.Sprint("n", i)] = network{proto.UDP8801, now.Add(-time.Duration(i) * time.Minute)}
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
