package srtp

import "parley/sys/cache"

// Fetch asks for what the next packet, of RTP or of RTCP, needs of the Context (see cache.Fetch), which must
// be near itself; and a moment later FetchKeys for what those point at.
func (c *Context) Fetch(rtcp bool) {
	cache.Fetch(c.last, 2)
	if rtcp {
		cache.Fetch(c.rtcp, 2)
	} else {
		cache.Fetch(c.rtp, 2)
	}
}

// Where crypto/cipher keeps the key schedule and the table of multiples, in bytes and lines of its object.
// Were they elsewhere, the fetch would be of no use, and do no harm.
const (
	schedule, scheduleLines  = 0, 3
	multiples, multipleLines = 448, 5
)

// FetchKeys is the second step of Fetch.
func (c *Context) FetchKeys(rtcp bool) {
	s := c.rtp
	if rtcp {
		s = c.rtcp
	}
	if s == nil || s.gcm == nil {
		return
	}
	cache.FetchAt(s.gcm, schedule, scheduleLines)
	cache.FetchAt(s.gcm, multiples, multipleLines)
}
