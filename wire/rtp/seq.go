package rtp

import "time"

// Seq is a 16-bit RTP sequence number. It wraps, so it has no < : use Less and Diff.
type Seq uint16

// Less reports whether s comes before t on the shorter way round the circle (RFC 1982). Two numbers
// exactly half the circle apart are each "less" than the other, as RFC 1982 leaves them undefined.
func (s Seq) Less(t Seq) bool { return int16(s-t) < 0 }

// Diff is how many steps s is after t, negative when it is before.
func (s Seq) Diff(t Seq) int16 { return int16(s - t) }

// Next is the following number.
func (s Seq) Next() Seq { return s + 1 }

// Time is a 32-bit RTP time stamp in ticks of the stream's clock. It wraps.
type Time uint32

// Less reports whether t comes before u on the shorter way round the circle.
func (t Time) Less(u Time) bool { return int32(t-u) < 0 }

// Diff is how many ticks t is after u, negative when it is before.
func (t Time) Diff(u Time) int32 { return int32(t - u) }

// Ticks is the length of d in ticks of a clock of rate Hz, rounded down.
func Ticks(d time.Duration, rate uint32) int64 {
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	return sec*int64(rate) + rest*int64(rate)/int64(time.Second)
}

// Unwrapper turns sequence numbers into an unbroken count, whose low 16 bits are the number itself.
// The zero value is ready; the first number counts from itself, so earlier ones may come out negative.
type Unwrapper struct {
	top     int64
	started bool
}

// Unwrap places s within half a circle of the highest number seen, and moves that forward.
func (u *Unwrapper) Unwrap(s Seq) int64 {
	x := u.Peek(s)
	if !u.started || x > u.top {
		u.top, u.started = x, true
	}
	return x
}

// Peek is Unwrap without moving anything.
func (u *Unwrapper) Peek(s Seq) int64 {
	if !u.started {
		return int64(s)
	}
	return u.top + int64(s.Diff(Seq(u.top)))
}

// Top is the highest count so far, and whether there is one.
func (u *Unwrapper) Top() (int64, bool) { return u.top, u.started }

// ntpEpoch is 1900-01-01 in seconds before 1970 (RFC 5905 figure 4).
const ntpEpoch = 2208988800

// NTP is t as a 64-bit NTP time stamp: seconds since 1900 in the upper half, the fraction in the lower.
func NTP(t time.Time) uint64 {
	sec := uint64(t.Unix() + ntpEpoch)
	frac := uint64(t.Nanosecond()) << 32 / uint64(time.Second)
	return sec<<32 | frac
}

// FromNTP is the reverse of NTP, for time stamps of the era that began in 1900 (until 2036) and the
// one after it: the first bit tells them apart, as RFC 4330 section 3 has it.
func FromNTP(n uint64) time.Time {
	sec := int64(n >> 32)
	if sec&0x80000000 == 0 {
		sec += 1 << 32
	}
	nsec := int64((n & 0xffffffff) * uint64(time.Second) >> 32)
	return time.Unix(sec-ntpEpoch, nsec)
}

// MiddleNTP is the middle 32 bits of an NTP time stamp: what LSR carries and DLSR counts in, units of
// 1/65536 s (RFC 3550 section 6.4.1).
func MiddleNTP(n uint64) uint32 { return uint32(n >> 16) }

// Short is d in the 16.16 seconds of DLSR (RFC 3550 section 6.4.1); negative is 0.
func Short(d time.Duration) uint32 {
	if d < 0 {
		return 0
	}
	return uint32(int64(d/time.Second)<<16 + int64(d%time.Second)<<16/int64(time.Second))
}

// FromShort is the reverse of Short.
func FromShort(v uint32) time.Duration {
	return time.Duration(int64(v) * int64(time.Second) >> 16)
}
