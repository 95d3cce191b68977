// Package rtp reads and writes RTP and RTCP (RFC 3550) and the payload facts a router decides by, as
// views over []byte: a parsed header holds offsets, not copies, and parsing allocates nothing.
//
// Every parser takes what a peer sent: it checks lengths before it reads and answers with an error or
// false, never a panic. Every builder is an Append: it grows the caller's buffer and returns it.
// Sequence numbers and time stamps wrap, and have types that know it.
package rtp
