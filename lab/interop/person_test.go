package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/dtls/v3"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// person is one participant made of pion/webrtc.
type person struct {
	t       *testing.T
	meeting meeting
	id      identity
	name    string
	opt     options
	lookup  lookupAnswer
	ahead   time.Duration // server time minus ours
	grant   grant
	me      uint32
	table   []slot

	transports [nGroups]*transport
	cam, mic   *outTrack
	screen     *outTrack
	sound      *outTrack

	stop chan struct{} // ends the goroutines
	wg   sync.WaitGroup

	writing sync.Mutex // of ws
	ws      *websocket.Conn

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew with every change of what follows
	lag      time.Duration // how late the machine let the pacer be at worst
	faults   []string      // what must not happen, in words
	welcome  *welcome
	roster   map[uint32]personRow
	version  uint64
	slotSeq  uint64
	mapping  map[int]uint32 // slot -> source
	starts   map[int]uint32 // slot -> RTP time of the source's first packet there
	speakers []speakers
	chats    []chat
	wanted   map[int][]string
	errors   []refusal
	bye      *refusal
	pongs    int
	sources  map[uint32]*reception // by source id
	inSlot   map[int]*slotLog      // by slot id
}

// options say how a person joins.
type options struct {
	p256       bool                       // sign with a page's kind of key
	route      bool                       // ask a controller instead of taking the lookup's grant
	videoSlots int                        // 0: four
	named      bool                       // a simulcast camera's SSRCs are named all the same
	simulcast  bool                       // camera in three layers, known by MID and RID alone
	host       bool                       // signed in as the meeting's owner
	profile    dtls.SRTPProtectionProfile // the only one offered; 0: pion's choice
	codec      string                     // of the camera, from a file; empty: VP8 made here
	lossIn     float64                    // of RTP packets, per transport
	lossOut    float64
	seed       uint64
	watch      func(pkt *rtp.Packet, repaired bool) // is given all packets instead of the frames being read
}

// join brings somebody in: lookup, grant, control channel, three transports.
func join(t *testing.T, m meeting, name string, opt options) *person {
	t.Helper()
	if opt.videoSlots == 0 {
		opt.videoSlots = 4
	}
	p := &person{
		t: t, meeting: m, name: name, opt: opt, id: newIdentity(t, opt.p256),
		stop: make(chan struct{}), changed: make(chan struct{}),
		roster: map[uint32]personRow{}, mapping: map[int]uint32{}, starts: map[int]uint32{},
		wanted: map[int][]string{}, sources: map[uint32]*reception{}, inSlot: map[int]*slotLog{},
	}
	var err error
	if p.lookup, p.ahead, err = m.lookup(p.id, name, opt.host); err != nil {
		t.Fatalf("%s: lookup: %v", name, err)
	}
	signed := ""
	if len(p.lookup.Grants) > 0 {
		signed = p.lookup.Grants[0]
	}
	if opt.route || signed == "" {
		if signed, err = m.route(p.lookup); err != nil {
			t.Fatalf("%s: route: %v", name, err)
		}
	}
	if p.grant, err = openGrant(p.lookup, signed); err != nil {
		t.Fatalf("%s: grant: %v", name, err)
	}
	t.Cleanup(p.close)
	p.openControl()
	p.table, p.me = p.welcome.Slots, p.welcome.Participant
	for _, s := range p.table {
		p.inSlot[s.ID] = newSlotLog()
	}
	p.openTransports()
	p.announce()
	return p
}

// openControl says hello and waits for the welcome.
func (p *person) openControl() {
	p.t.Helper()
	ws, err := p.meeting.dialControl(p.grant)
	if err != nil {
		p.t.Fatalf("%s: control channel: %v", p.name, err)
	}
	p.mu.Lock()
	p.welcome, p.ws, p.version, p.slotSeq = nil, ws, 0, 0
	p.mu.Unlock()
	p.send("hello", signHello(p.id, p.lookup.Token, p.grant.Router, p.serverTime(), p.opt.videoSlots))
	p.wg.Go(func() { p.read(ws) })
	p.wg.Go(func() { p.beat(ws) })
	p.until("a welcome", func() bool { return p.welcome != nil })
}

// serverTime is now by the server's clock.
func (p *person) serverTime() time.Time { return time.Now().Add(p.ahead) }

// send writes one control message.
func (p *person) send(kind string, body any) {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.ws.WriteMessage(websocket.TextMessage, control(kind, body)) // a broken channel shows at the reader
}

// beat sends the heartbeat until the person leaves or the channel is another one.
func (p *person) beat(ws *websocket.Conn) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.mu.Lock()
			current := p.ws == ws
			p.mu.Unlock()
			if !current {
				return
			}
			p.send("ping", map[string]int{"n": n})
		}
	}
}

// read takes what the router says until the channel ends.
func (p *person) read(ws *websocket.Conn) {
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			return
		}
		var head struct {
			T string `json:"t"`
			N int    `json:"n"`
		}
		if err := json.Unmarshal(b, &head); err != nil {
			p.fault("a control message is not JSON: %v", err)
			continue
		}
		if head.T == "ping" {
			p.send("pong", map[string]int{"n": head.N})
			continue
		}
		p.update(func() {
			if p.ws == ws || head.T == "bye" {
				p.hear(head.T, b)
			}
		})
	}
}

// hear keeps what one message says. mu is held.
func (p *person) hear(kind string, b []byte) {
	into := func(v any) {
		if err := json.Unmarshal(b, v); err != nil {
			p.faults = append(p.faults, fmt.Sprintf("%s can't be read: %v", kind, err))
		}
	}
	switch kind {
	case "welcome":
		p.welcome = &welcome{}
		into(p.welcome)
		clear(p.roster)
		p.takeRoster(p.welcome.Roster)
	case "roster":
		var r roster
		into(&r)
		if r.Version != p.version+1 {
			p.faults = append(p.faults, fmt.Sprintf("roster %d after %d", r.Version, p.version))
		}
		p.takeRoster(r)
	case "slots":
		var s slots
		into(&s)
		if p.slotSeq != 0 && s.Seq != p.slotSeq+1 {
			p.faults = append(p.faults, fmt.Sprintf("slots %d after %d", s.Seq, p.slotSeq))
		}
		p.slotSeq = s.Seq
		for _, c := range s.Changes {
			p.mapping[c.Slot] = c.Source
			if c.Time != 0 {
				p.starts[c.Slot] = c.Time
			}
		}
	case "speakers":
		var s speakers
		into(&s)
		p.speakers = append(p.speakers, s)
	case "chat":
		var c chat
		into(&c)
		if n := len(p.chats); n > 0 && c.Seq <= p.chats[n-1].Seq {
			p.faults = append(p.faults, fmt.Sprintf("chat %d after %d", c.Seq, p.chats[n-1].Seq))
		}
		p.chats = append(p.chats, c)
	case "wanted":
		var w wanted
		into(&w)
		p.wanted[w.Kind] = w.RIDs
	case "error":
		var r refusal
		into(&r)
		p.errors = append(p.errors, r)
	case "bye":
		p.bye = &refusal{}
		into(p.bye)
	case "pong":
		p.pongs++
	case "state":
	default:
		p.faults = append(p.faults, "unknown control message "+kind)
	}
}

func (p *person) takeRoster(r roster) {
	p.version = r.Version
	for _, row := range r.Put {
		p.roster[row.ID] = row
	}
	for _, id := range r.Gone {
		delete(p.roster, id)
	}
}

// update runs f with mu held and wakes who waits.
func (p *person) update(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// fault notes what must not happen.
func (p *person) fault(format string, args ...any) {
	p.update(func() { p.faults = append(p.faults, fmt.Sprintf(format, args...)) })
}

// until waits until cond holds; it is asked with mu held.
func (p *person) until(what string, cond func() bool) {
	p.t.Helper()
	p.untilWithin(patience, what, cond)
}

func (p *person) untilWithin(limit time.Duration, what string, cond func() bool) {
	p.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		ok, changed := cond(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			p.mu.Lock()
			defer p.mu.Unlock()
			if cond() {
				return
			}
			p.t.Fatalf("%s waited %v in vain for %s\n%s", p.name, limit, what, p.describe())
		}
	}
}

// describe is what is known, for a failure. mu is held.
func (p *person) describe() string {
	s := fmt.Sprintf("bye %+v, errors %+v, faults %q\nmapping %v\nroster %v\n", p.bye, p.errors, p.faults, p.mapping, p.roster)
	for src, r := range maps.All(p.sources) {
		s += fmt.Sprintf("source %d (kind %d of %d): %s\n", src, kindOf(src), src>>3, r)
	}
	for _, o := range []*outTrack{p.mic, p.cam, p.screen, p.sound} {
		if o != nil {
			s += o.String() + "\n"
		}
	}
	return s
}

// asks sends RTCP on the transport of a slot.
func (p *person) asks(s slot, pkts ...rtcp.Packet) {
	p.t.Helper()
	if err := p.transports[groupOf(s.Kind)].pc.WriteRTCP(pkts); err != nil {
		p.t.Fatalf("%s: RTCP: %v", p.name, err)
	}
}

// slotOf is the slot that carries a source.
func (p *person) slotOf(src uint32) slot {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.table {
		if p.mapping[s.ID] == src {
			return s
		}
	}
	p.t.Fatalf("%s: no slot carries source %d: %v", p.name, src, p.mapping)
	return slot{}
}

// leave says goodbye.
func (p *person) leave() {
	p.send("bye", refusal{Code: "left"})
	p.close()
}

// close ends everything; what must not have happened fails the test.
func (p *person) close() {
	select {
	case <-p.stop:
		return
	default:
	}
	close(p.stop)
	for _, t := range p.transports {
		t.close()
	}
	p.mu.Lock()
	ws := p.ws
	p.mu.Unlock()
	if ws != nil {
		ws.Close()
	}
	p.wg.Wait()
	for _, f := range p.faults {
		p.t.Errorf("%s: %s", p.name, f)
	}
}
