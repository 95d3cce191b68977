package node

import (
	"crypto/x509"
	"fmt"

	"parley/sys/bus"
	"parley/sys/trust"
	"parley/wire/proto"
)

// permit says what an enrolled server may do on the bus (design §6): speak for its own zone, ask for its
// own zone's keys, claim and report meetings, renew its certificate; not listen in on other zones, and not place tombstones or
// announcements in their name. A role without a use for the bus yet gets nothing.
func permit(c *x509.Certificate) (bus.Permissions, bool) {
	role, zone := trust.ServerOf(c)
	if role == "tunnel" {
		return bus.Permissions{
			Publish:   []string{fmt.Sprintf(proto.SubjectTunnel, c.Subject.CommonName), proto.SubjectSite, proto.SubjectRenew},
			Subscribe: []string{fmt.Sprintf(proto.SubjectRouter, "*", "*"), fmt.Sprintf(proto.SubjectController, "*", "*")},
		}, bus.ValidID(c.Subject.CommonName)
	}
	if zone == "" {
		return bus.Permissions{}, false
	}
	ofZone := func(subject string, more ...any) string { return fmt.Sprintf(subject, append([]any{zone}, more...)...) }
	router := bus.Permissions{
		Publish: []string{
			ofZone(proto.SubjectRouter, "*"), ofZone(proto.SubjectKeys), fmt.Sprintf(proto.SubjectGrant, "*"),
			proto.SubjectClaim, proto.SubjectEnded, proto.SubjectRevoke, proto.SubjectRenew,
		},
		Subscribe: []string{
			fmt.Sprintf(proto.SubjectCommand, "*"), fmt.Sprintf(proto.SubjectPingRouter, "*"), proto.SubjectRevoke,
			ofZone(proto.SubjectRollCall),
		},
	}
	switch role {
	case "mmr":
		return router, true
	case "zone": // a controller, and a router beside it (S18)
		router.Publish = append(router.Publish,
			ofZone(proto.SubjectController, "*"), ofZone(proto.SubjectRollCall), proto.SubjectHome, fmt.Sprintf(proto.SubjectPingRouter, "*"))
		router.Subscribe = append(router.Subscribe, ofZone(proto.SubjectRouter, "*"), ofZone(proto.SubjectGrant))
		return router, true
	}
	return bus.Permissions{}, false
}
