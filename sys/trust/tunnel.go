package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/wire/proto"
)

// TunnelLife is how long a tunnel token opens streams.
const TunnelLife = 15 * time.Minute

// SignTunnel makes a token for HTTP tunnels (S14): for one participant of a meeting, and the servers of the
// zones that may host it.
func (s *Site) SignTunnel(meeting proto.MeetingID, seat proto.ParticipantID, zones []string, now time.Time) (string, error) {
	c := proto.TunnelClaims{
		Issuer: s.id, Audience: []string{proto.TunnelAudience}, ID: encode64(randomBytes(16)), Meeting: meeting, Participant: seat,
		Zones: zones, Expires: now.Add(TunnelLife).Unix(),
	}
	if err := checkTunnel(c); err != nil {
		return "", fmt.Errorf("signing a tunnel token: %w", err)
	}
	return s.tunnels.sign(c)
}

// Tunnel checks a tunnel token: signature, form, audience and expiry (with Leeway). The error is a *proto.Error,
// token_invalid or token_expired.
func (v *Verifier) Tunnel(token string, now time.Time) (proto.TunnelClaims, error) {
	var c proto.TunnelClaims
	body, err := v.open(token, typTunnel)
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err == nil {
		err = checkTunnel(c)
	}
	if err != nil {
		return proto.TunnelClaims{}, invalid("this tunnel token is not valid: " + err.Error())
	}
	if now.After(time.Unix(c.Expires, 0).Add(Leeway)) {
		return proto.TunnelClaims{}, proto.NewError(proto.CodeTokenExpired, "this tunnel token has expired; look the meeting up again")
	}
	return c, nil
}

func checkTunnel(c proto.TunnelClaims) error {
	switch {
	case !slices.Contains(c.Audience, proto.TunnelAudience):
		return errors.New("not made for tunnels")
	case !ValidMeetingID(c.Meeting):
		return errors.New("no meeting")
	case c.Participant == 0 || c.Participant > proto.MaxParticipantID:
		return errors.New("no participant")
	case c.ID == "":
		return errors.New("no id")
	case len(c.Zones) == 0:
		return errors.New("no zones")
	case c.Expires <= 0:
		return errors.New("no expiry")
	}
	return nil
}
