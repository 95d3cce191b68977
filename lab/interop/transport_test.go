package interop

import (
	"fmt"
	"io"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"
)

// transport is one group's peer connection: pion has no several BUNDLE groups in one.
type transport struct {
	group int
	pc    *webrtc.PeerConnection
	mux   ice.UDPMux
	conn  *lossyConn
	up    bool // guarded by the person's mu
}

func (t *transport) close() {
	if t == nil {
		return
	}
	if t.pc != nil {
		t.pc.GracefulClose()
	}
	if t.mux != nil {
		t.mux.Close()
	}
	t.conn.Close()
}

var opusCodec = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}

// newAPI is pion as it comes, with the numbers of PROTOCOL.md §4.4: NACK and RTX both ways, reports every
// 400 ms, transport-wide numbers and feedback.
func newAPI(mux ice.UDPMux, profile dtls.SRTPProtectionProfile) (*webrtc.API, error) {
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: opusCodec, PayloadType: ptOpus}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	for _, c := range videoCodecs {
		media := c.capability()
		media.RTCPFeedback = []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
		rtx := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: fmt.Sprintf("apt=%d", c.pt)}
		for pt, capability := range map[uint8]webrtc.RTPCodecCapability{c.pt: media, c.pt + 1: rtx} {
			params := webrtc.RTPCodecParameters{RTPCodecCapability: capability, PayloadType: webrtc.PayloadType(pt)}
			if err := engine.RegisterCodec(params, webrtc.RTPCodecTypeVideo); err != nil {
				return nil, err
			}
		}
	}
	level := webrtc.RTPHeaderExtensionCapability{URI: uriAudioLevel}
	if err := engine.RegisterHeaderExtension(level, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	quiet := logging.NewDefaultLoggerFactory() // what pion grumbles about while it closes is no news
	quiet.Writer = io.Discard
	chain := &interceptor.Registry{}
	// Numbers first: what is added later sends through it, so that retransmissions are numbered too.
	if err := webrtc.ConfigureTWCCHeaderExtensionSender(engine, chain); err != nil {
		return nil, err
	}
	if err := webrtc.RegisterDefaultInterceptorsWithOptions(engine, chain,
		webrtc.WithInterceptorLoggerFactory(quiet),
		webrtc.WithReportReceiverOptions(report.ReceiverInterval(400*time.Millisecond)),
		webrtc.WithReportSenderOptions(report.SenderInterval(400*time.Millisecond)),
	); err != nil {
		return nil, err
	}
	settings := webrtc.SettingEngine{LoggerFactory: quiet}
	settings.SetICEUDPMux(mux)
	if profile != 0 {
		settings.SetSRTPProtectionProfiles(profile)
	}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	// The router is the DTLS server; pion would answer an ice-lite offer as server itself.
	if err := settings.SetAnsweringDTLSRole(webrtc.DTLSRoleClient); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(chain), webrtc.WithSettingEngine(settings)), nil
}

// openTransports makes the three transports and waits until they are up. Audio and video use the
// grant's set of credentials, content the welcome's: each peer connection of pion's numbers its packets
// by itself, and a set has one sequence space (PROTOCOL.md §4.6).
func (p *person) openTransports() {
	p.t.Helper()
	if p.welcome.Fingerprint != p.grant.Fingerprint {
		p.t.Fatalf("%s: the welcome's fingerprint is not the grant's", p.name)
	}
	p.makeTracks()
	for g := range nGroups {
		o := offer{
			group: g, credentials: p.grant.Groups[g], candidates: p.grant.Candidates,
			fingerprint: p.grant.Fingerprint, slots: p.table, simulcast: p.opt.simulcast,
		}
		if g == 2 {
			o.credentials = p.welcome.Groups[g]
		}
		if o.credentials.Group != g {
			p.t.Fatalf("%s: credentials %d are of group %d", p.name, g, o.credentials.Group)
		}
		p.openTransport(o)
	}
	p.until("three transports", func() bool {
		return p.transports[0].up && p.transports[1].up && p.transports[2].up
	})
}

func (p *person) openTransport(o offer) {
	p.t.Helper()
	fatal := func(what string, err error) {
		if err != nil {
			p.t.Fatalf("%s: group %d: %s: %v\n%s", p.name, o.group, what, err, o)
		}
	}
	conn, err := listenLossy(p.opt.lossIn, p.opt.lossOut, p.opt.seed+uint64(o.group))
	fatal("socket", err)
	t := &transport{group: o.group, conn: conn, mux: webrtc.NewICEUDPMux(nil, conn)}
	p.transports[o.group] = t
	api, err := newAPI(t.mux, p.opt.profile)
	fatal("settings", err)
	t.pc, err = api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{p.id.cert}})
	fatal("peer connection", err)
	t.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		p.update(func() { t.up = s == webrtc.PeerConnectionStateConnected })
	})
	t.pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) { p.receive(t, track, receiver) })
	for _, out := range p.outTracks() {
		if groupOf(out.kind) == o.group {
			fatal("track", out.attach(t.pc))
		}
	}
	fatal("offer", t.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.String()}))
	a, err := t.pc.CreateAnswer(nil)
	fatal("answer", err)
	fatal("answer", t.pc.SetLocalDescription(a))
}

// receive takes what comes on one slot.
func (p *person) receive(t *transport, track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	var s slot
	for _, have := range p.table {
		if have.SSRC == uint32(track.SSRC()) {
			s = have
		}
	}
	if s.SSRC == 0 || groupOf(s.Kind) != t.group {
		p.fault("packets with SSRC %d on group %d, which no slot there has", track.SSRC(), t.group)
		return
	}
	p.wg.Go(func() { p.receiveReports(s, receiver) })
	p.wg.Go(func() {
		var build *samplebuilder.SampleBuilder
		var read func([]byte) (label, bool)
		whose := map[uint32]uint32{} // RTP time -> source
		for {
			pkt, attr, err := track.ReadRTP()
			if err != nil {
				return
			}
			_, repaired := attr.Get(webrtc.AttributeRtxSsrc).(uint32)
			if p.opt.watch != nil {
				p.opt.watch(pkt, repaired)
				continue
			}
			src := p.packet(s, pkt, repaired)
			if src == 0 {
				continue
			}
			if isAudio(s.Kind) {
				l, ok := readSound(pkt.Payload)
				p.update(func() { p.sources[src].frame(l, ok, pkt.Timestamp) })
				continue
			}
			if build == nil {
				c := codecOf(pkt.PayloadType)
				build, read = samplebuilder.New(512, c.unpack(), 90000), readPicture
				if c.file != "" {
					frames, err := c.readFrames()
					if err != nil {
						p.fault("%s: %v", c.file, err)
						return
					}
					read = func(b []byte) (label, bool) { return c.read(frames, b) }
				}
			}
			whose[pkt.Timestamp] = src
			build.Push(pkt)
			for f := build.Pop(); f != nil; f = build.Pop() {
				l, ok := read(f.Data)
				p.update(func() { p.sources[whose[f.PacketTimestamp]].frame(l, ok, f.PacketTimestamp) })
			}
		}
	})
}

// packet checks one packet of a slot, counts it, and gives its source; 0 for one that is none.
func (p *person) packet(s slot, pkt *rtp.Packet, repaired bool) (src uint32) {
	if pkt.SSRC != s.SSRC {
		p.fault("slot %d carries SSRC %d, want %d", s.ID, pkt.SSRC, s.SSRC)
		return 0
	}
	if len(pkt.CSRC) != 1 || kindOf(pkt.CSRC[0]) != s.Kind {
		p.fault("slot %d (kind %d) has a packet with CSRCs %d", s.ID, s.Kind, pkt.CSRC)
		return 0
	}
	if sound := pkt.PayloadType == ptOpus; sound != isAudio(s.Kind) || !sound && codecOf(pkt.PayloadType) == nil {
		p.fault("slot %d (kind %d) has payload type %d", s.ID, s.Kind, pkt.PayloadType)
		return 0
	}
	if len(pkt.Payload) == 0 {
		return 0
	}
	src = pkt.CSRC[0]
	p.update(func() {
		r := p.sources[src]
		if r == nil {
			r = newReception(s.ID)
			p.sources[src] = r
		}
		r.slot = s.ID
		r.packets++
		if repaired {
			r.recovered++
		}
		if e := pkt.GetExtension(extTransportSeq); len(e) == 2 {
			r.numbered++
		}
		var level rtp.AudioLevelExtension
		if e := pkt.GetExtension(extAudioLevel); e != nil && level.Unmarshal(e) == nil {
			r.levels[level.Level]++
		}
		p.inSlot[s.ID].add(pkt.SequenceNumber)
	})
	return src
}

// receiveReports takes the router's RTCP about one slot.
func (p *person) receiveReports(s slot, receiver *webrtc.RTPReceiver) {
	for {
		pkts, _, err := receiver.ReadRTCP()
		if err != nil {
			return
		}
		for _, pkt := range pkts {
			if sr, ok := pkt.(*rtcp.SenderReport); ok && sr.SSRC == s.SSRC {
				p.update(func() {
					in := p.inSlot[s.ID]
					in.reports++
					in.ntp, in.rtp = sr.NTPTime, sr.RTPTime
				})
			}
		}
	}
}
