package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"parley/wire/proto"
)

// What went wrong with a connection is said in words, and without anybody's address.
func TestFaultsOfConnectionsAreSaidInWords(t *testing.T) {
	broken := func(err error) error {
		at := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
		return &url.Error{Op: "Get", URL: "https://meet.test", Err: &net.OpError{Op: "read", Net: "tcp", Source: at, Addr: at, Err: os.NewSyscallError("read", err)}}
	}
	for _, tt := range []struct {
		err  error
		code proto.Code
		want string
	}{
		{fmt.Errorf("asking: %w", context.DeadlineExceeded), "", "no answer in time"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, "", "no answer in time"},
		{broken(syscall.ETIMEDOUT), "", "no answer in time"},
		{broken(syscall.ECONNRESET), "", "the connection was cut on the way"},
		{broken(syscall.ECONNREFUSED), "", "the connection was refused"},
		{broken(syscall.ENETUNREACH), "", "this computer has no way there"},
		{&url.Error{Op: "Get", URL: "https://meet.test", Err: io.EOF}, "", "the connection was closed without an answer"},
		{&url.Error{Op: "Get", URL: "https://meet.test", Err: &net.DNSError{Name: "meet.test", IsNotFound: true}}, "", "the name meet.test is not known"},
		{&url.Error{Op: "Get", URL: "https://meet.test", Err: &net.DNSError{Name: "meet.test", IsTimeout: true}}, "", "no name server answers for meet.test"},
		{proto.NewError(proto.CodeFull, "The meeting is full."), proto.CodeFull, "The meeting is full."},
		{errors.New("something else"), "", "something else"},
	} {
		if code, text := blame(tt.err); code != tt.code || text != tt.want {
			t.Errorf("%v: %q, %q, want %q, %q", tt.err, code, text, tt.code, tt.want)
		}
	}
}
