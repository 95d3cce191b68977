package meeting

import (
	"slices"
	"time"

	"parley/wire/proto"
)

// source is one thing a person may send.
type source struct {
	active bool
	muted  bool
	byHost bool
	open   bool // its gate is

	forceMute   bool // the next active Publish mutes, whatever it says: muted on entry, or by a host before a resume
	unconfirmed bool // of a resumed client that has not published it again yet

	layers []layer  // of a camera, lowest first; empty: one encoding
	uses   [3]int32 // slots it is wired to, by layer
	sent   uint8    // layers the sender was told are wanted, bit per layer
	told   bool     // it was told since it started this source; until then sent is all it announced

	wantDirty bool      // in mapping.wanted
	trimming  bool      // in mapping.trims
	trimAt    time.Time // layers nobody watches are taken back then; zero: nothing to take back
}

type layer struct {
	index  int8 // in proto.RIDs
	height int  // pixels; 0: not said
}

// marked reports whether a host's mute is to outlive the router.
func (s *source) marked() bool { return s.byHost || s.forceMute }

func (s *source) used() bool { return s.uses[0]|s.uses[1]|s.uses[2] != 0 }

// readLayers checks what a sender announces. Layers must be among proto.RIDs and rise.
func readLayers(ls []proto.Layer) ([]layer, bool) {
	if len(ls) == 0 || len(ls) == 1 && ls[0].RID == "" {
		return nil, true
	}
	out := make([]layer, 0, len(ls))
	for _, l := range ls {
		i := slices.Index(proto.RIDs[:], l.RID)
		if i < 0 || l.Height < 0 || len(out) > 0 && int8(i) <= out[len(out)-1].index {
			return nil, false
		}
		out = append(out, layer{index: int8(i), height: l.Height})
	}
	return out, true
}

// Tile heights in pixels up to which a camera that does not tell its layers' heights is shown in its
// lowest and its middle layer.
const (
	lowHeight = 180
	midHeight = 360
)

// layerFor picks the smallest layer that fills a tile, or the largest there is.
func (s *source) layerFor(height int) int8 {
	if len(s.layers) == 0 {
		return 0
	}
	for _, l := range s.layers {
		h := l.height
		if h == 0 {
			switch l.index {
			case 0:
				h = lowHeight
			case 1:
				h = midHeight
			default:
				continue
			}
		}
		if h >= height {
			return l.index
		}
	}
	return s.layers[len(s.layers)-1].index
}

// publish takes what a person sends now.
func (m *Meeting) publish(now time.Time, p *person, msg proto.Publish) {
	k := msg.Kind
	if k >= proto.NKinds {
		m.fail(p, msg.Type(), proto.CodeBadRequest, "There is no such kind of source.")
		return
	}
	layers, ok := readLayers(msg.Layers)
	if !ok {
		m.fail(p, msg.Type(), proto.CodeBadRequest, "The layers of this source are not in order.")
		return
	}
	s := &p.src[k]
	if msg.Active && p.perms&(1<<k) == 0 {
		m.fail(p, msg.Type(), proto.CodeForbidden, "You are not permitted to send "+permitted(k)+" in this meeting.")
		return
	}
	muted, byHost, marked := msg.Muted, s.byHost, s.marked()
	switch {
	case !msg.Active: // stopped: what is started after this is the person's own doing
		byHost, s.forceMute = false, false
	case s.forceMute:
		muted, byHost, s.forceMute = true, true, false
	case !msg.Muted:
		byHost = false
	}
	if k == proto.Content && msg.Active && !muted && !s.open && m.sharePlace() < 0 {
		m.fail(p, msg.Type(), proto.CodeForbidden, "Others are sharing already. Ask them to stop first.")
		return
	}
	s.unconfirmed = false
	if s.active != msg.Active || s.muted != muted || s.byHost != byHost {
		m.touch(p)
	}
	if s.active != msg.Active || !slices.Equal(s.layers, layers) {
		s.layers = layers
		m.resetWanted(p, k)
		m.mapAll(now)
	}
	s.active, s.muted, s.byHost = msg.Active, muted, byHost
	if s.marked() != marked {
		m.persist(now)
	}
	m.refreshGate(now, p, k)
}

func permitted(k proto.Kind) string {
	switch k {
	case proto.Audio:
		return "audio"
	case proto.Video:
		return "video"
	}
	return "shared content"
}

// refreshGate opens or closes a source as its state says, and takes it out of every slot when it
// closes: what a gate holds back is never wired.
func (m *Meeting) refreshGate(now time.Time, p *person, k proto.Kind) {
	s := &p.src[k]
	open := s.active && !s.muted && !p.waiting && p.perms&(1<<k) != 0
	if k == proto.ContentAudio {
		open = open && p.src[proto.Content].open
	}
	if open == s.open {
		return
	}
	s.open = open
	m.do(Gate{Source: proto.Source(p.id, k), Open: open})
	switch k {
	case proto.Audio:
		if open {
			m.fillPlaces(now)
		} else {
			m.leaveSpeech(now, p)
		}
	case proto.Content:
		if open {
			if i := m.sharePlace(); i >= 0 {
				m.sharers[i] = p
			}
		} else if i := slices.Index(m.sharers, p); i >= 0 {
			m.sharers[i] = nil
		}
		m.refreshGate(now, p, proto.ContentAudio)
	case proto.Video:
		m.mapping.camsDirty = true
	}
	if !open {
		m.unwire(now, proto.Source(p.id, k), s)
	}
	m.mapAll(now)
}

// sharePlace is a free place to share, or -1.
func (m *Meeting) sharePlace() int { return slices.Index(m.sharers, nil) }

// hostMute mutes a source in a host's name.
func (m *Meeting) hostMute(now time.Time, p *person, k proto.Kind) {
	s := &p.src[k]
	if !s.active || s.muted && s.byHost {
		return
	}
	s.muted, s.byHost = true, true
	m.touch(p)
	m.persist(now)
	m.refreshGate(now, p, k)
}
