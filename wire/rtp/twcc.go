package rtp

import (
	"encoding/binary"
	"time"
)

// Units of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
const (
	feedbackReference = 64 * time.Millisecond
	feedbackDelta     = 250 * time.Microsecond
	// MaxFeedbackCount is the most packets one feedback can report on.
	MaxFeedbackCount = 1<<16 - 1
)

// Symbols of a packet status chunk.
const (
	symbolLost  = 0
	symbolSmall = 1 // one byte of delta
	symbolLarge = 2 // two bytes, signed
)

// TransportFeedback is a parsed transport-wide feedback message: the head, and a cursor over the
// packets it reports on. Not safe for concurrent use; a copy walks on its own.
type TransportFeedback struct {
	Sender, Media uint32
	Base          Seq   // first packet reported on
	Count         int   // how many
	Number        uint8 // of this feedback, wraps

	chunks, deltas []byte
	left           int // packets not yet walked
	at             time.Duration
	next           Seq
	chunk          uint16
	inChunk        int // symbols left in chunk
}

// Arrival is what a feedback says of one packet.
type Arrival struct {
	Seq      Seq
	Received bool
	At       time.Duration // on the reporter's clock, which wraps at 2^24 · 64 ms
}

// TransportFeedback reads a transport-wide feedback. Its chunks are checked to be all there; missing
// deltas end the walk early.
func (p RTCP) TransportFeedback() (f TransportFeedback, ok bool) {
	if p.Type != TypeRTPFB || p.Count != FormatTransportFeedback || len(p.Body) < 16 {
		return f, false
	}
	b := p.Body
	f = TransportFeedback{
		Sender: binary.BigEndian.Uint32(b),
		Media:  binary.BigEndian.Uint32(b[4:]),
		Base:   Seq(binary.BigEndian.Uint16(b[8:])),
		Count:  int(binary.BigEndian.Uint16(b[10:])),
		Number: b[15],
	}
	f.at = time.Duration(binary.BigEndian.Uint32(b[12:])>>8) * feedbackReference
	f.next, f.left = f.Base, f.Count
	rest := b[16:]
	for n := 0; n < f.Count; {
		if len(rest) < 2 {
			return TransportFeedback{}, false
		}
		n += chunkLen(binary.BigEndian.Uint16(rest))
		rest = rest[2:]
	}
	f.chunks, f.deltas = b[16:len(b)-len(rest)], rest
	return f, true
}

// chunkLen is how many symbols a chunk holds. A run of length 0 is legal and holds none.
func chunkLen(c uint16) int {
	switch {
	case c&0x8000 == 0:
		return int(c & 0x1fff)
	case c&0x4000 == 0:
		return 14
	}
	return 7
}

// Next is the next packet of the report. ok is false at the end, and where the message ends too soon.
func (f *TransportFeedback) Next() (a Arrival, ok bool) {
	if f.left == 0 {
		return a, false
	}
	for f.inChunk == 0 {
		if len(f.chunks) < 2 {
			return a, false
		}
		f.chunk = binary.BigEndian.Uint16(f.chunks)
		f.chunks = f.chunks[2:]
		f.inChunk = chunkLen(f.chunk)
	}
	f.inChunk--
	var symbol uint16
	switch {
	case f.chunk&0x8000 == 0:
		symbol = f.chunk >> 13 & 3
	case f.chunk&0x4000 == 0:
		symbol = f.chunk >> f.inChunk & 1
	default:
		symbol = f.chunk >> (2 * f.inChunk) & 3
	}
	a.Seq = f.next
	switch symbol {
	case symbolSmall:
		if len(f.deltas) < 1 {
			f.left = 0
			return Arrival{}, false
		}
		f.at += time.Duration(f.deltas[0]) * feedbackDelta
		f.deltas = f.deltas[1:]
		a.Received, a.At = true, f.at
	case symbolLarge:
		if len(f.deltas) < 2 {
			f.left = 0
			return Arrival{}, false
		}
		f.at += time.Duration(int16(binary.BigEndian.Uint16(f.deltas))) * feedbackDelta
		f.deltas = f.deltas[2:]
		a.Received, a.At = true, f.at
	}
	f.next = f.next.Next()
	f.left--
	return a, true
}

// NotReceived marks a lost packet in the list for AppendTransportFeedback.
const NotReceived time.Duration = -1

// AppendTransportFeedback adds a feedback on the packets base, base+1, …: at[i] is when packet base+i
// arrived on any clock that starts at or after 0, or NotReceived. It returns how many it could take:
// fewer than len(at) where two arrivals lie more than 8 s apart or more than maxCount are given; call
// again for the rest with the next number. Nothing is added and n counts all where none arrived.
func AppendTransportFeedback(dst []byte, sender, media uint32, number uint8, base Seq, at []time.Duration) (out []byte, n int) {
	at = at[:min(len(at), maxCount)]
	first := 0
	for first < len(at) && at[first] < 0 {
		first++
	}
	if first == len(at) {
		return dst, len(at)
	}
	start := len(dst)
	reference := at[first] / feedbackReference
	dst = appendRTCPHeader(dst, FormatTransportFeedback, TypeRTPFB, 0)
	dst = binary.BigEndian.AppendUint32(dst, sender)
	dst = binary.BigEndian.AppendUint32(dst, media)
	dst = binary.BigEndian.AppendUint16(dst, uint16(base))
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(reference)<<8|uint32(number))

	var symbols [maxCount]uint8
	var ticks [maxCount]int16
	last := int64(reference) * int64(feedbackReference/feedbackDelta)
	for n < len(at) {
		if at[n] < 0 {
			symbols[n] = symbolLost
			n++
			continue
		}
		// Each arrival is rounded by itself and the difference taken, so that no error adds up.
		tick := int64(at[n] / feedbackDelta)
		d := tick - last
		if d != int64(int16(d)) {
			break
		}
		symbols[n], ticks[n] = symbolSmall, int16(d)
		if d < 0 || d > 255 {
			symbols[n] = symbolLarge
		}
		last = tick
		n++
	}
	binary.BigEndian.PutUint16(dst[start+14:], uint16(n))
	dst = appendChunks(dst, symbols[:n])
	for i := range n {
		switch symbols[i] {
		case symbolSmall:
			dst = append(dst, byte(ticks[i]))
		case symbolLarge:
			dst = binary.BigEndian.AppendUint16(dst, uint16(ticks[i]))
		}
	}
	return endRTCP(dst, start), n
}

// maxCount bounds one feedback we build so that it fits a datagram of 1200 bytes whatever it says:
// at worst two bytes of delta and 2/7 of chunk each.
const maxCount = 480

// appendChunks codes symbols as the draft's section 3.1.2 to 3.1.4: a run where it is longer than what
// a vector holds, else a vector of 14 one-bit or 7 two-bit symbols.
func appendChunks(dst []byte, symbols []uint8) []byte {
	for len(symbols) > 0 {
		run := 1
		for run < len(symbols) && run < 1<<13-1 && symbols[run] == symbols[0] {
			run++
		}
		nearest := symbols[:min(len(symbols), 14)]
		wide := false
		for _, s := range nearest {
			wide = wide || s == symbolLarge
		}
		switch {
		case run >= 14 || wide && run >= 7 || run == len(symbols):
			dst = binary.BigEndian.AppendUint16(dst, uint16(symbols[0])<<13|uint16(run))
			symbols = symbols[run:]
		case !wide:
			c := uint16(0x8000)
			for i, s := range nearest {
				c |= uint16(s) << (13 - i)
			}
			dst = binary.BigEndian.AppendUint16(dst, c)
			symbols = symbols[len(nearest):]
		default:
			nearest = symbols[:min(len(symbols), 7)]
			c := uint16(0xc000)
			for i, s := range nearest {
				c |= uint16(s) << (12 - 2*i)
			}
			dst = binary.BigEndian.AppendUint16(dst, c)
			symbols = symbols[len(nearest):]
		}
	}
	return dst
}
