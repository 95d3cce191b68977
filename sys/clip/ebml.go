package clip

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Element ids of Matroska (RFC 9559) that this package reads or writes.
const (
	idEBML                 = 0x1a45dfa3
	idDocType              = 0x4282
	idVoid                 = 0xec
	idSegment              = 0x18538067
	idInfo                 = 0x1549a966
	idTimestampScale       = 0x2ad7b1
	idDuration             = 0x4489
	idMuxingApp            = 0x4d80
	idWritingApp           = 0x5741
	idTracks               = 0x1654ae6b
	idTrackEntry           = 0xae
	idTrackNumber          = 0xd7
	idTrackUID             = 0x73c5
	idTrackType            = 0x83
	idFlagLacing           = 0x9c
	idCodecID              = 0x86
	idCodecPrivate         = 0x63a2
	idCodecDelay           = 0x56aa
	idSeekPreRoll          = 0x56bb
	idVideo                = 0xe0
	idPixelWidth           = 0xb0
	idPixelHeight          = 0xba
	idAudio                = 0xe1
	idSampling             = 0xb5
	idChannels             = 0x9f
	idEncodings            = 0x6d80
	idEncoding             = 0x6240
	idCompression          = 0x5034
	idEncryption           = 0x5035
	idCompAlgo             = 0x4254
	idCompSettings         = 0x4255
	idCluster              = 0x1f43b675
	idTimestamp            = 0xe7
	idSimpleBlock          = 0xa3
	idBlockGroup           = 0xa0
	idBlock                = 0xa1
	idReferenceBlock       = 0xfb
	idCues                 = 0x1c53bb6b
	idCuePoint             = 0xbb
	idCueTime              = 0xb3
	idCuePositions         = 0xb7
	idCueTrack             = 0xf7
	idCueClusterAt         = 0xf1
	idSeekHead             = 0x114d9b74
	idTags                 = 0x1254c367
	idChapters             = 0x1043a770
	idAttachments          = 0x1941a469
	unknownLen       int64 = -1
)

// element is the head of one EBML element.
type element struct {
	id  uint32
	len int64 // unknownLen where the size is not known
}

// ebmlReader pulls elements out of a stream and counts where it is.
type ebmlReader struct {
	r  *bufio.Reader
	at int64 // bytes consumed
}

// head reads the next element's id and size. io.EOF at a clean end.
func (e *ebmlReader) head() (element, error) {
	first, err := e.r.ReadByte()
	if err != nil {
		return element{}, io.EOF
	}
	e.at++
	n := vintLen(first)
	if n == 0 || n > 4 {
		return element{}, fmt.Errorf("matroska: bad element id: %w", ErrFormat)
	}
	id := uint32(first)
	for range n - 1 {
		c, err := e.r.ReadByte()
		if err != nil {
			return element{}, io.ErrUnexpectedEOF
		}
		e.at++
		id = id<<8 | uint32(c)
	}
	size, unknown, err := e.vint()
	if err != nil {
		return element{}, err
	}
	if unknown {
		return element{id, unknownLen}, nil
	}
	return element{id, size}, nil
}

// vint reads a size with its marker taken off.
func (e *ebmlReader) vint() (v int64, unknown bool, err error) {
	first, err := e.r.ReadByte()
	if err != nil {
		return 0, false, io.ErrUnexpectedEOF
	}
	e.at++
	n := vintLen(first)
	if n == 0 {
		return 0, false, fmt.Errorf("matroska: bad element size: %w", ErrFormat)
	}
	v = int64(first) & (1<<(8-n) - 1)
	for range n - 1 {
		c, err := e.r.ReadByte()
		if err != nil {
			return 0, false, io.ErrUnexpectedEOF
		}
		e.at++
		v = v<<8 | int64(c)
	}
	return v, v == 1<<(7*n)-1, nil
}

// bytes reads the body of an element of known, bounded size. It grows with what is really there, so
// that a large size in a short file costs nothing.
func (e *ebmlReader) bytes(n int64, limit int64) ([]byte, error) {
	if n < 0 || n > limit {
		return nil, fmt.Errorf("matroska: element of %d bytes is too large: %w", n, ErrFormat)
	}
	const step = 64 << 10
	out := make([]byte, 0, min(n, step))
	for int64(len(out)) < n {
		k := int(min(n-int64(len(out)), step))
		old := len(out)
		out = append(out, make([]byte, k)...)
		m, err := io.ReadFull(e.r, out[old:])
		e.at += int64(m)
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return out, nil
}

func (e *ebmlReader) skip(n int64) error {
	for n > 0 {
		k, err := e.r.Discard(int(min(n, 1<<20)))
		e.at += int64(k)
		n -= int64(k)
		if err != nil {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

// vintLen is the length in bytes that a first byte announces, 0 where invalid.
func vintLen(first byte) int {
	for n := 1; n <= 8; n++ {
		if first&(0x80>>(n-1)) != 0 {
			return n
		}
	}
	return 0
}

// child walks the children of an element held in memory; it stops at the first malformed one.
func children(b []byte, f func(id uint32, body []byte)) {
	for len(b) > 0 {
		n := vintLen(b[0])
		if n == 0 || n > 4 || len(b) <= n {
			return
		}
		var id uint32
		for _, c := range b[:n] {
			id = id<<8 | uint32(c)
		}
		size, m, ok := readVint(b[n:])
		if !ok || size > uint64(len(b)-n-m) {
			return
		}
		body := b[n+m:][:size]
		f(id, body)
		b = b[n+m+int(size):]
	}
}

// readVint reads a size from memory: value, bytes used.
func readVint(b []byte) (v uint64, n int, ok bool) {
	if len(b) == 0 {
		return 0, 0, false
	}
	n = vintLen(b[0])
	if n == 0 || len(b) < n {
		return 0, 0, false
	}
	v = uint64(b[0]) & (1<<(8-n) - 1)
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n, true
}

func readUint(b []byte) uint64 {
	var v uint64
	for _, c := range b[:min(len(b), 8)] {
		v = v<<8 | uint64(c)
	}
	return v
}

// appendHead appends an id and a size in eight bytes, so that the size can be patched later.
func appendHead(dst []byte, id uint32, size uint64) []byte {
	dst = appendID(dst, id)
	return binary.BigEndian.AppendUint64(dst, size|1<<56)
}

func appendID(dst []byte, id uint32) []byte {
	switch {
	case id >= 1<<24:
		dst = append(dst, byte(id>>24), byte(id>>16), byte(id>>8))
	case id >= 1<<16:
		dst = append(dst, byte(id>>16), byte(id>>8))
	case id >= 1<<8:
		dst = append(dst, byte(id>>8))
	}
	return append(dst, byte(id))
}

// appendSize appends a size in the shortest form.
func appendSize(dst []byte, v uint64) []byte {
	for n := 1; n <= 8; n++ {
		if v < 1<<(7*n)-1 {
			for i := n - 1; i >= 0; i-- {
				c := byte(v >> (8 * i))
				if i == n-1 {
					c |= 0x80 >> (n - 1)
				}
				dst = append(dst, c)
			}
			return dst
		}
	}
	panic("clip: element larger than 2^56")
}

func appendBytes(dst []byte, id uint32, body []byte) []byte {
	dst = appendSize(appendID(dst, id), uint64(len(body)))
	return append(dst, body...)
}

func appendUint(dst []byte, id uint32, v uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	i := 0
	for i < 7 && b[i] == 0 {
		i++
	}
	return appendBytes(dst, id, b[i:])
}

func appendFloat(dst []byte, id uint32, v float64) []byte {
	return appendBytes(dst, id, binary.BigEndian.AppendUint64(nil, math.Float64bits(v)))
}
