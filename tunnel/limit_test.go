package tunnel

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"parley/lab"
	"parley/sys/link"
	"parley/wire/proto"
)

// One holder opens no more than a few dozen streams, however many tokens it asks for.
func TestTenThousandStreams(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		opened := 0
		for i := range 10_000 {
			// The tunnel's own door: ten thousand TLS handshakes show nothing more.
			o, no := w.tunnel.admit(proto.TunnelOpen{V: 1, Token: w.token(), Zone: "eu", Server: "zc"}, anyServer)
			if no == nil {
				opened++
				defer o.release()
			} else if no.why != ReasonStreams {
				t.Fatalf("%d: %v", i, no.why)
			}
			if i%1000 == 999 {
				time.Sleep(time.Second) // announcements
			}
		}
		if opened != 48 {
			t.Errorf("%d opened at once, want 48", opened)
		}
		if _, err := w.to("eu", "zc", w.token()).Dial(context.Background(), "tcp", ""); code(err) != proto.CodeSlowDown || w.tunnel.Refused()["streams"] == 0 {
			t.Errorf("one more: %v", err)
		}
	})
}

func TestLimitsOfOneHolder(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		inWorld(t, Limits{Bytes: 1 << 20}, func(t *testing.T, w *world) {
			st, err := w.to("eu", "mmr", w.token()).Packets(context.Background(), netip.AddrPort{})
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			b := make([]byte, 1200)
			for range 2000 {
				st.WriteBatch([]link.Message{{Buf: b, N: len(b)}})
				time.Sleep(time.Millisecond)
			}
			if n := w.tunnel.limits.uses[holder{w.meeting, 7}].bytes.Load(); n > 1<<20+64<<10 || w.tunnel.Refused()["bytes"] == 0 {
				t.Errorf("carried %d bytes, counted %v", n, w.tunnel.Refused())
			}
			w.refused("eu", "zc", false, nil, ReasonBytes, proto.CodeSlowDown)
		})
	})
	t.Run("time", func(t *testing.T) {
		inWorld(t, Limits{Life: time.Minute}, func(t *testing.T, w *world) {
			c, err := w.to("eu", "zc", w.token()).Dial(context.Background(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			began := time.Now()
			io.Copy(io.Discard, c)
			if took := time.Since(began); took > 61*time.Second {
				t.Errorf("ended after %v", took)
			}
		})
	})
	t.Run("altogether", func(t *testing.T) {
		inWorld(t, Limits{Opened: 3}, func(t *testing.T, w *world) {
			for range 3 {
				c, err := w.to("eu", "zc", w.token()).Dial(context.Background(), "tcp", "")
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
			}
			w.refused("eu", "zc", false, nil, ReasonOpened, proto.CodeSlowDown)
		})
	})
	t.Run("all holders", func(t *testing.T) {
		inWorld(t, Limits{Total: 1}, func(t *testing.T, w *world) {
			c, err := w.to("eu", "zc", w.token()).Dial(context.Background(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			w.refused("eu", "zc", false, nil, ReasonFull, proto.CodeSlowDown)
		})
	})
}

// Who shows no token gets five seconds, and a few connections.
func TestConnectionsWithoutAToken(t *testing.T) {
	inWorld(t, Limits{Unproven: 3}, func(t *testing.T, w *world) {
		dial := func() (*link.WebSocket, error) {
			return link.DialWebSocket(context.Background(), link.WSDial{Host: w.client, URL: "https://tunnel/stream", TLS: w.roots()})
		}
		began := time.Now()
		var first *link.WebSocket
		for range 3 {
			ws, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			defer ws.CloseNow()
			first = ws
		}
		_, err := dial()
		if ue, ok := errors.AsType[*link.UpgradeError](err); !ok || ue.Status != http.StatusTooManyRequests {
			t.Errorf("a fourth: %v", err)
		}
		if _, err := first.Read(context.Background()); err == nil || time.Since(began) > 6*time.Second {
			t.Errorf("still open after %v", time.Since(began))
		}
		if got := w.tunnel.Refused(); got["unproven"] != 1 || got["silent"] == 0 {
			t.Errorf("counted %v", got)
		}
	})
}

// Late datagrams are useless: with a slow way to the client the oldest are dropped, and what arrives is young.
func TestASlowClientGetsYoungDatagrams(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		w.net.Link(w.host, w.client, lab.Link{Delay: 20 * time.Millisecond, Rate: 500_000, Queue: 500_000 / 8 / 10})
		h := w.net.Host("loud", lab.HostOpts{})
		socket, err := h.ListenPacket(netip.AddrPortFrom(h.Addr(), 8801))
		if err != nil {
			t.Fatal(err)
		}
		w.routes("eu", "loud", netip.AddrPortFrom(h.Addr(), 8801).String())
		time.Sleep(1100 * time.Millisecond)
		st, err := w.to("eu", "loud", w.token()).Packets(context.Background(), netip.AddrPort{})
		if err != nil {
			t.Fatal(err)
		}
		hello := []byte("hello")
		st.WriteBatch([]link.Message{{Buf: hello, N: len(hello)}})
		ms := room()
		if _, err := socket.ReadBatch(ms); err != nil {
			t.Fatal(err)
		}
		to := ms[0].Addr
		sent := make(chan struct{})
		go func() { // 2.5 Mbit/s for ten seconds
			defer close(sent)
			for range 2500 {
				b := make([]byte, 1000)
				binary.BigEndian.PutUint64(b, uint64(time.Now().UnixNano()))
				socket.WriteBatch([]link.Message{{Buf: b, N: len(b), Addr: to}})
				time.Sleep(4 * time.Millisecond)
			}
			time.Sleep(2 * time.Second)
			st.Close()
			socket.Close()
		}()
		var late []time.Duration
		in := room()
		for {
			n, err := st.ReadBatch(in)
			if err != nil {
				break
			}
			for _, m := range in[:n] {
				at := time.Unix(0, int64(binary.BigEndian.Uint64(m.Buf)))
				late = append(late, time.Since(at))
			}
		}
		<-sent
		slices.Sort(late)
		if len(late) < 400 {
			t.Fatalf("%d datagrams of 2500 arrived; 500 kbit/s carries about 600", len(late))
		}
		if p99 := late[len(late)*99/100]; p99 > 400*time.Millisecond {
			t.Errorf("one in a hundred is older than %v (median %v)", p99, late[len(late)/2])
		}
		if w.tunnel.Refused()["late"] == 0 {
			t.Error("nothing was counted as dropped")
		}
		t.Logf("%d arrived, median %v, p99 %v", len(late), late[len(late)/2], late[len(late)*99/100])
	})
}

// A tunnel that stops ends its streams at once: clients go to another.
func TestStreamsEndWithTheTunnel(t *testing.T) {
	var c net.Conn
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		var err error
		if c, err = w.to("eu", "zc", w.token()).Dial(context.Background(), "tcp", ""); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			io.Copy(io.Discard, c)
			c.Close()
			close(ended)
		}()
		w.Cleanup(func() { <-ended })
	})
}

// An older token of a seat does not bring nearer when what the seat has used is forgotten.
func TestUseIsKeptUntilTheLastToken(t *testing.T) {
	l, now := newLimits(Limits{Opened: 2}), time.Now()
	claims := proto.TunnelClaims{Meeting: "m", Participant: 7}
	for _, life := range []time.Duration{15 * time.Minute, time.Minute} {
		claims.Expires = now.Add(life).Unix()
		_, release, why, ok := l.take(claims)
		if !ok {
			t.Fatal(why)
		}
		release()
	}
	l.sweep(now.Add(16 * time.Minute)) // the first is good for a minute yet
	if _, _, why, ok := l.take(claims); ok || why != ReasonOpened {
		t.Errorf("a third stream: %v, %v, want refused: %v", ok, why, ReasonOpened)
	}
}
