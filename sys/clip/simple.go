package clip

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// ivf pulls frames out of an IVF file: a 32 byte header, then 12 bytes before each frame.
type ivf struct {
	r          *bufio.Reader
	track      Track
	rate, unit uint64 // seconds = pts * unit / rate
}

func openIVF(r io.Reader) (*ivf, error) {
	var h [32]byte
	br := bufio.NewReaderSize(r, 64<<10)
	if _, err := io.ReadFull(br, h[:]); err != nil || string(h[:4]) != "DKIF" {
		return nil, fmt.Errorf("ivf: no header: %w", ErrFormat)
	}
	v := &ivf{r: br, rate: uint64(binary.LittleEndian.Uint32(h[16:])), unit: uint64(binary.LittleEndian.Uint32(h[20:]))}
	v.track = Track{Kind: Video, Width: int(binary.LittleEndian.Uint16(h[12:])), Height: int(binary.LittleEndian.Uint16(h[14:]))}
	switch string(h[8:12]) {
	case "VP80":
		v.track.Codec = VP8
	case "VP90":
		v.track.Codec = VP9
	case "AV01":
		v.track.Codec = AV1
	default:
		return nil, fmt.Errorf("ivf: codec %q: %w", h[8:12], ErrNoTracks)
	}
	if v.rate == 0 || v.unit == 0 {
		v.rate, v.unit = 30, 1
	}
	if extra := int(binary.LittleEndian.Uint16(h[6:])) - 32; extra > 0 {
		if _, err := br.Discard(extra); err != nil {
			return nil, fmt.Errorf("ivf: %w", ErrFormat)
		}
	}
	return v, nil
}

func (v *ivf) next() (Frame, error) {
	for {
		var h [12]byte
		if _, err := io.ReadFull(v.r, h[:]); err != nil {
			return Frame{}, io.EOF
		}
		e := ebmlReader{r: v.r}
		data, err := e.bytes(int64(binary.LittleEndian.Uint32(h[:])), maxFrameLen)
		if err == io.ErrUnexpectedEOF {
			return Frame{}, io.EOF
		}
		if err != nil {
			return Frame{}, fmt.Errorf("ivf: frame: %w", ErrFormat)
		}
		seconds := float64(binary.LittleEndian.Uint64(h[4:])) * float64(v.unit) / float64(v.rate)
		if seconds > 1e8 {
			return Frame{}, fmt.Errorf("ivf: time stamp: %w", ErrFormat)
		}
		if f, ok := v.track.frame(time.Duration(seconds*float64(time.Second)), data); ok {
			return f, nil
		}
	}
}

// ogg pulls Opus packets out of an Ogg stream (RFC 3533, RFC 7845).
type ogg struct {
	r       *bufio.Reader
	serial  uint32
	preSkip time.Duration
	at      time.Duration // where the next packet starts, before pre-skip is taken off
	part    []byte        // of a packet that goes on in the next page
	skip    int           // header packets still to pass over
	ready   []Frame
}

func openOgg(r io.Reader) (*ogg, error) {
	o := &ogg{r: bufio.NewReaderSize(r, 64<<10)}
	for { // the first page of each logical stream comes before any other page
		serial, first, packets, err := o.page()
		if err != nil || !first {
			return nil, fmt.Errorf("ogg: no Opus stream: %w", ErrNoTracks)
		}
		if len(packets) == 1 && len(packets[0]) >= 19 && string(packets[0][:8]) == "OpusHead" {
			o.serial = serial
			o.preSkip = time.Duration(binary.LittleEndian.Uint16(packets[0][10:])) * time.Second / 48000
			o.skip = 1 // OpusTags
			o.part = nil
			return o, nil
		}
		o.part = nil
	}
}

// page reads one page and the packets that end in it. What goes on is kept in part.
func (o *ogg) page() (serial uint32, first bool, packets [][]byte, err error) {
	var h [27]byte
	if _, err := io.ReadFull(o.r, h[:]); err != nil {
		return 0, false, nil, io.EOF
	}
	if string(h[:4]) != "OggS" {
		return 0, false, nil, fmt.Errorf("ogg: lost the page boundary: %w", ErrFormat)
	}
	table := make([]byte, h[26])
	if _, err := io.ReadFull(o.r, table); err != nil {
		return 0, false, nil, io.EOF
	}
	serial, first = binary.LittleEndian.Uint32(h[14:]), h[5]&2 != 0
	total := 0
	for _, n := range table {
		total += int(n)
	}
	body := make([]byte, total)
	if _, err := io.ReadFull(o.r, body); err != nil {
		return 0, false, nil, io.EOF
	}
	if o.serial != 0 && serial != o.serial {
		return serial, first, nil, nil
	}
	if h[5]&1 == 0 {
		o.part = nil
	}
	for _, n := range table {
		o.part = append(o.part, body[:n]...)
		body = body[n:]
		if len(o.part) > maxFrameLen {
			return 0, false, nil, fmt.Errorf("ogg: packet too large: %w", ErrFormat)
		}
		if n < 255 {
			packets = append(packets, o.part)
			o.part = nil
		}
	}
	return serial, first, packets, nil
}

func (o *ogg) next() (Frame, error) {
	for len(o.ready) == 0 {
		serial, _, packets, err := o.page()
		if err != nil {
			return Frame{}, err
		}
		if serial != o.serial {
			continue
		}
		for _, p := range packets {
			if o.skip > 0 {
				o.skip--
				continue
			}
			d := OpusDuration(p)
			if d == 0 {
				continue
			}
			o.ready = append(o.ready, Frame{Kind: Audio, Codec: Opus, PTS: o.at - o.preSkip, Key: true, Data: p})
			o.at += d
		}
	}
	f := o.ready[0]
	o.ready = o.ready[1:]
	return f, nil
}
