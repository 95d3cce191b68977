package node

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley/sys/link"
)

// Headers that are too long are refused before anybody knows which part they are for, the tunnel or another; the
// front counts them.
func TestHugeHeadersAreCounted(t *testing.T) {
	n, ready, err := Up(t.Context(), loopback(t.TempDir(), "a"), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, n)()
	site, err := url.Parse(ready.Site)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", site.Host, link.ClientTLS(n.Site().CA().Pool()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, "GET /tunnel/ping HTTP/1.1\r\nHost: "+site.Host+"\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatalf("answer %v, %v", resp, err)
	}
	c.Close()
	tick, limit := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for n.unread.Total() == 0 { // the server lets go of it a little later
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("not counted")
		}
	}
}
