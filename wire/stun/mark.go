package stun

// AttrMark is Parley's own: with which DSCP code points (S12) a zone probe and its answer travelled. Who does not
// know it leaves it unanswered.
const AttrMark Attr = 0xC0D5

// MarkUnknown stands for a code point that the receiver's system does not tell.
const MarkUnknown = 255

// Mark appends MARK: two code points, 0 to 63 or MarkUnknown. In a request the first is the one wished for the
// answer; in the answer they are the one that the request arrived with, and the one the answer is sent with.
func (b *Builder) Mark(first, second uint8) { b.Attr(AttrMark, []byte{first, second, 0, 0}) }

// MarkLen is what MARK takes of a message, bytes.
const MarkLen = 8

// Mark is the value of MARK.
func (m Message) Mark() (first, second uint8, ok bool) {
	v, ok := m.Get(AttrMark)
	if !ok || len(v) != 4 {
		return 0, 0, false
	}
	return v[0], v[1], true
}
