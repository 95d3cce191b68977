package clip

import (
	"encoding/binary"
	"fmt"
	"time"
)

// writeHead writes what comes before the first cluster. length is the segment's, unknown while the
// recording runs.
func (w *Writer) writeHead(length int64) error {
	docType := "webm"
	if w.video.Codec == H264 {
		docType = "matroska"
	}
	var e []byte
	e = appendUint(e, 0x4286, 1)
	e = appendUint(e, 0x42f7, 1)
	e = appendUint(e, 0x42f2, 4)
	e = appendUint(e, 0x42f3, 8)
	e = appendBytes(e, idDocType, []byte(docType))
	e = appendUint(e, 0x4287, 4)
	e = appendUint(e, 0x4285, 2)
	out := appendBytes(nil, idEBML, e)
	if length == unknownLen {
		out = append(appendID(out, idSegment), 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	} else {
		out = appendHead(out, idSegment, uint64(length-int64(len(out))-12))
	}
	var info []byte
	info = appendUint(info, idTimestampScale, uint64(time.Millisecond))
	if length != unknownLen {
		info = appendFloat(info, idDuration, float64(w.end)/float64(time.Millisecond))
	}
	info = appendBytes(info, idMuxingApp, []byte("parley"))
	info = appendBytes(info, idWritingApp, []byte("parley"))
	out = appendBytes(out, idInfo, info)
	out = appendBytes(out, idTracks, w.trackEntries())
	if len(out)+9 > headLen {
		return fmt.Errorf("writing recording: codec parameters of %d bytes do not fit", len(w.video.private))
	}
	out = appendHead(out, idVoid, uint64(headLen-len(out)-9))
	out = append(out, make([]byte, headLen-len(out))...)
	if _, err := w.f.WriteAt(out, 0); err != nil {
		return fmt.Errorf("writing recording: %w", err)
	}
	return nil
}

func (w *Writer) trackEntries() []byte {
	var out []byte
	if w.video.Codec != "" {
		var t []byte
		t = appendUint(t, idTrackNumber, videoNumber)
		t = appendUint(t, idTrackUID, videoNumber)
		t = appendUint(t, idTrackType, 1)
		t = appendUint(t, idFlagLacing, 0)
		t = appendBytes(t, idCodecID, []byte(matroskaCodec(w.video.Codec)))
		if len(w.video.private) > 0 {
			t = appendBytes(t, idCodecPrivate, w.video.private)
		}
		width, height := w.video.Width, w.video.Height
		if width == 0 || height == 0 {
			width, height = 1280, 720
		}
		v := appendUint(nil, idPixelWidth, uint64(width))
		v = appendUint(v, idPixelHeight, uint64(height))
		t = appendBytes(t, idVideo, v)
		out = appendBytes(out, idTrackEntry, t)
	}
	if w.audio || w.video.Codec == "" {
		var t []byte
		t = appendUint(t, idTrackNumber, audioNumber)
		t = appendUint(t, idTrackUID, audioNumber)
		t = appendUint(t, idTrackType, 2)
		t = appendUint(t, idFlagLacing, 0)
		t = appendBytes(t, idCodecID, []byte("A_OPUS"))
		t = appendBytes(t, idCodecPrivate, opusHead())
		// No CodecDelay: PTS is when a packet's sound plays, and there is nothing to trim.
		t = appendUint(t, idSeekPreRoll, uint64(80*time.Millisecond))
		a := appendFloat(nil, idSampling, 48000)
		a = appendUint(a, idChannels, 2)
		t = appendBytes(t, idAudio, a)
		out = appendBytes(out, idTrackEntry, t)
	}
	return out
}

// opusHead is the identification header of RFC 7845 §5.1: two channels (a decoder makes stereo of
// mono packets), no pre-skip.
func opusHead() []byte {
	b := append([]byte("OpusHead"), 1, 2, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 48000)
	return append(b, 0, 0, 0)
}

func matroskaCodec(c Codec) string {
	switch c {
	case VP8:
		return "V_VP8"
	case VP9:
		return "V_VP9"
	case AV1:
		return "V_AV1"
	}
	return "V_MPEG4/ISO/AVC"
}

// segmentStart is the offset of the segment's body, from which cues count: the EBML header's length
// depends on the document type.
func (w *Writer) segmentStart() int64 {
	n := int64(len("webm"))
	if w.video.Codec == H264 {
		n = int64(len("matroska"))
	}
	return 5 + 4*4 + 3 + n + 2*4 + 12
}

// lengthPrefixed turns an Annex B byte stream into the form of Matroska: four bytes of length before
// each unit.
func lengthPrefixed(b []byte) []byte {
	out := make([]byte, 0, len(b)+16)
	EachNAL(b, func(nal []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(nal)))
		out = append(out, nal...)
	})
	return out
}

// codecPrivate makes what Matroska wants to know of a codec, from its first key frame.
func codecPrivate(c Codec, b []byte) []byte {
	switch c {
	case H264: // AVCDecoderConfigurationRecord
		var sps, pps []byte
		EachNAL(b, func(nal []byte) {
			switch {
			case nal[0]&0x1f == 7 && sps == nil && len(nal) >= 4:
				sps = nal
			case nal[0]&0x1f == 8 && pps == nil:
				pps = nal
			}
		})
		if sps == nil || pps == nil || len(sps)+len(pps) > 2048 {
			return nil
		}
		out := []byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(sps))), sps...)
		out = append(out, 1)
		return append(binary.BigEndian.AppendUint16(out, uint16(len(pps))), pps...)
	case AV1: // AV1CodecConfigurationRecord
		var out []byte
		EachOBU(b, func(typ uint8, obu, payload []byte) {
			s, ok := parseAV1Sequence(payload)
			if typ != obuSequenceHeader || out != nil || !ok || len(obu) > 1024 {
				return
			}
			out = []byte{0x81, byte(s.profile<<5 | s.level), byte(s.tier<<7 | 0x0c), 0} // 8 bits, 4:2:0: what real-time encoders send
			out = append(out, obu...)
		})
		return out
	}
	return nil
}
