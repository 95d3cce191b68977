package link

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A client may send its first message right behind the upgrade, in one segment: the server has read it ahead
// before the connection changes hands.
func TestAMessageRightBehindTheUpgradeArrives(t *testing.T) {
	for _, n := range []int{0, 5, 125, 3000} {
		got := make(chan string, 1)
		addr, conf := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := AcceptWebSocket(w, r, WSAccept{})
			if err != nil {
				t.Error(err)
				return
			}
			defer ws.CloseNow()
			b, err := ws.Read(context.Background())
			if err != nil {
				t.Error(err)
			}
			got <- string(b)
		}))
		conf = conf.Clone()
		conf.NextProtos = []string{"http/1.1"}
		conn, err := tls.Dial("tcp", addr, conf)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Repeat("x", n)
		frame := []byte{0x81, 0x80 | byte(min(n, 126))}
		if n > 125 {
			frame = append(frame, byte(n>>8), byte(n))
		}
		frame = append(append(frame, 0, 0, 0, 0), want...) // masked with zeros
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n%s", addr, frame)
		if b := <-got; b != want {
			t.Errorf("of a message of %d bytes right behind the upgrade came %d", n, len(b))
		}
		conn.Close()
	}
}
