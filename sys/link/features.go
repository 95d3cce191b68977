package link

import "sync/atomic"

// SocketBuffer is asked for in both directions, bytes: at 1 Gbit/s it covers a garbage collection and
// a scheduling delay of 60 ms together. The system may grant less; Features says how much.
const SocketBuffer = 8 << 20

// ReceiveLimit is the setting of the system that bounds what is granted without a privilege, as Linux calls it.
const ReceiveLimit = "net.core.rmem_max"

// Features is what the system granted one UDP socket.
type Features struct {
	GSO         bool // UDP_SEGMENT works on this socket, as far as is known by now
	GRO         bool // UDP_GRO is on: reads may give several datagrams as one message
	Batch       bool // one system call moves many datagrams
	Aside       bool // what can wait is set aside (NewPoller)
	GrantedRecv int  // receive buffer in bytes; 0 when the system does not say
	GrantedSend int  // send buffer in bytes; 0 when the system does not say
}

// Counters are one UDP socket's totals since it was bound.
type Counters struct {
	Received uint64 // datagrams handed up
	Sent     uint64 // datagrams handed to the system
	Skipped  uint64 // messages the system refused for themselves alone
	Split    uint64 // trains of segments the system refused, sent one datagram at a time
	Overflow uint64 // datagrams the system dropped because nobody read them in time (SO_RXQ_OVFL)
}

// meter is the shared half of Counters, written once per batch.
type meter struct{ received, sent, skipped, split, overflow atomic.Uint64 }

func (m *meter) counters() Counters {
	return Counters{
		Received: m.received.Load(), Sent: m.sent.Load(),
		Skipped: m.skipped.Load(), Split: m.split.Load(), Overflow: m.overflow.Load(),
	}
}

// MergeBufLen is the room a message needs on a socket that merges, in bytes: a datagram's worth.
const MergeBufLen = 1 << 16

// Merge asks the system to hand datagrams of one peer and size up as one message with Segment set
// (UDP_GRO), which saves most of the cost of receiving a frame. The reader must offer MergeBufLen bytes
// for each message, or merged datagrams are cut. False: the socket does not do it.
func Merge(c PacketConn) bool {
	m, ok := c.(interface{ merge(on bool) bool })
	return ok && m.merge(true)
}

// Unmerge ends what Merge has begun.
func Unmerge(c PacketConn) {
	if m, ok := c.(interface{ merge(on bool) bool }); ok {
		m.merge(false)
	}
}

// FeaturesOf tells what the system granted c; false when c is not a socket of the real host.
func FeaturesOf(c PacketConn) (Features, bool) {
	if f, ok := c.(interface{ features() Features }); ok {
		return f.features(), true
	}
	return Features{}, false
}

// CountersOf reads c's totals; false when c is not a socket of the real host.
func CountersOf(c PacketConn) (Counters, bool) {
	if f, ok := c.(interface{ counters() Counters }); ok {
		return f.counters(), true
	}
	return Counters{}, false
}
