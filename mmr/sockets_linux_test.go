package mmr

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"parley/sys/link"
	"parley/sys/rtc"
)

// A plane without the privilege to ask for more than the system's limit says so when it begins to run.
func TestRunWarnsOfASmallReceiveBuffer(t *testing.T) {
	cert, err := rtc.NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	var p *Plane
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends without the privilege, and with this function
		// capset(2), version 3: of this thread, none.
		header, none := [2]uint32{0x2008_0522, 0}, [6]uint32{}
		var err error
		_, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
		if err = errno; errno == 0 {
			p, err = NewPlane(PlaneConfig{
				Host: link.Real(), Certificate: cert, Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, NoTCP: true,
				Log: slog.New(slog.NewTextHandler(&said, nil)),
			})
		}
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	s, ok := p.Sockets()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
	if !ok || s.Receive >= link.SocketBuffer {
		t.Skipf("this system grants anybody %d bytes", s.Receive)
	}
	if !strings.Contains(said.String(), "receive buffer is smaller") {
		t.Errorf("with a buffer of %d bytes it said %q", s.Receive, said.String())
	}
}
