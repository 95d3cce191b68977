package geo

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// testdata/city.mmdb is City-shaped: 10.1/16 and fd00:1::/32 in Paris, 10.2/16 in Taipei, 10.3/16 in
// New York, 10.4/16 in Germany without coordinates.

func TestLocate(t *testing.T) {
	db, err := Open("testdata/city.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct {
		addr     string
		lat, lon float64
		country  string
		ok       bool
	}{
		{"10.1.2.3", 48.85, 2.35, "FR", true},
		{"10.2.255.255", 25.04, 121.5, "TW", true},
		{"10.3.0.0", 40.7, -74, "US", true},
		{"::ffff:10.3.0.1", 40.7, -74, "US", true}, // v4-mapped
		{"fd00:1::9", 48.85, 2.35, "FR", true},
		{"10.4.0.1", 0, 0, "", false},  // a country is no place
		{"10.5.0.1", 0, 0, "", false},  // not in the database
		{"fd00:2::1", 0, 0, "", false}, // the same for IPv6
	} {
		lat, lon, country, ok := db.Locate(netip.MustParseAddr(c.addr))
		if lat != c.lat || lon != c.lon || country != c.country || ok != c.ok {
			t.Errorf("%s: got %v %v %q %v, want %v %v %q %v", c.addr, lat, lon, country, ok, c.lat, c.lon, c.country, c.ok)
		}
	}
	if _, _, _, ok := db.Locate(netip.Addr{}); ok {
		t.Error("no address has a place")
	}
}

func TestNoDatabase(t *testing.T) {
	db, err := Open("")
	if db != nil || err != nil {
		t.Fatalf("got %v, %v", db, err)
	}
	if _, _, _, ok := db.Locate(netip.MustParseAddr("10.1.2.3")); ok {
		t.Error("a place without a database")
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mmdb")
	if err := os.WriteFile(path, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".missing"} {
		if db, err := Open(p); err == nil {
			db.Close()
			t.Errorf("%s opened", p)
		}
	}
}

func TestMap(t *testing.T) {
	m, err := NewMap([]Range{
		{netip.MustParsePrefix("10.0.0.0/8"), "hq"},
		{netip.MustParsePrefix("10.9.1.2/16"), "lab"}, // host bits are ignored
		{netip.MustParsePrefix("2001:db8::/32"), "hq"},
		{netip.MustParsePrefix("::ffff:192.0.2.0/120"), "mapped"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"10.1.1.1": "hq", "10.9.200.1": "lab", "::ffff:10.9.0.1": "lab", "2001:db8::1": "hq", "192.0.2.9": "mapped",
		"11.0.0.1": "", "2001:db9::1": "",
	} {
		if got := m.Zone(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: zone %q, want %q", addr, got, want)
		}
	}
	if got := (*Map)(nil).Zone(netip.MustParseAddr("10.1.1.1")); got != "" {
		t.Errorf("no map gave zone %q", got)
	}
}

func TestMapRefuses(t *testing.T) {
	p := netip.MustParsePrefix("10.0.0.0/8")
	for name, ranges := range map[string][]Range{
		"no prefix": {{Zone: "z"}},
		"no zone":   {{Prefix: p}},
		"two zones": {{p, "a"}, {netip.MustParsePrefix("10.1.0.0/8"), "b"}},
	} {
		if _, err := NewMap(ranges); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewMap([]Range{{p, "a"}, {p, "a"}}); err != nil {
		t.Errorf("the same range twice: %v", err)
	}
}
