// Package geo says where on earth an address is, from a database the operator brings (MMDB, City
// shape: DB-IP Lite or GeoLite2). It is the only importer of the MMDB reader. No database is shipped;
// without one every address is nowhere, and zones are ranked without places.
package geo

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/oschwald/geoip2-golang/v2"
)

// DB locates addresses. A nil DB knows no place. Immutable once made; safe for concurrent use.
type DB struct {
	reader *geoip2.Reader
}

// Open reads the database at path. An empty path gives a nil DB and no error.
func Open(path string) (*DB, error) {
	if path == "" {
		return nil, nil
	}
	r, err := geoip2.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening geo database: %w", err)
	}
	db := &DB{reader: r}
	// A database of another shape (ASN, country only) opens all the same and would fail at each look.
	if _, err := r.City(netip.IPv4Unspecified()); err != nil {
		r.Close()
		return nil, fmt.Errorf("geo database has no places: %w", err)
	}
	return db, nil
}

// Close gives the file back. Nothing may be located after it.
func (db *DB) Close() error {
	if db == nil {
		return nil
	}
	return db.reader.Close()
}

// Locate is the place of an address: degrees north and east, and the country as two letters (ISO
// 3166-1), empty where only the place is known. ok is false where the database has no coordinates.
func (db *DB) Locate(addr netip.Addr) (lat, lon float64, country string, ok bool) {
	if db == nil || !addr.IsValid() {
		return 0, 0, "", false
	}
	c, err := db.reader.City(addr.Unmap().WithZone(""))
	if err != nil || c.Location.Latitude == nil || c.Location.Longitude == nil {
		return 0, 0, "", false
	}
	return *c.Location.Latitude, *c.Location.Longitude, c.Country.ISOCode, true
}

// Range sends the addresses of a prefix to a zone, whatever the database says: the ranges of an
// organisation whose zone stands inside its own network (S3).
type Range struct {
	Prefix netip.Prefix
	Zone   string
}

// Map finds the zone of an address by the longest prefix. Immutable once made; nil has no ranges.
type Map struct {
	ranges []Range // longest prefix first
}

// NewMap makes a map. An invalid prefix, an empty zone, or one prefix for two zones is an error.
func NewMap(ranges []Range) (*Map, error) {
	m := &Map{ranges: slices.Clone(ranges)}
	zones := make(map[netip.Prefix]string, len(ranges))
	for i, r := range m.ranges {
		if !r.Prefix.IsValid() || r.Zone == "" {
			return nil, fmt.Errorf("geo range %d: needs a prefix and a zone", i+1)
		}
		p := r.Prefix.Masked()
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if z, ok := zones[p]; ok && z != r.Zone {
			return nil, fmt.Errorf("geo range %v: in zone %q and in zone %q", p, z, r.Zone)
		}
		zones[p] = r.Zone
		m.ranges[i].Prefix = p
	}
	slices.SortStableFunc(m.ranges, func(a, b Range) int { return cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()) })
	return m, nil
}

// Zone is the zone of an address, "" where no range has it.
func (m *Map) Zone(addr netip.Addr) string {
	if m == nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	for _, r := range m.ranges {
		if r.Prefix.Contains(addr) {
			return r.Zone
		}
	}
	return ""
}
