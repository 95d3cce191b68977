package scenario

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/lab"
	"parley/wire/proto"
)

// Malformed, oversized and unknown messages on the control channel are errors for who sends them (S41).
func TestBadControlMessagesAreErrorsForTheirSenderOnly(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		q := w.quietMeeting()
		home := q.router.Name()
		m := w.Meeting(nil)

		before := []struct {
			name  string
			first []byte
			want  string
		}{
			{"no JSON", []byte("hello?"), "bad_request"},
			{"empty", nil, "bad_request"},
			{"an array", []byte(`["hello"]`), "bad_request"},
			{"no type", []byte(`{"token":"x"}`), "bad_request"},
			{"wrong types inside", []byte(`{"t":"hello","v":"one"}`), "bad_request"},
			{"not a hello", proto.Encode(proto.Ping{N: 1}), "bad_request"},
			{"unknown type", []byte(`{"t":"hullo"}`), "bad_request"},
			{"deep", []byte(`{"t":"hello","v":` + strings.Repeat("[", 30000) + strings.Repeat("]", 30000) + `}`), "bad_request"},
			{"not UTF-8", []byte("{\"t\":\"hello\",\"token\":\"\xff\xfe\",\"v\":1}"), "token_invalid"},
			{"too long", bytes.Repeat([]byte(" "), proto.MaxMessageLen+1), "closed without a word"},
		}
		for _, c := range before {
			l := w.Stranger("first-" + strings.ReplaceAll(c.name, " ", "-")).Open(home)
			l.SendBytes(c.first)
			if got := l.outcome(); got != c.want {
				t.Errorf("%s as first message: %s, want %s", c.name, got, c.want)
			}
		}

		s := w.Stranger("rude").MustLookup(m)
		grant, code := s.Route("oslo", s.answer.Token)
		if code != "" {
			t.Fatal(code)
		}
		l := s.Say(grant.Router, s.Hello(grant.Router))
		if got := l.outcome(); got != "welcome" {
			t.Fatal(got)
		}
		q.Undisturbed("bad messages", func() {
			for _, c := range []struct {
				name string
				b    []byte
				want proto.Code
			}{
				{"no JSON", []byte("{"), proto.CodeBadRequest},
				{"no type", []byte(`{}`), proto.CodeBadRequest},
				{"unknown type", []byte(`{"t":"dance"}`), proto.CodeUnsupported},
				{"a second hello", proto.Encode(s.Hello(grant.Router)), proto.CodeBadRequest},
				{"a server's message", proto.Encode(proto.Welcome{}), proto.CodeBadRequest},
				{"a kind there is not", []byte(`{"t":"publish","kind":9,"active":true}`), proto.CodeBadRequest},
				{"a negative kind", []byte(`{"t":"publish","kind":-1,"active":true}`), proto.CodeBadRequest},
				{"layers upside down", []byte(`{"t":"publish","kind":1,"active":true,"layers":[{"rid":"f"},{"rid":"q"}]}`), proto.CodeBadRequest},
				{"empty chat", proto.Encode(proto.Said{Text: " "}), proto.CodeBadRequest},
				{"long chat", proto.Encode(proto.Said{Text: strings.Repeat("x", 5000)}), proto.CodeBadRequest},
				{"a reaction there is not", proto.Encode(proto.React{Emoji: "<script>"}), proto.CodeBadRequest},
				{"a layout of a thousand tiles", proto.Encode(proto.Layout{Version: 1, Tiles: make([]proto.Tile, 1000)}), proto.CodeBadRequest},
				{"an action there is not", proto.Encode(proto.Act{Do: "dance"}), ""},
				{"an action on nobody", proto.Encode(proto.Act{Do: proto.ActEject, Target: 12345}), ""},
			} {
				had := len(messages[proto.Failed](l))
				l.SendBytes(c.b)
				w.pass(time.Second)
				got := messages[proto.Failed](l)
				if len(got) != had+1 || c.want != "" && got[had].Code != c.want {
					t.Errorf("%s: answered %+v, want one error %s", c.name, got[had:], c.want)
				}
			}
			if l.Ended() {
				t.Fatal("errors that are not fatal ended the channel")
			}
			l.SendBytes(bytes.Repeat([]byte("x"), proto.MaxMessageLen+1))
			w.until(2*time.Second, "an oversized message ends the channel", l.Ended)
			// A thousand at once: the channel is cut where answers pile up, and nobody else notices.
			flood := s.Say(grant.Router, s.Hello(grant.Router))
			if got := flood.outcome(); got != "welcome" {
				t.Fatal(got)
			}
			for i := range 1000 {
				flood.SendBytes(fmt.Appendf(nil, `{"t":"nonsense%d"}`, i))
			}
			w.pass(time.Second)
		})
	})
}

// Connections that stop half way are closed, and keep nobody out.
func TestHalfOpenTLSAndSilentChannelsKeepNobodyOut(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		q := w.quietMeeting()
		crowd := w.host("crowd", nil)
		hello := []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3} // a ClientHello that goes no further
		var mu sync.Mutex
		closed := 0
		var readers sync.WaitGroup
		connect := func(host *lab.Host, b []byte) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			c, err := crowd.Dial(ctx, "tcp", netip.AddrPortFrom(host.Addr(), 443).String())
			if err != nil {
				t.Fatal(err)
			}
			w.onClose(func() { c.Close() })
			if len(b) > 0 {
				c.Write(b)
			}
			readers.Go(func() {
				buf := make([]byte, 256)
				for {
					if _, err := c.Read(buf); err != nil {
						break
					}
				}
				mu.Lock()
				closed++
				mu.Unlock()
			})
		}
		const each = 100
		for range each {
			connect(q.router, hello)
			connect(q.router, nil)
			connect(w.siteHost, hello)
			connect(w.siteHost, []byte("GET / HTTP/1.1\r\n"))
		}
		var silent []*line
		s := w.Stranger("silent")
		for range 20 {
			silent = append(silent, s.Open(q.router.Name()))
		}
		q.Undisturbed("half-open connections", func() {
			p := w.Join("dora", w.Meeting(nil), performs)
			p.WaitMedia()
			p.Leave()
		})
		w.until(30*time.Second, "half-open connections are closed", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return closed == 4*each
		})
		w.until(80*time.Second, "silent channels are closed", func() bool {
			return !slices.ContainsFunc(silent, func(l *line) bool { return !l.Ended() })
		})
		readers.Wait()
	})
}

// Requests of phases one to three that are malformed or too long are refused with a code (S7, S10).
func TestMalformedRequestsAreRefused(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		s := w.Stranger("rude")
		long := `{"v":1,"name":"` + strings.Repeat("x", 1<<20) + `"}`
		for _, c := range []struct {
			method, url, body string
			want              int
		}{
			{"POST", siteURL + "/lookup", `{`, 400},
			{"POST", siteURL + "/lookup", ``, 400},
			{"POST", siteURL + "/lookup", `[]`, 400},
			{"POST", siteURL + "/lookup", `{"v":0}`, 426},
			{"POST", siteURL + "/lookup", `{"v":1,"number":"x"}`, 400},
			{"POST", siteURL + "/lookup", long, 400},
			{"GET", siteURL + "/lookup", ``, 404},
			{"POST", siteURL + "/v2/users/me/meetings", `{}`, 401},
			{"POST", "https://oslo-zc/route", `{`, 400},
			{"POST", "https://oslo-zc/route", `{"v":1}`, 401},
			{"POST", "https://oslo-zc/route", long, 400},
			{"POST", "https://oslo-zc/ping", ``, 405},
			{"GET", "https://oslo-1/control", ``, 426},
			{"GET", "https://oslo-1/elsewhere", ``, 404},
		} {
			req, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.http.Do(req)
			if err != nil {
				t.Errorf("%s %s %.20q: %v", c.method, c.url, c.body, err)
				continue
			}
			resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("%s %s %.20q = %d, want %d", c.method, c.url, c.body, resp.StatusCode, c.want)
			}
		}
		p := w.Join("polite", w.Meeting(nil))
		p.WaitMedia()
	})
}
