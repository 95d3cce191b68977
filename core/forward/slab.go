package forward

import "parley/wire/rtp"

// SlabRef names one kept packet. It is valid while a reference is held; the zero value names none.
type SlabRef uint32

// Slabs come in three sizes: audio and the tail of a frame; a full video packet, of which browsers make
// at most 1191 bytes; and what no sender of ours makes but a network may carry.
const (
	borrowed   = len(classSizes) // the class of slabs that are another shard's
	classBits  = 30
	classMask  = 1<<classBits - 1
	chunkSlabs = 64 // slabs allocated together
)

var classSizes = [...]int{256, 1216, MaxPacket}

// MaxPacket is the longest RTP packet Admit takes, in bytes.
const MaxPacket = 2048

// meta is what is known of the packet in a slab. No pointers: the collector need not look.
type meta struct {
	refs    int32
	length  uint16 // of the packet
	head    uint16 // header length
	payload uint16 // payload length, without padding
	pt      uint8
	flags   uint8
	tl0     uint8
	level   uint8 // the audio level extension as received
	ddLen   uint8 // dependency descriptor
	capLen  uint8 // abs-capture-time
	ddAt    uint16
	capAt   uint16
	pic     uint16 // VP8 picture id
	frame   uint16 // dependency descriptor frame number
	size    uint16 // bytes this packet will have on a leg, without transport-wide number
	sizeTW  uint16 // the same with it
	source  uint32 // CSRC to write
	time    rtp.Time
	ext     int64 // unwrapped sequence number
}

// Flags of meta.
const (
	flagMarker uint8 = 1 << iota
	flagKey          // first packet of a key frame
	flagVP8          // has a VP8 descriptor with picture id or TL0PICIDX
	flagLevel        // has an audio level
	flagAudio
	flagEnd // last packet of a frame, of one spatial layer
)

// arena owns all slabs of a shard. It grows to the most that were ever held at once and stays there.
type arena struct {
	classes [len(classSizes) + 1]struct {
		chunks [][]byte
		metas  []meta
		free   []uint32
	}
	held     int        // slabs with a reference
	lent     []loan     // by place in the class borrowed
	unneeded []Borrowed // to be given back
}

// loan is a slab of another shard's.
type loan struct {
	data []byte
	home Borrowed
}

// borrow makes a slab of bytes that another shard has lent, with one reference.
func (a *arena) borrow(b []byte, home Borrowed) (SlabRef, *meta) {
	c := &a.classes[borrowed]
	if len(c.free) == 0 {
		first := len(c.metas)
		c.metas = append(c.metas, make([]meta, chunkSlabs)...)
		a.lent = append(a.lent, make([]loan, chunkSlabs)...)
		for i := chunkSlabs - 1; i >= 0; i-- {
			c.free = append(c.free, uint32(first+i))
		}
	}
	i := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	a.held++
	a.lent[i] = loan{b, home}
	m := &c.metas[i]
	*m = meta{refs: 1, length: uint16(len(b))}
	return SlabRef(uint32(borrowed)<<classBits | (i + 1)), m
}

// take copies packet b, at most MaxPacket bytes, into a slab with one reference.
func (a *arena) take(b []byte) (SlabRef, *meta) {
	k := 0
	for len(b) > classSizes[k] {
		k++
	}
	c := &a.classes[k]
	if len(c.free) == 0 {
		first := len(c.metas)
		c.chunks = append(c.chunks, make([]byte, chunkSlabs*classSizes[k]))
		c.metas = append(c.metas, make([]meta, chunkSlabs)...)
		for i := chunkSlabs - 1; i >= 0; i-- {
			c.free = append(c.free, uint32(first+i))
		}
	}
	i := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	a.held++
	m := &c.metas[i]
	*m = meta{refs: 1, length: uint16(len(b))}
	ref := SlabRef(uint32(k)<<classBits | (i + 1))
	copy(a.bytes(ref), b)
	return ref, m
}

// at is the meta of a slab.
func (a *arena) at(r SlabRef) *meta {
	return &a.classes[r>>classBits].metas[uint32(r)&classMask-1]
}

// bytes is the slab's room up to its packet's length.
func (a *arena) bytes(r SlabRef) []byte {
	k, i := int(r>>classBits), int(uint32(r)&classMask-1)
	if k == borrowed {
		return a.lent[i].data
	}
	c := &a.classes[k]
	off := i % chunkSlabs * classSizes[k]
	return c.chunks[i/chunkSlabs][off : off+int(c.metas[i].length) : off+int(c.metas[i].length)]
}

// drop gives one reference back.
func (a *arena) drop(r SlabRef) {
	m := a.at(r)
	m.refs--
	switch {
	case m.refs < 0:
		panic("forward: slab released more often than it was taken")
	case m.refs == 0:
		i := uint32(r)&classMask - 1
		if int(r>>classBits) == borrowed {
			a.unneeded = append(a.unneeded, a.lent[i].home)
			a.lent[i].data = nil
		}
		c := &a.classes[r>>classBits]
		c.free = append(c.free, i)
		a.held--
	}
}
