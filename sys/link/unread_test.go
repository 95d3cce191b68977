package link

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRequestsNoHandlerSeesAreCounted: the HTTP server refuses them by itself.
func TestRequestsNoHandlerSeesAreCounted(t *testing.T) {
	const fine = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	huge := "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"
	for name, tt := range map[string]struct {
		says   []string
		status int // of the last answer; 0: none
		want   uint64
	}{
		"nothing":                    {nil, 0, 0},
		"a request":                  {[]string{fine}, 200, 0},
		"two requests":               {[]string{fine, fine}, 200, 0},
		"huge headers":               {[]string{huge}, 431, 1},
		"huge headers, after others": {[]string{fine, fine, huge}, 431, 1},
		"two Hosts":                  {[]string{"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"}, 400, 1},
		"no HTTP":                    {[]string{"\x00\x01\x02\r\n\r\n"}, 400, 1},
		"headers that never end":     {[]string{"GET / HTTP/1.1\r\nHost: x\r\n"}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var unread Unread
				srv := HTTPServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)
				unread.Watch(srv)
				l := make(pipeListener, 1)
				go srv.Serve(l)
				here, there := net.Pipe()
				l <- there
				answers, status := bufio.NewReader(here), 0
				for _, text := range tt.says {
					go io.WriteString(here, text) // what is too long is not read to its end
					resp, err := http.ReadResponse(answers, nil)
					if err != nil {
						status = 0
						break
					}
					status = resp.StatusCode
					io.Copy(io.Discard, resp.Body)
				}
				time.Sleep(time.Second)
				here.Close()
				srv.Close()
				synctest.Wait()
				if status != tt.status || unread.Total() != tt.want {
					t.Errorf("status %d, counted %d; want %d and %d", status, unread.Total(), tt.status, tt.want)
				}
				unread.conns.Range(func(any, any) bool { t.Error("a connection is kept"); return false })
			})
		})
	}
}
