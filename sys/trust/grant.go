package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"parley/wire/proto"
)

// GrantLife is how long a grant is good for a group's first check.
const GrantLife = 10 * time.Second

// Grant makes the grant that lets one participant of a meeting reach a router of this zone, with the
// ICE credentials of all groups under one fresh nonce. home says that the meeting lives there
// already, epoch which claim of it.
func (k ZoneKey) Grant(r proto.RouterAnnounce, meeting proto.MeetingID, seat proto.ParticipantID,
	home bool, epoch uint32, now time.Time) proto.Grant {
	expires := now.Add(GrantLife)
	t := Ticket{
		Router: RouterTag(r.ID), Meeting: MeetingTag(meeting), Participant: seat,
		// A ticket counts whole seconds; it must not end before the grant says so.
		Expires: expires.Add(time.Second - 1).Truncate(time.Second),
		Nonce:   binary.BigEndian.Uint32(randomBytes(4)),
	}
	g := proto.Grant{
		Router: r.ID, Zone: r.Zone, Meeting: meeting, Participant: seat, URL: r.URL,
		Candidates: r.Candidates, Fingerprint: r.Fingerprint, Marks: r.Marks,
		Expires: expires.UnixMilli(), Home: home, Epoch: epoch,
	}
	for t.Group = range proto.Group(proto.NGroups) {
		g.Groups = append(g.Groups, k.Credentials(t))
	}
	return g
}

// GrantSigner signs grants: one per controller, and one of the web infrastructure. Immutable; safe
// for concurrent use.
type GrantSigner struct {
	s *signer
}

// NewGrantSigner makes a signer with a fresh key. id is the server's; the key's id has part of the
// key's hash behind it, so a restarted server's grants are never checked with its former key.
func NewGrantSigner(id string) (*GrantSigner, error) {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a grant key: %w", err)
	}
	return grantSignerFrom(id, priv)
}

func grantSignerFrom(id string, priv ed25519.PrivateKey) (*GrantSigner, error) {
	s, err := newSigner(id, priv, typGrant)
	if err != nil {
		return nil, err
	}
	return &GrantSigner{s: s}, nil
}

// Sign makes the wire form of a grant.
func (g *GrantSigner) Sign(grant proto.Grant) (proto.SignedGrant, error) {
	t, err := g.s.sign(grant)
	return proto.SignedGrant(t), err
}

// Key verifies what Sign makes.
func (g *GrantSigner) Key() proto.SigningKey { return g.s.key }

// Grant checks the signature of a grant and returns it. The expiry is the holder's to look at, in
// server time. The error is a *proto.Error token_invalid.
func (v *Verifier) Grant(signed proto.SignedGrant) (proto.Grant, error) {
	body, err := v.open(string(signed), typGrant)
	if err != nil {
		return proto.Grant{}, invalid("this grant is not valid: " + err.Error())
	}
	return readGrant(body)
}

// ReadGrant returns the payload of a grant without verifying it, for those who got it over a channel
// they trust anyway (a page, or the router it names). The error is a *proto.Error token_invalid.
func ReadGrant(signed proto.SignedGrant) (proto.Grant, error) {
	j, err := parseJWS(string(signed), typGrant)
	if err != nil {
		return proto.Grant{}, invalid("this grant is not valid: " + err.Error())
	}
	return readGrant(j.UnsafePayloadWithoutVerification())
}

func readGrant(body []byte) (proto.Grant, error) {
	var g proto.Grant
	if err := json.Unmarshal(body, &g); err != nil {
		return proto.Grant{}, invalid("this grant is malformed")
	}
	return g, nil
}
