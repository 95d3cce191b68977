package mmr

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"parley/sys/link"
)

// The operator is told at the start, in words that say what to do, where bursts have little room.
func TestASmallReceiveBufferIsWarnedOf(t *testing.T) {
	asked := strconv.Itoa(link.SocketBuffer)
	for _, c := range []struct {
		receive int
		want    string
	}{
		{212992, "receive buffer is smaller than asked for: bursts may be lost; raise the limit\" bytes=212992 asked=" + asked + " limit=net.core.rmem_max"},
		{link.SocketBuffer - 1, " asked=" + asked},
		{link.SocketBuffer, ""},
		{2 * link.SocketBuffer, ""},
		{0, ""}, // the system does not say
	} {
		var b bytes.Buffer
		Sockets{Receive: c.receive}.warn(slog.New(slog.NewTextHandler(&b, nil)))
		if got := b.String(); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%d bytes: said %q, want %q", c.receive, got, c.want)
		}
	}
}
