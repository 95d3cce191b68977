package client_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/link"
	"parley/wire/proto"
)

// finishes reports whether a datagram has an encrypted DTLS record: of a router, its Finished.
func finishes(p lab.Packet) bool {
	for b := p.Data; len(b) > 13 && b[0] >= 20 && b[0] < 64; {
		if binary.BigEndian.Uint16(b[3:]) != 0 {
			return true
		}
		b = b[min(13+int(binary.BigEndian.Uint16(b[11:])), len(b)):]
	}
	return false
}

// Transports with fresh keys take over when their client has used them: the router's own last word of a handshake
// may be lost, and then what is in use goes on.
func TestFreshTransportsTakeOverOnceTheyAreUsed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		var ben *lab.Host
		b := w.join("ben", func(cfg *client.Config) {
			publish(cfg)
			only(proto.UDP8801)(cfg)
			ben = cfg.Host.(*lab.Host)
		})
		time.Sleep(1500 * time.Millisecond) // sound and pictures stand, content is still to come
		began := time.Now()
		lost := 0
		w.net.LinkOneWay(w.srv, ben, lab.Link{Delay: oneWay, Block: []lab.Rule{{Proto: lab.UDP, Match: func(p lab.Packet) bool {
			if finishes(p) {
				lost++
			}
			return finishes(p)
		}}}})
		hears := func(what string) {
			t.Helper()
			for _, p := range [][2]*person{{a, b}, {b, a}} {
				if longest, missed := p[0].gaps(p[1], began); longest > 60*time.Millisecond || missed != 0 {
					t.Errorf("%s: no sound for %v, %d missed", what, longest, missed)
				}
			}
		}
		time.Sleep(15 * time.Second)
		if lost < 4 {
			t.Fatalf("%d datagrams were lost, want those of several handshakes", lost)
		}
		hears("while handshakes come to nothing")
		w.net.LinkOneWay(w.srv, ben, lab.Link{Delay: oneWay})
		time.Sleep(45 * time.Second)
		hears("when they pass again")
		w.wantRungs(b, proto.UDP8801)
		id, _ := b.Self()
		for _, s := range w.router.Seats(meetingID) {
			if s.Participant == id && s.Rungs[proto.GroupContent] != proto.UDP8801 {
				t.Errorf("content has no path")
			}
		}
	})
}

// natted is a machine behind a NAT that forgets: what is sent next over UDP comes from another port, and what is
// sent to the one before does not arrive.
type natted struct {
	*lab.Host
	mu  sync.Mutex
	all []*mapping
}

// mapping is a socket of the machine, as the world sees it.
type mapping struct {
	n     *natted
	mu    sync.Mutex
	now   link.PacketConn
	until time.Time
	over  bool
}

func (n *natted) ListenPacket(addr netip.AddrPort) (link.PacketConn, error) {
	pc, err := n.Host.ListenPacket(addr)
	if err != nil {
		return nil, err
	}
	m := &mapping{n: n, now: pc}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, m)
	return m, nil
}

// forget makes it forget all mappings.
func (n *natted) forget(t *testing.T) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.all {
		m.mu.Lock()
		if !m.over {
			fresh, err := n.Host.ListenPacket(netip.AddrPortFrom(m.now.LocalAddr().Addr(), 0))
			if err != nil {
				t.Fatal(err)
			}
			was := m.now
			m.now = fresh
			fresh.SetReadDeadline(m.until)
			was.Close()
		}
		m.mu.Unlock()
	}
}

func (m *mapping) conn() (link.PacketConn, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now, m.over
}

func (m *mapping) ReadBatch(ms []link.Message) (int, error) {
	for {
		pc, _ := m.conn()
		n, err := pc.ReadBatch(ms)
		if now, over := m.conn(); err == nil || over || now == pc || !errors.Is(err, net.ErrClosed) {
			return n, err
		}
	}
}

func (m *mapping) WriteBatch(ms []link.Message) (int, error) {
	pc, _ := m.conn()
	return pc.WriteBatch(ms)
}

func (m *mapping) LocalAddr() netip.AddrPort {
	pc, _ := m.conn()
	return pc.LocalAddr()
}

func (m *mapping) SetReadDeadline(at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until = at
	return m.now.SetReadDeadline(at)
}

func (m *mapping) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = true
	return m.now.Close()
}

// What all move to while a NAT forgets, since content needed it, is heard from where it then comes.
func TestMovingToFreshTransportsIsNotHeard(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		t.Run(fmt.Sprintf("a NAT that forgets %v", forgets), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.join("ann", publish)
				var nat *natted
				moves := 0
				b := w.join("ben", func(cfg *client.Config) {
					publish(cfg)
					only(proto.UDP8801)(cfg)
					nat = &natted{Host: cfg.Host.(*lab.Host)}
					cfg.Host = nat
					tell := cfg.Events
					cfg.Events = func(e client.Event) {
						if m, ok := e.(client.Media); ok && m.Kind == "audio" {
							if moves++; moves > 1 && forgets {
								nat.forget(t)
							}
						}
						tell(e)
					}
				})
				time.Sleep(1500 * time.Millisecond)
				began := time.Now()
				w.net.LinkOneWay(w.srv, nat.Host, lab.Link{Delay: oneWay, Block: []lab.Rule{{Proto: lab.UDP, Match: finishes}}})
				time.Sleep(6300 * time.Millisecond) // content's handshake has come to nothing, and a fresh one is to come
				w.net.LinkOneWay(w.srv, nat.Host, lab.Link{Delay: oneWay})
				time.Sleep(10 * time.Second)
				if media, _ := saw[client.Media](b); moves != 2 {
					t.Fatalf("media %+v, want sound moved once", media)
				}
				most, lost := 60*time.Millisecond, 0
				if forgets { // what was on its way is lost
					most, lost = 200*time.Millisecond, 8
				}
				for _, p := range [][2]*person{{a, b}, {b, a}} {
					if longest, missed := p[0].gaps(p[1], began); longest > most || missed > lost {
						t.Errorf("no sound for %v, %d missed", longest, missed)
					}
				}
			})
		})
	}
}

// Where UDP swallows the end of a handshake, it ends over another path.
func TestAHandshakeEndsWhereItsAnswerPasses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var ben *lab.Host
		b := w.join("ben", func(cfg *client.Config) {
			publish(cfg)
			ben = cfg.Host.(*lab.Host)
		})
		time.Sleep(1500 * time.Millisecond)
		w.net.LinkOneWay(w.srv, ben, lab.Link{Delay: oneWay, Block: []lab.Rule{{Proto: lab.UDP, Match: finishes}}})
		time.Sleep(4 * time.Second)
		media, at := saw[client.Media](b)
		if !slices.ContainsFunc(media, func(m client.Media) bool { return m.Kind == "content" }) {
			t.Errorf("media %+v at %v, want content", media, at)
		}
	})
}

// A NAT that forgets five times a second leaves media no path for longer than a round trip, and no handshake a whole
// one. It is left for TCP, and nobody hears more of it than what was on its way.
func TestANATThatForgetsAllTheTimeIsLeftUnheard(t *testing.T) {
	for _, delay := range []time.Duration{oneWay, 45 * time.Millisecond, 60 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.join("ann", publish)
				var nat *natted
				b := w.join("ben", func(cfg *client.Config) {
					publish(cfg)
					nat = &natted{Host: cfg.Host.(*lab.Host)}
					cfg.Host = nat
				})
				w.net.Link(nat.Host, w.srv, lab.Link{Delay: delay})
				time.Sleep(1500 * time.Millisecond)
				began := time.Now()
				for n := 0; time.Since(began) < time.Minute; n++ {
					nat.forget(t)
					time.Sleep(200*time.Millisecond + time.Duration(n%7)*time.Millisecond)
				}
				if longest, missed := a.gaps(b, began); longest > 60*time.Millisecond || missed != 0 {
					t.Errorf("no sound from behind it for %v, %d missed", longest, missed)
				}
				if longest, _ := b.gaps(a, began); longest > 300*time.Millisecond {
					t.Errorf("no sound from before it for %v", longest)
				}
				w.wantRungs(b, proto.TCP8801)
			})
		})
	}
}
