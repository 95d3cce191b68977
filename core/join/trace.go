package join

import (
	"encoding/json"
	"fmt"
)

// EncodeEvent is the form of an event in traces: its fields with "is" in front.
func EncodeEvent(e Event) ([]byte, error) { return encode("is", e.Name(), e) }

// EncodeAction is the form of an action in traces: its fields with "do" in front.
func EncodeAction(a Action) ([]byte, error) { return encode("do", a.Name(), a) }

func encode(key, name string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", name, err)
	}
	out := fmt.Appendf(nil, `{"%s":"%s"`, key, name)
	if len(body) > 2 {
		out = append(out, ',')
	}
	return append(out, body[1:]...), nil
}

// DecodeEvent reads what EncodeEvent wrote.
func DecodeEvent(b []byte) (Event, error) {
	var head struct {
		Is string `json:"is"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("decoding event: %w", err)
	}
	switch head.Is {
	case "start":
		return decodeAs[Start](b)
	case "lookup_done":
		return decodeAs[LookupDone](b)
	case "lookup_failed":
		return decodeAs[LookupFailed](b)
	case "asking":
		return decodeAs[Asking](b)
	case "asked":
		return decodeAs[Asked](b)
	case "ping_done":
		return decodeAs[PingDone](b)
	case "ping_failed":
		return decodeAs[PingFailed](b)
	case "probe_done":
		return decodeAs[ProbeDone](b)
	case "probe_failed":
		return decodeAs[ProbeFailed](b)
	case "tunnel_up":
		return decodeAs[TunnelUp](b)
	case "tunnel_failed":
		return decodeAs[TunnelFailed](b)
	case "route_done":
		return decodeAs[RouteDone](b)
	case "route_failed":
		return decodeAs[RouteFailed](b)
	case "control_stands":
		return decodeAs[ControlStands](b)
	case "control_up":
		return decodeAs[ControlUp](b)
	case "welcomed":
		return decodeAs[Welcomed](b)
	case "waiting_room":
		return decodeAs[WaitingRoom](b)
	case "refused":
		return decodeAs[Refused](b)
	case "control_lost":
		return decodeAs[ControlLost](b)
	case "transport_up":
		return decodeAs[TransportUp](b)
	case "transport_failed":
		return decodeAs[TransportFailed](b)
	case "transport_lost":
		return decodeAs[TransportLost](b)
	case "path_carries":
		return decodeAs[PathCarries](b)
	case "path_answers":
		return decodeAs[PathAnswers](b)
	case "path_silent":
		return decodeAs[PathSilent](b)
	case "path_heard":
		return decodeAs[PathHeard](b)
	case "path_moved":
		return decodeAs[PathMoved](b)
	case "path_loss":
		return decodeAs[PathLoss](b)
	case "need_content":
		return decodeAs[NeedContent](b)
	case "network_changed":
		return decodeAs[NetworkChanged](b)
	case "leave":
		return decodeAs[Leave](b)
	case "tick":
		return decodeAs[Tick](b)
	}
	return nil, fmt.Errorf("unknown event %q", head.Is)
}

func decodeAs[E Event](b []byte) (Event, error) {
	var e E
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("decoding event %s: %w", e.Name(), err)
	}
	return e, nil
}
