package join

import (
	"testing"

	"parley/wire/proto"
)

// S9: the zone used last is kept unless another is ten milliseconds and a third better, however the zones are told
// apart: over UDP an answer comes ten milliseconds later then, from a controller thirty.
func TestTheLastZoneIsKeptForLittle(t *testing.T) {
	for _, how := range []struct {
		name    string
		granted bool
		udp     bool
	}{{"udp", true, true}, {"controllers", false, true}, {"controllers-alone", false, false}, {"controllers-alone-granted", true, false}} {
		for _, tt := range []struct {
			further float64 // the last zone, ms
			want    string
		}{{5, "b"}, {9, "b"}, {11, "a"}, {60, "a"}} {
			zones := []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0)}
			var grants []string
			if how.granted {
				grants = []string{"a", "b"}
			}
			w := granted(t, Config{LastZone: "b"}, zones, grants...)
			w.rtt["https://b/a"], w.udp["b:8801"] = 20+tt.further, 20+tt.further
			if !how.udp {
				clear(w.udp)
			}
			w.run(3000)
			w.wantState(In)
			if got := w.m.Grant().Zone; got != tt.want {
				t.Errorf("%s, the last zone %v ms further: %s, want %s\n%s", how.name, tt.further, got, tt.want, w.lines())
			}
			if tt.further == 9 {
				w.record("last-zone-kept-" + how.name)
			}
		}
	}
}
