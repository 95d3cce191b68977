package join

import "strings"

// Family is what probes said of a family of addresses.
type Family uint8

// What is known of a family.
const (
	FamilyUnknown Family = iota // no probe went out, or none was waited for
	FamilyAnswers               // one came back
	FamilySilent                // none came back, though they had time enough in zones that answered over the other
)

// IPv6 is what probes said of it, which is worth remembering of a network.
func (m *Mind) IPv6() Family {
	known := FamilyUnknown
	for _, z := range m.zones.list {
		for _, p := range z.probes {
			if !strings.HasPrefix(p.addr, "[") || p.failed {
				continue
			}
			if p.rtt >= 0 {
				return FamilyAnswers
			}
			if p.dead && z.udpRTT() >= 0 {
				known = FamilySilent
			}
		}
	}
	return known
}
