package stun

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"testing"
)

func TestIntegrityIsAnHMAC(t *testing.T) {
	for _, n := range []int{0, 1, 22, 63, 64, 65, 200} {
		for _, length := range []int{HeaderLen, 60, 1200, 1280, 1281, 5000} {
			key, msg := bytes.Repeat([]byte{0xa7}, n), bytes.Repeat([]byte{3, 200, 17}, length)[:length]
			want := bytes.Clone(msg)
			binary.BigEndian.PutUint16(want[2:], uint16(length-HeaderLen+4+integrityLen))
			h := hmac.New(sha1.New, key)
			h.Write(want)
			if got := appendIntegrity([]byte("before"), msg, key); !bytes.Equal(got, h.Sum([]byte("before"))) {
				t.Errorf("key of %d, message of %d bytes: %x", n, length, got)
			}
			if !bytes.Equal(msg[2:4], bytes.Repeat([]byte{3, 200, 17}, 2)[2:4]) {
				t.Error("the message was changed")
			}
		}
	}
}

func TestIntegrityAllocatesNothing(t *testing.T) {
	key, msg := []byte("a password of an ICE agent"), make([]byte, 100)
	var sum [integrityLen]byte
	if n := testing.AllocsPerRun(100, func() { appendIntegrity(sum[:0], msg, key) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
