package rtp

import "encoding/binary"

// Dependency is a parsed dependency descriptor (AV1 RTP specification appendix A): the mandatory three
// bytes, and whether a template structure came with them.
type Dependency struct {
	Start        bool   // first packet of a frame
	End          bool   // last packet of a frame
	Template     uint8  // 0 to 63
	Frame        uint16 // frame number, wraps
	HasStructure bool   // only on the first packet of a key frame
}

// Structure is what is kept of a template structure: which spatial and temporal layer a frame of each
// template belongs to. The zero value knows none.
type Structure struct {
	Targets int // decode targets

	offset uint8
	n      int
	layers [64]layerID
}

type layerID struct{ spatial, temporal uint8 }

// Layer is the spatial and temporal layer of a template. ok is false when the structure does not have it.
func (s *Structure) Layer(template uint8) (spatial, temporal uint8, ok bool) {
	i := int((template - s.offset) & 63)
	if i >= s.n {
		return 0, 0, false
	}
	return s.layers[i].spatial, s.layers[i].temporal, true
}

// ParseDependency reads a dependency descriptor into d. Where it carries a structure and s is not nil,
// s is replaced by it. It reports whether the bytes are a descriptor; a malformed structure leaves s
// as it was.
func ParseDependency(b []byte, d *Dependency, s *Structure) bool {
	if len(b) < 3 {
		return false
	}
	*d = Dependency{
		Start:    b[0]&0x80 != 0,
		End:      b[0]&0x40 != 0,
		Template: b[0] & 0x3f,
		Frame:    binary.BigEndian.Uint16(b[1:]),
	}
	if len(b) == 3 {
		return true
	}
	// Section A.8.2: five flags, the first of which announces the structure right behind them.
	d.HasStructure = b[3]&0x80 != 0
	if !d.HasStructure {
		return true
	}
	r := bitReader{b: b, at: 3*8 + 5}
	var st Structure
	st.offset = uint8(r.bits(6))
	st.Targets = int(r.bits(5)) + 1
	var id layerID
	for {
		if st.n == len(st.layers) {
			return false
		}
		st.layers[st.n] = id
		st.n++
		next := r.bits(2)
		if r.over {
			return false
		}
		switch next {
		case 1:
			id.temporal++
		case 2:
			id.spatial, id.temporal = id.spatial+1, 0
		case 3:
			if s != nil {
				*s = st
			}
			return true
		}
	}
}

// bitReader reads big-endian bit fields. Past the end it gives zeros and sets over.
type bitReader struct {
	b    []byte
	at   int
	over bool
}

func (r *bitReader) bits(n int) uint32 {
	var v uint32
	for range n {
		if r.at >= 8*len(r.b) {
			r.over = true
			return 0
		}
		v = v<<1 | uint32(r.b[r.at/8]>>(7-r.at%8)&1)
		r.at++
	}
	return v
}
