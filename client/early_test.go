package client_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/wire/proto"
)

// Whoever does not take a hello before the channel stands is given time; once is enough to know.
func TestAHelloThatMustWaitWaits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		refuses bool
		within  time.Duration
	}{
		{"a box that refuses it", true, 700 * time.Millisecond}, // 4 round trips of 50 ms more
		{"a box that drops it", false, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				early := 0
				w.door = func(rw http.ResponseWriter) http.ResponseWriter { return lab.EarlyDoor(rw, tt.refuses, &early) }
				a := w.join("ann", publish)
				b := w.join("ben", nil)
				time.Sleep(tt.within)
				if j, at := saw[client.Joined](a); len(j) != 1 {
					t.Fatalf("joined %d times (%v) within %v\n%v", len(j), at, tt.within, a.Explain().Attempts)
				}
				time.Sleep(2 * time.Second)
				ann, _ := a.Self()
				if n := len(b.got(ann, proto.Audio)); n < 80 {
					t.Errorf("ben got %d sounds in 2 s", n)
				}
				if n := len(b.got(ann, proto.Video)); n < 40 {
					t.Errorf("ben got %d pictures in 2 s", n)
				}
				before := early
				a.NetworkChanged()
				time.Sleep(2 * time.Second)
				if j, _ := saw[client.Joined](a); len(j) != 2 || early != before {
					t.Errorf("joined %d times, and %d more hellos came too early, want twice and none", len(j), early-before)
				}
			})
		})
	}
}

// A host's meeting is not begun by looking at its door: Enter begins it.
func TestAHostWaitsInTheLobbyOfAMeetingThatHasNotBegun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.refusal = proto.NewError(proto.CodeNotStarted, "The meeting has not begun.")
		a := w.join("ann", func(c *client.Config) { c.Wait = client.WaitLobby })
		time.Sleep(5 * time.Second)
		a.Enter()
		a.Enter()
		time.Sleep(time.Second)
		if j, _ := saw[client.Joined](a); len(j) != 1 {
			t.Errorf("joined %d times, want once", len(j))
		}
		if n := len(w.lookups); n != 2 || !w.lookups[0].Lobby || w.lookups[1].Lobby {
			t.Errorf("%d lookups, want one from the lobby and one that begins it: %+v", n, w.lookups)
		}
	})
}

func TestTheLobbyTellsAtOnceWhatWillNotChange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.refusal = proto.NewError(proto.CodeNoSuchMeeting, "No such meeting, or a wrong passcode.")
		a := w.join("ann", func(c *client.Config) { c.Wait = client.WaitLobby })
		refused, ok := errors.AsType[*client.Refused](a.end())
		if !ok || refused.Code != proto.CodeNoSuchMeeting {
			t.Errorf("ended with %v", refused)
		}
	})
}

// What the network does to the lobby is repaired there, or forgotten until Enter.
func TestTheLobbyOutlivesTheNetwork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", func(c *client.Config) { publish(c); c.Wait = client.WaitLobby })
		time.Sleep(2 * time.Second)
		w.srv.Down()
		time.Sleep(50 * time.Second)
		w.srv.Up()
		time.Sleep(2 * time.Minute)
		select {
		case err := <-a.ended:
			t.Fatalf("ended in the lobby: %v", err)
		default:
		}
		a.Mute(proto.Audio, true)
		a.Enter()
		time.Sleep(2 * time.Second)
		if j, _ := saw[client.Joined](a); len(j) != 1 {
			t.Errorf("joined %d times, want once", len(j))
		}
		for _, p := range a.Roster() {
			for _, s := range p.Sources {
				if s.Kind == proto.Audio && !s.Muted {
					t.Error("what was muted in the lobby is not")
				}
			}
		}
	})
}

func TestLeavingTheLobby(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, how := range []client.Wait{client.WaitSite, client.WaitLobby} {
			a := w.join("ann-"+string(how), func(c *client.Config) { c.Wait = how })
			time.Sleep(2 * time.Second)
			a.Leave()
			left, ok := errors.AsType[*client.Left](a.end())
			if !ok || left.Code != proto.CodeLeft {
				t.Errorf("%s: ended with %v", how, left)
			}
		}
	})
}

// The site is told that there is a proxy, and no more than that (S7).
func TestTheSiteIsToldOfAProxyWithoutItsName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.join("ann", func(c *client.Config) {
			c.Proxy.Env = func(key string) string {
				return map[string]string{"HTTPS_PROXY": "http://ann:secret@gone.test:3128"}[key]
			}
		})
		w.join("ben", nil)
		time.Sleep(3 * time.Second)
		told := map[string]string{}
		for _, l := range w.lookups {
			told[l.Name] = l.Network.Proxy
		}
		if told["ann"] != "env" || told["ben"] != "" {
			t.Errorf("told of Ann's proxy %q and of Ben's %q, want \"env\" and nothing", told["ann"], told["ben"])
		}
	})
}
