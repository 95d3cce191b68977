package interop

import (
	"fmt"
	"net/netip"
	"strings"
)

// The fixed numbers (PROTOCOL.md §4.4).
const (
	ptOpus = 111
	ptVP8  = 96

	extAudioLevel   = 1
	extTransportSeq = 3
	extMID          = 4
	extRID          = 5

	uriAudioLevel   = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	uriTransportSeq = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	uriMID          = "urn:ietf:params:rtp-hdrext:sdes:mid"
	uriRID          = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
)

// rids are the layers of a camera, lowest first.
var rids = [3]string{"q", "h", "f"}

// offer writes the session description that the router would send if it sent any: one transport, with
// what a participant sends (recvonly to the router) and the slots of that group (PROTOCOL.md §4.7).
type offer struct {
	group       int
	credentials credentials
	candidates  []candidate
	fingerprint string
	slots       []slot
	simulcast   bool
}

func (o offer) String() string {
	var mids []string
	var body strings.Builder
	add := func(mid string, kind int, lines ...string) {
		mids = append(mids, mid)
		body.WriteString(o.section(mid, kind))
		for _, l := range lines {
			body.WriteString("a=" + l + "\r\n")
		}
	}
	switch o.group {
	case 0:
		add("ua", audio, "recvonly")
	case 1:
		own := []string{"recvonly"}
		if o.simulcast {
			own = append(own, "rid:q recv", "rid:h recv", "rid:f recv", "simulcast:recv q;h;f")
		}
		add("uv", video, own...)
	case 2:
		add("uc", content, "recvonly")
		add("uca", contentAudio, "recvonly")
	}
	for _, s := range o.slots {
		if groupOf(s.Kind) != o.group {
			continue
		}
		lines := []string{"sendonly", fmt.Sprintf("msid:%s %s", s.Msid, s.Mid)}
		if s.RTX != 0 {
			lines = append(lines, fmt.Sprintf("ssrc-group:FID %d %d", s.SSRC, s.RTX))
		}
		lines = append(lines, fmt.Sprintf("ssrc:%d cname:parley", s.SSRC))
		if s.RTX != 0 {
			lines = append(lines, fmt.Sprintf("ssrc:%d cname:parley", s.RTX))
		}
		add(s.Mid, s.Kind, lines...)
	}
	algorithm, value, _ := strings.Cut(o.fingerprint, " ")
	head := "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" +
		"a=group:BUNDLE " + strings.Join(mids, " ") + "\r\n" +
		"a=ice-lite\r\na=extmap-allow-mixed\r\na=msid-semantic:WMS *\r\n" +
		fmt.Sprintf("a=fingerprint:%s %s\r\n", algorithm, value)
	return head + body.String()
}

// section is one m-line with all that is the same for every m-line of its kind.
func (o offer) section(mid string, kind int) string {
	var b strings.Builder
	if isAudio(kind) {
		fmt.Fprintf(&b, "m=audio 9 UDP/TLS/RTP/SAVPF %d\r\n", ptOpus)
	} else {
		b.WriteString("m=video 9 UDP/TLS/RTP/SAVPF")
		for _, c := range videoCodecs {
			fmt.Fprintf(&b, " %d %d", c.pt, c.pt+1)
		}
		b.WriteString("\r\n")
	}
	b.WriteString("c=IN IP4 0.0.0.0\r\n")
	line := func(format string, args ...any) { fmt.Fprintf(&b, "a="+format+"\r\n", args...) }
	line("mid:%s", mid)
	line("ice-ufrag:%s", o.credentials.Ufrag)
	line("ice-pwd:%s", o.credentials.Password)
	for i, c := range o.candidates {
		at, err := netip.ParseAddrPort(c.Addr)
		if err != nil || c.Rung != "udp-8801" {
			continue
		}
		line("candidate:%d 1 udp %d %s %d typ host", i+1, 2130706431-i, at.Addr(), at.Port())
	}
	line("end-of-candidates")
	line("setup:passive")
	line("rtcp-mux")
	line("rtcp-rsize")
	line("extmap:%d %s", extMID, uriMID)
	if isAudio(kind) {
		line("rtpmap:%d opus/48000/2", ptOpus)
		line("fmtp:%d minptime=10;useinbandfec=1", ptOpus)
		line("extmap:%d %s", extAudioLevel, uriAudioLevel)
		return b.String()
	}
	for _, c := range videoCodecs {
		line("rtpmap:%d %s/90000", c.pt, c.name)
		if c.fmtp != "" {
			line("fmtp:%d %s", c.pt, c.fmtp)
		}
		for _, f := range []string{"nack", "nack pli", "ccm fir", "transport-cc"} {
			line("rtcp-fb:%d %s", c.pt, f)
		}
		line("rtpmap:%d rtx/90000", c.pt+1)
		line("fmtp:%d apt=%d", c.pt+1, c.pt)
	}
	line("extmap:%d %s", extTransportSeq, uriTransportSeq)
	line("extmap:%d %s", extRID, uriRID)
	return b.String()
}
