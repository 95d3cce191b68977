package mmr

import (
	"fmt"
	"testing"

	"parley/wire/proto"
)

// TURN is rung TLS 443 and no other: it leads to no address that UDP has too.
func TestTURNLeadsToAPortOfItsOwn(t *testing.T) {
	got := relayedTo([]proto.Candidate{
		{Rung: proto.UDP8801, Addr: "192.0.2.1:8801"}, {Rung: proto.UDP8801, Addr: "192.0.2.1:443"},
		{Rung: proto.UDP8801, Addr: "[2001:db8::1]:8801"}, {Rung: proto.UDP8801, Addr: "name:8801"},
		{Rung: proto.TCP8801, Addr: "192.0.2.2:8801"}, {Rung: proto.TLS443, Addr: ":443"},
	})
	if want := "[192.0.2.1:49153 [2001:db8::1]:49153]"; fmt.Sprint(got) != want {
		t.Errorf("TURN leads to %v, want %s", got, want)
	}
}
