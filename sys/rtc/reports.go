package rtc

import "time"

// A report (SRTCP) costs as much as forwarding several packets, and whoever has keys can make them without end.
// An honest receiver says little of its own accord: feedback twenty times a second, a report, a wish for a key
// frame. The rest are requests for what was lost, and those follow what is sent: browsers ask as soon as a gap
// shows and for each stream by itself, which at 30 % loss in 25 pictures is one for every four packets sent. So the
// allowance is 200 a second and one for every two packets sent, of which a second's may be saved up: what a path
// held back arrives at once.
//
// Only what was authentic is charged, so nobody can use up another's allowance; what is beyond it is
// not opened.
const (
	reportCost  = 5 * time.Millisecond // of time
	reportEarns = reportCost / 2       // by a packet sent
	reportSaves = time.Second
)

// allowance is what a transport may still say, in time. Owned by the goroutine of the Mux.
type allowance struct {
	left    time.Duration
	at      time.Time
	sent    uint32 // packets sealed in all
	counted uint32 // of those, by at
}

// more says whether one more report may be opened.
func (a *allowance) more(now time.Time) bool {
	passed := min(max(now.Sub(a.at), 0), reportSaves)
	a.left = min(a.left+passed+time.Duration(a.sent-a.counted)*reportEarns, reportSaves)
	a.at, a.counted = now, a.sent
	return a.left >= reportCost
}
