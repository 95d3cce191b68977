package node

import (
	"fmt"
	"io"
	"slices"

	"parley/sys/monitor"
)

// debugPages show what an administrator asks first: which routers host what, and why packets were dropped.
func (n *Node) debugPages() []monitor.Page {
	if n.plane == nil {
		return nil
	}
	n.metrics.Reasons("parley_media_drops_total", "Media packets and transports that went no further, by reason.",
		func(add func(reason string, total uint64)) {
			for reason, count := range n.plane.Drops() {
				add(reason, count)
			}
		})
	n.metrics.Gauge("parley_media_seats", "Seats the media plane holds.", func() float64 { return float64(n.plane.Peers()) })
	return []monitor.Page{
		{Path: "drops", Title: "dropped packets by reason", Write: n.writeDrops},
		{Path: "routers", Title: "routers and their meetings", Write: n.writeRouters},
	}
}

func (n *Node) writeDrops(w io.Writer) {
	drops := n.plane.Drops()
	reasons := make([]string, 0, len(drops))
	for r := range drops {
		reasons = append(reasons, r)
	}
	slices.Sort(reasons)
	for _, r := range reasons {
		fmt.Fprintf(w, "%-16s %d\n", r, drops[r])
	}
}

func (n *Node) writeRouters(w io.Writer) {
	for _, r := range n.routers {
		a := r.Announcement()
		fmt.Fprintf(w, "%s  zone %s  load %.2f  people %d of %d  meetings %d of %d\n",
			a.ID, a.Zone, a.Load, a.People, a.MaxPeople, len(a.Meetings), a.MaxMeetings)
		for _, m := range a.Meetings {
			fmt.Fprintf(w, "  %s  people %d  epoch %d\n", m.ID, m.People, m.Epoch)
			for _, s := range r.Seats(m.ID) {
				fmt.Fprintf(w, "    participant %d  audio %s  video %s  content %s\n",
					s.Participant, orDash(s.Rungs[0]), orDash(s.Rungs[1]), orDash(s.Rungs[2]))
			}
		}
	}
}

func orDash[S ~string](s S) string {
	if s == "" {
		return "-"
	}
	return string(s)
}
