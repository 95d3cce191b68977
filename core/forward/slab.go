package forward

import (
	"time"

	"parley/wire/rtp"
)

// SlabRef names one kept packet. It is valid while a reference is held; the zero value names none.
type SlabRef uint32

// A handle is a place in a table plus one, and whether it is another shard's.
const (
	borrowed   SlabRef = 1 << 31
	placeMask          = borrowed - 1
	chunkSlabs         = 64 // entries a table grows by
)

// Packets lie one behind another in blocks, as they came: they are let go in about that order too, so a block is
// free again soon after its last packet was needed, and no room is lost to sizes. Streams whose packets are
// kept for longer fill blocks of their own.
const (
	// BlockLen is the size of what is taken of Memory at once, in bytes.
	BlockLen  = 32 << 10
	slabAlign = 16
	nLanes    = 4
	// trimMost is how many blocks are given back at once: the system takes 10 to 40 µs for each.
	trimMost = 128
)

// MaxPacket is the longest RTP packet Admit takes, in bytes.
const MaxPacket = 2048

// meta is what is known of the packet in a slab. No pointers: the collector need not look.
type meta struct {
	refs    int32
	block   uint32
	at      uint16 // where in the block, in units of slabAlign
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

// Memory is where packets are kept, in blocks of BlockLen bytes. What was given back is not touched again.
type Memory interface {
	Take(n int) []byte
	Give(b []byte)
}

// collected is the collector's heap.
type collected struct{}

func (collected) Take(n int) []byte { return make([]byte, n) }
func (collected) Give([]byte)       {}

// arena owns all slabs of a shard.
type arena struct {
	memory   Memory
	own      table
	foreign  table // slabs of other shards
	lent     []loan
	blocks   []block
	open     [nLanes]uint32 // block being filled, plus one; 0: none
	spare    []uint32       // blocks without a packet, the one that was emptied last at the end
	absent   []uint32       // places in blocks whose memory was given back
	idle     int            // the fewest spare blocks since the last trim
	held     int            // slabs with a reference
	unneeded []Borrowed     // to be given back
}

// table is what is known of slabs, by place.
type table struct {
	metas []meta
	free  []uint32
}

// block is a piece of Memory.
type block struct {
	data []byte
	used int32 // bytes
	live int32 // slabs with a reference
	open bool
}

// loan is a slab of another shard's.
type loan struct {
	data []byte
	home Borrowed
}

// place finds a place for one more slab, with one reference.
func (t *table) place(length int) (uint32, *meta) {
	if len(t.free) == 0 {
		first := len(t.metas)
		t.metas = append(t.metas, make([]meta, chunkSlabs)...)
		for i := chunkSlabs - 1; i >= 0; i-- {
			t.free = append(t.free, uint32(first+i))
		}
	}
	i := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	m := &t.metas[i]
	*m = meta{refs: 1, length: uint16(length)}
	return i, m
}

// borrow makes a slab of bytes that another shard has lent, with one reference.
func (a *arena) borrow(b []byte, home Borrowed) (SlabRef, *meta) {
	i, m := a.foreign.place(len(b))
	if int(i) >= len(a.lent) {
		a.lent = append(a.lent, make([]loan, len(a.foreign.metas)-len(a.lent))...)
	}
	a.held++
	a.lent[i] = loan{b, home}
	return borrowed | SlabRef(i+1), m
}

// take copies packet b, at most MaxPacket bytes, into a slab with one reference. keep is how long it will be
// wanted.
func (a *arena) take(b []byte, keep time.Duration) (SlabRef, *meta) {
	k := a.room(len(b), lane(keep))
	bl := &a.blocks[k]
	i, m := a.own.place(len(b))
	m.block, m.at = k, uint16(bl.used/slabAlign)
	copy(bl.data[bl.used:], b)
	bl.used += int32((len(b) + slabAlign - 1) &^ (slabAlign - 1))
	bl.live++
	a.held++
	return SlabRef(i + 1), m
}

// lane is which blocks a packet shares, by how long it will be wanted.
func lane(keep time.Duration) int {
	const step = (historyAgeMost - historyAge) / (nLanes - 1)
	return int(min(max(keep-historyAge+step-1, 0)/step, nLanes-1))
}

// room is the block with room for n bytes that a lane fills now.
func (a *arena) room(n, lane int) uint32 {
	if k := a.open[lane]; k != 0 {
		bl := &a.blocks[k-1]
		if int(bl.used)+n <= len(bl.data) {
			return k - 1
		}
		bl.open = false // it holds something: an open one that does not is begun anew
	}
	k := a.fresh()
	a.open[lane] = k + 1
	a.blocks[k].open = true
	return k
}

// fresh is an empty block.
func (a *arena) fresh() uint32 {
	if n := len(a.spare); n > 0 {
		k := a.spare[n-1]
		a.spare = a.spare[:n-1]
		a.idle = min(a.idle, n-1)
		return k
	}
	if n := len(a.absent); n > 0 {
		k := a.absent[n-1]
		a.absent = a.absent[:n-1]
		a.blocks[k].data = a.memory.Take(BlockLen)
		return k
	}
	a.blocks = append(a.blocks, block{data: a.memory.Take(BlockLen)})
	return uint32(len(a.blocks) - 1)
}

// empty makes a block that holds no packet any more fit for others.
func (a *arena) empty(k uint32) {
	a.blocks[k].used = 0
	if !a.blocks[k].open {
		a.spare = append(a.spare, k)
	}
}

// trim gives back blocks that were not needed since the last trim, trimMost at most.
func (a *arena) trim() {
	n := min(a.idle, trimMost)
	for _, k := range a.spare[:n] {
		a.memory.Give(a.blocks[k].data)
		a.blocks[k].data = nil
		a.absent = append(a.absent, k)
	}
	a.spare = a.spare[:copy(a.spare, a.spare[n:])]
	a.idle = len(a.spare)
}

// close gives back everything. No slab may be used any more.
func (a *arena) close() {
	for i := range a.blocks {
		if b := a.blocks[i].data; b != nil {
			a.memory.Give(b)
		}
	}
	*a = arena{memory: a.memory, held: a.held}
}

// at is the meta of a slab.
func (a *arena) at(r SlabRef) *meta {
	if r&borrowed != 0 {
		return &a.foreign.metas[r&placeMask-1]
	}
	return &a.own.metas[r-1]
}

// bytes is the packet in a slab.
func (a *arena) bytes(r SlabRef) []byte {
	if r&borrowed != 0 {
		return a.lent[r&placeMask-1].data
	}
	m := &a.own.metas[r-1]
	from := int(m.at) * slabAlign
	to := from + int(m.length)
	return a.blocks[m.block].data[from:to:to]
}

// drop gives one reference back.
func (a *arena) drop(r SlabRef) {
	m := a.at(r)
	m.refs--
	if m.refs > 0 {
		return
	}
	if m.refs < 0 {
		panic("forward: slab released more often than it was taken")
	}
	a.held--
	i := uint32(r&placeMask) - 1
	if r&borrowed != 0 {
		a.unneeded = append(a.unneeded, a.lent[i].home)
		a.lent[i].data = nil
		a.foreign.free = append(a.foreign.free, i)
		return
	}
	if poison {
		for b, k := a.bytes(r), 0; k < len(b); k++ {
			b[k] = 0xdb
		}
	}
	a.own.free = append(a.own.free, i)
	bl := &a.blocks[m.block]
	if bl.live--; bl.live == 0 {
		a.empty(m.block)
	}
}
