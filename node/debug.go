package node

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"parley/mmr"
	"parley/sys/monitor"
	"parley/wire/proto"
)

// debugPages show what an administrator asks first: which routers host what, and why packets were dropped.
func (n *Node) debugPages() []monitor.Page {
	if n.tunnel != nil {
		n.metrics.Reasons("parley_tunnel_refused_total", "What the tunnel refused or ended, by reason.", func(add func(reason string, total uint64)) {
			for reason, count := range n.tunnel.Refused() {
				add(reason, count)
			}
		})
	}
	n.frontReasons()
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
	n.metrics.Gauge("parley_media_holding_shards", "Shards with so much to send that packets wait for others to the same receiver.",
		func() float64 { return float64(n.plane.Holding()) })
	n.socketGauges()
	return []monitor.Page{
		{Path: "drops", Title: "dropped packets by reason", Write: n.writeDrops},
		{Path: "routers", Title: "routers and their meetings", Write: n.writeRouters},
		{Path: "seats", Title: "the same for programs: every seat's paths, in JSON", Write: n.writeSeats},
	}
}

// frontReasons tell what became of connections to 443 that were neither pages nor TURN, and of requests that can't be
// read.
func (n *Node) frontReasons() {
	n.metrics.Reasons("parley_front_refused_total", "Connections and requests to the HTTPS port that were closed unserved, by reason.",
		func(add func(reason string, total uint64)) {
			if total := n.unread.Total(); total > 0 {
				add("unreadable", total)
			}
			if n.demux == nil {
				return
			}
			c := n.demux.Counters()
			add("silent", c.Silent)
			add("full", c.Full)
			add("stun", c.Refused)
		})
}

// socketGauges tell what the system does for the media sockets: 1 where it does, 0 where not.
func (n *Node) socketGauges() {
	gauge := func(name, help string, read func(mmr.Sockets) float64) {
		n.metrics.Gauge(name, help, func() float64 {
			s, _ := n.plane.Sockets()
			return read(s)
		})
	}
	flag := func(name, help string, read func(mmr.Sockets) bool) {
		gauge(name, help, func(s mmr.Sockets) float64 {
			if read(s) {
				return 1
			}
			return 0
		})
	}
	flag("parley_media_gso", "Whether a receiver's packets leave as one send.", func(s mmr.Sockets) bool { return s.GSO })
	flag("parley_media_gro", "Whether a sender's packets arrive as one.", func(s mmr.Sockets) bool { return s.GRO })
	flag("parley_media_aside", "Whether datagrams that can wait wake nobody.", func(s mmr.Sockets) bool { return s.Aside })
	gauge("parley_media_receive_buffer_bytes", "The media socket's receive buffer.", func(s mmr.Sockets) float64 { return float64(s.Receive) })
	n.metrics.Gauge("parley_media_kept_bytes", "Memory of kept packets and of room to receive them, outside the collector's heap.",
		func() float64 { return float64(n.plane.Kept()) })
	gauge("parley_media_overflow", "Datagrams lost so far because the media socket was not read in time.", func(s mmr.Sockets) float64 { return float64(s.Overflow) })
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

// seat is one line of the page for programs.
type seat struct {
	Router  string          `json:"router"`
	Zone    string          `json:"zone"`
	Meeting proto.MeetingID `json:"meeting"`
	mmr.SeatInfo
}

// writeSeats is the routers' own record of paths, which laboratories compare with what clients say.
func (n *Node) writeSeats(w io.Writer) {
	seats := []seat{}
	for _, r := range n.routers {
		a := r.Announcement()
		for _, m := range a.Meetings {
			for _, s := range r.Seats(m.ID) {
				seats = append(seats, seat{a.ID, a.Zone, m.ID, s})
			}
		}
	}
	if err := json.NewEncoder(w).Encode(seats); err != nil {
		fmt.Fprintln(w, err)
	}
}

func orDash[S ~string](s S) string {
	if s == "" {
		return "-"
	}
	return string(s)
}
