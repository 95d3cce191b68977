package link

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener accepts one end of each pipe it is given.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l pipeListener) Close() error   { close(l); return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// Who sends a body a byte a second would keep a connection and a goroutine for as long as they like.
func TestABodyThatNeverEndsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan error, 1)
		srv := HTTPServer(LimitBody(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
		})), nil)
		l := make(pipeListener, 1)
		go srv.Serve(l)
		here, there := net.Pipe()
		l <- there
		go io.Copy(io.Discard, here)
		io.WriteString(here, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
		began := time.Now()
		var writer sync.WaitGroup
		writer.Go(func() {
			for {
				if _, err := here.Write([]byte{'x'}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		if err := <-read; err == nil {
			t.Error("the body was read to its end")
		}
		if took := time.Since(began); took > bodyTimeout+time.Second {
			t.Errorf("cut off after %v", took)
		}
		here.Close()
		srv.Close()
		writer.Wait() // in the bubble, where its last sleep passes
	})
}

// A connection goes on after a request with a body, for as long as it is used.
func TestTheBodysDeadlineEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := HTTPServer(LimitBody(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })), nil)
		l := make(pipeListener, 1)
		go srv.Serve(l)
		here, there := net.Pipe()
		l <- there
		c := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return here, nil }, MaxConnsPerHost: 1}}
		for range 3 {
			resp, err := c.Post("http://x/", "text/plain", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil {
				t.Errorf("answer %q, %v", b, err)
			}
			resp.Body.Close()
			time.Sleep(bodyTimeout * 3 / 2)
		}
		c.CloseIdleConnections()
		srv.Close()
	})
}
