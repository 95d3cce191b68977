// Package forward is the packet path of a multimedia router: it takes decrypted RTP packets in and
// gives descriptors of packets to send, one for each receiver that shows the source. It is pure: no
// clock, no goroutine, no socket. One goroutine owns a Shard; `now` comes with each call.
//
// # The story of a packet
//
// A participant's camera arrives as up to three streams, one for each simulcast layer. Admit copies
// the packet once into a reference-counted slab, finds what a router needs to know of it (sequence,
// key frame, audio level, codec fields) and puts it into the stream's history. The same history
// answers retransmission requests of all receivers, finds what the router itself must ask the sender
// for (Missing), and drops duplicates.
//
// A receiver shows a source through a leg: one of its slots, with a fixed SSRC. The Table says which
// legs follow a source and which layer each wants; it is topology only, immutable, and swapped in by
// Publish. What changes with each packet is in flat arrays indexed by handles. For every leg that
// follows, Admit decides: forward, hold until a key frame, switch now. It appends a Desc, which
// names slab, sequence number and time stamp; no byte is copied for it.
//
// The caller queues descriptors for each receiver, and at the moment of sending calls Write, which
// builds header and payload from the slab with the leg's own SSRC, sequence, time stamp and codec
// fields, and then Done. The source is named by the CSRC.
//
// # Sequence numbers
//
// A leg's numbers only move forward, and no number is ever given to two different packets: SRTP
// would seal both under one nonce. Each stretch of a leg that came from one stream at one offset is
// an interval; an interval is closed with the highest number it has used, and the next begins behind
// it. A late packet is sent under the number its interval has for it, once, or not at all. Holes of
// the source stay holes of the leg, so that the receiver asks for them; what the router leaves out on
// purpose is closed up. A retransmission has the leg's RTX SSRC and a number of its own (RFC 4588).
package forward
