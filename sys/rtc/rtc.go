// Package rtc makes and keeps media transports: ICE, DTLS and SRTP over any link, both ends.
//
// A Mux is the server's end: ICE-lite, all transports of one shard, told apart by the first byte
// (RFC 7983), then by the user name of a STUN check, then by address. A Conn is the client's end of one
// transport. DTLS is pion's, version 1.2; STUN and SRTP are our own.
package rtc

import "time"

// The clocks of a server transport.
const (
	// checksLost and mediaLost together end a transport: no valid check for the one and no authenticated
	// packet for the other. Browsers check every 2.5 s (RFC 7675 §5.1), clients report every 500 ms.
	checksLost = 10 * time.Second
	mediaLost  = 5 * time.Second
	// setupLost ends a transport that is checked but never keyed.
	setupLost = 30 * time.Second
	// handshakeTimeout bounds one DTLS handshake; the next ClientHello starts another.
	handshakeTimeout = 10 * time.Second
	// handshakeSoon is how long most take at most: three round trips.
	handshakeSoon = time.Second
	// maxHandshakes bounds how often one transport may try.
	maxHandshakes = 5
	// forgivenAfter is how long a transport has had keys when the tries that led to another in its place are forgotten.
	forgivenAfter = time.Second
	// seatHandshakes bounds those of one seat under way: two peer connections of three transports each.
	seatHandshakes = 6
	// dtlsKept is how long DTLS state answers retransmissions once keys stand, unless SRTP, which proves
	// that the peer has finished, comes first.
	dtlsKept = 30 * time.Second
	// flightInterval is DTLS's first retransmission; doubled each time (RFC 6347 §4.2.4.1).
	flightInterval = 150 * time.Millisecond
	// heldFor is how long a ClientHello that overtook its check is kept.
	heldFor = 100 * time.Millisecond
	// rebindQuiet is how long a path's media must have been silent before a check for another transport
	// may take its address. Browsers reuse ports within seconds; a replayed check must not cut anybody off.
	rebindQuiet = time.Second
	// pollEvery is the finest grain of Tick.
	pollEvery = 50 * time.Millisecond
)

// The sizes a server transport may reach.
const (
	maxPaths      = 24 // addresses of one transport: a client's routes over UDP, as many over TCP, TLS, and some it has left
	maxHeld       = 64 // addresses with datagrams that overtook their check
	heldPerAddr   = 2  // a ClientHello of a browser is always two datagrams
	maxHeldLen    = 1500
	amplification = 3  // bytes to an unproven path per byte received there (RFC 9000 §8 uses the same)
	pipeLen       = 32 // datagrams waiting for one DTLS handshake
	maxDTLSLen    = 1200
)

// Reason says why a datagram was dropped or a transport ended.
type Reason uint8

// The reasons. Those up to ReasonStrays are for datagrams, the others for transports.
const (
	ReasonNone        Reason = iota
	ReasonMalformed          // neither STUN, DTLS, RTP nor RTCP, or cut short
	ReasonUnknownUser        // a check whose user name nobody admits
	ReasonIntegrity          // a check without the right password
	ReasonBusyAddress        // a check from an address another transport's media still uses
	ReasonUnknownAddr        // DTLS or SRTP from an address that was never checked
	ReasonHeldFull           // DTLS ahead of its check, with no room to hold it
	ReasonHeldExpired        // DTLS held, and no check came
	ReasonProbeSmall         // a probe too small for an answer that is no larger
	ReasonProbeLimit         // too many probes from one network
	ReasonAmplify            // would have sent an unproven path more than three times what it sent
	ReasonHandshakes         // too many handshakes under way
	ReasonSeat               // a handshake left for a newer one of its seat
	ReasonBadDTLS            // DTLS that can't begin a handshake, or in clear after it
	ReasonQueue              // a handshake's queue was full
	ReasonNoPath             // DTLS to send, and no path to send it on
	ReasonNoKeys             // SRTP before the keys
	ReasonUnreleased         // SRTP before Release
	ReasonAuth               // SRTP whose tag did not verify
	ReasonReplay             // SRTP seen before, or too old to tell
	ReasonStreams            // SRTP with one SSRC too many
	ReasonReports            // SRTCP beyond what its sender may say, not opened
	ReasonStrays             // SRTP from an unknown address of a host from which too much of it comes, not looked for
	ReasonClosed             // closed by its owner
	ReasonPeerClosed         // the peer said close_notify
	ReasonAnew               // the peer has begun anew with another peer connection
	ReasonLost               // no consent and no media for too long
	ReasonHandshake          // no DTLS handshake came to an end
	ReasonShutdown           // the Mux was closed
	nReasons
)

var reasonNames = [nReasons]string{"none", "malformed", "unknown user", "integrity", "busy address", "unknown address",
	"held full", "held expired", "probe too small", "probe limit", "amplification", "handshakes full", "handshake replaced", "bad dtls",
	"queue full", "no path", "no keys", "unreleased", "authentication", "replay", "streams", "reports", "strays", "closed", "peer closed",
	"begun anew", "lost", "handshake failed", "shutdown"}

// String is the name used in logs, metrics and test failures.
func (r Reason) String() string {
	if r < nReasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Counters is what a Mux has done since it was made.
type Counters struct {
	Datagrams  uint64 // received
	Checks     uint64 // valid STUN checks
	Probes     uint64 // zone probes answered
	Packets    uint64 // SRTP and SRTCP packets handed up
	Handshakes uint64 // DTLS handshakes started
	Failed     uint64 // DTLS handshakes that came to nothing
	Moves      uint64 // send paths moved
	Transports int    // now
	Dropped    [nReasons]uint64
}

// DroppedFor is the number of datagrams dropped for a reason.
func (c Counters) DroppedFor(r Reason) uint64 { return c.Dropped[r] }
