package clip

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// maxHeaderLen bounds track and info elements, in bytes. Attachments and tags are skipped unread.
const maxHeaderLen = 4 << 20

// matroska pulls frames out of a WebM or Matroska stream, seekable or not.
type matroska struct {
	e       ebmlReader
	scale   time.Duration // of one time stamp unit
	tracks  []Track
	unread  bool  // a kind of track is there, but in no codec of ours
	cluster int64 // time stamp of the current cluster, in units
	ready   []Frame
}

func openMatroska(r io.Reader) (*matroska, error) {
	m := &matroska{e: ebmlReader{r: bufio.NewReaderSize(r, 64<<10)}, scale: time.Millisecond}
	el, err := m.e.head()
	if err != nil || el.id != idEBML || el.len < 0 || el.len > 4096 {
		return nil, fmt.Errorf("matroska: no EBML header: %w", ErrFormat)
	}
	if err := m.e.skip(el.len); err != nil {
		return nil, fmt.Errorf("matroska: %w", err)
	}
	for {
		el, err := m.e.head()
		if err != nil {
			return nil, fmt.Errorf("matroska: file ends before its first cluster: %w", ErrFormat)
		}
		switch el.id {
		case idSegment:
			continue
		case idInfo, idTracks:
			body, err := m.e.bytes(el.len, maxHeaderLen)
			if err != nil {
				return nil, err
			}
			if el.id == idInfo {
				m.info(body)
			} else {
				m.trackList(body)
			}
		case idCluster:
			if len(m.tracks) == 0 {
				return nil, ErrNoTracks
			}
			return m, nil
		default:
			if el.len < 0 {
				return nil, fmt.Errorf("matroska: element %#x of unknown size: %w", el.id, ErrFormat)
			}
			if err := m.e.skip(el.len); err != nil {
				return nil, fmt.Errorf("matroska: %w", err)
			}
		}
	}
}

func (m *matroska) info(body []byte) {
	children(body, func(id uint32, b []byte) {
		if id == idTimestampScale {
			if v := readUint(b); v > 0 && v <= uint64(time.Second) {
				m.scale = time.Duration(v)
			}
		}
	})
}

func (m *matroska) trackList(body []byte) {
	var seen, other [2]bool
	children(body, func(id uint32, b []byte) {
		if id != idTrackEntry {
			return
		}
		t, ok := parseTrack(b)
		switch {
		case ok && !seen[t.Kind]: // the first of each kind: files with several languages have a default
			seen[t.Kind] = true
			m.tracks = append(m.tracks, t)
		case !ok && t.typ == 1:
			other[Video] = true
		case !ok && t.typ == 2:
			other[Audio] = true
		}
	})
	m.unread = other[Audio] && !seen[Audio] || other[Video] && !seen[Video]
}

func parseTrack(body []byte) (t Track, ok bool) {
	ok = true
	codec := ""
	children(body, func(id uint32, b []byte) {
		switch id {
		case idTrackNumber:
			t.number = readUint(b)
		case idTrackType:
			t.typ = readUint(b)
		case idCodecID:
			codec = string(b)
		case idCodecPrivate:
			t.private = b
		case idCodecDelay:
			if v := readUint(b); v < uint64(time.Second) {
				t.delay = time.Duration(v)
			}
		case idVideo:
			children(b, func(id uint32, b []byte) {
				switch id {
				case idPixelWidth:
					t.Width = int(readUint(b) & 0xffff)
				case idPixelHeight:
					t.Height = int(readUint(b) & 0xffff)
				}
			})
		case idEncodings:
			stripped, readable := contentEncoding(b)
			t.stripped, ok = stripped, ok && readable
		}
	})
	switch codec {
	case "A_OPUS":
		t.Codec = Opus
	case "V_VP8":
		t.Codec = VP8
	case "V_VP9":
		t.Codec = VP9
	case "V_AV1":
		t.Codec = AV1
	case "V_MPEG4/ISO/AVC":
		t.Codec = H264
		if len(t.private) < 7 {
			return t, false
		}
		t.lengths = int(t.private[4]&3) + 1
	default:
		return t, false
	}
	t.Kind = t.Codec.Kind()
	return t, ok && t.number > 0
}

// contentEncoding reads the one encoding found in the field: header stripping (RFC 9559 §5.1.4.1.31).
func contentEncoding(body []byte) (stripped []byte, readable bool) {
	readable = true
	children(body, func(id uint32, b []byte) {
		if id != idEncoding {
			return
		}
		children(b, func(id uint32, b []byte) {
			switch id {
			case idEncryption:
				readable = false
			case idCompression:
				algo := uint64(0) // zlib is the default
				children(b, func(id uint32, b []byte) {
					switch id {
					case idCompAlgo:
						algo = readUint(b)
					case idCompSettings:
						stripped = b
					}
				})
				readable = readable && algo == 3
			}
		})
	})
	return stripped, readable
}

// next gives the next frame, io.EOF at the end. A file that is cut off ends where it was cut.
func (m *matroska) next() (Frame, error) {
	for len(m.ready) == 0 {
		el, err := m.e.head()
		if err != nil {
			return Frame{}, io.EOF
		}
		switch el.id {
		case idSegment, idCluster, idBlockGroup:
			continue // look inside
		case idTimestamp:
			b, err := m.e.bytes(el.len, 8)
			if err != nil {
				return Frame{}, io.EOF
			}
			m.cluster = int64(readUint(b) & (1<<62 - 1))
		case idSimpleBlock, idBlock:
			b, err := m.e.bytes(el.len, maxFrameLen)
			if err == io.ErrUnexpectedEOF {
				return Frame{}, io.EOF
			}
			if err != nil {
				return Frame{}, err
			}
			m.block(b)
		default:
			if el.len < 0 {
				return Frame{}, fmt.Errorf("matroska: element %#x of unknown size: %w", el.id, ErrFormat)
			}
			if m.e.skip(el.len) != nil {
				return Frame{}, io.EOF
			}
		}
	}
	f := m.ready[0]
	m.ready = m.ready[1:]
	return f, nil
}

// block takes a (Simple)Block apart (RFC 9559 §10). A malformed one is passed over.
func (m *matroska) block(b []byte) {
	number, n, ok := readVint(b)
	if !ok || len(b) < n+3 {
		return
	}
	var t *Track
	for i := range m.tracks {
		if m.tracks[i].number == number {
			t = &m.tracks[i]
		}
	}
	if t == nil {
		return
	}
	units := m.cluster + int64(int16(binary.BigEndian.Uint16(b[n:])))
	if units > int64(1<<62/m.scale) {
		return
	}
	pts := time.Duration(units)*m.scale - t.delay
	flags, data := b[n+2], b[n+3:]
	frames, ok := unlace(flags>>1&3, data)
	if !ok {
		return
	}
	for _, data := range frames {
		f, ok := t.frame(pts, data)
		if !ok {
			continue
		}
		m.ready = append(m.ready, f)
		if t.Codec == Opus {
			pts += OpusDuration(data)
		}
	}
}

// frame makes a Frame of a block's bytes: stripped header put back, H.264 as a byte stream.
func (t *Track) frame(pts time.Duration, data []byte) (Frame, bool) {
	if len(t.stripped) > 0 {
		data = append(append([]byte(nil), t.stripped...), data...)
	}
	if len(data) == 0 {
		return Frame{}, false
	}
	switch t.Codec {
	case H264:
		data = t.byteStream(data)
	case AV1:
		data = withoutDelimiters(data)
	}
	if len(data) == 0 {
		return Frame{}, false
	}
	return Frame{Kind: t.Kind, Codec: t.Codec, PTS: pts, Key: IsKey(t.Codec, data), Data: data}, true
}

// unlace splits the frames of a block: none, Xiph, fixed and EBML lacing (RFC 9559 §10.3).
func unlace(lacing byte, b []byte) ([][]byte, bool) {
	if lacing == 0 {
		return [][]byte{b}, true
	}
	if len(b) == 0 {
		return nil, false
	}
	count := int(b[0]) + 1
	b = b[1:]
	sizes := make([]int, count)
	total := 0
	switch lacing {
	case 1:
		for i := range count - 1 {
			for {
				if len(b) == 0 {
					return nil, false
				}
				c := int(b[0])
				b = b[1:]
				sizes[i] += c
				if c != 255 {
					break
				}
			}
			total += sizes[i]
		}
	case 2:
		if len(b)%count != 0 {
			return nil, false
		}
		for i := range count - 1 {
			sizes[i] = len(b) / count
			total += sizes[i]
		}
	case 3:
		for i := range count - 1 {
			v, n, ok := readVint(b)
			if !ok {
				return nil, false
			}
			b = b[n:]
			if i == 0 {
				sizes[i] = int(min(v, maxFrameLen))
			} else {
				sizes[i] = sizes[i-1] + int(int64(min(v, 1<<48))-(1<<(7*n-1)-1))
			}
			if sizes[i] < 0 || sizes[i] > maxFrameLen {
				return nil, false
			}
			total += sizes[i]
		}
	}
	if total > len(b) {
		return nil, false
	}
	sizes[count-1] = len(b) - total
	frames := make([][]byte, 0, count)
	for _, n := range sizes {
		frames = append(frames, b[:n:n])
		b = b[n:]
	}
	return frames, true
}

// byteStream turns length-prefixed NAL units into Annex B and puts the parameter sets of the track in
// front of a key frame that has none.
func (t *Track) byteStream(data []byte) []byte {
	var units [][]byte
	key, own := false, false
	for len(data) > t.lengths {
		n := int(readUint(data[:t.lengths]))
		data = data[t.lengths:]
		if n <= 0 || n > len(data) {
			break
		}
		switch data[0] & 0x1f {
		case 5:
			key = true
		case 7:
			own = true
		}
		units = append(units, data[:n])
		data = data[n:]
	}
	var out []byte
	if key && !own {
		for _, set := range avcSets(t.private) {
			out = AppendNAL(out, set)
		}
	}
	for _, u := range units {
		out = AppendNAL(out, u)
	}
	return out
}

// avcSets are the parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1).
func avcSets(b []byte) (sets [][]byte) {
	if len(b) < 7 {
		return nil
	}
	b = b[5:]
	for list := range 2 {
		if len(b) == 0 {
			return sets
		}
		count := int(b[0])
		if list == 0 {
			count &= 0x1f
		}
		b = b[1:]
		for range count {
			if len(b) < 2 {
				return sets
			}
			n := int(binary.BigEndian.Uint16(b))
			if n == 0 || n > len(b)-2 {
				return sets
			}
			sets = append(sets, b[2:2+n])
			b = b[2+n:]
		}
	}
	return sets
}

// withoutDelimiters drops temporal delimiters and padding, which neither RTP nor Matroska carries.
func withoutDelimiters(b []byte) []byte {
	out := make([]byte, 0, len(b))
	EachOBU(b, func(typ uint8, obu, _ []byte) {
		if typ != obuTemporalDelimiter && typ != obuPadding && typ != obuTileList {
			out = append(out, obu...)
		}
	})
	return out
}
